//! Response heads as bytes: status line, field lines and framing (RFC 9112 §4, §6).
//!
//! A field line gets into a response only through [`Fields`] and [`AddedFields`], and no value with CR, LF or NUL
//! passes. A value copied from a request (the target of a redirect, a file name) can therefore never add a line of its
//! own: response splitting is impossible.
//!
//! The content itself is not here: [`Transfer`] says how it will be delimited, and the owner of the socket sends it.

use std::sync::Arc;

use crate::http::date::DATE_LENGTH;
use crate::http::grammar::{is_field_byte, is_token, push_decimal, trim};
use crate::http::{HttpDate, Status, Version, field};

/// The field lines of a response, ready as bytes: `Name: value CR LF`, in order.
///
/// ```
/// let mut fields = barewire::http::Fields::new();
/// assert!(fields.push("Location", "/a\r\nSet-Cookie: b=c").is_err());
/// fields.push("Location", "/a").unwrap();
/// assert_eq!(fields.bytes(), b"Location: /a\r\n");
/// assert_eq!(fields.get("location"), Some(&b"/a"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
}

/// A field cannot be sent: its name is no token, or its value has a control byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError;

impl Fields {
    /// No field lines.
    pub const fn new() -> Fields {
        Fields { bytes: Vec::new() }
    }

    /// The lines as they are sent, without the blank line.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`FieldError`] when `name` is no token or `value` contains a control byte; nothing is added.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let value = trim(value.as_ref());
        // The check against response splitting. It refuses instead of repairing: a cut value would be wrong.
        if !is_token(name.as_bytes()) || !value.iter().all(|&b| is_field_byte(b)) {
            return Err(FieldError);
        }
        push_line(&mut self.bytes, name.as_bytes(), value);
        Ok(())
    }

    /// Removes all lines of this name.
    pub fn remove(&mut self, name: &str) {
        // Mostly there is none, and nothing is copied.
        if self.get(name).is_some() {
            // The other lines keep their order, which matters for fields of the same name (RFC 9110 §5.3).
            self.bytes = lines(&self.bytes).filter(|line| !has_name(line, name)).flatten().copied().collect();
        }
    }

    /// The value of the first line of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let line = lines(&self.bytes).find(|line| has_name(line, name))?;
        field::split_line(line).map(|(_, value)| value)
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        lines(&self.bytes).filter_map(field::split_line)
    }
}

/// The lines of `bytes`, each with its CR LF at its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |end| &bytes[std::mem::replace(&mut start, end + 1)..=end])
}

/// Whether this line has this name. The position of the colon is compared first, since that differs mostly.
fn has_name(line: &[u8], name: &str) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// How an added field is merged with a field of the same name in the response itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// The added field replaces every field of this name.
    Replace,
    /// The response's own field stays, and nothing is added.
    UnlessSet,
    /// As `UnlessSet`, and only for errors (4xx, 5xx).
    UnlessSetInError,
    /// The value becomes one more member of the response's own list, such as Vary (RFC 9110 §5.3).
    Member,
}

#[derive(Clone, Debug)]
struct Added {
    name: Box<str>,
    value: Box<[u8]>,
    rule: MergeRule,
}

/// Fields that a server adds to every response, each with its rule. They are merged into each head when it is written,
/// so a response from a cache has them too. The response's own field overrides a default, and an option of the operator
/// overrides both.
#[derive(Clone, Debug, Default)]
pub struct AddedFields {
    fields: Vec<Added>,
    /// All lines for a response that is no error and has no field of any of these names.
    lines: Vec<u8>,
    /// The same for an error.
    error_lines: Vec<u8>,
}

impl AddedFields {
    /// No added fields.
    pub const NONE: AddedFields = AddedFields { fields: Vec::new(), lines: Vec::new(), error_lines: Vec::new() };

    /// Adds a field.
    ///
    /// # Errors
    /// [`FieldError`] when `name` is no token or `value` contains a control byte; nothing is added.
    pub fn add(&mut self, rule: MergeRule, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        // One check for all field lines of a response: it is what makes response splitting impossible.
        let mut line = Fields::new();
        line.push(name, &value)?;
        if rule == MergeRule::Replace {
            // A default of this name is dropped, or it would be sent next to this one.
            self.fields.retain(|added| added.rule == rule || !added.name.eq_ignore_ascii_case(name));
        }
        self.fields.push(Added { name: name.into(), value: trim(value.as_ref()).into(), rule });
        // Built once here, so that a response whose names are all different costs two copies.
        (self.lines, self.error_lines) = (Vec::new(), Vec::new());
        for added in &self.fields {
            push_line(&mut self.error_lines, added.name.as_bytes(), &added.value);
            if added.rule != MergeRule::UnlessSetInError {
                push_line(&mut self.lines, added.name.as_bytes(), &added.value);
            }
        }
        Ok(())
    }

    /// Appends `own`, the complete field lines of a response, merged with the added ones.
    pub(crate) fn merge(&self, status: Status, own: &[u8], out: &mut Vec<u8>) {
        let applies = |added: &&Added| added.rule != MergeRule::UnlessSetInError || status.is_error();
        let meets = |line: &[u8]| self.fields.iter().filter(applies).find(|added| has_name(line, &added.name));
        if !lines(own).any(|line| meets(line).is_some()) {
            // The common case: no name stands on both sides, so two copies are enough.
            out.extend_from_slice(own);
            out.extend_from_slice(if status.is_error() { &self.error_lines } else { &self.lines });
            return;
        }
        // First the own lines, each as its rule says.
        for line in lines(own) {
            match meets(line) {
                // Dropped here, since the added field comes with the others below.
                Some(Added { rule: MergeRule::Replace, .. }) => {}
                Some(Added { rule: MergeRule::Member, value, .. }) if !has_member(line, value) => {
                    // Into the same line, since a second one would mean the same and cost more.
                    out.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
                    out.extend_from_slice(&[b", ", &value[..], b"\r\n"].concat());
                }
                // Set by the response itself, or a list that has the member already.
                Some(_) | None => out.extend_from_slice(line),
            }
        }
        // Then the added ones that found no field of their name, and all that replace.
        for added in self.fields.iter().filter(applies) {
            if added.rule == MergeRule::Replace || !lines(own).any(|line| has_name(line, &added.name)) {
                push_line(out, added.name.as_bytes(), &added.value);
            }
        }
    }
}

/// Whether the list in this line has this member, in any case.
fn has_member(line: &[u8], member: &[u8]) -> bool {
    let list = field::split_line(line).map_or(&[][..], |(_, value)| value);
    field::elements(list).any(|one| one.eq_ignore_ascii_case(member))
}

/// How long the content of a response is, as the service gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Exactly this many bytes.
    Known(u64),
    /// Known only when the content ends.
    Unknown,
    /// Not said in the head: the connection ends after the content.
    UntilClose,
}

impl Length {
    /// How a head with this status announces such content. A response to HEAD announces the same without sending it.
    pub(crate) fn announced(self, status: Status, version: Version) -> Transfer {
        match (self, version) {
            // Such a response has no content, and a length would be wrong or forbidden (RFC 9110 §8.6).
            _ if status.forbids_content() => Transfer::Nothing,
            (Length::Known(length), _) => Transfer::Exactly(length),
            // With chunks a client can see whether the response is complete.
            (Length::Unknown, Version::Http11) => Transfer::Chunked,
            (Length::Unknown, Version::Http10) | (Length::UntilClose, _) => Transfer::UntilClose,
        }
    }
}

/// How the content of a response is delimited, as its head announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// There is none (RFC 9112 §6.3, rule 1).
    Nothing,
    /// Exactly this many bytes.
    Exactly(u64),
    /// In chunks ([`crate::http::chunked`]).
    Chunked,
    /// Until the connection closes: for HTTP/1.0, which has no chunks.
    UntilClose,
}

/// What a head says about the connection after this response, to a client of this version.
pub(crate) fn connection_line(is_persistent: bool, version: Version) -> &'static [u8] {
    match (is_persistent, version) {
        (false, _) => b"Connection: close\r\n",
        // HTTP/1.0 closes unless both sides say otherwise.
        (true, Version::Http10) => b"Connection: keep-alive\r\n",
        (true, Version::Http11) => b"",
    }
}

/// Appends a final response head. `added` are merged into its own `fields` here and in [`Prepared::write`] only.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    status: Status,
    fields: &Fields,
    added: &AddedFields,
    date: &HttpDate,
    announced: Transfer,
    connection: &[u8],
) {
    write_status_line(out, status);
    // Date and Connection come first: what differs between clients then lies in one place, and `Prepared` can send
    // everything else as it is.
    for part in [DATE_NAME, &date.bytes, b"\r\n", connection] {
        out.extend_from_slice(part);
    }
    match announced {
        // The second one is announced by `Connection: close`.
        Transfer::Nothing | Transfer::UntilClose => {}
        Transfer::Exactly(length) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Transfer::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    added.merge(status, fields.bytes(), out);
    out.extend_from_slice(b"\r\n");
}

/// The start of the line after the status line.
const DATE_NAME: &[u8] = b"Date: ";

/// Appends an interim response (1xx). It has no content, so nothing announces its length.
pub(crate) fn write_interim(out: &mut Vec<u8>, status: Status, fields: &Fields) {
    write_status_line(out, status);
    // No Date: an interim response need not have one (RFC 9110 §6.6.1).
    out.extend_from_slice(fields.bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, status: Status) {
    // The version is the highest this server speaks, not the client's (RFC 9110 §6.2).
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, u64::from(status.code()));
    out.push(b' ');
    out.extend_from_slice(status.reason().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A whole response that is put into bytes once and sent many times. Clones share the bytes.
///
/// Only the date and the Connection line differ between clients. They stand directly after the status line, so that
/// sending is two copies with a few bytes between them.
#[derive(Clone, Debug)]
pub struct Prepared {
    status: Status,
    bytes: Arc<[u8]>,
    /// The position of the date.
    date: usize,
    /// The position after the head.
    head: usize,
    /// Bytes of content, wherever they are kept.
    content: u64,
}

impl Prepared {
    /// A response with this content. With a status that forbids content it has none, and says no length.
    pub fn new(status: Status, fields: &Fields, content: &[u8]) -> Prepared {
        // A client would take such bytes for the start of the next response.
        let content = if status.forbids_content() { &[] } else { content };
        let prepared = Prepared::without_content(status, fields, content.len() as u64);
        Prepared { bytes: [&prepared.bytes, content].concat().into(), ..prepared }
    }

    /// The head alone of a response whose content of `content` bytes is kept elsewhere.
    pub fn without_content(status: Status, fields: &Fields, content: u64) -> Prepared {
        let mut bytes = Vec::with_capacity(256 + fields.bytes().len());
        // Written as every other head, so a prepared response cannot differ. The date is a placeholder.
        let (date, announced) = (HttpDate::from_second(0), Length::Known(content).announced(status, Version::Http11));
        write_head(&mut bytes, status, fields, &AddedFields::NONE, &date, announced, b"");
        let date = lines(&bytes).next().map_or(0, <[u8]>::len) + DATE_NAME.len();
        Prepared { status, date, head: bytes.len(), content, bytes: bytes.into() }
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The head, with some date.
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    /// Bytes of content.
    pub fn content_len(&self) -> u64 {
        self.content
    }

    /// Bytes it takes in memory.
    pub fn weight(&self) -> usize {
        self.bytes.len() + size_of::<Prepared>()
    }

    /// Appends the response, with or without the content it holds.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        added: &AddedFields,
        date: &HttpDate,
        connection: &[u8],
        content: bool,
    ) {
        let after_date = self.date + DATE_LENGTH + b"\r\n".len();
        let end = if content { self.bytes.len() } else { self.head };
        out.extend_from_slice(&self.bytes[..self.date]);
        out.extend_from_slice(&date.bytes);
        out.extend_from_slice(b"\r\n");
        // Here the Connection line goes in, where `write_head` would have put it.
        out.extend_from_slice(connection);
        // Added fields come last, so they go in before the blank line.
        let blank_line = self.head - b"\r\n".len();
        added.merge(self.status, &self.bytes[after_date..blank_line], out);
        out.extend_from_slice(&self.bytes[blank_line..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Http1, Limits};

    #[test]
    fn a_head_is_a_status_line_fields_and_a_blank_line() {
        let mut out = Vec::new();
        let mut fields = Fields::new();
        fields.push("X", "y").unwrap();
        let date = HttpDate::from_second(0);
        write_head(
            &mut out,
            Status::OK,
            &fields,
            &AddedFields::NONE,
            &date,
            Transfer::Exactly(5),
            b"Connection: close\r\n",
        );
        let text = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\nContent-Length: 5\r\nX: y\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_prepared_response_is_the_fresh_one_byte_by_byte() {
        let mut fields = Fields::new();
        fields.push("ETag", "\"a\"").unwrap();
        let date = HttpDate::from_second(784_111_777);
        for status in [Status::OK, Status::NOT_MODIFIED, Status::NOT_FOUND] {
            for request in [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "GET / HTTP/1.0\r\n\r\n",
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n",
            ] {
                let mut fresh = Http1::new(Limits::default());
                let mut ready = fresh.clone();
                fresh.receive(request.as_bytes());
                ready.receive(request.as_bytes());
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let transfer = fresh.respond(status, &fields, Length::Known(5), &AddedFields::NONE, &date, &mut one);
                if transfer != Transfer::Nothing {
                    one.extend_from_slice(b"hello");
                }
                ready.respond_prepared(
                    &Prepared::new(status, &fields, b"hello"),
                    &AddedFields::NONE,
                    &date,
                    &mut other,
                );
                assert_eq!(String::from_utf8(one), String::from_utf8(other), "{status} {request}");
                assert_eq!(fresh.sent(), ready.sent(), "{status} {request}");
            }
        }
    }

    #[test]
    fn a_value_with_a_line_end_never_becomes_a_line() {
        let mut fields = Fields::new();
        for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\x7f"] {
            assert_eq!(fields.push("Location", value), Err(FieldError), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\n", "ä"] {
            assert_eq!(fields.push(name, "x"), Err(FieldError), "{name:?}");
        }
        assert!(fields.bytes().is_empty());
    }

    #[test]
    fn lines_are_added_replaced_and_found_whatever_their_case() {
        let mut fields = Fields::new();
        fields.push("Vary", "Accept").unwrap();
        fields.push("ETag", "\"a\"").unwrap();
        fields.push("vary", "Origin").unwrap();
        assert_eq!(fields.get("VARY"), Some(&b"Accept"[..]));
        fields.remove("VARY");
        fields.push("Vary", " * ").unwrap();
        assert_eq!(fields.bytes(), b"ETag: \"a\"\r\nVary: *\r\n");
        fields.remove("etag");
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"Vary"[..], &b"*"[..])]);
        let mut two = Fields::new();
        two.push("A", "1").unwrap();
        two.push("Ab", "2").unwrap();
        two.push("a", "3").unwrap();
        assert_eq!((two.get("a"), two.get("AB"), two.get("b")), (Some(&b"1"[..]), Some(&b"2"[..]), None));
        assert_eq!((two.get(""), two.get("Ab: 2")), (None, None));
    }

    fn merged(added: &AddedFields, status: Status, own: &str) -> String {
        let mut out = Vec::new();
        added.merge(status, own.as_bytes(), &mut out);
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn each_rule_says_which_of_two_fields_of_one_name_is_sent() {
        let mut added = AddedFields::default();
        added.add(MergeRule::UnlessSetInError, "Cache-Control", "no-store").unwrap();
        added.add(MergeRule::UnlessSet, "Policy", "ours").unwrap();
        added.add(MergeRule::Member, "Vary", "Origin").unwrap();
        added.add(MergeRule::Replace, "X", "1").unwrap();
        added.add(MergeRule::Replace, "X", "2").unwrap();
        for (status, own, expected) in [
            (Status::OK, "A: b\r\n", "A: b|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::NOT_FOUND, "A: b\r\n", "A: b|Cache-Control: no-store|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "x: own\r\nXX: y\r\n", "XX: y|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "policy: own\r\n", "policy: own|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "Vary: Accept\r\n", "Vary: Accept, Origin|Policy: ours|X: 1|X: 2|"),
            (Status::OK, "Vary: a, ORIGIN\r\n", "Vary: a, ORIGIN|Policy: ours|X: 1|X: 2|"),
            (
                Status::NOT_FOUND,
                "Cache-Control: max-age=1\r\n",
                "Cache-Control: max-age=1|Policy: ours|Vary: Origin|X: 1|X: 2|",
            ),
            (Status::OK, "Cache-Control: no-cache\r\n", "Cache-Control: no-cache|Policy: ours|Vary: Origin|X: 1|X: 2|"),
        ] {
            assert_eq!(merged(&added, status, own), expected, "{status} {own:?}");
        }
    }

    #[test]
    fn a_replacement_takes_the_place_of_a_default_of_its_name() {
        let mut added = AddedFields::default();
        added.add(MergeRule::UnlessSetInError, "Cache-Control", "no-store").unwrap();
        added.add(MergeRule::Replace, "cache-control", "max-age=9").unwrap();
        assert_eq!(merged(&added, Status::NOT_FOUND, "Cache-Control: no-store\r\n"), "cache-control: max-age=9|");
    }

    #[test]
    fn a_line_that_would_split_the_response_is_not_taken() {
        let mut added = AddedFields::default();
        assert!(added.add(MergeRule::Replace, "X", "1\r\nSet-Cookie: a=b").is_err());
        assert!(added.add(MergeRule::UnlessSet, "X y", "1").is_err());
        assert_eq!(merged(&added, Status::OK, "A: b\r\n"), "A: b|");
    }
}
