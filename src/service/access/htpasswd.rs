//! A password file as Apache's `htpasswd -B` writes it, and bcrypt, the only hash that it may contain.
//!
//! ```text
//! # a comment
//! ann:$2y$10$…22 characters of salt……31 characters of hash…
//! ```
//!
//! A file with MD5, SHA-1, crypt or clear text is refused at start, with the number of the line. To skip the line would
//! lock a user out silently; to accept it would keep passwords in a form that a thief of the file can break within
//! hours.
//!
//! Hashes of one file may have different costs, and a shorter check would tell which user was meant. So every check
//! takes as long as the one of the highest cost (`Bcrypt::verify`): after a hash of cost c, hashes of cost c, c+1, …
//! top−1 are computed for nothing, and 2^c + 2^c + 2^(c+1) + … + 2^(top−1) is exactly 2^top.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::NO_PAD};
use subtle::ConstantTimeEq;

use crate::http::grammar::decimal;

/// The costs that are accepted. Below 4 there is no bcrypt. 17 is the most that `htpasswd` writes, and takes seconds;
/// above it one mistyped digit would keep a worker busy for minutes.
const COSTS: std::ops::RangeInclusive<u64> = 4..=17;
/// Bytes of a password that bcrypt reads.
const PASSWORD_BYTES: usize = 72;
/// Bytes of a hash in its text form.
const TEXT_BYTES: usize = 60;
const DAMAGED: &str = "the bcrypt hash is damaged";
/// The reason for text without a colon between user and password.
pub(crate) const NO_COLON: &str = "there is no colon between user and password";
/// The reason for a control byte.
pub(crate) const CONTROL_BYTE: &str = "there is a control character in it, which no client can send";
/// The salt of hashes that are computed only to take time.
const UNUSED_SALT: [u8; 16] = *b"nobody's salt...";

/// bcrypt's own alphabet. Some programs leave random bits at the end of the salt, which mean nothing; a file with such
/// bits works elsewhere, so it works here.
const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// A user who cannot be added, by `--auth` or by a password file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtpasswdError {
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// Why the user cannot be added. It never contains a password or a hash, since it is shown and logged.
    pub reason: Cow<'static, str>,
}

impl HtpasswdError {
    pub(crate) fn new(line: Option<usize>, reason: impl Into<Cow<'static, str>>) -> HtpasswdError {
        HtpasswdError { line, reason: reason.into() }
    }
}

impl fmt::Display for HtpasswdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for HtpasswdError {}

/// One bcrypt hash.
#[derive(Clone)]
pub(crate) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl Bcrypt {
    /// Reads `$2y$10$…`. `$2a$` and `$2b$` are other names of the same hash; `$2x$` marks hashes of a faulty program
    /// and is refused.
    pub(crate) fn parse(text: &[u8]) -> Result<Bcrypt, Cow<'static, str>> {
        // The start of the text tells a password or another hash from a damaged bcrypt hash.
        if !matches!(text, [b'$', b'2', b'a' | b'b' | b'y', b'$', ..]) {
            return Err(format!("{}; only bcrypt is taken (htpasswd -B makes it)", kind(text)).into());
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

    /// The binary logarithm of the rounds.
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether `password` is right. Blocks as long as a hash of cost `top_cost` takes.
    pub(crate) fn verify(&self, password: &[u8], top_cost: u32) -> bool {
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
pub(crate) fn spend(password: &[u8], top_cost: u32) {
    black_box(bcrypt_of(top_cost, UNUSED_SALT, password));
}

fn bcrypt_of(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 24] {
    #[cfg(test)]
    crate::service::testing::bcrypt_work::add(1 << cost);
    // bcrypt reads the password and the NUL that ends it, at most 72 bytes together.
    let mut bytes = [0; PASSWORD_BYTES];
    let len = password.len().min(PASSWORD_BYTES);
    bytes[..len].copy_from_slice(&password[..len]);
    bcrypt::bcrypt(cost, salt, &bytes[..(len + 1).min(PASSWORD_BYTES)])
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

/// One user of a file. Names are bytes, as in a request.
pub(crate) struct UserLine<'a> {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) user: &'a [u8],
    pub(crate) hash: Bcrypt,
}

/// The users of a file.
pub(crate) fn lines(file: &[u8]) -> impl Iterator<Item = Result<UserLine<'_>, HtpasswdError>> {
    file.split(|&b| b == b'\n').enumerate().filter_map(|(at, line)| {
        // Trimmed, since a file that was edited on Windows has a CR at the end of each line.
        let (number, line) = (at + 1, line.trim_ascii());
        // The number counts these lines too, so that an editor shows the same one.
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let mut parts = line.split(|&b| b == b':');
        // A second colon ends the hash, and a remark follows (as for nginx).
        let (user, hash) = (parts.next().unwrap_or_default(), parts.next());
        let parsed = hash.ok_or(NO_COLON.into()).and_then(Bcrypt::parse);
        let error = |reason| HtpasswdError::new(Some(number), reason);
        Some(parsed.map(|hash| UserLine { number, user, hash }).map_err(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::bcrypt_work as work;

    /// `cost` and `password` as a line of a file has them.
    fn made(password: &str, cost: u32) -> String {
        bcrypt::hash(password, cost).unwrap()
    }

    fn parse(text: &str) -> Bcrypt {
        Bcrypt::parse(text.as_bytes()).unwrap_or_else(|reason| panic!("{text}: {reason:?}"))
    }

    #[test]
    fn hashes_of_other_programs_are_read_as_they_were_meant() {
        // From the test vectors of crypt_blowfish.
        for (hash, password) in [
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
            // Bits at the end of the salt that mean nothing.
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC/VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
            ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", ""),
        ] {
            let hash = parse(hash);
            assert!(hash.verify(password.as_bytes(), 5), "{password}");
            assert!(!hash.verify(b"U*u", 5));
        }
        for version in ["2a", "2b", "2y"] {
            let text = made("secret", 4).replacen("2b", version, 1);
            assert!(parse(&text).verify(b"secret", 4), "{version}");
        }
    }

    #[test]
    fn a_higher_cost_in_the_file_changes_the_work_and_not_the_result() {
        let hash = parse(&made("secret", 4));
        for top in 4..8 {
            for (password, right) in [("secret", true), ("Secret", false), ("", false)] {
                let (work, verdict) = work::of(|| hash.verify(password.as_bytes(), top));
                assert_eq!((work, verdict), (1 << top, right), "{password} {top}");
            }
            assert_eq!(work::of(|| spend(b"secret", top)).0, 1 << top);
        }
    }

    #[test]
    fn a_long_password_counts_as_far_as_bcrypt_looks_and_panics_nowhere() {
        let long = "x".repeat(100);
        let hash = parse(&made(&long, 4));
        assert!(hash.verify(long.as_bytes(), 4) && hash.verify(&[b'x'; 72], 4));
        assert!(!hash.verify(&[b'x'; 71], 4) && !hash.verify(b"", 4));
        spend(b"", 4);
        spend(&[b'x'; 20_000], 4);
    }

    #[test]
    fn a_hash_that_is_not_bcrypt_is_refused_and_named() {
        let good = made("x", 4);
        for (text, reason) in [
            ("$apr1$1hQxE6jR$2r7Qm7jV1xqK0mJq3h3cC.", "an MD5 hash"),
            ("$1$abc$def", "an MD5 hash"),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "a SHA-1 hash"),
            ("{SSHA}abc", "a SHA-1 hash"),
            ("$5$rounds=1000$a$b", "a SHA-2 crypt hash"),
            ("$argon2id$v=19$x", "a hash of another kind"),
            ("rqXexS6ZhobKA", "no hash of a kind that is safe to keep"),
            ("secret", "no hash of a kind that is safe to keep"),
            ("", "no hash of a kind that is safe to keep"),
            (&good.replacen("2b", "2x", 1), "bcrypt of a faulty program ($2x$)"),
            (&good[..59], DAMAGED),
            (&format!("{good}."), DAMAGED),
            (&good.replace("$04$", "$+4$"), "the cost of the bcrypt hash is not between 04 and 17"),
            (&good.replace("$04$", "$03$"), "the cost of the bcrypt hash is not between 04 and 17"),
            (&good.replace("$04$", "$18$"), "the cost of the bcrypt hash is not between 04 and 17"),
            (&good.replace("$04$", "$31$"), "the cost of the bcrypt hash is not between 04 and 17"),
            (&good.replace("$04$", "$04="), DAMAGED),
            (&format!("{}!{}", &good[..20], &good[21..]), DAMAGED),
            (&format!("{}é{}", &good[..20], &good[22..]), DAMAGED),
        ] {
            let error = Bcrypt::parse(text.as_bytes()).map(|_| ()).unwrap_err();
            let error = error.strip_suffix("; only bcrypt is taken (htpasswd -B makes it)").unwrap_or(&error);
            assert_eq!(error, reason, "{text}");
        }
    }

    #[test]
    fn a_file_has_comments_remarks_and_line_ends_of_every_kind() {
        let hash = made("x", 4);
        let file = format!("# who\r\n\n  \nann:{hash}\r\nb\u{f6}b:{hash}:a remark\n:{hash}\n  #x:y\nlast:{hash}");
        let users: Vec<(usize, Vec<u8>)> =
            lines(file.as_bytes()).map(|l| l.map(|l| (l.number, l.user.to_vec())).unwrap()).collect();
        let want: [(usize, &[u8]); 4] = [(4, b"ann"), (5, "b\u{f6}b".as_bytes()), (6, b""), (8, b"last")];
        assert_eq!(users, want.map(|(n, u)| (n, u.to_vec())));
        let broken = format!("ann:{hash}\n\nbob");
        let error = lines(broken.as_bytes()).find_map(Result::err).unwrap();
        assert_eq!((error.line, error.reason), (Some(3), NO_COLON.into()));
    }
}
