//! The times in the access log: local ones, as the variable `TZ` or `/etc/localtime` says.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::http::HttpDate;

/// The time zone of the access log; UTC by default.
#[derive(Clone, Debug)]
pub struct LogZone(TimeZone);

impl Default for LogZone {
    fn default() -> LogZone {
        LogZone(TimeZone::UTC)
    }
}

impl LogZone {
    /// That of this computer: what `TZ` says, else `/etc/localtime`. UTC if neither says anything. Its rules are read
    /// now, so no file is opened later.
    pub fn of_system() -> LogZone {
        LogZone(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }
}

/// The text of one second, which is made once for all lines of that second.
#[derive(Clone, Debug)]
pub(crate) struct LogClock {
    zone: LogZone,
    /// Since 1970.
    second: Option<u64>,
    /// Of the local time, as if it was UTC.
    local: HttpDate,
    /// `+0530`
    offset: [u8; 5],
}

impl LogClock {
    pub(crate) fn new(zone: LogZone) -> LogClock {
        LogClock { zone, second: None, local: HttpDate::from_second(0), offset: *b"+0000" }
    }

    /// `12:00:01`
    pub(crate) fn time(&mut self, moment: SystemTime) -> &[u8] {
        self.set(moment);
        &self.local.bytes()[17..25]
    }

    /// Appends `21/Nov/2026:12:00:01 +0000`.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, moment: SystemTime) {
        self.set(moment);
        // Cut out of `Sat, 21 Nov 2026 12:00:01 GMT`.
        let date = self.local.bytes();
        for part in [&date[5..7], b"/", &date[8..11], b"/", &date[12..16], b":", &date[17..25], b" ", &self.offset] {
            out.extend_from_slice(part);
        }
    }

    fn set(&mut self, moment: SystemTime) {
        // A clock before 1970 is wrong in any case.
        let second = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        // A moment that is no date any more has the offset of UTC.
        let moment = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        let seconds = moment.map_or(0, |moment| self.zone.0.to_offset(moment).seconds());
        self.local = HttpDate::from_second(second.saturating_add_signed(seconds.into()));
        let (sign, minutes) = (if seconds < 0 { b'-' } else { b'+' }, seconds.unsigned_abs() / 60);
        let digit = |number: u32| b'0' + (number % 10) as u8;
        let (hours, minutes) = (minutes / 60, minutes % 60);
        self.offset = [sign, digit(hours / 10), digit(hours), digit(minutes / 10), digit(minutes)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_has_the_local_time_and_its_offset_in_summer_and_in_winter() {
        for (zone, second, expected) in [
            ("UTC0", 784_111_777, "06/Nov/1994:08:49:37 +0000"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_795_258_801, "21/Nov/2026:12:00:01 +0100"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_782_043_201, "21/Jun/2026:14:00:01 +0200"),
            ("<+0530>-5:30", 1_795_258_801, "21/Nov/2026:16:30:01 +0530"),
            ("NST3:30NDT,M3.2.0,M11.1.0", 1_795_258_801, "21/Nov/2026:07:30:01 -0330"),
            // The day before.
            ("EST5", 1_795_222_800, "20/Nov/2026:20:00:00 -0500"),
        ] {
            let mut clock = LogClock::new(LogZone(TimeZone::posix(zone).unwrap()));
            let moment = UNIX_EPOCH + Duration::from_secs(second);
            let mut text = Vec::new();
            clock.push(&mut text, moment);
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{zone}");
            assert_eq!(clock.time(moment), &expected.as_bytes()[12..20], "{zone}");
        }
    }

    #[test]
    fn the_hour_changes_with_the_season_while_the_server_runs() {
        let mut clock = LogClock::new(LogZone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()));
        // 25 October 2026, 01:00 UTC.
        let end = UNIX_EPOCH + Duration::from_secs(1_792_890_000);
        for (moment, expected) in
            [(end - Duration::from_secs(1), "25/Oct/2026:02:59:59 +0200"), (end, "25/Oct/2026:02:00:00 +0100")]
        {
            let mut text = Vec::new();
            clock.push(&mut text, moment);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
