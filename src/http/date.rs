//! Dates of the protocol (RFC 9110 §5.6.7): read in three forms, written in one.
//!
//! Never: the clock. A moment is an argument, so that every answer can be replayed and tested.
//!
//! The subtle thing: HTTP dates have seconds. A file changed twice within one second has one
//! Last-Modified, which is why `files/validator.rs` does not trust a young date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_LENGTH: usize = 29;

/// One second, formatted as an IMF-fixdate: made once a second, copied into every answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate {
    second: u64,
    bytes: [u8; DATE_LENGTH],
}

impl HttpDate {
    /// The second this moment lies in. A moment before 1970 or after 9999 becomes the nearest end.
    pub fn new(moment: SystemTime) -> HttpDate {
        HttpDate::from_second(moment.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }

    /// The second this many seconds after 1970-01-01T00:00:00Z.
    pub fn from_second(second: u64) -> HttpDate {
        const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z: four digits of year
        let second = second.min(LAST);
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        let mut bytes = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        if text.len() == DATE_LENGTH {
            bytes.copy_from_slice(text.as_bytes());
        }
        HttpDate { second, bytes }
    }

    /// Seconds since 1970.
    pub fn second(&self) -> u64 {
        self.second
    }

    /// The 29 bytes on the wire.
    pub fn bytes(&self) -> &[u8; DATE_LENGTH] {
        &self.bytes
    }
}

impl std::fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// Seconds since 1970 of a date in any of the three legal forms; `None` for anything else, which a
/// recipient ignores (RFC 9110 §13.1.3).
pub fn parse(bytes: &[u8]) -> Option<u64> {
    let moment = httpdate::parse_http_date(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(moment.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_mean_the_same_second_and_others_mean_nothing() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        for text in ["", "yesterday", "Sun, 06 Nov 1994 08:49:37", "1994-11-06T08:49:37Z", "\u{ff}"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_moment_outside_four_digit_years_is_clamped_and_never_panics() {
        assert_eq!(HttpDate::from_second(u64::MAX).bytes(), b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(HttpDate::new(UNIX_EPOCH - Duration::from_secs(5)).bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(HttpDate::from_second(784_111_777).bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
