//! Names and passwords: those that a request carries, and those that the server accepts.
//!
//! RFC 7617 (Basic), RFC 9110 §11 (authentication), RFC 4648 §4 (Base64).
//!
//! ```text
//! credentials = "Basic" 1*SP base64( user-id ":" password )      ; the scheme in any case
//! ```
//!
//! No password is kept in clear: the server keeps a keyed digest (`Digest`), or the bcrypt hash of a password file as
//! Apache's `htpasswd -B` writes it (`Bcrypt`). Neither can be printed. A file with MD5, SHA-1, crypt or clear text is
//! refused at start, with the number of the line: a thief of the file could break those within hours.
//!
//! The duration of a comparison must not show how much was right. Digests are 128 bits under keys drawn at start, so
//! two credentials that differ in one byte have nothing in common. All known digests are compared, without a branch.
//! Every check of a hash takes as long as the one of the highest cost: after a hash of cost c, hashes of cost c, c+1, …
//! top−1 are computed for nothing, and 2^c + 2^c + 2^(c+1) + … + 2^(top−1) is exactly 2^top.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD, STANDARD};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::http::{
    Request,
    grammar::{decimal, is_ows},
};

/// The costs that are accepted. Below 4 there is no bcrypt. 17 is the most that `htpasswd` writes, and takes seconds;
/// above it one mistyped digit would keep a worker busy for minutes.
const COSTS: std::ops::RangeInclusive<u64> = 4..=17;
/// Bytes of a password that bcrypt reads.
#[cfg(feature = "bcrypt")]
const PASSWORD_BYTES: usize = 72;
/// Bytes of a hash in its text form.
const TEXT_BYTES: usize = 60;
/// The salt of hashes that are computed only to take time.
const UNUSED_SALT: [u8; 16] = *b"nobody's salt...";

/// bcrypt's own alphabet. Some programs leave random bits at the end of the salt, which mean nothing; a file with such
/// bits works elsewhere, so it works here.
const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// Why a user cannot be added. These texts never contain a password or a hash, since they are shown and logged.
const NO_COLON: &str = "there is no colon between user and password";
const CONTROL_BYTE: &str = "there is a control character in it, which no client can send";
const DAMAGED: &str = "the bcrypt hash is damaged";
const NO_BCRYPT: &str = "hashes need a build with the feature `bcrypt`";

/// The credentials of a request: the bytes `user:password`.
///
/// The challenge asks for UTF-8 (RFC 7617 §2.1), but nothing here depends on it: equal bytes are equal credentials, and
/// a client that sends Latin-1 gets 401 like any other that does not match. Only the log tells it apart.
pub struct Credential {
    bytes: Vec<u8>,
    colon: usize,
}

impl Credential {
    /// The Basic credentials of a request. Two Authorization lines are none: a proxy might use the other one.
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

    /// Whether it is UTF-8, as the challenge asks for.
    pub(crate) fn is_utf8(&self) -> bool {
        str::from_utf8(&self.bytes).is_ok()
    }

    pub(crate) fn password(&self) -> &[u8] {
        &self.bytes[self.colon + 1..]
    }
}

/// 128 bits of a keyed hash of whole credentials. The keys never leave this process; without them a client cannot find
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
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if !text.contains(':') {
            return Err(NO_COLON.into());
        }
        let credential = Credential::new(text.into()).ok_or(CONTROL_BYTE)?;
        // `--auth "ann:$SECRET"` with an empty variable would accept every client that knows the name.
        if credential.password().is_empty() {
            return Err("the password is empty".into());
        }
        // Taken as a password, a hash would be useless to its user and useful to a thief of the hash.
        if Bcrypt::parse(credential.password()).is_ok() {
            return Err("that is a hash and not a password; hashes belong in a file (--auth-file)".into());
        }
        let digest = self.digest(&credential);
        self.insert(credential.user(), Secret::Plain(digest))
    }

    /// Adds the users of an htpasswd file. Needs the feature `bcrypt`.
    ///
    /// # Errors
    /// The first line that cannot be used, and why.
    pub fn add_htpasswd(&mut self, file: &[u8]) -> Result<(), String> {
        // Some editors on Windows begin a file with a byte order mark, which would become part of the first name.
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        for (at, line) in file.split(|&b| b == b'\n').enumerate() {
            // Trimmed, since a file that was edited on Windows has a CR at the end of each line.
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") {
                self.add_line(line).map_err(|reason| format!("line {}: {reason}", at + 1))?;
            }
        }
        Ok(())
    }

    /// Adds the user of one line of such a file: `ann:$2y$10$…22 characters of salt……31 characters of hash…`.
    fn add_line(&mut self, line: &[u8]) -> Result<(), String> {
        if !cfg!(feature = "bcrypt") {
            return Err(NO_BCRYPT.into());
        }
        // A second colon ends the hash, and a remark follows (as for nginx).
        let mut parts = line.split(|&b| b == b':');
        let user = parts.next().unwrap_or_default();
        let hash = Bcrypt::parse(parts.next().ok_or(NO_COLON)?)?;
        // No client can send such a name (RFC 7617 §2), so the line is a mistake.
        if user.iter().any(u8::is_ascii_control) {
            return Err(CONTROL_BYTE.into());
        }
        // Every check takes as long as the highest cost of all.
        self.top_cost = self.top_cost.max(Some(hash.cost));
        self.insert(user, Secret::Hashed(hash))
    }

    fn insert(&mut self, user: &[u8], secret: Secret) -> Result<(), String> {
        // A second password of a user would either work without being noticed, or silently not work.
        if self.indices.contains_key(user) {
            return Err(format!("the user {:?} is there twice", user.escape_ascii().to_string()));
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
                spend(credential.password(), top_cost);
                None
            }
        }
    }
}

struct Bcrypt {
    /// The binary logarithm of the rounds.
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl Bcrypt {
    /// Reads `$2y$10$…`. `$2a$` and `$2b$` are other names of the same hash; `$2x$` marks hashes of a faulty program
    /// and is refused.
    fn parse(text: &[u8]) -> Result<Bcrypt, String> {
        // The start of the text tells a password or another hash from a damaged bcrypt hash.
        if !matches!(text, [b'$', b'2', b'a' | b'b' | b'y', b'$', ..]) {
            return Err(format!("{}; only bcrypt is taken (htpasswd -B makes it)", kind(text)));
        }
        let (cost, rest) = match text {
            [_, _, _, _, ten, one, b'$', rest @ ..] if text.len() == TEXT_BYTES => ([*ten, *one], rest),
            _ => return Err(DAMAGED.into()),
        };
        // Exactly two digits: `+4` is a number for some parsers, and no cost.
        let cost = decimal(&cost).filter(|cost| COSTS.contains(cost));
        let cost = cost.ok_or("the cost of the bcrypt hash is not between 04 and 17")?;
        // The length was checked, so there are 22 + 31 bytes.
        let (salt, hash) = rest.split_at(22);
        let decode = |text: &[u8]| BASE64.decode(text).map_err(|_| DAMAGED);
        let (salt, hash) = (decode(salt)?.try_into(), decode(hash)?.try_into());
        Ok(Bcrypt { cost: cost as u32, salt: salt.map_err(|_| DAMAGED)?, hash: hash.map_err(|_| DAMAGED)? })
    }

    /// Whether `password` is right. Blocks as long as a hash of cost `top_cost` takes.
    fn verify(&self, password: &[u8], top_cost: u32) -> bool {
        let made = bcrypt_of(self.cost, self.salt, password);
        for cost in self.cost..top_cost {
            // `black_box`: else the compiler could leave out work that has no result.
            black_box(bcrypt_of(cost, UNUSED_SALT, password));
        }
        // bcrypt's text form keeps 23 of its 24 bytes.
        made[..23].ct_eq(&self.hash).into()
    }
}

/// Takes as long as [`Bcrypt::verify`], for a user who does not exist.
fn spend(password: &[u8], top_cost: u32) {
    black_box(bcrypt_of(top_cost, UNUSED_SALT, password));
}

#[cfg(feature = "bcrypt")]
fn bcrypt_of(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 24] {
    #[cfg(test)]
    crate::service::testing::bcrypt_work::add(1 << cost);
    // bcrypt reads the password and the NUL that ends it, at most 72 bytes together.
    let mut bytes = [0; PASSWORD_BYTES];
    let len = password.len().min(PASSWORD_BYTES);
    bytes[..len].copy_from_slice(&password[..len]);
    bcrypt::bcrypt(cost, salt, &bytes[..(len + 1).min(PASSWORD_BYTES)])
}

/// Without the feature no hash can be added, so none is ever checked.
#[cfg(not(feature = "bcrypt"))]
fn bcrypt_of(_: u32, _: [u8; 16], _: &[u8]) -> [u8; 24] {
    unreachable!("{NO_BCRYPT}")
}

/// The name of the hash that stands in the place of bcrypt.
fn kind(text: &[u8]) -> &'static str {
    match text {
        [b'$', b'2', b'x', b'$', ..] => "bcrypt of a faulty program ($2x$)",
        [b'$', b'a', b'p', b'r', b'1', b'$', ..] | [b'$', b'1', b'$', ..] => "an MD5 hash",
        [b'{', b'S', ..] => "a SHA-1 hash",
        [b'$', b'5' | b'6', b'$', ..] => "a SHA-2 crypt hash",
        [b'$', ..] => "a hash of another kind",
        _ => "no hash of a kind that is safe to keep",
    }
}

#[cfg(test)]
mod tests;
