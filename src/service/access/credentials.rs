//! Names and passwords: those that a request carries, and those that the server accepts.
//!
//! RFC 7617 (Basic), RFC 9110 §11 (authentication), RFC 4648 §4 (Base64).
//!
//! ```text
//! credentials = "Basic" 1*SP base64( user-id ":" password )      ; the scheme in any case
//! ```
//!
//! No password is kept in clear: the server keeps the bcrypt hash of a password file, or a keyed digest (`Digest`).
//! Neither type can be printed.
//!
//! A comparison must not tell by its duration how much was right. Digests are 128 bits under keys drawn at start, so
//! two credentials that differ in one byte have nothing in common. They are compared without a branch, and all known
//! digests are compared, so an unknown user takes as long as a known one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::http::Request;
use crate::http::grammar::is_ows;
use crate::service::access::htpasswd;
use crate::service::access::htpasswd::{Bcrypt, CONTROL_BYTE, HtpasswdError, NO_COLON};

/// The credentials of a request: the bytes `user:password`.
///
/// The challenge asks for UTF-8 (RFC 7617 §2.1), but nothing here depends on it: equal bytes are equal credentials, and
/// a client that sends Latin-1 gets 401 like any other that does not match.
pub struct Credential {
    bytes: Vec<u8>,
    colon: usize,
}

impl Credential {
    /// The Basic credentials of a request; `None` if there are none that can be read. Two Authorization lines count as
    /// none, since a proxy and this server could each use another one.
    pub fn of(request: &Request<'_>) -> Option<Credential> {
        Credential::parse(request.field("authorization")?)
    }

    /// Reads the value of an Authorization field.
    pub fn parse(value: &[u8]) -> Option<Credential> {
        // The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 §11.4).
        let space = value.iter().position(|&b| is_ows(b))?;
        let (scheme, rest) = value.split_at(space);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        // Exactly padded Base64 only: else several texts would be the same credentials.
        Credential::new(STANDARD.decode(rest.trim_ascii_start()).ok()?)
    }

    /// Splits `user:password` at the first colon, so a password may contain colons. Control bytes are refused.
    fn new(bytes: Vec<u8>) -> Option<Credential> {
        let colon = bytes.iter().position(|&b| b == b':')?;
        // RFC 7617 §2 forbids control bytes. NUL is a danger: bcrypt repeats a password with its NUL until 72 bytes are
        // full, so it takes `a` and `a NUL a` for the same password.
        (!bytes.iter().any(u8::is_ascii_control)).then_some(Credential { bytes, colon })
    }

    /// The user.
    pub fn user(&self) -> &[u8] {
        &self.bytes[..self.colon]
    }

    /// The password.
    pub(crate) fn password(&self) -> &[u8] {
        &self.bytes[self.colon + 1..]
    }
}

/// 128 bits of a keyed hash of whole credentials. The keys never leave this process; without them nobody can find
/// credentials of a given digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(u128);

/// The password of one user.
enum Secret {
    /// From `--auth`: the digest of `user:password`.
    Plain(Digest),
    /// From a password file.
    Hashed(Bcrypt),
}

/// All users who may sign in. A user is known by an index, from 0.
#[derive(Default)]
pub struct Credentials {
    /// Two keys of 64 bits of digest each, drawn at random.
    keys: [RandomState; 2],
    indices: HashMap<Box<[u8]>, usize>,
    secrets: Vec<Secret>,
    /// The highest cost of all hashes; `None` when no user has one.
    top_cost: Option<u32>,
}

impl Credentials {
    /// No users.
    pub fn new() -> Credentials {
        Credentials::default()
    }

    /// Adds a user by `USER:PASS`.
    ///
    /// # Errors
    /// The reason why the text is probably a mistake.
    pub fn add(&mut self, text: &str) -> Result<(), HtpasswdError> {
        let error = |reason| HtpasswdError::new(None, reason);
        if !text.contains(':') {
            return Err(error(NO_COLON));
        }
        let credential = Credential::new(text.into()).ok_or(error(CONTROL_BYTE))?;
        // `--auth "ann:$SECRET"` with an empty variable would accept every client that knows the name.
        if credential.password().is_empty() {
            return Err(error("the password is empty"));
        }
        // Taken as a password, a hash would be useless to its user and useful to a thief of the hash.
        if Bcrypt::parse(credential.password()).is_ok() {
            return Err(error("that is a hash and not a password; hashes belong in a file (--auth-file)"));
        }
        let digest = self.digest(&credential);
        self.insert(credential.user(), Secret::Plain(digest), None)
    }

    /// Adds the users of an htpasswd file.
    ///
    /// # Errors
    /// The first line that cannot be used, and why.
    pub fn add_htpasswd(&mut self, file: &[u8]) -> Result<(), HtpasswdError> {
        for line in htpasswd::lines(file) {
            let line = line?;
            // No client can send such a name (RFC 7617 §2), so the line is a mistake.
            if line.user.iter().any(u8::is_ascii_control) {
                return Err(HtpasswdError::new(Some(line.number), CONTROL_BYTE));
            }
            // Every check takes as long as the highest cost of all.
            self.top_cost = self.top_cost.max(Some(line.hash.cost()));
            self.insert(line.user, Secret::Hashed(line.hash), Some(line.number))?;
        }
        Ok(())
    }

    fn insert(&mut self, user: &[u8], secret: Secret, line: Option<usize>) -> Result<(), HtpasswdError> {
        // A second password of a user would either work without being noticed, or silently not work.
        if self.indices.contains_key(user) {
            let user = user.escape_ascii().to_string();
            return Err(HtpasswdError::new(line, format!("the user {user:?} is there twice")));
        }
        // The index of a user is the position of the secret.
        self.indices.insert(user.into(), self.secrets.len());
        self.secrets.push(secret);
        Ok(())
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The digest of these credentials.
    pub(crate) fn digest(&self, credential: &Credential) -> Digest {
        // SipHash gives 64 bits a key. The whole credential is hashed, so equal passwords of two users differ.
        let [high, low] = self.keys.each_ref().map(|key| u128::from(key.hash_one(&*credential.bytes)));
        Digest(high << 64 | low)
    }

    /// The user with these credentials, among those whose password was given in clear.
    pub(crate) fn find_plain(&self, digest: Digest) -> Option<usize> {
        let mut found = u64::MAX;
        // All users are compared, without a branch: the time must not depend on which of them matches.
        for (index, secret) in (0..).zip(&self.secrets) {
            if let Secret::Plain(known) = secret {
                found.conditional_assign(&index, known.0.ct_eq(&digest.0));
            }
        }
        // Nothing was found if it still has its first value.
        usize::try_from(found).ok().filter(|&index| index < self.secrets.len())
    }

    /// Whether a user is known by a hash, which is slow to check.
    pub(crate) fn has_hashes(&self) -> bool {
        self.top_cost.is_some()
    }

    /// The user with these credentials, among those of a password file. Blocks, equally long for every user.
    pub(crate) fn find_hashed(&self, credential: &Credential) -> Option<usize> {
        let top_cost = self.top_cost?;
        let index = self.indices.get(credential.user()).copied();
        match index.and_then(|index| self.secrets.get(index)) {
            Some(Secret::Hashed(hash)) => index.filter(|_| hash.verify(credential.password(), top_cost)),
            // The same work for an unknown user, so that the time does not tell which names exist.
            _ => {
                htpasswd::spend(credential.password(), top_cost);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
