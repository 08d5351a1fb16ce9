//! Values of options: numbers, sizes, times, fields, origins, addresses.
//!
//! Every parser answers with what it takes, so that the complaint reads the same everywhere:
//! `--port takes a number from 0 to 65535, not "abc".`
//!
//! Never: a guess. `10` is no time, `1.5G` no size, `+5` no number: what is written in a start script
//! must mean one thing.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use barewire::http::grammar::decimal;
use barewire::http::target::authority;
use barewire::http::{Fields, grammar};
use barewire::service::access::origin::host_name;
use barewire::service::response::is_connection_field;

/// What an option takes, when it was given something else; or the whole sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// "a number from 0 to 65535"
    Takes(String),
    /// The end of a sentence that begins with the option.
    Because(String),
}

fn takes<T>(what: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Takes(what.into()))
}

/// Digits only, within bounds.
pub(crate) fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, Unfit> {
    match decimal(text.as_bytes()) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => takes(format!("a number from {} to {}", range.start(), range.end())),
    }
}

/// The name of a field.
pub(crate) fn field_name(text: &str) -> Result<String, Unfit> {
    match grammar::is_token(text.as_bytes()) {
        true => Ok(text.to_string()),
        false => takes("the name of a field, such as X-Session"),
    }
}

/// `500ms`, `10s`, `2m`, `1h`; `0s` only where `zero` allows it.
pub(crate) fn time(text: &str, zero: bool) -> Result<Duration, Unfit> {
    /// The longest time. A clock that runs for more than a day guards nothing.
    const MOST: Duration = Duration::from_secs(24 * 60 * 60);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let amount = decimal(&text.as_bytes()[..digits]);
    let time = amount.zip(unit).and_then(|(amount, unit)| amount.checked_mul(unit)).map(Duration::from_millis);
    match time {
        Some(time) if time <= MOST && (zero || !time.is_zero()) => Ok(time),
        _ => takes(format!("a time such as 10s, 500ms or 2m, {}up to 24h", if zero { "" } else { "more than 0 and " })),
    }
}

/// The size that is shown to whoever wrote something else.
const EXAMPLE: u64 = 16 << 10;

/// `512`, `16K`, `2M`, `16G`, `1T`: bytes, in steps of 1024.
pub(crate) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, Unfit> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let shift = match &text[digits..] {
        "" => Some(0),
        "K" | "k" => Some(10),
        "M" | "m" => Some(20),
        "G" | "g" => Some(30),
        "T" | "t" => Some(40),
        _ => None,
    };
    let amount = decimal(&text.as_bytes()[..digits]);
    match amount.zip(shift).and_then(|(amount, shift)| amount.checked_mul(1 << shift)) {
        Some(size) if range.contains(&size) => Ok(size),
        _ => {
            // An example that would be refused as well helps nobody.
            let (least, most) = (in_units(*range.start()), in_units(*range.end()));
            let example = if range.contains(&EXAMPLE) { in_units(EXAMPLE) } else { least.clone() };
            takes(format!("a size from {least} to {most}, such as {example}"))
        }
    }
}

/// A size as one would type it, rounded down to a whole unit.
fn in_units(size: u64) -> String {
    let (mut size, mut unit) = (size, 0);
    while size >= 1024 && unit < 4 {
        (size, unit) = (size / 1024, unit + 1);
    }
    format!("{size}{}", ["", "K", "M", "G", "T"][unit])
}

/// An address; brackets around an IPv6 one are taken off.
pub(crate) fn address(text: &str) -> Result<IpAddr, Unfit> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match bare.parse() {
        Ok(address) => Ok(address),
        Err(_) if text.parse::<std::net::SocketAddr>().is_ok() => {
            Err(Unfit::Because(format!("takes an address without port, not {text:?}. The port is --port's.")))
        }
        Err(_) => takes("an address such as 127.0.0.1, 0.0.0.0 or ::1"),
    }
}

/// `Name: value`, both as they may be sent.
pub(crate) fn field(text: &str) -> Result<(String, String), Unfit> {
    const TAKES: &str = "a field such as 'X-Robots-Tag: noindex'";
    let Some((name, value)) = text.split_once(':') else { return takes(TAKES) };
    let value = value.trim_matches([' ', '\t']);
    if is_connection_field(name) {
        return Err(Unfit::Because(format!(
            "may not set {name}: the server writes it, from what it really does with the connection."
        )));
    }
    if value.is_empty() || Fields::new().push(name, value).is_err() {
        return takes(TAKES);
    }
    Ok((name.to_string(), value.to_string()))
}

/// The name of a file directly in a folder.
pub(crate) fn file_name(text: &str) -> Result<String, Unfit> {
    match text {
        "" | "." | ".." => takes("the name of a file"),
        _ if text.contains(['/', '\0']) => takes("the name of a file, without folder"),
        _ => Ok(text.to_string()),
    }
}

/// A file below the root: no way up, no empty segment. A leading slash means the root.
pub(crate) fn file_below(text: &str) -> Result<String, Unfit> {
    let path = text.strip_prefix('/').unwrap_or(text);
    if path.contains('\0') || path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return takes("a file inside the folder, such as index.html");
    }
    Ok(path.to_string())
}

/// `*`, or an origin as a browser writes it (RFC 6454 §6.2): scheme, host, port, and no path.
///
/// What is compared byte by byte later must look like what browsers send: in lower case, without the
/// port that goes without saying, without the slash that comes along when a URL is copied.
pub(crate) fn origin(text: &str) -> Result<String, Unfit> {
    const TAKES: &str = "an origin such as http://localhost:3000";
    if text == "*" {
        return Ok(text.to_string());
    }
    let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let Some((scheme, rest)) = text.split_once("://") else { return takes(TAKES) };
    let Some((host, port)) = authority(rest.as_bytes()) else { return takes(TAKES) };
    if !grammar::is_token(scheme.as_bytes()) || host.is_empty() || !text.is_ascii() {
        return takes(TAKES);
    }
    let default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let host = &rest[..host.len()];
    match port.and_then(decimal) {
        Some(port) if default != Some(port) => Ok(format!("{scheme}://{host}:{port}")),
        _ => Ok(format!("{scheme}://{host}")),
    }
}

/// A name that the server answers for: `*`, or a host as browsers send it.
pub(crate) fn host(text: &str) -> Result<String, Unfit> {
    match host_name(text) {
        Some(name) => Ok(name),
        None => takes("a name without port, such as files.example.org, or *"),
    }
}

/// What Cache-Control says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Keep it, but ask each time.
    Revalidate,
    /// Never keep it.
    Off,
    /// Believe it for so long.
    Seconds(u64),
}

/// `revalidate`, `off` or seconds.
pub(crate) fn cache(text: &str) -> Result<Cache, Unfit> {
    /// What every recipient can hold (RFC 9111 §1.2.2).
    const MOST: u64 = (1 << 31) - 1;
    match text {
        "revalidate" => Ok(Cache::Revalidate),
        "off" => Ok(Cache::Off),
        _ => match number(text, 0..=MOST) {
            Ok(seconds) => Ok(Cache::Seconds(seconds)),
            Err(_) => takes("revalidate, off or a number of seconds"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing() {
        for (text, expected) in [("0", Some(0)), ("65535", Some(65535)), ("08", Some(8))] {
            assert_eq!(number(text, 0..=65535).ok(), expected, "{text}");
        }
        for text in ["", "65536", "-1", "+1", " 1", "1 ", "1e3", "0x10", "１", "99999999999999999999999"] {
            assert_eq!(number(text, 0..=65535), takes("a number from 0 to 65535"), "{text}");
        }
    }

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("24h", 86_400_000)] {
            assert_eq!(time(text, false), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "1.5s", "-1s", "+1s", "25h", "10S", "10sec", "0s", "9999999999999999999h"] {
            assert!(time(text, false).is_err(), "{text}");
        }
        assert_eq!(time("0s", true), Ok(Duration::ZERO));
    }

    #[test]
    fn a_size_is_bytes_in_steps_of_1024() {
        for (text, bytes) in [("512", 512), ("16K", 16 << 10), ("2m", 2 << 20), ("16G", 16 << 30), ("1T", 1 << 40)] {
            assert_eq!(size(text, 0..=1 << 50), Ok(bytes), "{text}");
        }
        for text in ["", "K", "1.5K", "16KB", "16 K", "+1", "-1", "99999999999T"] {
            assert!(size(text, 0..=1 << 50).is_err(), "{text}");
        }
        assert_eq!(size("64K", 1024..=65535), takes("a size from 1K to 63K, such as 16K"));
        let refused = size("64K", 1 << 20..=1 << 30);
        assert_eq!(refused, takes("a size from 1M to 1G, such as 1M"), "the example is one that is taken");
    }

    #[test]
    fn an_address_is_not_a_name() {
        for text in ["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]", "192.168.1.20"] {
            assert!(address(text).is_ok(), "{text}");
        }
        for text in ["", "localhost", "127.1", "1.2.3", "::1%lo", "127.0.0.1:80", "[::1]:80", "010.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_cannot_break_the_message() {
        let pair = |name: &str, value: &str| Ok((name.to_string(), value.to_string()));
        assert_eq!(field("X-A: b"), pair("X-A", "b"));
        assert_eq!(field("X-A:b: c"), pair("X-A", "b: c"));
        for text in ["", "X-A", ": b", "X A: b", "X-A : b", "X-A:", "X-A: a\r\nB: c", "X-A: \0", "X-A: \x1b[1m"] {
            assert!(matches!(field(text), Err(Unfit::Takes(_))), "{text}");
        }
        for name in ["Content-Length", "transfer-encoding", "DATE", "Connection", "Keep-Alive", "Upgrade"] {
            assert!(matches!(field(&format!("{name}: 5")), Err(Unfit::Because(_))), "{name}");
        }
    }

    #[test]
    fn names_of_files_lead_nowhere_else() {
        assert!(file_name("index.html").is_ok() && file_name("a b").is_ok());
        assert!(["", ".", "..", "a/b", "/a", "a\0"].iter().all(|text| file_name(text).is_err()));
        assert_eq!(file_below("/app/index.html"), Ok("app/index.html".to_string()));
        assert!(["", "/", "../a", "a//b", "a/./b", "a/", "a/..", "a\0"].iter().all(|text| file_below(text).is_err()));
    }

    #[test]
    fn an_origin_has_no_path() {
        for text in ["*", "http://localhost:3000", "https://example.org", "http://[::1]:5173"] {
            assert_eq!(origin(text), Ok(text.to_string()));
        }
        for (text, expected) in [
            ("HTTP://Example.org", "http://example.org"),
            ("http://example.org/", "http://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("https://example.org:443/", "https://example.org"),
            ("https://example.org:80", "https://example.org:80"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://a:08080", "http://a:8080"),
            ("http://a:", "http://a"),
        ] {
            assert_eq!(origin(text), Ok(expected.to_string()), "{text}");
        }
        let broken =
            ["", "/", "null", "localhost:3000", "http://", "http:///", "http://a//", "http://a/b", "http://a b"];
        for text in broken.into_iter().chain(["http://a\r\nX: y", "http://é", "http://a:99999", "://a"]) {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_without_port() {
        for (text, expected) in [
            ("*", "*"),
            ("Files.example.org.", "files.example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host(text), Ok(expected.to_string()));
        }
        for text in ["", "a:80", "http://a", "*.example.org", "bücher.example", "a b", "a/", "a\r\nb"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn caching_is_asked_for_in_one_of_three_ways() {
        assert_eq!(cache("revalidate"), Ok(Cache::Revalidate));
        assert_eq!(cache("off"), Ok(Cache::Off));
        assert_eq!(cache("3600"), Ok(Cache::Seconds(3600)));
        assert!(["", "on", "-1", "1h", "2147483648"].iter().all(|text| cache(text).is_err()));
    }
}
