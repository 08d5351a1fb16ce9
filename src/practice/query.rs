//! The parameters of a practice address, read strictly (RFC 3986 §3.4, §2.1).
//!
//! ```text
//! ?sizes=5,26&gap=200     names and values
//! ?yes                    a switch: a name without a value
//! ```
//!
//! A parameter that cannot be read is refused with 400, and no default takes its place: a response with another gap
//! than the one that was meant would teach something false. The sentence names the parameter and what it takes; it
//! repeats nothing of the request.

use std::ops::RangeInclusive;

use percent_encoding::percent_decode;

use crate::http::grammar::decimal;
use crate::http::{Request, Status};
use crate::practice::TEXTS;
use crate::service::error_page::Problem;
use crate::service::text::grouped;
use crate::service::texts::Values;

/// The parameters of one request: `name=value`, or a name alone.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Decoded, in the order in which they were sent, each name once.
    pub(super) pairs: Vec<(String, Option<String>)>,
}

/// 400 with this row of the texts.
pub(super) fn bad_request(name: &str, values: Values<'_>) -> Problem {
    Problem::new(Status::BAD_REQUEST).saying(TEXTS.row(name, values))
}

/// Refuses the request with 400 and this row of the texts, unless the condition is true.
pub(super) fn require(condition: bool, name: &str, values: Values<'_>) -> Result<(), Problem> {
    if condition { Ok(()) } else { Err(bad_request(name, values)) }
}

impl Query {
    /// All parameters, with any names.
    pub(super) fn any(request: &Request<'_>) -> Result<Query, Problem> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for (name, value) in request.query_pairs() {
            // Decoded after it was split, so that `%26` is part of a value and no separator.
            let value = value.map(decode).transpose()?;
            let name = decode(name)?;
            // Programs differ in which of two values they take, so neither is taken.
            let is_first = pairs.iter().all(|(other, _)| *other != name);
            require(is_first, "twice", &[])?;
            pairs.push((name, value));
        }
        Ok(Query { pairs })
    }

    /// The parameters of an address that takes only `names`.
    pub(super) fn of(request: &Request<'_>, names: &[&str]) -> Result<Query, Problem> {
        let query = Query::any(request)?;
        if query.pairs.iter().all(|(name, _)| names.contains(&name.as_str())) {
            return Ok(query);
        }
        // A misspelled name must not be ignored: its default would be taken for what was asked.
        let all = names.join(", ");
        Err(match names.len() {
            0 => bad_request("no parameters", &[]),
            1 => bad_request("one parameter", &[("names", &all)]),
            _ => bad_request("parameters", &[("names", &all)]),
        })
    }

    /// The value of a parameter; an empty one for a name alone.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// Whether a parameter without a value is given.
    pub(super) fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(_) => Err(bad_request("switch", &[("name", &name)])),
        }
    }

    /// A number in `range`, or `default` if it is not given.
    pub(super) fn number(&self, name: &str, default: u64, range: RangeInclusive<u64>) -> Result<u64, Problem> {
        let Some(value) = self.get(name) else { return Ok(default) };
        number(value.as_bytes(), range).map_err(|[least, greatest]| {
            bad_request("number", &[("name", &name), ("least", &least), ("greatest", &greatest)])
        })
    }

    /// At most `most` numbers in `range` between commas, or `default` if the parameter is not given.
    pub(super) fn numbers(
        &self,
        name: &str,
        default: &[u64],
        range: RangeInclusive<u64>,
        most: u64,
    ) -> Result<Vec<u64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(default.to_vec()) };
        // An empty piece is no number: `5,,26` and `5,` are refused.
        let one = |text: &str| decimal(text.as_bytes()).filter(|number| range.contains(number));
        let numbers: Option<Vec<u64>> = value.split(',').map(one).collect();
        numbers.filter(|numbers| numbers.len() as u64 <= most).ok_or_else(|| {
            let [least, greatest, most] = [*range.start(), *range.end(), most].map(grouped);
            let bounds: Values<'_> = &[("name", &name), ("least", &least), ("greatest", &greatest), ("most", &most)];
            bad_request("numbers", bounds)
        })
    }
}

/// The number of a path, which must be in `range`. `name` is the row of the texts about it.
pub(super) fn path_number(name: &str, value: &[u8], range: RangeInclusive<u64>) -> Result<u64, Problem> {
    let refuse = |[least, greatest]: [String; 2]| bad_request(name, &[("least", &least), ("greatest", &greatest)]);
    number(value, range).map_err(refuse)
}

/// A number in `range`, or the bounds of the range, for people.
fn number(value: &[u8], range: RangeInclusive<u64>) -> Result<u64, [String; 2]> {
    let bounds = || [*range.start(), *range.end()].map(grouped);
    decimal(value).filter(|number| range.contains(number)).ok_or_else(bounds)
}

/// A name or a value, decoded. A plus sign stays one: `+` means a space only in forms, and this is none.
fn decode(bytes: &[u8]) -> Result<String, Problem> {
    let is_code = |piece: &[u8]| matches!(piece, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    // The decoder would leave `%5` as it is. All pieces but the first follow a percent sign.
    let is_encoded = bytes.split(|&b| b == b'%').skip(1).all(is_code);
    require(is_encoded, "percent", &[])?;
    let text = percent_decode(bytes).decode_utf8();
    Ok(text.map_err(|_| bad_request("not utf-8", &[]))?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Event, Http1, Limits};

    fn with<T>(query: &str, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("GET /x{query} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(head.as_bytes()).event else { panic!("{query}") };
        then(&request)
    }

    #[test]
    fn nothing_unreadable_becomes_a_default() {
        let read = |query: &str| with(query, |r| Query::of(r, &["n", "yes"])?.number("n", 7, 1..=1000));
        assert_eq!(read("").ok(), Some(7));
        assert_eq!(read("?").ok(), Some(7));
        assert_eq!(read("?n=5&yes").ok(), Some(5));
        assert_eq!(read("?%6E=%35").ok(), Some(5));
        for (query, sentence) in [
            ("?n", "n takes a number from 1 to 1,000."),
            ("?n=", "n takes a number from 1 to 1,000."),
            ("?n=0", "n takes a number from 1 to 1,000."),
            ("?n=1001", "n takes a number from 1 to 1,000."),
            ("?n=+5", "n takes a number from 1 to 1,000."),
            ("?n=2s", "n takes a number from 1 to 1,000."),
            ("?N=5", "This address takes these parameters: n, yes."),
            ("?<script>", "This address takes these parameters: n, yes."),
            ("?n=5&n=5", "A parameter is given twice. Each may be given once."),
            (
                "?n=%5",
                "In a query, two hexadecimal digits must follow a percent sign. Write %25 for the percent sign itself.",
            ),
            ("?n=%FF", "The query is not UTF-8 after its %XX codes are decoded."),
        ] {
            let problem = read(query).unwrap_err();
            assert_eq!((problem.status.code(), problem.sentence.as_str()), (400, sentence), "{query}");
        }
        let switch = |query: &str| with(query, |r| Query::of(r, &["yes"])?.switch("yes"));
        assert_eq!((switch("").ok(), switch("?yes").ok(), switch("?yes=").ok()), (Some(false), Some(true), Some(true)));
        assert!(switch("?yes=no").is_err());
    }

    #[test]
    fn lists_of_numbers_are_bounded_in_both_ways() {
        let read = |query: &str| with(query, |r| Query::any(r)?.numbers("at", &[1], 1..=9, 3));
        assert_eq!(read("").ok(), Some(vec![1]));
        assert_eq!(read("?at=3,1,9").ok(), Some(vec![3, 1, 9]));
        for query in ["?at=", "?at=1,", "?at=10", "?at=1,2,3,4", "?at=1;2", "?at=1, 2"] {
            let query = query.replace(' ', "%20");
            let sentence = "at takes numbers from 1 to 9, separated by commas, at most 3 of them.";
            assert_eq!(read(&query).unwrap_err().sentence, sentence, "{query}");
        }
        assert_eq!([0, 999, 1000, 1_048_576].map(grouped), ["0", "999", "1,000", "1,048,576"]);
    }
}
