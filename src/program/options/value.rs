//! Value parsers for clap: each turns the text of an option into the final type, or says what the option takes.
//!
//! | value | written as | refused |
//! |---|---|---|
//! | number | `8080` | `+5`, `0x10`, `1e3` |
//! | time | `500ms`, `10s`, `2m`, `1h` | `10`, `1.5s` |
//! | size | `512`, `16K`, `2M`, `16G`, `1T`, in steps of 1024 | `1.5G`, `16KB` |
//! | word of a list | as `--help` lists it | every other one |
//!
//! Nothing is guessed, because a value in a start script must mean one thing. An error is the rest of a sentence that
//! begins with the name of the option or of its variable: `takes a number from 0 to 65535, not "abc".`

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use barewire::files::CacheControl;
use barewire::http::grammar::{decimal, is_token};
use barewire::http::{Fields, Method, target::authority};
use barewire::service::{access::hosts::host_name, response::is_connection_field, texts::Values};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;

use crate::program::error::TEXTS;
use crate::program::zone;

/// The values in one mention of an option that may be repeated.
///
/// An alias, since clap's derive gives a literal `Vec<Vec<T>>` another meaning.
pub(crate) type Lines<T> = Vec<T>;

/// The units of a time, in milliseconds. There is none without a name: `10` could mean seconds or milliseconds.
const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];
/// The units of a size, in bytes. Powers of 1024, also in lower case: [`size`] reads the letter in both.
const SIZES: [(&str, u64); 5] = [("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// With port 0, since all addresses get the same port.
    Address(SocketAddr),
    Unix(PathBuf),
}

impl Bind {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        if let Bind::Address(address) = self { Some(*address) } else { None }
    }
}

/// An error: this row of the texts, in which `{text}` is what was typed.
fn refuse<T>(name: &str, text: &str) -> Result<T, String> {
    Err(TEXTS.say(name, &[("text", &format!("{text:?}"))]))
}

/// The values of an option that may be repeated, one a line: a variable cannot be repeated.
pub(crate) fn lines<T>(
    read: impl Fn(&str) -> Result<T, String> + Clone,
) -> impl Fn(&str) -> Result<Lines<T>, String> + Clone {
    move |text| {
        // A text file often ends with a blank line. A value that is empty as a whole is an error of `read`.
        let lines = text.lines().filter(|line| !line.is_empty());
        if text.is_empty() { Ok(vec![read(text)?]) } else { lines.map(&read).collect() }
    }
}

/// A word of a list, whose items are word, help and value.
pub(crate) fn word<T: Copy + Send + Sync + 'static>(
    list: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let words = list.iter().map(|(word, help, _)| PossibleValue::new(*word).help(*help));
    let value = |text: String| list.iter().find(|(word, ..)| *word == text).map(|(.., value)| *value);
    PossibleValuesParser::new(words).try_map(move |text| value(text).ok_or_else(|| TEXTS.say("unknown", &[])))
}

/// A number within bounds.
pub(crate) fn count(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| number(text, &range).map(|number| number as usize)
}

/// A whole number within bounds.
fn number(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    // `str::parse` would take "+5" as well.
    match decimal(text.as_bytes()) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, greatest, text) = (range.start(), range.end(), format!("{text:?}"));
            Err(TEXTS.say("a number", &[("least", least), ("greatest", greatest), ("text", &text)]))
        }
    }
}

/// A TCP port; 0 lets the system choose one.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    number(text, &(0..=u16::MAX.into())).map(|port| port as u16)
}

pub(crate) fn field_name(text: &str) -> Result<String, String> {
    // A name that is none would match no field and hide nothing, without a word.
    if is_token(text.as_bytes()) { Ok(text.into()) } else { refuse("a field name", text) }
}

/// `500ms`, `10s`, `2m`, `1h`: more than 0.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Some(time) if !time.is_zero() => Ok(time),
        _ => refuse("a time", text),
    }
}

/// The same, or 0.
pub(crate) fn time_or_zero(text: &str) -> Result<Duration, String> {
    duration(text).map_or_else(|| refuse("a time or 0", text), Ok)
}

/// A time up to a day: a longer timeout protects nothing.
fn duration(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    amount(text, &TIMES).map(Duration::from_millis).filter(|time| *time <= LONGEST)
}

/// A number with a unit, `16K`.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    // Checked: 99999999999T would otherwise wrap around to a small size.
    decimal(number.as_bytes())?.checked_mul(*factor)
}

/// A size within bounds, in bytes.
pub(crate) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> + Clone {
    /// The example in an error.
    const EXAMPLE: u64 = 16 << 10;
    move |text| match amount(&text.to_ascii_uppercase(), &SIZES) {
        Some(size) if range.contains(&size) => Ok(size),
        _ => {
            // The example must be one that is taken.
            let example = if range.contains(&EXAMPLE) { EXAMPLE } else { *range.start() };
            let [least, most, example] = [*range.start(), *range.end(), example].map(in_units);
            let text = format!("{text:?}");
            let values: Values<'_> = &[("least", &least), ("most", &most), ("example", &example), ("text", &text)];
            Err(TEXTS.say("a size", values))
        }
    }
}

/// A size as it is typed, rounded down to a whole unit.
fn in_units(size: u64) -> String {
    // The bounds of some options are no whole number of units; rounding down keeps the upper one valid.
    let (unit, factor) = SIZES.iter().rfind(|(_, factor)| size >= *factor).unwrap_or(&SIZES[0]);
    format!("{}{unit}", size / factor)
}

/// `unix:PATH`, or an address.
pub(crate) fn bind(text: &str) -> Result<Bind, String> {
    match text.strip_prefix("unix:") {
        Some("") => refuse("a socket", text),
        Some(path) => Ok(Bind::Unix(path.into())),
        None => address(text).map(Bind::Address),
    }
}

/// Rights as chmod takes them: `660`.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let is_octal = text.len() == 3 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.map_or_else(|| refuse("a mode", text), Ok)
}

/// An address, as a socket address with port 0; an IPv6 one may stand in brackets, and a link-local one has a zone.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    // Brackets are right in a URL, so people type them here as well.
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let (bare, zone) = bare.split_once('%').map_or((bare, None), |(bare, zone)| (bare, Some(zone)));
    match (bare.parse(), zone) {
        (Ok(IpAddr::V6(six)), None) if six.is_unicast_link_local() => refuse("a zone", text),
        (Ok(address), None) => Ok(SocketAddr::new(address, 0)),
        (Ok(IpAddr::V6(six)), Some(zone)) if six.is_unicast_link_local() => match zone::index(zone) {
            Some(index) => Ok(SocketAddrV6::new(six, 0, 0, index).into()),
            None => refuse("an interface", text),
        },
        (Ok(_), Some(_)) => refuse("no zone", text),
        (Err(_), _) if text.parse::<SocketAddr>().is_ok() => refuse("an address without port", text),
        (Err(_), _) => refuse("an address", text),
    }
}

/// `9100`, which means this computer, `192.168.1.20:9100` or `[::1]:9100`.
pub(crate) fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    let own = || port(text).ok().map(|port| (Ipv4Addr::LOCALHOST, port).into());
    text.parse().ok().or_else(own).map_or_else(|| refuse("a port or address", text), Ok)
}

/// An address, or a network as `10.0.0.0/8`.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let Some((bare, _)) = text.split_once('/') else {
        let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        return address.or_else(|_| refuse("a network", text));
    };
    match text.parse::<IpNet>() {
        // 10.0.0.1/8 may be meant as one address, and would be sixteen million.
        Ok(network) if network.trunc() != network => {
            let network = network.trunc();
            Err(TEXTS
                .say("a whole network", &[("bare", &bare), ("network", &network), ("text", &format_args!("{text:?}"))]))
        }
        // Peers are compared in their short form.
        Ok(IpNet::V6(network)) if network.network().to_ipv4_mapped().is_some() => refuse("a network", text),
        Ok(network) => Ok(network),
        Err(_) => refuse("a network", text),
    }
}

/// `Name: value`, a field that the server may add to every response.
pub(crate) fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').unwrap_or_default();
    let value = value.trim_matches([' ', '\t']);
    // A wrong Content-Length or Transfer-Encoding would let a client read the response to another request.
    if is_connection_field(name) {
        return Err(TEXTS.say("a field of the server", &[("field", &name)]));
    }
    // `push` refuses everything that would end the field line early.
    if value.is_empty() || Fields::new().push(name, value).is_err() {
        return refuse("a field", text);
    }
    Ok((name.into(), value.into()))
}

/// The name of a file directly in a folder.
pub(crate) fn file_name(text: &str) -> Result<String, String> {
    // It is joined to the path of a folder, which it must not leave.
    match text {
        "" | "." | ".." => refuse("a file name", text),
        _ if text.contains(['/', '\0']) => refuse("a file name alone", text),
        _ => Ok(text.into()),
    }
}

/// The path of a file below the root, without empty segments and without `..`. A leading slash means the root.
pub(crate) fn file_below(text: &str) -> Result<String, String> {
    // The path is opened below the root, where `..` is refused; refuse it here too, at the start and with a reason.
    let path = text.strip_prefix('/').unwrap_or(text);
    if path.split('/').any(|segment| file_name(segment).is_err()) {
        return refuse("a file below", text);
    }
    Ok(path.into())
}

/// `*`, or an origin as browsers send it (RFC 6454 §6.2): scheme, host, port, and no path.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    if text == "*" { Ok(text.into()) } else { browser_origin(text).map_or_else(|| refuse("an origin", text), Ok) }
}

/// An origin in the form that browsers send.
fn browser_origin(text: &str) -> Option<String> {
    // The origin is compared byte by byte later, so it is in lower case and without the slash of a copied URL.
    let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let (host, port) = authority(rest.as_bytes())?;
    if !is_token(scheme.as_bytes()) || host.is_empty() || !text.is_ascii() {
        return None;
    }
    let host = &rest[..host.len()];
    // Browsers leave out the default port of a scheme.
    Some(match (scheme, port.and_then(decimal)) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// A name of the server: a host as browsers send it, or `*`.
pub(crate) fn host(text: &str) -> Result<String, String> {
    host_name(text).map_or_else(|| refuse("a host", text), Ok)
}

/// `revalidate`, `off` or seconds.
pub(crate) fn cache(text: &str) -> Result<CacheControl, String> {
    /// The largest number that every recipient can hold (RFC 9111 §1.2.2).
    const MOST: u64 = (1 << 31) - 1;
    // The words first: a number is the only other form.
    match (text, number(text, &(0..=MOST))) {
        ("revalidate", _) => Ok(CacheControl::Revalidate),
        ("off", _) => Ok(CacheControl::Off),
        (_, Ok(seconds)) => Ok(CacheControl::Seconds(seconds)),
        _ => refuse("a cache rule", text),
    }
}

/// A method that the server knows by name.
pub(crate) fn method(text: &str) -> Result<Method, String> {
    // Methods are case-sensitive (RFC 9110 §9.1), so "get" is another one than GET.
    match Method::of(text.as_bytes()) {
        Method::Other => refuse("a method", text),
        method => Ok(method),
    }
}

/// Milliseconds, up to a minute; no server waits longer for the rest of a request.
pub(crate) fn gap(text: &str) -> Result<Duration, String> {
    number(text, &(0..=60_000)).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing() {
        for (text, expected) in [("0", Some(0)), ("65535", Some(65535)), ("08", Some(8))] {
            assert_eq!(number(text, &(0..=65535)).ok(), expected, "{text}");
        }
        for text in ["", "65536", "-1", "+1", " 1", "1 ", "1e3", "0x10", "１", "99999999999999999999999"] {
            assert_eq!(
                number(text, &(0..=65535)),
                Err(format!("takes a number from 0 to 65535, not {text:?}.")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("24h", 86_400_000)] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "1.5s", "-1s", "+1s", "25h", "10S", "10sec", "0s", "9999999999999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(time_or_zero("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_size_is_bytes_in_steps_of_1024() {
        for (text, bytes) in [("512", 512), ("16K", 16 << 10), ("2m", 2 << 20), ("16G", 16 << 30), ("1T", 1 << 40)] {
            assert_eq!(size(0..=1 << 50)(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "1.5K", "16KB", "16 K", "+1", "-1", "99999999999T"] {
            assert!(size(0..=1 << 50)(text).is_err(), "{text}");
        }
        assert_eq!(size(1024..=65535)("64K"), Err("takes a size from 1K to 63K, such as 16K, not \"64K\".".into()));
        let refused = size(1 << 20..=1 << 30)("64K");
        assert_eq!(
            refused,
            Err("takes a size from 1M to 1G, such as 1M, not \"64K\".".into()),
            "the example is one that is taken"
        );
    }

    #[test]
    fn a_network_is_an_address_or_a_whole_network() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()), Ok(expected.into()), "{text}");
        }
        assert_eq!(
            network("fd00::1/8").unwrap_err(),
            "takes fd00::1 for one address or fd00::/8 for the network, not \"fd00::1/8\"."
        );
        for text in
            ["", "a", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "/8", "10.0.0.1:80", "::ffff:10.0.0.0/104", "[::1]"]
        {
            assert!(network(text).unwrap_err().starts_with("takes an address such as"), "{text}");
        }
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
            assert!(field(text).is_err_and(|error| error.starts_with("takes a field ")), "{text}");
        }
        for name in ["Content-Length", "transfer-encoding", "DATE", "Connection", "Keep-Alive", "Upgrade"] {
            assert!(field(&format!("{name}: 5")).is_err_and(|error| error.starts_with("may not set ")), "{name}");
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
        assert_eq!(cache("revalidate"), Ok(CacheControl::Revalidate));
        assert_eq!(cache("off"), Ok(CacheControl::Off));
        assert_eq!(cache("3600"), Ok(CacheControl::Seconds(3600)));
        assert!(["", "on", "-1", "1h", "2147483648"].iter().all(|text| cache(text).is_err()));
    }
}
