//! Dates: the three forms of the protocol are read, one is written (RFC 9110 §5.6.7); and the form of ISO 8601 for
//! everything else that shows a time.
//!
//! There is no clock here: the time is an argument. HTTP dates count whole seconds, so a file that changes twice within
//! one second keeps its Last-Modified.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_LENGTH: usize = 29;

/// 9999-12-31T23:59:59Z: a later year would have five digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// One second as an IMF-fixdate. It is formatted once and copied into all responses of that second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate {
    second: u64,
    pub(super) bytes: [u8; DATE_LENGTH],
}

impl HttpDate {
    /// The second in which this moment lies, within the years 1970 to 9999.
    pub fn new(moment: SystemTime) -> HttpDate {
        HttpDate::from_second(moment.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }

    /// The second this many seconds after 1970-01-01T00:00:00Z, with the same bound.
    pub fn from_second(second: u64) -> HttpDate {
        let second = second.min(LAST_SECOND);
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        // The length is always the same; were it not, a wrong date is better than a panic.
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

    /// The 29 bytes as they are sent.
    pub fn bytes(&self) -> &[u8; DATE_LENGTH] {
        &self.bytes
    }
}

/// Seconds since 1970 of a date in any of the three forms. Others are ignored, as RFC 9110 §13.1.3 demands: `None`.
pub fn parse(bytes: &[u8]) -> Option<u64> {
    let moment = httpdate::parse_http_date(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(moment.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// A time in the form of ISO 8601, in UTC: `2026-08-01T10:00:02Z`. `second` counts from 1970 and may be negative. A
/// moment outside the years 1 to 9999 becomes the nearest end, so the length never changes.
///
/// ```
/// assert_eq!(&barewire::http::date::iso(784_111_777), b"1994-11-06T08:49:37Z");
/// ```
pub fn iso(second: i64) -> [u8; 20] {
    const FIRST_SECOND: i64 = -62_135_596_800; // 0001-01-01T00:00:00Z
    const DAY: i64 = 86_400;
    let moment = second.clamp(FIRST_SECOND, LAST_SECOND as i64);
    // Days are counted from 0000-03-01: then a leap day is the last day of its year, and the calendar repeats every 400
    // years, which have 146,097 days.
    let days = moment.div_euclid(DAY) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    // Leap days are taken out first; what is left are years of 365 days.
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // From March on, month lengths repeat every five months, which have 153 days.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (year, second) = (era * 400 + year + next, moment.rem_euclid(DAY));
    // Without `fmt`, since a listing writes one of these for each entry.
    let mut out = *b"0000-00-00T00:00:00Z";
    let numbers = [year / 100, year % 100, month, day, second / 3600, second / 60 % 60, second % 60];
    for (at, number) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(numbers) {
        out[at] = b'0' + (number / 10) as u8;
        out[at + 1] = b'0' + (number % 10) as u8;
    }
    out
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

    #[test]
    fn every_moment_has_an_iso_date_of_the_same_width() {
        for (second, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_785_578_402, "2026-08-01T10:00:02Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(String::from_utf8_lossy(&iso(second)), expected);
        }
    }

    #[test]
    fn both_calendars_agree() {
        const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        // Steps of a week and seven hours: all weekdays, months and leap rules of four centuries are met.
        for second in (0..400 * 366 * 86_400).step_by(90_001 * 7) {
            let (date, iso) = (HttpDate::from_second(second), iso(second as i64));
            let month = MONTHS.chunks(3).position(|month| *month == date.bytes()[8..11]).unwrap() + 1;
            let (d, month) = (date.bytes(), format!("{month:02}"));
            let other = [&d[12..16], b"-", month.as_bytes(), b"-", &d[5..7], b"T", &d[17..25], b"Z"].concat();
            assert_eq!(iso[..], other);
        }
    }
}
