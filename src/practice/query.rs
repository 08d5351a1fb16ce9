//! The parameters of a practice address, read strictly.
//!
//! RFC 3986 §3.4 (query), §2.1 (percent-encoding). `name=value` between `&`; a name alone is a switch.
//!
//! Never: a default in the place of something that was meant but cannot be read. Whoever writes
//! `gap=2s` is told what `gap` takes; an answer with another gap would teach something false.
//!
//! The subtle thing: a sentence of refusal names the parameter and what it takes, and repeats nothing of
//! what came. And `+` stays a plus: here no form is read, and `a+b` is a sum.

use std::ops::RangeInclusive;

use percent_encoding::percent_decode;

use crate::http::grammar::{decimal, hex_digit};
use crate::http::{Request, Status};
use crate::service::error_page::Problem;

/// The parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, Option<String>)>,
}

/// 400 with this sentence.
pub(crate) fn bad(sentence: impl Into<String>) -> Problem {
    Problem::new(Status::BAD_REQUEST).with_sentence(sentence)
}

/// `1,048,576` for a person.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Query {
    /// All parameters, whatever their names.
    pub(crate) fn any(request: &Request<'_>) -> Result<Query, Problem> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for (name, value) in request.query_pairs() {
            let value = value.map(text).transpose()?;
            let name = text(name)?;
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(bad("A parameter stands twice; each may stand once."));
            }
            pairs.push((name, value));
        }
        Ok(Query { pairs })
    }

    /// The parameters, of these names only.
    pub(crate) fn of(request: &Request<'_>, names: &[&str]) -> Result<Query, Problem> {
        let query = Query::any(request)?;
        if query.pairs.iter().any(|(name, _)| !names.contains(&name.as_str())) {
            return Err(match names {
                [] => bad("This address takes no parameters."),
                [one] => bad(format!("This address takes one parameter: {one}.")),
                _ => bad(format!("This address takes these parameters: {}.", names.join(", "))),
            });
        }
        Ok(query)
    }

    /// Names and values as they came.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The value of a parameter; an empty one for a name alone.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(other, _)| *other == name).map(|(_, value)| value.unwrap_or_default())
    }

    /// A switch: there or not, without a value.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(_) => Err(bad(format!("{name} is a switch and takes no value: ?{name}"))),
        }
    }

    /// A number in this range, or `default` where it is not given.
    pub(crate) fn number(&self, name: &str, default: u64, range: RangeInclusive<u64>) -> Result<u64, Problem> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => number(name, value.as_bytes(), range),
        }
    }

    /// Numbers in this range between commas, at most `most` of them.
    pub(crate) fn numbers(
        &self,
        name: &str,
        default: &[u64],
        range: RangeInclusive<u64>,
        most: u64,
    ) -> Result<Vec<u64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(default.to_vec()) };
        let read: Option<Vec<u64>> =
            value.split(',').map(|one| decimal(one.as_bytes()).filter(|n| range.contains(n))).collect();
        read.filter(|numbers| numbers.len() as u64 <= most).ok_or_else(|| {
            let (least, greatest) = (grouped(*range.start()), grouped(*range.end()));
            bad(format!(
                "{name} takes numbers from {least} to {greatest} between commas, at most {} of them.",
                grouped(most)
            ))
        })
    }
}

/// A number in this range.
pub(crate) fn number(name: &str, value: &[u8], range: RangeInclusive<u64>) -> Result<u64, Problem> {
    decimal(value).filter(|number| range.contains(number)).ok_or_else(|| {
        bad(format!("{name} takes a number from {} to {}.", grouped(*range.start()), grouped(*range.end())))
    })
}

fn text(bytes: &[u8]) -> Result<String, Problem> {
    let whole = |at: usize| {
        let digit = |offset| bytes.get(at + offset).and_then(|&o: &u8| hex_digit(o));
        digit(1).is_some() && digit(2).is_some()
    };
    if !bytes.iter().enumerate().all(|(at, &o)| o != b'%' || whole(at)) {
        return Err(bad(
            "In a query, a percent sign stands before two hexadecimal digits; one that means itself is %25.",
        ));
    }
    match percent_decode(bytes).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(bad("The query is no UTF-8 behind its percent signs.")),
    }
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
            ("?n=5&n=5", "A parameter stands twice; each may stand once."),
            ("?n=%5", "In a query, a percent sign stands before two hexadecimal digits; one that means itself is %25."),
            ("?n=%FF", "The query is no UTF-8 behind its percent signs."),
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
            let sentence = "at takes numbers from 1 to 9 between commas, at most 3 of them.";
            assert_eq!(read(&query).unwrap_err().sentence, sentence, "{query}");
        }
        assert_eq!([0, 999, 1000, 1_048_576].map(grouped), ["0", "999", "1,000", "1,048,576"]);
    }
}
