//! The content of a form in multipart/form-data as spans: boundaries, part heads, data (RFC 7578; RFC 2046 §5.1.1).
//!
//! ```text
//! form = [ preamble CRLF ] boundary-line *( part CRLF boundary-line ) "--" epilogue
//! part = *( field CRLF ) CRLF data
//! boundary-line = "--" boundary OWS CRLF
//! ```
//!
//! Unlike [`crate::http::multipart`], which reads a valid form as a stream, this accepts any bytes and any part of a
//! form: every byte gets a span. The CR LF before a boundary belongs to the boundary and not to the data, so data may
//! end with a line end of its own, or with none.

use crate::http::grammar::is_ows;
use crate::http::{field, multipart};
use crate::wire::explain::message::{MessageSpan, SpanKind};
use crate::wire::explain::notes::part;
use crate::wire::explain::value::{Annotations, RedactOptions};

/// The boundary in a Content-Type, if that is one of a form.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    multipart::boundary(content_type).filter(|boundary| !boundary.is_empty())
}

/// The first boundary line at or after `at`: where it begins, and where it ends after the boundary itself.
pub(crate) fn find_boundary(bytes: &[u8], boundary: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = [b"\r\n--", boundary].concat();
    // A longer boundary may begin with this one. After ours the line ends, or the form does.
    let ends = |rest: &[u8]| {
        let rest = &rest[rest.iter().take_while(|&&b| is_ows(b)).count()..];
        rest.is_empty() || rest.starts_with(b"--") || rest.starts_with(b"\r\n") || rest == b"\r" || rest == b"-"
    };
    // At the very beginning of the content there is no line end before it.
    if at == 0 && bytes.starts_with(&line[2..]) && ends(&bytes[line.len() - 2..]) {
        return Some((0, line.len() - 2));
    }
    let places = bytes.get(at..)?.windows(line.len()).enumerate().filter(|(_, window)| *window == line);
    places.map(|(n, _)| (at + n, at + n + line.len())).find(|&(_, end)| ends(&bytes[end..]))
}

/// The spans of the content of a form, as far as it was kept. The data of a part with a secret name is secret.
pub(crate) fn parts(bytes: &[u8], boundary: &[u8], redact: &RedactOptions) -> Vec<MessageSpan> {
    let mut out = Annotations::default();
    // Bytes before the first boundary are not part of the form and mean nothing.
    let (mut at, mut data, mut note) = (0, SpanKind::Body, part::BODY);
    while let Some((from, end)) = find_boundary(bytes, boundary, at) {
        out.put(from - at, data, note);
        out.put(end - from, SpanKind::Framing, part::BOUNDARY);
        if bytes[end..].starts_with(b"--") {
            out.put(2, SpanKind::Framing, part::LAST_BOUNDARY);
            // Bytes after the last boundary are no data of a part, so they are not secret either.
            (at, data, note) = (end + 2, SpanKind::Body, part::BODY);
            break;
        }
        let (name, head) = part_head(&bytes[end..], redact, &mut out);
        at = end + head;
        (data, note) = match name.is_some_and(|name| redact.is_secret_name(&name)) {
            true => (SpanKind::Secret, part::SECRET),
            false => (SpanKind::Body, part::PART_DATA),
        };
    }
    out.put(bytes.len() - at, data, note);
    out.spans
}

/// The rest of a boundary line and the fields after it. Returns the name of the part and the number of bytes.
fn part_head(bytes: &[u8], redact: &RedactOptions, out: &mut Annotations) -> (Option<Vec<u8>>, usize) {
    let (mut at, mut name) = (0, None);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let is_first = at == 0;
        at += line.len();
        match line.strip_suffix(b"\r\n") {
            // The line was cut off, and may have become anything.
            None => out.put(line.len(), SpanKind::Value, part::PLAIN),
            Some(padding) if is_first => {
                out.put(padding.len(), SpanKind::Ows, part::OWS);
                out.put(2, SpanKind::Crlf, part::CRLF);
            }
            Some([]) => {
                out.put(2, SpanKind::Blank, part::PART_BLANK);
                break;
            }
            Some(text) => {
                out.field_line(text, redact, SpanKind::Name);
                out.put(2, SpanKind::Crlf, part::CRLF);
                let (field, value) = text.split_at(text.iter().position(|&b| b == b':').unwrap_or(text.len()));
                if field.eq_ignore_ascii_case(b"content-disposition") {
                    let (_, mut parameters) = field::parameters(value);
                    // A file has a `filename` as well; only `name` says what the value is.
                    let named = parameters.find(|(key, _)| key.eq_ignore_ascii_case(b"name"));
                    name = named.map(|(_, value)| field::unquote(value));
                }
            }
        }
    }
    (name, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] =
        b"--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nabc\r\n\r\n--XyZ \r\n\
        Content-Disposition: form-data; name=\"password\"\r\n\r\nopensesame\r\n--XyZ--\r\n";

    fn told(bytes: &[u8]) -> Vec<(String, &'static str)> {
        let spans = parts(bytes, b"XyZ", &RedactOptions::default());
        let mut at = 0;
        for span in &spans {
            assert_eq!(span.start, at, "sorted, disjoint, covering");
            at = span.end();
        }
        assert_eq!(at, bytes.len() as u64);
        let text = |span: &MessageSpan| bytes[span.start as usize..span.end() as usize].escape_ascii().to_string();
        spans.iter().map(|span| (text(span), span.note.note().name)).collect()
    }

    #[test]
    fn a_boundary_has_the_line_end_before_it_and_data_keeps_its_own() {
        let told = told(FORM);
        let of = |name: &str| told.iter().filter(|(_, n)| *n == name).map(|(text, _)| &**text).collect::<Vec<_>>();
        assert_eq!(of("border"), ["--XyZ", "\\r\\n--XyZ", "\\r\\n--XyZ"]);
        assert_eq!(of("last-border"), ["--"]);
        assert_eq!(of("part-data"), ["abc\\r\\n"]);
        assert_eq!(of("secret"), ["opensesame"]);
        assert_eq!(of("part-blank"), ["\\r\\n", "\\r\\n"]);
        assert_eq!(of("field/content-disposition").len(), 2);
        assert_eq!(of("body"), ["\\r\\n"], "bytes after the last boundary mean nothing");
    }

    #[test]
    fn a_form_cut_anywhere_is_covered_and_its_secret_is_hidden() {
        for len in 0..=FORM.len() {
            let told = told(&FORM[..len]);
            let shown: String = told.iter().filter(|(_, name)| *name != "secret").map(|(text, _)| &**text).collect();
            assert!(!shown.contains("opense"), "{len}: {shown}");
        }
        for bytes in [&b"--XyZ"[..], b"--XyZW\r\n\r\nabc", b"\r\n--XyZ\r\nno colon\r\n", b"--XyZ\nA: b\n\n", b""] {
            told(bytes);
        }
    }

    #[test]
    fn only_a_form_has_parts() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=XyZ", Some("XyZ")),
            ("Multipart/Form-Data; charset=x; Boundary=\"a b\"", Some("a b")),
            ("multipart/byteranges; boundary=XyZ", None),
            ("multipart/form-data; boundary=\"\"", None),
            ("multipart/form-data", None),
        ] {
            assert_eq!(boundary(content_type.as_bytes()), expected.map(|text| text.as_bytes().to_vec()));
        }
    }
}
