//! Negotiation of the content coding of a file (RFC 9110 §8.4.1, §12.5.3).
//!
//! ```text
//! Accept-Encoding = #( codings [ weight ] )
//! codings         = content-coding / "identity" / "*"
//! ```
//!
//! Nothing is compressed here. Compressed files are prepared beside the original by the author of
//! the site, so a repeated request gets the same bytes and the validators hold.
//!
//! | Accept-Encoding | preferred codings |
//! |---|---|
//! | absent | none: the original is sent |
//! | `gzip, br` | br, gzip |
//! | `gzip;q=0.9, br;q=0.5` | gzip, br |
//! | `*` | br, zstd, gzip |
//! | `gzip;q=0, *` | br, zstd |
//! | `identity, gzip;q=0.5` | none: the original is liked better |

use crate::http::field;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The original.
    Identity,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The codings that may be prepared beside a file, best compression first. At equal weight the
    /// first one is chosen.
    pub const PREPARED: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// The name in Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The end of the name of the prepared file.
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Identity => "",
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// Whether `name` in Accept-Encoding means this coding. Names are case-insensitive.
    fn is_named(self, name: &[u8]) -> bool {
        // §8.4.1.3: x-gzip is gzip.
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || self == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// The prepared codings that this client prefers to the original, best first. `values` are those of
/// all Accept-Encoding lines.
///
/// Without the field any coding would be allowed (§12.5.3), but the original is sent: such a client
/// is usually a program that saves the bytes as they are. If no available coding is acceptable, not
/// even `identity;q=0`, the original is sent as well: §12.4.1 allows that, and a 406 would not help
/// the client.
pub fn preferred<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Coding> {
    // The weights of the three prepared codings, of identity and of `*`.
    let mut weights = [None; 5];
    for (name, weight) in values.flat_map(field::weighted) {
        let at = match Coding::PREPARED.iter().position(|coding| coding.is_named(name)) {
            Some(at) => at,
            None if Coding::Identity.is_named(name) => 3,
            None if name == b"*" => 4,
            None => continue,
        };
        weights[at].get_or_insert(weight);
    }
    let [.., identity, others] = weights;
    // An unnamed identity is acceptable, but every named coding is preferred to it.
    let least = identity.or(others).unwrap_or(0);
    let mut ranked = [0, 1, 2].map(|at| (weights[at].or(others).unwrap_or(0), Coding::PREPARED[at]));
    ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranked.into_iter().filter(move |(weight, _)| *weight > 0 && *weight >= least).map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: &[&str]) {
        let got: Vec<_> = preferred(lines.iter().map(|l| l.as_bytes())).map(Coding::name).collect();
        assert_eq!(got, expected, "{lines:?}");
    }

    #[test]
    fn weights_decide_and_at_equal_weight_the_smaller_result() {
        check(&[], &[]);
        check(&[""], &[]);
        check(&["gzip, deflate, br, zstd"], &["br", "zstd", "gzip"]);
        check(&["gzip", "br"], &["br", "gzip"]);
        check(&["GZIP"], &["gzip"]);
        check(&["x-gzip"], &["gzip"]);
        check(&["gzip;q=1.0, br;q=0.5"], &["gzip", "br"]);
        check(&["zstd;q=0.9, br;q=0.9, gzip"], &["gzip", "br", "zstd"]);
        check(&["deflate, compress"], &[]);
        check(&["*"], &["br", "zstd", "gzip"]);
        check(&["br;q=0, *"], &["zstd", "gzip"]);
        check(&["gzip;q=0.001"], &["gzip"]);
    }

    #[test]
    fn a_weight_of_zero_means_never() {
        check(&["gzip;q=0"], &[]);
        check(&["gzip;q=0.000, br;q=0.0"], &[]);
        check(&["*;q=0"], &[]);
        check(&["*;q=0, gzip"], &["gzip"]);
        check(&["gzip;q=0, gzip"], &[]);
    }

    #[test]
    fn identity_is_last_unless_it_is_named() {
        check(&["identity"], &[]);
        check(&["identity, gzip;q=0.5"], &[]);
        check(&["identity;q=0.5, gzip;q=0.5"], &["gzip"]);
        check(&["identity;q=0.5, gzip;q=0.4, br;q=0.6"], &["br"]);
        check(&["identity;q=0, gzip;q=0.1"], &["gzip"]);
        check(&["identity;q=0"], &[]);
        check(&["gzip;q=0.5, *"], &["br", "zstd"]);
        // What Chromium sends for a video.
        check(&["identity;q=1, *;q=0"], &[]);
    }
}
