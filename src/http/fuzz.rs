//! What must hold for any octets whatever: one function per way in, which panics if it does not.
//!
//! They are called by the mutation test (`tests/wire.rs`) on a few thousand broken relatives of the
//! corpus, and by the fuzz targets (`tests/fuzz`). RFC 9112 in general, §11.2 in particular.
//!
//! Never: a call from the server.
//!
//! The subtle thing: most bugs of a parser are differences, not crashes. So [`receive`] compares what
//! is understood of the same octets cut in different places; a request that depends on how TCP cut it
//! is one that two servers understand differently.

use crate::http::chunked::{Chunk, Decoder, LAST_CHUNK, encode};
use crate::http::event::EndOfInput;
use crate::http::grammar::{is_field_octet, is_ows, is_token};
use crate::http::limits::Limits;
use crate::http::response::{Fields, Length};
use crate::http::{Connection, Event, Framing, HttpDate, Next, Refusal, Request, Status, date, field, target};

/// Steps after which a conversation must have ended: each uses an octet or asks for more.
const STEPS_PER_OCTET: usize = 4;

/// Something understood, comparable.
#[derive(Debug, PartialEq)]
enum Seen {
    Request(Vec<u8>, Framing, bool),
    Content(Vec<u8>),
    End,
    Refused(Refusal),
    Rest(EndOfInput, usize),
}

/// Any octets on a connection: no panic, no octet used twice, every position inside, and the same
/// story whole, one octet at a time, and cut somewhere.
pub fn receive(octets: &[u8]) {
    // How the server behaves is chosen by the octets too, so that a fuzzer can choose it.
    let sum = octets.iter().fold(octets.len(), |sum, &o| sum.wrapping_mul(31).wrapping_add(usize::from(o)));
    let early = sum.is_multiple_of(3);
    let whole = converse(octets, &[], early);
    let bytewise: Vec<usize> = (1..octets.len()).collect();
    assert_eq!(converse(octets, &bytewise, early), whole, "bytewise");
    if let Some(cut) = sum.checked_rem(octets.len()) {
        assert_eq!(converse(octets, &[cut], early), whole, "cut at {cut}");
        let (first, second) = (cut / 2, cut + (octets.len() - cut) / 2);
        assert_eq!(converse(octets, &[first, second], early), whole, "cut at {first} and {second}");
    }
}

fn converse(octets: &[u8], cuts: &[usize], early: bool) -> Vec<Seen> {
    let mut connection = Connection::new(Limits::default());
    let (mut used, mut base, mut seen, mut steps) = (0, 0, Vec::new(), 0);
    for &end in cuts.iter().chain([&octets.len()]) {
        loop {
            steps += 1;
            assert!(steps <= STEPS_PER_OCTET * (octets.len() + 2), "a conversation without end");
            let input = &octets[used..end];
            let wanted = connection.wants_input();
            let step = connection.receive(input);
            assert!(step.used <= input.len());
            used += step.used;
            match step.event {
                Event::NeedMore => break,
                _ if !wanted => panic!("an event that nobody wanted"),
                Event::Content(data) => {
                    assert!(!data.is_empty() && octets[..used].ends_with(data));
                    match seen.last_mut() {
                        Some(Seen::Content(before)) => before.extend_from_slice(data),
                        _ => seen.push(Seen::Content(data.to_vec())),
                    }
                    continue;
                }
                Event::Request(request, framing) => {
                    check_request(&request);
                    assert_eq!(request.framing(), framing);
                    seen.push(Seen::Request(request.octets().to_vec(), framing, connection.is_persistent()));
                    if framing.has_content() && !early {
                        continue;
                    }
                }
                Event::End => {
                    seen.push(Seen::End);
                    if early {
                        base = used;
                        continue;
                    }
                }
                Event::Refused(refusal) => {
                    assert!(base as u64 + refusal.at + refusal.len <= end as u64, "the blame lies in what came");
                    seen.push(Seen::Refused(refusal));
                }
            }
            if !answer(&mut connection) {
                let step = connection.receive(octets);
                assert!(matches!(step.event, Event::NeedMore) && !seen.is_empty(), "nothing is read after the end");
                return seen;
            }
            if !connection.content_is_due() {
                base = used;
            }
        }
    }
    let pending = octets.len() - used;
    seen.push(Seen::Rest(connection.end_of_input(), pending));
    assert!(!connection.is_persistent() && connection.time_out().is_none());
    seen
}

/// Answers; whether the conversation goes on.
fn answer(connection: &mut Connection) -> bool {
    let (mut out, date) = (Vec::new(), HttpDate::from_second(0));
    connection.respond(Status::OK, &Fields::new(), Length::Known(0), &date, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n") && out.ends_with(b"\r\n\r\n"));
    let closes = out.windows(19).any(|w| w == b"Connection: close\r\n");
    let next = connection.sent();
    assert_eq!(closes, matches!(next, Next::Close | Next::Linger), "what was said is what is done");
    !closes
}

/// A request that was understood keeps what the rest of the server relies on.
fn check_request(request: &Request<'_>) {
    let (head, octets) = (request.head(), request.octets());
    assert!(octets.ends_with(b"\r\n\r\n") && head.len == octets.len());
    assert!(is_token(request.method_name()));
    assert!(!request.target().is_empty() && request.version().name().starts_with("HTTP/1."));
    let mut at = head.line.len;
    for line in head.lines() {
        assert_eq!(line.name.start(), at, "lines follow each other without a gap");
        assert!(line.value.start() > line.name.end() && line.value.end() <= octets.len() - 4);
        let (name, value) = (line.name.of(octets), line.value.of(octets));
        assert!(is_token(name) && value.iter().all(|&o| is_field_octet(o)));
        assert!(!value.first().is_some_and(|&o| is_ows(o)) && !value.last().is_some_and(|&o| is_ows(o)));
        let rest = &octets[line.value.end()..];
        at = line.value.end() + rest.iter().take_while(|&&o| is_ows(o)).count() + 2;
        assert_eq!(&octets[at - 2..at], b"\r\n");
    }
    assert_eq!(at + 2, octets.len());
    check_path(request.raw_path(), request.path());
    assert_eq!(request.clone().into_owned().path(), request.path());
}

fn check_path(raw: &[u8], path: &[u8]) {
    let slashes = |octets: &[u8]| octets.iter().filter(|&&o| o == b'/').count();
    assert_eq!(slashes(raw), slashes(path), "decoding makes no segment");
    assert!(!path.contains(&0) && path.len() <= raw.len());
    assert!(path.split(|&o| o == b'/').all(|segment| !matches!(segment, b"." | b"..")), "nothing climbs");
}

/// Any octets as chunked content: the same whole and bytewise, and what is encoded is decoded.
pub fn chunks(octets: &[u8]) {
    let bytewise: Vec<usize> = (1..octets.len()).collect();
    assert_eq!(unchunk(octets, &bytewise), unchunk(octets, &[]));
    let mut encoded = Vec::new();
    octets.chunks(7).for_each(|part| encode(part, &mut encoded));
    encoded.extend_from_slice(LAST_CHUNK);
    assert_eq!(unchunk(&encoded, &[]), (octets.to_vec(), Ok(Some(encoded.len()))));
}

/// The content, and where it ended or which rule was broken where.
fn unchunk(octets: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<Option<usize>, Refusal>) {
    let (mut decoder, limits) = (Decoder::default(), Limits::default());
    let (mut content, mut used) = (Vec::new(), 0);
    for &end in cuts.iter().chain([&octets.len()]) {
        loop {
            let (step, chunk) = decoder.step(&octets[used..end], &limits);
            used += step;
            assert!(used <= end);
            match chunk {
                Chunk::NeedMore => break,
                Chunk::Line => {}
                Chunk::Data(data) => content.extend_from_slice(data),
                Chunk::End => return (content, Ok(Some(used))),
                Chunk::Refused(refusal) => {
                    assert!(used as u64 + refusal.at + refusal.len <= end as u64, "the blame lies in what was read");
                    return (content, Err(refusal.shifted(used as u64)));
                }
            }
        }
    }
    (content, Ok(None))
}

/// Any octets as a path and as an authority.
pub fn targets(octets: &[u8]) {
    match target::decode(octets) {
        // A raw NUL is refused before a path is decoded.
        Ok(path) if !octets.contains(&0) => check_path(octets, &path),
        Ok(_) => {}
        Err((_, at, len)) => assert!(len > 0 && at + len <= octets.len()),
    }
    if let Some((host, port)) = target::authority(octets) {
        let whole = port.map_or(host.to_vec(), |port| [host, b":", port].concat());
        assert_eq!(whole, octets, "host and port are all there is");
        assert!(!host.iter().any(|o| matches!(o, b'/' | b'@' | b' ' | b'\\')));
    }
}

/// Any octets as a list, its elements, parameters and weights, and as a line of a response.
pub fn lists(octets: &[u8]) {
    let mut length = 0;
    for element in field::elements(octets) {
        assert!(!element.is_empty() && !is_ows(element[0]));
        length += element.len() + 1;
        let (first, parameters) = field::parameters(element);
        assert!(first.len() <= element.len());
        for (name, value) in parameters {
            assert!(name.len() + value.len() <= element.len() && field::unquote(value).len() <= value.len());
        }
    }
    assert!(length <= octets.len() + 1, "elements do not overlap");
    assert!(field::weighted(octets).all(|(_, weight)| weight <= 1000));
    if let Some((_, at, len)) = field::diagnose(octets) {
        assert!(at + len <= octets.len());
    }
    let mut fields = Fields::new();
    let added = usize::from(fields.push("Name", octets).is_ok());
    assert_eq!(fields.octets().iter().filter(|&&o| matches!(o, b'\r' | b'\n')).count(), 2 * added);
}

/// Any octets as a date: what is understood is written and understood as the same second.
pub fn dates(octets: &[u8]) {
    if let Some(second) = date::parse(octets) {
        let written = HttpDate::from_second(second);
        assert_eq!(date::parse(written.octets()), Some(written.second()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_inputs_of_dangerous_octets_hold_every_promise() {
        const ALPHABET: &[u8] = b"aG /:\r\n\t;=\"\\,%20\0\xff";
        let mut inputs: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..3 {
            inputs = inputs.iter().flat_map(|i| ALPHABET.iter().map(move |&o| [&i[..], &[o]].concat())).collect();
            for input in &inputs {
                chunks(input);
                targets(input);
                lists(input);
                dates(input);
                receive(input);
                receive(&[b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1", &input[..]].concat());
                receive(&[b"GET / HTTP/1.1\r\nHost: a\r\n", &input[..], b"\r\n\r\n"].concat());
            }
        }
    }

    #[test]
    fn dates_of_every_form_and_their_neighbours_hold() {
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            for at in 0..date.len() {
                for octet in [b'0', b'9', b' ', b'-', b'+', b'A', 0xff] {
                    let mut octets = date.as_bytes().to_vec();
                    octets[at] = octet;
                    dates(&octets);
                }
            }
        }
    }
}
