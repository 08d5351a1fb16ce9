//! Names and passwords: what a request carries, and what is known here to compare it with.
//!
//! RFC 7617 (Basic), RFC 9110 §11 (authentication), RFC 4648 §4 (Base64).
//!
//! ```text
//! credentials = "Basic" 1*SP base64( user-id ":" password )      ; the scheme in any case
//! ```
//!
//! Never: a password in clear once the command line has been read. What is kept is bcrypt's hash or a
//! keyed digest (`Digest`), and neither type can be printed.
//!
//! The subtle thing: comparing must not tell by its duration how much was right. Two digests under keys
//! drawn at start are equally long, share nothing when the credentials differ by one byte, and are
//! compared as one number without a branch; every known digest is looked at, so an unknown user costs
//! what a known one costs.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::http::Request;
use crate::http::grammar::is_ows;
use crate::service::access::htpasswd;
use crate::service::access::htpasswd::Bcrypt;
use crate::service::access::unfit::{Unfit, Why};

/// What a request says about who sends it: `user:password`, as bytes.
///
/// The challenge asks for UTF-8 (RFC 7617 §2.1), but nothing here depends on it: the same bytes are the
/// same credentials, and a client that sends Latin-1 is told 401 like any other that does not match.
pub struct Credential {
    bytes: Vec<u8>,
    colon: usize,
}

impl Credential {
    /// The Basic credentials of a request; `None` if there are none, or none that can be read. Two
    /// Authorization lines are none: proxy and server could each believe another one.
    pub fn of(request: &Request<'_>) -> Option<Credential> {
        Credential::parse(request.field("authorization")?)
    }

    /// Reads the value of an Authorization field.
    pub fn parse(value: &[u8]) -> Option<Credential> {
        let space = value.iter().position(|&o| is_ows(o))?;
        let (scheme, rest) = value.split_at(space);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        Credential::new(STANDARD.decode(rest.trim_ascii_start()).ok()?)
    }

    /// `user:password`; the user ends at the first colon, so a password may have more of them.
    ///
    /// Control bytes are refused (RFC 7617 §2 forbids them). The one that matters is NUL: bcrypt repeats
    /// a password with its NUL until 72 bytes are full, so to it `a` and `a NUL a` are the same.
    fn new(bytes: Vec<u8>) -> Option<Credential> {
        let colon = bytes.iter().position(|&o| o == b':')?;
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

/// A whole credential as a number: 128 bits of a keyed hash. Without the keys, which never leave this
/// process, two credentials of one digest cannot be found, nor a credential from its digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(u128);

/// The keys of the digests, drawn anew at every start.
struct Keys([RandomState; 2]);

impl Keys {
    fn digest(&self, bytes: &[u8]) -> Digest {
        let [high, low] = self.0.each_ref().map(|keys| u128::from(keys.hash_one(bytes)));
        Digest(high << 64 | low)
    }
}

/// What is known of one user.
enum Secret {
    /// From `--auth`: the digest of `user:password`.
    Plain(Digest),
    /// From a password file.
    Hashed(Bcrypt),
}

/// Which user of the table.
pub(crate) type Place = usize;

/// Everybody who may sign in.
pub struct Credentials {
    keys: Keys,
    places: HashMap<Box<[u8]>, Place>,
    secrets: Vec<Secret>,
    /// The cost of the dearest hash; `None` when no user has one.
    top: Option<u32>,
}

impl Default for Credentials {
    fn default() -> Credentials {
        let keys = Keys([RandomState::new(), RandomState::new()]);
        Credentials { keys, places: HashMap::new(), secrets: Vec::new(), top: None }
    }
}

impl Credentials {
    /// Nobody yet.
    pub fn new() -> Credentials {
        Credentials::default()
    }

    /// Adds `USER:PASS`.
    ///
    /// # Errors
    /// Why it cannot be what was meant.
    pub fn add(&mut self, text: &str) -> Result<(), Unfit> {
        let unfit = |why| Unfit { line: None, why };
        if !text.contains(':') {
            return Err(unfit(Why::NoColon));
        }
        let credential = Credential::new(text.into()).ok_or(unfit(Why::Control))?;
        if credential.password().is_empty() {
            // `--auth "ann:$SECRET"` with an empty variable would open the door to everybody.
            return Err(unfit(Why::NoPassword));
        }
        if Bcrypt::parse(credential.password()).is_ok() {
            // Taken for the password itself it would let nobody in but whoever has read the hash.
            return Err(unfit(Why::HashAsPassword));
        }
        let digest = self.keys.digest(&credential.bytes);
        self.insert(credential.user(), Secret::Plain(digest), None)
    }

    /// Adds the users of an htpasswd file.
    ///
    /// # Errors
    /// The first line that cannot be used, and why.
    pub fn add_htpasswd(&mut self, file: &[u8]) -> Result<(), Unfit> {
        for line in htpasswd::lines(file) {
            let line = line?;
            if line.user.iter().any(u8::is_ascii_control) {
                return Err(Unfit { line: Some(line.number), why: Why::Control });
            }
            self.top = self.top.max(Some(line.hash.cost()));
            self.insert(line.user, Secret::Hashed(line.hash), Some(line.number))?;
        }
        Ok(())
    }

    /// A second line for a user would be a second password that works, or one that silently does not.
    fn insert(&mut self, user: &[u8], secret: Secret, line: Option<usize>) -> Result<(), Unfit> {
        if self.places.contains_key(user) {
            return Err(Unfit { line, why: Why::Twice(user.escape_ascii().to_string()) });
        }
        self.places.insert(user.into(), self.secrets.len());
        self.secrets.push(secret);
        Ok(())
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Whether nobody could sign in.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The credential as a number.
    pub(crate) fn digest(&self, credential: &Credential) -> Digest {
        self.keys.digest(&credential.bytes)
    }

    /// Who has this credential, of those whose password was given in clear. Looks at all of them.
    pub(crate) fn find_plain(&self, digest: Digest) -> Option<Place> {
        let mut found = u64::MAX;
        for (place, secret) in (0..).zip(&self.secrets) {
            if let Secret::Plain(known) = secret {
                found.conditional_assign(&place, known.0.ct_eq(&digest.0));
            }
        }
        usize::try_from(found).ok().filter(|&place| place < self.secrets.len())
    }

    /// Whether somebody's password is known only by a hash that is slow to compute.
    pub(crate) fn has_hashes(&self) -> bool {
        self.top.is_some()
    }

    /// Who has this credential, of those in a password file. Blocks, and equally long for everybody.
    pub(crate) fn find_hashed(&self, credential: &Credential) -> Option<Place> {
        let top = self.top?;
        let place = self.places.get(credential.user()).copied();
        match place.and_then(|place| self.secrets.get(place)) {
            Some(Secret::Hashed(hash)) => place.filter(|_| hash.verify(credential.password(), top)),
            _ => {
                htpasswd::pretend(credential.password(), top);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
