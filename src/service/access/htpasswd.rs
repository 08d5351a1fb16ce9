//! A password file as Apache's `htpasswd -B` writes it, and the one hash it may contain: bcrypt.
//!
//! ```text
//! # a comment
//! ann:$2y$10$…22 characters of salt……31 characters of hash…
//! ```
//!
//! Never: MD5, SHA-1, crypt or clear text. A file with such a line is refused at start, with the number
//! of the line: to skip it would lock somebody out without a word, to take it would keep passwords in a
//! form that a stolen file gives away in an afternoon.
//!
//! The subtle thing: hashes of one file may have different costs, and a check that takes half as long
//! names a user. So every check takes as long as the dearest hash of all ([`Bcrypt::verify`]): after a
//! hash of cost c, others of cost c, c+1, … top−1 are computed for nothing, and
//! 2^c + 2^c + 2^(c+1) + … + 2^(top−1) is 2^top exactly.

use std::hint::black_box;

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::NO_PAD};
use subtle::ConstantTimeEq;

use crate::http::grammar::decimal;
use crate::service::access::unfit::{Unfit, Why};

/// The least cost bcrypt has.
const LEAST_COST: u64 = 4;
/// The most that `htpasswd` writes: several seconds a check. Above that a worker would be busy for
/// minutes, and one mistyped digit would stop every sign-in.
const MOST_COST: u64 = 17;
/// Bytes of a password that bcrypt looks at.
const PASSWORD_BYTES: usize = 72;
/// Bytes of a hash in its text form.
const TEXT: usize = 60;
/// The salt for users who are not there; nothing is compared with what comes out.
const NOBODY: [u8; 16] = *b"nobody's salt...";

/// bcrypt's own alphabet. Some implementations leave random bits at the end of the salt, which mean
/// nothing; refusing them would refuse a file that works elsewhere.
const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// One bcrypt hash.
#[derive(Clone)]
pub(crate) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl Bcrypt {
    /// Reads `$2y$10$…`; `$2a$` and `$2b$` are the same hash under older and other names. `$2x$` is not:
    /// it marks hashes made by a faulty program.
    pub(crate) fn parse(text: &[u8]) -> Result<Bcrypt, Why> {
        match text {
            [b'$', b'2', b'a' | b'b' | b'y', b'$', ..] => {}
            [b'$', b'2', b'x', b'$', ..] => return Err(Why::OtherHash("bcrypt of a faulty program ($2x$)")),
            _ => return Err(Why::OtherHash(kind(text))),
        }
        let parts = match text {
            [_, _, _, _, ten, one, b'$', rest @ ..] if text.len() == TEXT => Some(([*ten, *one], rest)),
            _ => None,
        };
        let (cost, rest) = parts.ok_or(Why::BrokenHash)?;
        let cost = decimal(&cost).filter(|cost| (LEAST_COST..=MOST_COST).contains(cost)).ok_or(Why::Cost)?;
        let (salt, hash) = rest.split_at(22);
        let decode = |text: &[u8]| BASE64.decode(text).map_err(|_| Why::BrokenHash);
        Ok(Bcrypt {
            cost: cost as u32,
            salt: decode(salt)?.try_into().map_err(|_| Why::BrokenHash)?,
            hash: decode(hash)?.try_into().map_err(|_| Why::BrokenHash)?,
        })
    }

    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether `password` is the one, with the work of a hash of cost `top`. Blocks, by design.
    pub(crate) fn verify(&self, password: &[u8], top: u32) -> bool {
        let made = raw(self.cost, self.salt, password);
        for cost in self.cost..top {
            black_box(raw(cost, NOBODY, password));
        }
        made[..23].ct_eq(&self.hash).into()
    }
}

/// The same work for a user who is not there.
pub(crate) fn pretend(password: &[u8], top: u32) {
    black_box(raw(top, NOBODY, password));
}

/// bcrypt over the password and the NUL that ends it, as far as it looks.
fn raw(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 24] {
    #[cfg(test)]
    work::add(1 << cost);
    let mut bytes = [0; PASSWORD_BYTES];
    let len = password.len().min(PASSWORD_BYTES);
    bytes[..len].copy_from_slice(&password[..len]);
    bcrypt::bcrypt(cost, salt, &bytes[..(len + 1).min(PASSWORD_BYTES)])
}

/// For tests: how much was hashed, since durations prove nothing.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local!(static DONE: Cell<u64> = const { Cell::new(0) });

    pub(crate) fn add(rounds: u64) {
        DONE.set(DONE.get() + rounds);
    }

    /// The rounds that `then` costs on this thread.
    pub(crate) fn of<T>(then: impl FnOnce() -> T) -> (u64, T) {
        let before = DONE.get();
        let result = then();
        (DONE.get() - before, result)
    }
}

/// What somebody put in the place of a bcrypt hash, for the complaint.
fn kind(text: &[u8]) -> &'static str {
    const KINDS: [(&str, &str); 6] = [
        ("$apr1$", "an MD5 hash"),
        ("$1$", "an MD5 hash"),
        ("{S", "a SHA-1 hash"),
        ("$5$", "a SHA-2 crypt hash"),
        ("$6$", "a SHA-2 crypt hash"),
        ("$", "a hash of another kind"),
    ];
    let found = KINDS.iter().find(|(start, _)| text.starts_with(start.as_bytes()));
    found.map_or("no hash of a kind that is safe to keep", |(_, name)| name)
}

/// One user of a file.
pub(crate) struct Line<'a> {
    /// Which line it is, from 1.
    pub(crate) number: usize,
    pub(crate) user: &'a [u8],
    pub(crate) hash: Bcrypt,
}

/// The users of a file; names are bytes, as they come in a request.
pub(crate) fn lines(file: &[u8]) -> impl Iterator<Item = Result<Line<'_>, Unfit>> {
    file.split(|&o| o == b'\n').enumerate().filter_map(|(at, line)| {
        let (number, line) = (at + 1, line.trim_ascii());
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let unfit = |why| Unfit { line: Some(number), why };
        let Some(colon) = line.iter().position(|&o| o == b':') else { return Some(Err(unfit(Why::NoColon))) };
        let (user, rest) = (&line[..colon], &line[colon + 1..]);
        // What follows a second colon is a remark (nginx reads it so too).
        let hash = rest.split(|&o| o == b':').next().unwrap_or_default();
        Some(Bcrypt::parse(hash).map(|hash| Line { number, user, hash }).map_err(unfit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cost` and `password` as a line of a file has them.
    fn made(password: &str, cost: u32) -> String {
        bcrypt::hash(password, cost).unwrap()
    }

    fn parse(text: &str) -> Bcrypt {
        Bcrypt::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why:?}"))
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
    fn a_dear_neighbour_changes_the_work_and_not_the_verdict() {
        let hash = parse(&made("secret", 4));
        for top in 4..8 {
            for (password, right) in [("secret", true), ("Secret", false), ("", false)] {
                let (work, verdict) = work::of(|| hash.verify(password.as_bytes(), top));
                assert_eq!((work, verdict), (1 << top, right), "{password} {top}");
            }
            assert_eq!(work::of(|| pretend(b"secret", top)).0, 1 << top);
        }
    }

    #[test]
    fn a_long_password_counts_as_far_as_bcrypt_looks_and_panics_nowhere() {
        let long = "x".repeat(100);
        let hash = parse(&made(&long, 4));
        assert!(hash.verify(long.as_bytes(), 4) && hash.verify(&[b'x'; 72], 4));
        assert!(!hash.verify(&[b'x'; 71], 4) && !hash.verify(b"", 4));
        pretend(b"", 4);
        pretend(&[b'x'; 20_000], 4);
    }

    #[test]
    fn a_hash_that_is_not_bcrypt_is_refused_and_named() {
        let good = made("x", 4);
        for (text, why) in [
            ("$apr1$1hQxE6jR$2r7Qm7jV1xqK0mJq3h3cC.", Why::OtherHash("an MD5 hash")),
            ("$1$abc$def", Why::OtherHash("an MD5 hash")),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Why::OtherHash("a SHA-1 hash")),
            ("{SSHA}abc", Why::OtherHash("a SHA-1 hash")),
            ("$5$rounds=1000$a$b", Why::OtherHash("a SHA-2 crypt hash")),
            ("$argon2id$v=19$x", Why::OtherHash("a hash of another kind")),
            ("rqXexS6ZhobKA", Why::OtherHash("no hash of a kind that is safe to keep")),
            ("secret", Why::OtherHash("no hash of a kind that is safe to keep")),
            ("", Why::OtherHash("no hash of a kind that is safe to keep")),
            (&good.replacen("2b", "2x", 1), Why::OtherHash("bcrypt of a faulty program ($2x$)")),
            (&good[..59], Why::BrokenHash),
            (&format!("{good}."), Why::BrokenHash),
            (&good.replace("$04$", "$+4$"), Why::Cost),
            (&good.replace("$04$", "$03$"), Why::Cost),
            (&good.replace("$04$", "$18$"), Why::Cost),
            (&good.replace("$04$", "$31$"), Why::Cost),
            (&good.replace("$04$", "$04="), Why::BrokenHash),
            (&format!("{}!{}", &good[..20], &good[21..]), Why::BrokenHash),
            (&format!("{}é{}", &good[..20], &good[22..]), Why::BrokenHash),
        ] {
            assert_eq!(Bcrypt::parse(text.as_bytes()).map(|_| ()).unwrap_err(), why, "{text}");
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
        let unfit = lines(broken.as_bytes()).find_map(Result::err).unwrap();
        assert_eq!((unfit.line, unfit.why), (Some(3), Why::NoColon));
    }
}
