//! Value parsers for clap: each turns the text of an option into the final type, or says what the option takes.
//!
//! | value | written as | refused |
//! |---|---|---|
//! | number | `8080` | `+5`, `0x10`, `1e3` |
//! | time | `500ms`, `10s`, `2m`, `1h` | `10`, `1.5s` |
//! | size | `512`, `16K`, `2M`, `16G`, `1T`, in steps of 1024 | `1.5G`, `16KB` |
//! | switch in a variable | `true`, `yes`, `on`, `1`, and their opposites | `2` |
//! | word of a list | as `--help` lists it | every other one |
//!
//! Nothing is guessed, because a value in a start script must mean one thing. The sentences have the same form
//! everywhere: `--port takes a number from 0 to 65535, not "abc".` They name the environment variable when the value
//! came from there.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use barewire::files::CacheControl;
use barewire::http::grammar::decimal;
use barewire::http::target::authority;
use barewire::http::{Fields, grammar};
use barewire::service::access::hosts::host_name;
use barewire::service::response::is_connection_field;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command};

/// The values in one mention of an option that may be repeated: one, or with an environment variable one a line.
///
/// An alias, since clap's derive gives a literal `Vec<Vec<T>>` another meaning.
pub(crate) type Lines<T> = Vec<T>;

/// Why a value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// What the option takes instead: "a number from 0 to 65535".
    Takes(String),
    /// The rest of a sentence that begins with the name of the option.
    Because(String),
}

impl ValueError {
    /// The sentence; `name` is the option or the variable.
    pub(crate) fn sentence(&self, name: &str, text: &str) -> String {
        match self {
            ValueError::Takes(what) => format!("{name} takes {what}, not {text:?}."),
            ValueError::Because(why) => format!("{name} {why}"),
        }
    }
}

/// The error of most parsers.
fn takes<T>(what: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError::Takes(what.into()))
}

/// A function that reads a value.
type Read<T> = Arc<dyn Fn(&str) -> Result<T, ValueError> + Send + Sync>;

/// A value parser of clap, made of a function.
#[derive(Clone)]
struct OneValue<T> {
    read: Read<T>,
    /// The words it takes and their help, where only a list of words is taken.
    words: Vec<(&'static str, &'static str)>,
}

/// A value parser of clap for an option that may be repeated; see [`Lines`].
#[derive(Clone)]
struct LineValues<T>(Read<T>);

/// One value.
pub(crate) fn one<T: Clone + Send + Sync + 'static>(
    read: impl Fn(&str) -> Result<T, ValueError> + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T> {
    OneValue { read: Arc::new(read), words: Vec::new() }
}

/// The values of an option that may be repeated.
pub(crate) fn lines<T: Clone + Send + Sync + 'static>(
    read: impl Fn(&str) -> Result<T, ValueError> + Send + Sync + 'static,
) -> impl TypedValueParser<Value = Lines<T>> {
    LineValues(Arc::new(read))
}

/// A word of a list, whose items are word, help and value.
pub(crate) fn word<T: Copy + Send + Sync + 'static>(
    list: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let read = move |text: &str| match list.iter().find(|(word, ..)| *word == text) {
        Some((.., value)) => Ok(*value),
        None => takes(either(list.iter().map(|(word, ..)| *word))),
    };
    OneValue { read: Arc::new(read), words: list.iter().map(|(word, help, _)| (*word, *help)).collect() }
}

/// A number within bounds.
pub(crate) fn count(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = usize> {
    one(move |text: &str| number(text, range.clone()).map(|number| number as usize))
}

/// A size within bounds, in bytes.
pub(crate) fn bytes(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = u64> {
    one(move |text: &str| size(text, range.clone()))
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneValue<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(&self, _: &Command, arg: Option<&Arg>, value: &OsStr, from: ValueSource) -> Result<T, clap::Error> {
        read(&self.read, arg, text_of(value)?, from)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        // The help, the manual and the completions list them.
        let words = self.words.iter().map(|(word, help)| PossibleValue::new(*word).help(*help));
        (!self.words.is_empty()).then(|| Box::new(words) as Box<dyn Iterator<Item = PossibleValue>>)
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for LineValues<T> {
    type Value = Lines<T>;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Lines<T>, clap::Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        _: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        from: ValueSource,
    ) -> Result<Lines<T>, clap::Error> {
        let text = text_of(value)?;
        // Only a variable is split: it cannot be repeated, the option can.
        match from {
            ValueSource::EnvVariable => {
                text.lines().filter(|line| !line.is_empty()).map(|line| read(&self.0, arg, line, from)).collect()
            }
            _ => Ok(vec![read(&self.0, arg, text, from)?]),
        }
    }
}

/// Values are text; only paths may hold other bytes, and they have no parser here.
fn text_of(value: &OsStr) -> Result<&str, clap::Error> {
    value.to_str().ok_or_else(|| clap::Error::new(ErrorKind::InvalidUtf8))
}

/// Applies `parse`; an error of clap carries the whole sentence and the option.
fn read<T>(parse: &Read<T>, arg: Option<&Arg>, text: &str, from: ValueSource) -> Result<T, clap::Error> {
    parse(text).map_err(|error| {
        // Clap's own message is never shown: `usage` prints the sentence and finds the example by the option.
        let option = arg.and_then(Arg::get_long).map_or("it".into(), |long| format!("--{long}"));
        let variable = arg.and_then(Arg::get_env).filter(|_| from == ValueSource::EnvVariable);
        let name = variable.map_or(option.clone(), |name| name.to_string_lossy().into_owned());
        let mut failed = clap::Error::new(ErrorKind::ValueValidation);
        failed.insert(ContextKind::Custom, ContextValue::String(error.sentence(&name, text)));
        failed.insert(ContextKind::InvalidArg, ContextValue::String(option));
        failed
    })
}

/// "a, b or c".
pub(crate) fn either<'a>(words: impl Iterator<Item = &'a str>) -> String {
    // The last word is joined with "or", and there may be only one.
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// A whole number within bounds.
pub(crate) fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, ValueError> {
    // `str::parse` would take "+5" as well.
    match decimal(text.as_bytes()) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => takes(format!("a number from {} to {}", range.start(), range.end())),
    }
}

/// A TCP port; 0 lets the system choose one.
pub(crate) fn port(text: &str) -> Result<u16, ValueError> {
    number(text, 0..=u64::from(u16::MAX)).map(|port| port as u16)
}

/// A switch that stands in a variable; an empty variable does not get here.
pub(crate) fn switch(text: &str) -> Result<bool, ValueError> {
    // A switch on the command line has no value; clap passes "true" for it.
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => takes("true or false"),
    }
}

/// The name of a field.
pub(crate) fn field_name(text: &str) -> Result<String, ValueError> {
    // A name that is none would match no field and hide nothing, without a word.
    match grammar::is_token(text.as_bytes()) {
        true => Ok(text.to_string()),
        false => takes("the name of a field, such as X-Session"),
    }
}

/// `500ms`, `10s`, `2m`, `1h`: more than 0.
pub(crate) fn time(text: &str) -> Result<Duration, ValueError> {
    match duration(text) {
        Some(time) if !time.is_zero() => Ok(time),
        _ => takes("a time such as 10s, 500ms or 2m, more than 0 and up to 24h"),
    }
}

/// The same, or 0.
pub(crate) fn time_or_zero(text: &str) -> Result<Duration, ValueError> {
    duration(text).map_or_else(|| takes("a time such as 10s, 500ms or 2m, up to 24h"), Ok)
}

/// A time up to a day: a longer timeout protects nothing.
fn duration(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let (amount, unit) = amount_and_unit(text)?;
    // A number without unit could mean seconds or milliseconds, so it is refused.
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    let time = Duration::from_millis(amount.checked_mul(unit)?);
    (time <= LONGEST).then_some(time)
}

/// `16K`: 16 and "K".
fn amount_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((decimal(&text.as_bytes()[..digits])?, &text[digits..]))
}

/// `512`, `16K`, `2M`, `16G`, `1T`: bytes, in steps of 1024.
pub(crate) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, ValueError> {
    /// The example in an error.
    const EXAMPLE: u64 = 16 << 10;
    let bytes = amount_and_unit(text).and_then(|(amount, unit)| {
        let shift = match unit {
            "" => 0,
            "K" | "k" => 10,
            "M" | "m" => 20,
            "G" | "g" => 30,
            "T" | "t" => 40,
            _ => return None,
        };
        // Checked: 99999999999T would otherwise wrap around to a small size.
        amount.checked_mul(1 << shift)
    });
    match bytes {
        Some(size) if range.contains(&size) => Ok(size),
        _ => {
            // The example must be one that is taken.
            let (least, most) = (in_units(*range.start()), in_units(*range.end()));
            let example = if range.contains(&EXAMPLE) { in_units(EXAMPLE) } else { least.clone() };
            takes(format!("a size from {least} to {most}, such as {example}"))
        }
    }
}

/// A size as it is typed, rounded down to a whole unit.
fn in_units(size: u64) -> String {
    // The bounds of some options are no whole number of units; rounding down keeps the upper one valid.
    let (mut size, mut unit) = (size, 0);
    while size >= 1024 && unit < 4 {
        (size, unit) = (size / 1024, unit + 1);
    }
    format!("{size}{}", ["", "K", "M", "G", "T"][unit])
}

/// An address; an IPv6 one may stand in brackets.
pub(crate) fn address(text: &str) -> Result<IpAddr, ValueError> {
    // Brackets are right in a URL, so people type them here as well.
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match bare.parse() {
        Ok(address) => Ok(address),
        Err(_) if text.parse::<std::net::SocketAddr>().is_ok() => {
            Err(ValueError::Because(format!("takes an address without port, not {text:?}. The port is --port's.")))
        }
        Err(_) => takes("an address such as 127.0.0.1, 0.0.0.0 or ::1"),
    }
}

/// `Name: value`, a field that the server may add to every response.
pub(crate) fn field(text: &str) -> Result<(String, String), ValueError> {
    const TAKES: &str = "a field such as 'X-Robots-Tag: noindex'";
    let Some((name, value)) = text.split_once(':') else { return takes(TAKES) };
    let value = value.trim_matches([' ', '\t']);
    // A wrong Content-Length or Transfer-Encoding would let a client read the response to another request.
    if is_connection_field(name) {
        return Err(ValueError::Because(format!(
            "may not set {name}: the server writes it, from what it really does with the connection."
        )));
    }
    // `push` refuses everything that would end the field line early.
    if value.is_empty() || Fields::new().push(name, value).is_err() {
        return takes(TAKES);
    }
    Ok((name.to_string(), value.to_string()))
}

/// The name of a file directly in a folder.
pub(crate) fn file_name(text: &str) -> Result<String, ValueError> {
    // It is joined to the path of a folder, which it must not leave.
    match text {
        "" | "." | ".." => takes("the name of a file"),
        _ if text.contains(['/', '\0']) => takes("the name of a file, without folder"),
        _ => Ok(text.to_string()),
    }
}

/// The path of a file below the root, without empty segments and without `..`. A leading slash means the root.
pub(crate) fn file_below(text: &str) -> Result<String, ValueError> {
    // The path is opened below the root, where `..` is refused; refuse it here too, at the start and with a reason.
    let path = text.strip_prefix('/').unwrap_or(text);
    if path.contains('\0') || path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return takes("a file inside the folder, such as index.html");
    }
    Ok(path.to_string())
}

/// `*`, or an origin as browsers send it (RFC 6454 §6.2): scheme, host, port, and no path.
pub(crate) fn origin(text: &str) -> Result<String, ValueError> {
    const TAKES: &str = "an origin such as http://localhost:3000";
    if text == "*" {
        return Ok(text.to_string());
    }
    // The origin is compared byte by byte later, so it gets the form that browsers send: in lower case and without
    // the slash of a copied URL.
    let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let Some((scheme, rest)) = text.split_once("://") else { return takes(TAKES) };
    let Some((host, port)) = authority(rest.as_bytes()) else { return takes(TAKES) };
    if !grammar::is_token(scheme.as_bytes()) || host.is_empty() || !text.is_ascii() {
        return takes(TAKES);
    }
    // Browsers leave out the default port of a scheme.
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

/// A name of the server: a host as browsers send it, or `*`.
pub(crate) fn host(text: &str) -> Result<String, ValueError> {
    host_name(text).map_or_else(|| takes("a name without port, such as files.example.org, or *"), Ok)
}

/// `revalidate`, `off` or seconds.
pub(crate) fn cache(text: &str) -> Result<CacheControl, ValueError> {
    /// The largest number that every recipient can hold (RFC 9111 §1.2.2).
    const MOST: u64 = (1 << 31) - 1;
    // The words first: a number is the only other form.
    match text {
        "revalidate" => Ok(CacheControl::Revalidate),
        "off" => Ok(CacheControl::Off),
        _ => match number(text, 0..=MOST) {
            Ok(seconds) => Ok(CacheControl::Seconds(seconds)),
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
            assert!(matches!(field(text), Err(ValueError::Takes(_))), "{text}");
        }
        for name in ["Content-Length", "transfer-encoding", "DATE", "Connection", "Keep-Alive", "Upgrade"] {
            assert!(matches!(field(&format!("{name}: 5")), Err(ValueError::Because(_))), "{name}");
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
