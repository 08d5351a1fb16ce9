//! Properties that hold for any input: one function for each way in, which panics if one does not hold.
//!
//! They are called by the mutation test (`tests/it/protocol`) on some thousand broken variants of the corpus, and by
//! the fuzz targets (`tests/fuzz`); the server never calls them.
//!
//! Most bugs of a parser are differences, not crashes. So [`receive`] compares the results of the same bytes cut in
//! different positions: a request that depends on how TCP has cut it is one that two servers understand differently
//! (RFC 9112 §11.2).

use crate::http::chunked::{Chunk, Decoder, LAST_CHUNK, encode};
use crate::http::grammar::{is_field_byte, is_ows, is_token};
use crate::http::multipart::{FormError, FormEvent, Multipart};
use crate::http::{
    AddedFields, EndOfInput, Event, Fields, Framing, Http1, HttpDate, Length, Limits, Next, Request, RequestError,
    Status, date, field, target,
};

/// Steps per byte after which a conversation must have ended: each step uses a byte or asks for more.
const STEPS_PER_BYTE: usize = 4;

/// Something that was understood, for comparison.
#[derive(Debug, PartialEq)]
enum Seen {
    Request(Vec<u8>, Framing, bool),
    Content(Vec<u8>),
    End,
    Refused(RequestError),
    Rest(EndOfInput, usize),
}

/// Any bytes on a connection: no panic, no byte used twice, every position inside the input, and the same events whole,
/// byte by byte, and cut somewhere.
pub fn receive(bytes: &[u8]) {
    // The bytes also choose how the server behaves, so that a fuzzer can reach both ways.
    let sum = bytes.iter().fold(bytes.len(), |sum, &b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
    let early = sum.is_multiple_of(3);
    let whole = converse(bytes, &[], early);
    let bytewise: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(converse(bytes, &bytewise, early), whole, "bytewise");
    if let Some(cut) = sum.checked_rem(bytes.len()) {
        assert_eq!(converse(bytes, &[cut], early), whole, "cut at {cut}");
        let (first, second) = (cut / 2, cut + (bytes.len() - cut) / 2);
        assert_eq!(converse(bytes, &[first, second], early), whole, "cut at {first} and {second}");
    }
}

fn converse(bytes: &[u8], cuts: &[usize], early: bool) -> Vec<Seen> {
    let mut connection = Http1::new(Limits::default());
    let (mut used, mut base, mut seen, mut steps) = (0, 0, Vec::new(), 0);
    for &end in cuts.iter().chain([&bytes.len()]) {
        loop {
            steps += 1;
            assert!(steps <= STEPS_PER_BYTE * (bytes.len() + 2), "a conversation without end");
            let input = &bytes[used..end];
            let wanted = connection.wants_input();
            let step = connection.receive(input);
            assert!(step.used <= input.len());
            used += step.used;
            match step.event {
                Event::NeedMore => break,
                _ if !wanted => panic!("an event that was not wanted"),
                Event::Content(data) => {
                    assert!(!data.is_empty() && bytes[..used].ends_with(data));
                    match seen.last_mut() {
                        Some(Seen::Content(before)) => before.extend_from_slice(data),
                        _ => seen.push(Seen::Content(data.to_vec())),
                    }
                    continue;
                }
                Event::Request(request, framing) => {
                    check_request(&request);
                    assert_eq!(request.framing(), framing);
                    seen.push(Seen::Request(request.bytes().to_vec(), framing, connection.is_persistent()));
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
                Event::Refused(error) => {
                    assert!(base as u64 + error.at + error.len <= end as u64, "the blamed bytes have arrived");
                    seen.push(Seen::Refused(error));
                }
            }
            if !respond(&mut connection) {
                let step = connection.receive(bytes);
                assert!(matches!(step.event, Event::NeedMore) && !seen.is_empty(), "nothing is read after the end");
                return seen;
            }
            if !connection.content_is_due() {
                base = used;
            }
        }
    }
    let pending = bytes.len() - used;
    seen.push(Seen::Rest(connection.end_of_input(), pending));
    assert!(!connection.is_persistent() && connection.time_out().is_none());
    seen
}

/// Responds; returns whether the conversation goes on.
fn respond(connection: &mut Http1) -> bool {
    let (mut out, date) = (Vec::new(), HttpDate::from_second(0));
    connection.respond(Status::OK, &Fields::new(), Length::Known(0), &AddedFields::NONE, &date, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n") && out.ends_with(b"\r\n\r\n"));
    let closes = out.windows(19).any(|w| w == b"Connection: close\r\n");
    let next = connection.sent();
    assert_eq!(closes, matches!(next, Next::Close | Next::Linger), "the Connection field agrees with what is done");
    !closes
}

/// A request that was understood has the properties on which the rest of the server relies.
fn check_request(request: &Request<'_>) {
    let (head, bytes) = (request.head(), request.bytes());
    assert!(bytes.ends_with(b"\r\n\r\n") && head.len == bytes.len());
    assert!(is_token(request.method_name()));
    assert!(!request.target().is_empty() && request.version().name().starts_with("HTTP/1."));
    let mut at = head.line.len;
    for line in head.lines() {
        assert_eq!(line.name.start(), at, "lines follow each other without a gap");
        assert!(line.value.start() > line.name.end() && line.value.end() <= bytes.len() - 4);
        let (name, value) = (line.name.of(bytes), line.value.of(bytes));
        assert!(is_token(name) && value.iter().all(|&b| is_field_byte(b)));
        assert!(!value.first().is_some_and(|&b| is_ows(b)) && !value.last().is_some_and(|&b| is_ows(b)));
        let rest = &bytes[line.value.end()..];
        at = line.value.end() + rest.iter().take_while(|&&b| is_ows(b)).count() + 2;
        assert_eq!(&bytes[at - 2..at], b"\r\n");
    }
    assert_eq!(at + 2, bytes.len());
    check_path(request.raw_path(), request.path());
    assert_eq!(request.clone().into_owned().path(), request.path());
}

fn check_path(raw: &[u8], path: &[u8]) {
    let slashes = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'/').count();
    assert!(slashes(raw) >= slashes(path), "decoding adds no segment");
    assert!(!path.contains(&0) && path.len() <= raw.len());
    assert_eq!(path.starts_with(b"/"), raw.starts_with(b"/"), "an absolute path stays one");
    assert!(path.split(|&b| b == b'/').all(|segment| !matches!(segment, b"." | b"..")), "no segment leads upwards");
}

/// Any bytes as chunked content: the same result whole and byte by byte; and after encoding, decoding returns them.
pub fn chunks(bytes: &[u8]) {
    let bytewise: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(unchunk(bytes, &bytewise), unchunk(bytes, &[]));
    let mut encoded = Vec::new();
    bytes.chunks(7).for_each(|part| encode(part, &mut encoded));
    encoded.extend_from_slice(LAST_CHUNK);
    assert_eq!(unchunk(&encoded, &[]), (bytes.to_vec(), Ok(Some(encoded.len()))));
}

/// The content, and where it ended or which error it has.
fn unchunk(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<Option<usize>, RequestError>) {
    let (mut decoder, limits) = (Decoder::default(), Limits::default());
    let (mut content, mut used) = (Vec::new(), 0);
    for &end in cuts.iter().chain([&bytes.len()]) {
        loop {
            let (step, chunk) = decoder.step(&bytes[used..end], &limits);
            used += step;
            assert!(used <= end);
            match chunk {
                Chunk::NeedMore => break,
                Chunk::Line => {}
                Chunk::Data(data) => content.extend_from_slice(data),
                Chunk::End => return (content, Ok(Some(used))),
                Chunk::Refused(error) => {
                    assert!(used as u64 + error.at + error.len <= end as u64, "the blamed bytes were read");
                    return (content, Err(error.shifted(used as u64)));
                }
            }
        }
    }
    (content, Ok(None))
}

/// Any bytes as a form: the same parts whole, byte by byte and cut in the middle; and as the content of a part they
/// come back as they are.
pub fn forms(bytes: &[u8]) {
    let bytewise: Vec<usize> = (1..bytes.len()).collect();
    let whole = parts(bytes, &[]);
    assert_eq!(parts(bytes, &bytewise), whole, "bytewise");
    assert_eq!(parts(bytes, &[bytes.len() / 2]), whole, "in halves");
    let content = [bytes, b"\r\n--a"].concat();
    if content.windows(5).position(|w| w == b"\r\n--a") == Some(bytes.len()) {
        let head = b"--a\r\nContent-Disposition: form-data; filename=\"x\"\r\n\r\n";
        let form = [&head[..], &content, b"--\r\n"].concat();
        let expected = vec![Part { name: Some(b"x".to_vec()), content: bytes.to_vec(), is_complete: true }];
        assert_eq!(parts(&form, &[]), (expected, Some(Ok(()))));
    }
}

#[derive(Debug, PartialEq)]
struct Part {
    name: Option<Vec<u8>>,
    content: Vec<u8>,
    is_complete: bool,
}

/// The parts of a form with the boundary `a`, and how it ended; `None` if it did not.
fn parts(bytes: &[u8], cuts: &[usize]) -> (Vec<Part>, Option<Result<(), FormError>>) {
    let Some(Ok(mut form)) = Multipart::of(b"multipart/form-data; boundary=a") else { panic!("a valid boundary") };
    let (mut parts, mut used): (Vec<Part>, usize) = (Vec::new(), 0);
    for &end in cuts.iter().chain([&bytes.len()]) {
        loop {
            let (step, event) = match form.step(&bytes[used..end]) {
                Ok(step) => step,
                Err(error) => return (parts, Some(Err(error))),
            };
            used += step;
            assert!(used <= end);
            match (event, parts.last_mut()) {
                (FormEvent::NeedMore, _) if step == 0 => break,
                (FormEvent::NeedMore, _) => {}
                (FormEvent::Part(name), _) => parts.push(Part { name, content: Vec::new(), is_complete: false }),
                (FormEvent::Data(data), Some(part)) => part.content.extend_from_slice(data),
                (FormEvent::PartEnd, Some(part)) => part.is_complete = true,
                (FormEvent::End, _) => return (parts, Some(Ok(()))),
                (event, None) => panic!("{event:?} before a part"),
            }
        }
    }
    (parts, None)
}

/// Any bytes as a path and as an authority.
pub fn targets(bytes: &[u8]) {
    match target::decode(bytes) {
        // Every path begins with a slash, and a raw NUL is refused before it is decoded.
        Ok(path) if bytes.starts_with(b"/") && !bytes.contains(&0) => check_path(bytes, &path),
        Ok(_) => {}
        Err(error) => assert!(error.len > 0 && error.at + error.len <= bytes.len() as u64),
    }
    if let Some((host, port)) = target::authority(bytes) {
        let whole = port.map_or(host.to_vec(), |port| [host, b":", port].concat());
        assert_eq!(whole, bytes, "host and port are everything");
        assert!(!host.iter().any(|b| matches!(b, b'/' | b'@' | b' ' | b'\\')));
    }
}

/// Any bytes as a list, its elements, parameters and weights, and as a line of a response.
pub fn lists(bytes: &[u8]) {
    let mut length = 0;
    for element in field::elements(bytes) {
        assert!(!element.is_empty() && !is_ows(element[0]));
        length += element.len() + 1;
        let (first, parameters) = field::parameters(element);
        assert!(first.len() <= element.len());
        for (name, value) in parameters {
            assert!(name.len() + value.len() <= element.len() && field::unquote(value).len() <= value.len());
        }
    }
    assert!(length <= bytes.len() + 1, "elements do not overlap");
    assert!(field::weighted(bytes).all(|(_, weight)| weight <= 1000));
    if let Some((_, at, len)) = field::diagnose(bytes) {
        assert!(at + len <= bytes.len());
    }
    let mut fields = Fields::new();
    let added = usize::from(fields.push("Name", bytes).is_ok());
    assert_eq!(fields.bytes().iter().filter(|&&b| matches!(b, b'\r' | b'\n')).count(), 2 * added);
}

/// Any bytes as a date: a date that was read is written and read again as the same second.
pub fn dates(bytes: &[u8]) {
    if let Some(second) = date::parse(bytes) {
        let written = HttpDate::from_second(second);
        assert_eq!(date::parse(written.bytes()), Some(written.second()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_inputs_of_dangerous_bytes_hold_every_promise() {
        const ALPHABET: &[u8] = b"aG /:\r\n\t;=\"\\,%20\0\xff";
        let mut inputs: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..3 {
            inputs = inputs.iter().flat_map(|i| ALPHABET.iter().map(move |&b| [&i[..], &[b]].concat())).collect();
            for input in &inputs {
                chunks(input);
                forms(input);
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
                for byte in [b'0', b'9', b' ', b'-', b'+', b'A', 0xff] {
                    let mut bytes = date.as_bytes().to_vec();
                    bytes[at] = byte;
                    dates(&bytes);
                }
            }
        }
    }
}
