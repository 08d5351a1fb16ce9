//! The secret values of one connection: remembered as keyed hashes, and found again in any bytes.
//!
//! A value is remembered in every form in which the server or the client may repeat it: as it is, percent-decoded,
//! escaped, in hexadecimal, and in Base64 at each of its three alignments. For the secret `a&b%2Fxy`:
//!
//! | form | is found in |
//! |---|---|
//! | `a&b%2Fxy` | another field, an echo of the request |
//! | `a&b/xy` | a page that shows what was decoded |
//! | `a&amp;b/xy` | the same in HTML; JSON and quotes have forms of their own |
//! | `a%26b%2Fxy` | an address that the server builds |
//! | `6126622f7879` | a log or a debug page, in both cases of the digits |
//! | `YSZiL3h5` | Base64, where the value may begin at any of three positions in a group |
//!
//! The values themselves are not kept. The recorder holds bytes of many clients for a long time; a dump of its memory
//! must not contain their passwords.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

/// Shorter credentials of `Authorization` and `Proxy-Authorization` are not searched for: they would be found everywhere
/// by chance.
pub(crate) const SHORTEST_CREDENTIALS: usize = 6;
/// Shorter values of other kinds are not searched for. Many of them are ordinary words (`Cookie: theme=dark`), which
/// would be hidden in every page.
pub(crate) const SHORTEST_OTHER: usize = 12;
/// Most forms of values remembered for one connection. A browser needs a small part of this; a client that sends more
/// would fill the memory or slow down the search.
const VALUES: usize = 4096;
/// Bytes of a value by which its first part is recognised: fewer of them tell nothing.
const BEGINNING: usize = 4;
/// Hashes are computed modulo this Mersenne prime, 2^61 − 1.
///
/// It is large: two different values of n bytes have the same hash with a chance of about n in 2^61. It still fits
/// into a `u64`, and a product of two hashes fits into a `u128`.
const PRIME: u64 = (1 << 61) - 1;

/// The secret values.
#[derive(Debug)]
pub(crate) struct SecretValues {
    /// The base of the hashes: random, so that a client cannot choose values whose hashes collide.
    base: u64,
    /// The hashes of the values of each length.
    hashes: BTreeMap<usize, HashSet<u64>>,
    /// The number of hashes of all lengths, at most [`VALUES`].
    count: usize,
    /// The hash of the first [`BEGINNING`] bytes of each value, and the length of the longest value that begins so: a
    /// value of which only a part has come is recognised by it. More of its parts are not remembered, since they would
    /// give it away.
    beginnings: BTreeMap<u64, usize>,
    /// There were more values than are remembered.
    pub(crate) is_full: bool,
}

impl SecretValues {
    pub(crate) fn new() -> SecretValues {
        let base = RandomState::new().hash_one(0) % (PRIME - 512) + 256;
        SecretValues { base, hashes: BTreeMap::new(), count: 0, beginnings: BTreeMap::new(), is_full: false }
    }

    /// The bytes of memory of the hashes.
    pub(crate) fn held_bytes(&self) -> usize {
        /// A hash, its control byte, and spare room of the table.
        const HASH: usize = 16;
        /// A table of one length.
        const TABLE: usize = 128;
        (self.count + self.beginnings.len()) * HASH + self.hashes.len() * TABLE
    }

    /// The length of the longest value.
    pub(crate) fn longest(&self) -> usize {
        self.hashes.last_key_value().map_or(0, |(&len, _)| len)
    }

    /// Remembers a value in all its forms; not those of fewer than `shortest` bytes.
    pub(crate) fn learn(&mut self, value: &[u8], shortest: usize) {
        // In this order: first what the value means, then every way to write that.
        for plain in decoded(value).iter().filter(|plain| plain.len() >= shortest) {
            for form in encoded(plain).iter().filter(|form| form.len() >= shortest) {
                if self.count >= VALUES {
                    self.is_full = true;
                    // The caller hides everything from now on, so the forms that are left out cannot be shown.
                    return;
                }
                let hash = self.hash(form);
                self.count += usize::from(self.hashes.entry(form.len()).or_default().insert(hash));
                let longest = self.beginnings.entry(self.beginning(form)).or_default();
                *longest = form.len().max(*longest);
            }
        }
    }

    /// Where remembered values stand in `bytes`: the first byte and the one after the last. A false hit is possible
    /// and very rare; it hides a few ordinary bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (&len, hashes) in self.hashes.range(..=bytes.len()) {
            // A rolling hash: one pass for all values of a length, however many there are.
            let top = (1..len).fold(1, |top, _| times(top, self.base));
            let mut hash = self.hash(&bytes[..len - 1]);
            for end in len..=bytes.len() {
                hash = self.step(hash, bytes[end - 1]);
                if hashes.contains(&hash) {
                    found.push((end - len, end));
                }
                // The byte that leaves the window was multiplied most often.
                let gone = times(top, u64::from(bytes[end - len]) + 1);
                hash = add(hash, PRIME - gone);
            }
        }
        found
    }

    /// The number of bytes at the end that may be the first part of a remembered value, 0 if there are none.
    pub(crate) fn first_part(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest());
        let last = (from..(bytes.len() + 1).saturating_sub(BEGINNING)).find(|&at| {
            let longest = self.beginnings.get(&self.beginning(&bytes[at..]));
            longest.is_some_and(|&longest| bytes.len() - at < longest)
        });
        last.map_or(0, |at| bytes.len() - at)
    }

    /// The hash of the first bytes.
    fn beginning(&self, bytes: &[u8]) -> u64 {
        self.hash(&bytes[..BEGINNING])
    }

    /// The polynomial hash of `bytes`: each byte is a coefficient, `base` is the variable.
    fn hash(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |hash, &byte| self.step(hash, byte))
    }

    /// The hash after one more byte.
    fn step(&self, hash: u64, byte: u8) -> u64 {
        // One is added to the byte, so that leading zero bytes change the hash.
        add(times(hash, self.base), u64::from(byte) + 1)
    }
}

/// a × b modulo [`PRIME`].
fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64
}

/// a + b modulo [`PRIME`]; both are smaller than it, so the sum does not overflow.
fn add(a: u64, b: u64) -> u64 {
    (a + b) % PRIME
}

/// A value as it was sent, and as the server may read it: decoded, without quotes, as the password of Base64.
fn decoded(value: &[u8]) -> Vec<Vec<u8>> {
    // `+` is a space in a form and a digit in Base64. It is not known which was meant, so both readings are kept.
    let spaced: Vec<u8> = value.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    let mut plain = vec![value.to_vec(), percent_decode(value).collect(), percent_decode(&spaced).collect(), spaced];
    plain.extend(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).map(<[u8]>::to_vec));
    let unpadded = value.iter().rposition(|&b| b != b'=').map_or(&[][..], |at| &value[..=at]);
    for decoded in [STANDARD_NO_PAD.decode(unpadded), URL_SAFE_NO_PAD.decode(unpadded)].into_iter().flatten() {
        // Basic credentials are name:password, and the password alone is secret as well (RFC 7617 §2).
        plain.extend(decoded.iter().position(|&b| b == b':').map(|colon| decoded[colon + 1..].to_vec()));
        plain.push(decoded);
    }
    plain.sort();
    plain.dedup();
    plain
}

/// A value as it may be written: itself, escaped for addresses, HTML and JSON, in hexadecimal, in Base64.
fn encoded(plain: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        plain.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        percent_encode(plain, NON_ALPHANUMERIC).to_string().into_bytes(),
    ];
    if let Ok(text) = std::str::from_utf8(plain) {
        // Template engines write quotes in two ways.
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        forms.push(html.replace('"', "&#34;").replace('\'', "&#39;").into_bytes());
        forms.push(html.replace('"', "&quot;").replace('\'', "&#x27;").into_bytes());
        forms.push(text.replace('\\', "\\\\").replace('"', "\\\"").into_bytes());
    }
    for shift in 0..3 {
        let bytes = [&[0; 2][..shift], plain].concat();
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // The first and last characters also carry bits of the bytes around the value, so they may differ.
            let from = [0, 2, 3][shift];
            let to = text.len() - usize::from(!bytes.len().is_multiple_of(3));
            forms.push(text.as_bytes()[from.min(to)..to].to_vec());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}
