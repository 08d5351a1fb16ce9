//! One request head: where it ends, whether it is one, and where each of its parts lies.
//!
//! RFC 9112 §2–5. The field lines are read by `httparse`; this file guards it, because httparse by
//! itself takes a bare LF for a line end, takes raw UTF-8 and `#` in a target, refuses HTTP/1.2
//! (which RFC 9110 §2.5 wants answered as 1.1), and gives no position with an error. So:
//!
//! 1. find the end of the head, refusing a bare LF on the way ([`Scan`]),
//! 2. read the request line ([`crate::http::request_line`]),
//! 3. let httparse take the field lines, and recompute positions from the addresses of its slices,
//! 4. where it refuses, walk the lines once more for the exact byte ([`field::diagnose`]).
//!
//! Never: a copy of the input, a decision about what the request means.
//!
//! The subtle thing: the verdict must not depend on how TCP cut the bytes. Whatever is refused
//! before the head is complete is refused at the earliest byte that proves it, in the same order in
//! which a complete head is checked. The corpus feeds every case whole, bytewise and at every split.

use memchr::memchr;

use crate::http::fault::{Fault, RequestError};
use crate::http::field;
use crate::http::grammar::trim;
use crate::http::limits::Limits;
use crate::http::method::Method;
use crate::http::request_line::{RequestLine, overlong, too_large};
use crate::http::target;
use crate::http::target::Form;
use crate::http::{Span, Version};

/// The first byte of a TLS record that carries a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// How far the search for the end of a head has come: input is looked at once, however it is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Bytes looked at, without the empty line before the message.
    at: usize,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Whether the request line has been read (and found good).
    checked: bool,
    /// Bytes of an empty line before the request line, which a server should skip (RFC 9112 §2.2).
    skipped: usize,
}

/// What a [`Scan`] found.
#[derive(Debug)]
pub enum Scanned {
    /// The end of the head is not there yet.
    NeedMore,
    /// The head takes `head` bytes after `skipped` ones of an empty line.
    Complete {
        /// Bytes of the empty line before it: 0 or 2.
        skipped: usize,
        /// Bytes of the head, blank line included.
        head: usize,
        /// The request line.
        line: RequestLine,
    },
    /// It can never become a head.
    Refused(RequestError),
}

impl Scan {
    /// Whether anything of a message has been seen.
    pub fn has_begun(&self) -> bool {
        self.at > 0
    }

    /// How many bytes of the message have been looked at.
    pub fn seen(&self) -> usize {
        self.skipped + self.at
    }

    /// The method, as far as it can be told from a head that is not complete or not good: a HEAD that
    /// is refused gets no content either.
    pub fn method(&self, input: &[u8]) -> Method {
        const LONGEST: usize = 8; // no name known here is longer
        let message = input.get(self.skipped..).unwrap_or_default();
        let end = message.iter().take(LONGEST).position(|&o| o == b' ').unwrap_or(0);
        Method::of(&message[..end])
    }

    /// Looks on in `input`, which begins with everything that was there the last time.
    pub fn advance(&mut self, input: &[u8], limits: &Limits) -> Scanned {
        match self.search(input, limits) {
            Scanned::Refused(refusal) => Scanned::Refused(refusal.shifted(self.skipped as u64)),
            other => other,
        }
    }

    fn search(&mut self, input: &[u8], limits: &Limits) -> Scanned {
        if self.at == 0 {
            match self.begin(input) {
                Ok(true) => {}
                Ok(false) => return Scanned::NeedMore,
                Err(refusal) => return Scanned::Refused(refusal),
            }
        }
        let message = input.get(self.skipped..).unwrap_or_default();
        if message.len() < self.at {
            return Scanned::NeedMore;
        }
        let bound = message.len().min(limits.head);
        let mut line = None;
        while let Some(found) = memchr(b'\n', &message[self.at..bound]) {
            let end = self.at + found;
            if end == self.line || message[end - 1] != b'\r' {
                return Scanned::Refused(RequestError::new(Fault::BareLf, end, 1));
            }
            if !self.checked {
                self.checked = true;
                match RequestLine::parse(message, end - 1, limits) {
                    Ok(read) => line = Some(read),
                    Err(refusal) => return Scanned::Refused(refusal),
                }
            } else if message[self.line] == b'\r' {
                if end > self.line + 1 {
                    // Not blank and no field line: the client believes that the head has ended.
                    return Scanned::Refused(RequestError::new(Fault::BareCr, self.line, 1));
                }
                // Read again only when the request line came with an earlier piece.
                let line = line.map_or_else(|| RequestLine::of_checked(message, limits), Ok);
                return match line {
                    Ok(line) => Scanned::Complete { skipped: self.skipped, head: end + 1, line },
                    Err(refusal) => Scanned::Refused(refusal),
                };
            }
            self.at = end + 1;
            self.line = end + 1;
        }
        self.at = bound;
        // At the bound and not complete: whatever comes, it is too long.
        if message.len() < limits.head {
            return Scanned::NeedMore;
        }
        Scanned::Refused(if self.checked { too_large(limits) } else { overlong(&message[..bound], limits) })
    }

    /// Skips at most one empty line. `Ok(false)` when more bytes are needed to tell.
    fn begin(&mut self, input: &[u8]) -> Result<bool, RequestError> {
        let refuse = |fault, at, len| Err(RequestError::new(fault, at, len));
        loop {
            match input.get(self.skipped..).unwrap_or_default() {
                [] | [b'\r'] => return Ok(false),
                [TLS_HANDSHAKE, ..] => return refuse(Fault::TlsHandshake, 0, 1),
                [b'\r', b'\n', ..] if self.skipped == 0 => self.skipped = 2,
                [b'\r', b'\n', ..] => return refuse(Fault::EmptyLines, 0, 2),
                [b'\r', ..] => return refuse(Fault::BareCr, 0, 1),
                [b'\n', ..] => return refuse(Fault::BareLf, 0, 1),
                _ => return Ok(true),
            }
        }
    }
}

/// Where one field line lies.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldLine {
    /// The name.
    pub name: Span,
    /// The value, without the whitespace around it.
    pub value: Span,
}

impl FieldLine {
    /// Where a line lies that httparse found in `bytes`: its slices point into them.
    fn of(header: &httparse::Header<'_>, bytes: &[u8]) -> FieldLine {
        let base = bytes.as_ptr() as usize;
        let value = trim(header.value);
        FieldLine {
            name: Span::new(header.name.as_ptr() as usize - base, header.name.len()),
            value: Span::new(value.as_ptr() as usize - base, value.len()),
        }
    }
}

/// A whole request head: positions only, so it can be moved with its bytes.
#[derive(Clone, Debug)]
pub struct Head {
    /// The request line.
    pub line: RequestLine,
    /// Bytes of the whole head, blank line included.
    pub len: usize,
    few: [FieldLine; FEW],
    count: usize,
    /// All lines, when they are more than a few.
    many: Box<[FieldLine]>,
    /// A bit for each name that is there ([`name_bit`]).
    names: u64,
}

/// One of 64 bits for a field name, whatever its case. A request is asked for some twenty fields and
/// has four of them: a bit that is not set answers without a look at any line.
const fn name_bit(name: &[u8]) -> u64 {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    // Lower case; what it makes of other bytes does not matter, as long as it is always the same.
    let (first, last) = ((name[0] | 0x20) as usize, (name[len - 1] | 0x20) as usize);
    1 << ((len * 5 + first + last * 3) % 64)
}

/// Field lines that are kept inline, so that the head of a browser costs no allocation, and moving it
/// little. More lines than these are rare and go to the heap.
const FEW: usize = 24;

impl Head {
    /// Reads the field lines of a complete head and checks Host.
    pub fn parse(bytes: &[u8], line: RequestLine) -> Result<Head, RequestError> {
        let few = [FieldLine::default(); FEW];
        let mut head = Head { len: bytes.len(), few, count: 0, many: Box::default(), names: 0, line };
        head.read_fields(bytes)?;
        head.check_host(bytes)?;
        Ok(head)
    }

    /// The field lines, in the order in which they came.
    pub fn lines(&self) -> &[FieldLine] {
        if self.many.is_empty() { &self.few[..self.count] } else { &self.many }
    }

    /// The values of every field line of this name.
    pub fn values<'a, 'n>(&'a self, bytes: &'a [u8], name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.spans(bytes, name).map(|span| span.of(bytes))
    }

    /// Where the values of every field line of this name lie.
    pub fn spans<'a, 'n>(&'a self, bytes: &'a [u8], name: &'n str) -> impl Iterator<Item = Span> + use<'a, 'n> {
        let wanted = name.as_bytes();
        let lines = if self.names & name_bit(wanted) == 0 { &[] } else { self.lines() };
        lines
            .iter()
            .filter(move |l| l.name.len() == wanted.len() && l.name.of(bytes).eq_ignore_ascii_case(wanted))
            .map(|l| l.value)
    }

    fn read_fields(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        let fields = &bytes[self.line.len..];
        let mut room = [httparse::EMPTY_HEADER; FEW];
        match httparse::parse_headers(fields, &mut room) {
            Ok(httparse::Status::Complete((_, found))) => {
                for (slot, header) in self.few.iter_mut().zip(found.iter()) {
                    *slot = FieldLine::of(header, bytes);
                    self.names |= name_bit(header.name.as_bytes());
                }
                self.count = found.len();
                Ok(())
            }
            Err(httparse::Error::TooManyHeaders) => self.read_many(bytes),
            _ => Err(self.blame(bytes)),
        }
    }

    #[cold]
    fn read_many(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        let mut room = [httparse::EMPTY_HEADER; Limits::FIELD_LINES];
        match httparse::parse_headers(&bytes[self.line.len..], &mut room) {
            Ok(httparse::Status::Complete((_, found))) => {
                self.many = found.iter().map(|header| FieldLine::of(header, bytes)).collect();
                self.names = u64::MAX;
                Ok(())
            }
            _ => Err(self.blame(bytes)),
        }
    }

    /// The place httparse does not tell: the first line that is no field line.
    fn blame(&self, bytes: &[u8]) -> RequestError {
        let mut at = self.line.len;
        let mut lines = 0;
        while let Some(len) = bytes[at..].iter().position(|&o| o == b'\n') {
            let line = &bytes[at..at + len.saturating_sub(1)];
            if line.is_empty() {
                break;
            }
            if let Some((fault, offset, len)) = field::diagnose(line) {
                return RequestError::new(fault, at + offset, len);
            }
            lines += 1;
            if lines > Limits::FIELD_LINES {
                return RequestError::new(Fault::TooManyFields, at, line.len());
            }
            at += len + 1;
        }
        // Only if httparse is stricter than `diagnose`: refused all the same, at the first field line.
        RequestError::new(Fault::FieldName, self.line.len, 0)
    }

    /// Exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 §3.2): a missing or
    /// second one lets a cache and a server disagree about whose page this is.
    fn check_host(&self, bytes: &[u8]) -> Result<(), RequestError> {
        let mut hosts = self.spans(bytes, "host");
        match (hosts.next(), hosts.next()) {
            (_, Some(second)) => Err(second.refusal(Fault::HostTwice)),
            (Some(host), None) if target::authority(host.of(bytes)).is_none() => Err(host.refusal(Fault::HostInvalid)),
            (None, None) if self.line.version == Version::Http11 => {
                Err(RequestError::new(Fault::HostMissing, bytes.len() - 2, 0))
            }
            _ => Ok(()),
        }
    }

    /// The host and port the request is for: of the target in absolute-form, else of Host
    /// (RFC 9112 §3.3). `None` for HTTP/1.0 without Host.
    pub fn authority<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match (self.line.target.form, self.line.target.authority) {
            (Form::Absolute, Some(span)) => Some(span.of(bytes)),
            _ => self.values(bytes, "host").next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether httparse takes `line` as the one field line of a head.
    fn httparse_takes(line: &[u8]) -> bool {
        let head = [line, b"\r\n\r\n"].concat();
        let mut room = [httparse::EMPTY_HEADER; 2];
        match httparse::parse_headers(&head, &mut room) {
            Ok(httparse::Status::Complete((used, _))) => used == head.len(),
            _ => false,
        }
    }

    #[track_caller]
    fn agree(line: &[u8]) {
        assert_eq!(httparse_takes(line), field::diagnose(line).is_none(), "{:?}", line.escape_ascii().to_string());
    }

    #[test]
    fn the_one_who_refuses_and_the_one_who_blames_agree_on_every_short_line() {
        const ALPHABET: &[u8] = b"Aa:-\" \t\r\0\x7f\x80\xff\\(";
        let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..5 {
            lines = lines.iter().flat_map(|line| ALPHABET.iter().map(move |&o| [&line[..], &[o]].concat())).collect();
            // A line that is empty is the end of the head and never looked at.
            lines.iter().for_each(|line| agree(line));
        }
    }

    #[test]
    fn every_byte_means_the_same_to_both_in_a_name_and_in_a_value() {
        for byte in (0..=u8::MAX).filter(|&o| o != b'\n') {
            for line in [
                vec![byte, b':'],
                vec![b'A', byte, b'B', b':', b'x'],
                vec![b'A', b':', byte],
                vec![b'A', b':', b'x', byte, b'y'],
                [b"Long-Field-Name-For-The-Wide-Path", &[byte][..], b": x"].concat(),
                [b"A: a value that is long enough for the wide path", &[byte][..], b"of a vector"].concat(),
            ] {
                agree(&line);
            }
        }
    }
}
