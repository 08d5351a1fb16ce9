//! One request head: where it ends, whether it is valid, and where each of its parts lies.
//!
//! RFC 9112 §2–5. The field lines are parsed by `httparse`. By itself it would accept a bare LF as a line end and raw
//! UTF-8 or `#` in a target, refuse HTTP/1.2 (which RFC 9110 §2.5 wants treated as 1.1), and give no position with an
//! error. So this file works in four steps:
//!
//! 1. find the end of the head, refusing a bare LF on the way ([`Scan`]),
//! 2. read the request line ([`RequestLine`]),
//! 3. let httparse parse the field lines, and keep the positions of its slices ([`Head`]),
//! 4. if it refuses, look at the lines once more to find the exact byte (`field::first_error`).
//!
//! Nothing is copied: a head is a list of positions ([`Span`]) in bytes that the caller keeps.
//!
//! The result must not depend on how TCP has cut the bytes. A fault found before the head is complete is reported at
//! the earliest byte that proves it, in the order in which a complete head is checked. The corpus passes each case
//! whole, byte by byte and at every split.

use memchr::memchr;

use crate::http::grammar::{is_tchar, trim};
use crate::http::target::{Target, TargetForm, authority, is_target_byte};
use crate::http::{Fault, Limits, Method, RequestError, Span, Version, field};

/// The first byte of a TLS record that carries a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The search for the end of a head. Each byte is searched once, however the input is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Bytes of the message searched so far, without the empty line before it.
    at: usize,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Whether the request line has been read, and was valid.
    checked: bool,
    /// Bytes of an empty line before the request line, which a server should skip (RFC 9112 §2.2).
    skipped: usize,
}

/// A complete head that a [`Scan`] found.
#[derive(Debug)]
pub(crate) struct FoundHead {
    /// Bytes of the empty line before it: 0 or 2.
    pub(crate) skipped: usize,
    /// Bytes of the head, blank line included.
    pub(crate) len: usize,
    pub(crate) line: RequestLine,
}

impl Scan {
    /// Whether a byte of a message has been seen.
    pub fn has_begun(&self) -> bool {
        self.at > 0
    }

    /// How many bytes have been searched, the empty line included.
    pub fn seen(&self) -> usize {
        self.skipped + self.at
    }

    /// The method, as far as an incomplete or invalid head has it: a HEAD that is refused gets no content either.
    pub fn method(&self, input: &[u8]) -> Method {
        const LONGEST: usize = 8; // the longest known name and its space
        let message = input.get(self.skipped..).unwrap_or_default();
        let end = message.iter().take(LONGEST).position(|&b| b == b' ').unwrap_or(0);
        Method::of(&message[..end])
    }

    /// Continues the search. `input` begins with everything that was passed the last time. `None`: the end of the head
    /// has not arrived. Errors: no further bytes can make this a valid head.
    pub(crate) fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<FoundHead>, RequestError> {
        let found = self.search(input, limits);
        // The search counts from the request line; an error counts from the first byte that was sent.
        found.map_err(|error| error.shifted(self.skipped as u64))
    }

    fn search(&mut self, input: &[u8], limits: &Limits) -> Result<Option<FoundHead>, RequestError> {
        if self.at == 0 && !self.begin(input)? {
            return Ok(None);
        }
        let message = input.get(self.skipped..).unwrap_or_default();
        // A caller that passes fewer bytes than before has made a mistake; it must not cause a panic.
        if message.len() < self.at {
            return Ok(None);
        }
        // Bytes after the bound are not searched, so a head that is a byte too long is always refused.
        let bound = message.len().min(limits.head);
        let mut line = None;
        while let Some(found) = memchr(b'\n', &message[self.at..bound]) {
            let end = self.at + found;
            // A proxy that does not take LF alone for a line end would see another message here.
            if end == self.line || message[end - 1] != b'\r' {
                return Err(RequestError::new(Fault::BareLf, end, 1));
            }
            // The request line is read as soon as it is there. Most invalid input has a fault in it, so the client gets
            // its 400 without sending more.
            if !self.checked {
                self.checked = true;
                line = Some(RequestLine::parse(message, end - 1, limits)?);
            } else if message[self.line] == b'\r' {
                // A line that begins with CR but is not blank. A lenient parser would take it for the end of the head.
                if end > self.line + 1 {
                    return Err(RequestError::new(Fault::BareCr, self.line, 1));
                }
                // Parsed again only if the request line came with an earlier piece; the first CR ends it.
                let parse_again = || RequestLine::parse(message, memchr(b'\r', message).unwrap_or_default(), limits);
                let line = line.map_or_else(parse_again, Ok)?;
                return Ok(Some(FoundHead { skipped: self.skipped, len: end + 1, line }));
            }
            self.at = end + 1;
            self.line = end + 1;
        }
        self.at = bound;
        // As many bytes as a head may have, and no end among them: it is too long.
        match self.checked {
            _ if message.len() < limits.head => Ok(None),
            true => Err(RequestError::new(Fault::HeadTooLarge, limits.head, 0)),
            false => Err(overlong_line(&message[..bound], limits)),
        }
    }

    /// Skips at most one empty line. `false` if more bytes are needed to decide.
    fn begin(&mut self, input: &[u8]) -> Result<bool, RequestError> {
        let refuse = |fault, at, len| Err(RequestError::new(fault, at, len));
        loop {
            match input.get(self.skipped..).unwrap_or_default() {
                [] | [b'\r'] => return Ok(false),
                // By its first byte, since a handshake need not contain a line end.
                [TLS_HANDSHAKE, ..] => return refuse(Fault::TlsHandshake, 0, 1),
                // Some old clients send a CR LF too much after the content of a POST.
                [b'\r', b'\n', ..] if self.skipped == 0 => self.skipped = 2,
                [b'\r', b'\n', ..] => return refuse(Fault::EmptyLines, 0, 2),
                [b'\r', ..] => return refuse(Fault::BareCr, 0, 1),
                [b'\n', ..] => return refuse(Fault::BareLf, 0, 1),
                _ => return Ok(true),
            }
        }
    }
}

/// The error of a request line that is longer than a head may be: the method fills it (501), its target is too long
/// (414), or the rest is (431).
fn overlong_line(line: &[u8], limits: &Limits) -> RequestError {
    let mut parts = line.split(|&b| b == b' ').map(<[u8]>::len);
    let (method, target) = (parts.next().unwrap_or_default(), parts.next());
    match target {
        // All of it is a method, and longer than any that this server knows (RFC 9112 §3).
        None | Some(0) if line[..method].iter().all(|&b| is_tchar(b)) && parts.next().is_none() => {
            RequestError::new(Fault::MethodTooLong, 0, method)
        }
        // The faulty bytes are those over the bound; there are none if the target is not that long yet.
        Some(len) if len > limits.target || parts.next().is_none() => {
            let at = len.min(limits.target);
            RequestError::new(Fault::TargetTooLong, method + 1 + at, len - at)
        }
        _ => RequestError::new(Fault::HeadTooLarge, limits.head, 0),
    }
}

/// The request line (RFC 9112 §3): method, target and version, and where they lie.
#[derive(Clone, Debug)]
pub struct RequestLine {
    /// The method.
    pub method: Method,
    /// Where its name lies.
    pub method_span: Span,
    /// The target.
    pub target: Target,
    /// The version the client speaks.
    pub version: Version,
    /// Where it lies.
    pub version_span: Span,
    /// Bytes of the line, CR LF included.
    pub len: usize,
}

impl RequestLine {
    /// Reads `method SP target SP version` from the first `end` bytes of the message. Of several faults it reports the
    /// one that stands first; only a wrong version comes before a wrong target.
    fn parse(message: &[u8], end: usize, limits: &Limits) -> Result<RequestLine, RequestError> {
        let line = &message[..end];
        let refuse = |fault, at, len| Err(RequestError::new(fault, at, len));
        if let Some(at) = memchr(b'\r', line) {
            return refuse(Fault::BareCr, at, 1);
        }
        let first = line.iter().position(|&b| !is_tchar(b)).unwrap_or(end);
        // The method ends at the first byte that no token may have.
        if first < end && line[first] != b' ' {
            return refuse(Fault::MethodName, first, 1);
        }
        // A line that begins with a space, or has none: there is no method to name.
        if first == 0 || first == end {
            return refuse(Fault::RequestLine, first, 0);
        }
        // Exactly one space (RFC 9112 §3): a lenient split on whitespace is read differently by others.
        let at = first + 1;
        let len = memchr(b' ', &line[at..]).unwrap_or(end - at);
        if len > limits.target {
            return refuse(Fault::TargetTooLong, at + limits.target, len - limits.target);
        }
        if len == 0 {
            return refuse(Fault::RequestLine, at, 1.min(end - at));
        }
        if at + len == end {
            // With a tab in the place of the space, the tab is the mistake, not the missing version.
            return match line[at..].iter().position(|&b| !is_target_byte(b)) {
                Some(bad) => refuse(Fault::TargetByte, at + bad, 1),
                None => refuse(Fault::NoVersion, end, 0),
            };
        }
        if &line[..end] == b"PRI * HTTP/2.0" {
            return refuse(Fault::Http2Preface, 0, end);
        }
        // The version first, since another one may have another syntax of targets.
        let method = Method::of(&line[..first]);
        let version_span = Span::new(at + len + 1, end - at - len - 1);
        let version = parse_version(message, version_span)?;
        let target = Target::parse(message, Span::new(at, len), method)?;
        Ok(RequestLine { method, method_span: Span::new(0, first), target, version, version_span, len: end + 2 })
    }
}

/// Reads HTTP-version = "HTTP" "/" DIGIT "." DIGIT, which is case-sensitive (RFC 9112 §2.3).
fn parse_version(message: &[u8], span: Span) -> Result<Version, RequestError> {
    let bytes = span.of(message);
    match bytes {
        b"HTTP/1.0" => Ok(Version::Http10),
        // The line ends with the space after the target.
        b"" => Err(span.error(Fault::NoVersion)),
        // A higher minor version is answered as the highest 1.x known here (RFC 9110 §2.5).
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(span.error(Fault::VersionUnsupported)),
        // Also `http/1.1`: a lenient server and a strict one must not disagree about a request.
        _ => match memchr(b' ', bytes) {
            // With a space in it, the line has too many parts.
            Some(space) => Err(RequestError::new(Fault::RequestLine, span.start() + space, 1)),
            None => Err(span.error(Fault::VersionSyntax)),
        },
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
    /// The position of a line that httparse found in `bytes`: its slices point into them.
    fn of(header: &httparse::Header<'_>, bytes: &[u8]) -> FieldLine {
        // httparse borrows from `bytes`, so the difference of the addresses is the position.
        let base = bytes.as_ptr() as usize;
        let value = trim(header.value);
        FieldLine {
            name: Span::new(header.name.as_ptr() as usize - base, header.name.len()),
            value: Span::new(value.as_ptr() as usize - base, value.len()),
        }
    }
}

/// Field lines that are kept inline, enough for a browser. More would make each move of a request more expensive.
const INLINE_LINES: usize = 24;

/// A whole request head: positions only, so it may be moved together with its bytes.
#[derive(Clone, Debug)]
pub struct Head {
    /// The request line.
    pub line: RequestLine,
    /// Bytes of the whole head, blank line included.
    pub len: usize,
    inline: [FieldLine; INLINE_LINES],
    count: usize,
    /// All lines, if they are more than `inline` holds.
    heap: Box<[FieldLine]>,
    /// The bits of all names that are there ([`name_bit`]).
    names: u64,
}

/// One of 64 bits for a field name in any case. The server looks up about twenty names in a request, and a small one
/// has four fields: if the bit of a name is not set, no line needs to be compared.
const fn name_bit(name: &[u8]) -> u64 {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    // 0x20 makes letters lower case. Its result for other bytes is arbitrary, but always the same.
    let (first, last) = ((name[0] | 0x20) as usize, (name[len - 1] | 0x20) as usize);
    1 << ((len * 5 + first + last * 3) % 64)
}

impl Head {
    /// Reads the field lines of a complete head and checks Host.
    ///
    /// # Errors
    /// The first fault in them.
    pub fn parse(bytes: &[u8], line: RequestLine) -> Result<Head, RequestError> {
        let inline = [FieldLine::default(); INLINE_LINES];
        let mut head = Head { len: bytes.len(), inline, count: 0, heap: Box::default(), names: 0, line };
        head.read_fields(bytes)?;
        head.check_host(bytes)?;
        Ok(head)
    }

    /// The field lines, in the order in which they came.
    pub fn lines(&self) -> &[FieldLine] {
        if self.heap.is_empty() { &self.inline[..self.count] } else { &self.heap }
    }

    /// The values of all field lines of this name.
    pub fn values<'a, 'n>(&'a self, bytes: &'a [u8], name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.spans(bytes, name).map(|span| span.of(bytes))
    }

    /// Where the values of all field lines of this name lie.
    pub fn spans<'a, 'n>(&'a self, bytes: &'a [u8], name: &'n str) -> impl Iterator<Item = Span> + use<'a, 'n> {
        let wanted = name.as_bytes();
        // The bits of two names may be equal, so a set bit only means that the lines must be compared.
        let lines = if self.names & name_bit(wanted) == 0 { &[] } else { self.lines() };
        lines
            .iter()
            .filter(move |l| l.name.len() == wanted.len() && l.name.of(bytes).eq_ignore_ascii_case(wanted))
            .map(|l| l.value)
    }

    fn read_fields(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        let lines = &bytes[self.line.len..];
        // On the stack, so that a request costs no allocation. The small array comes first: to clear a hundred slots
        // would cost every request.
        let mut few = [httparse::EMPTY_HEADER; INLINE_LINES];
        let mut many;
        let mut parsed = httparse::parse_headers(lines, &mut few);
        if parsed == Err(httparse::Error::TooManyHeaders) {
            many = [httparse::EMPTY_HEADER; Limits::FIELD_LINES];
            parsed = httparse::parse_headers(lines, &mut many);
        }
        let Ok(httparse::Status::Complete((_, found))) = parsed else {
            // httparse gives no position, so the lines are read once more.
            return Err(field::first_error(lines).shifted(self.line.len as u64));
        };
        self.count = found.len();
        if found.len() > INLINE_LINES {
            self.heap = found.iter().map(|header| FieldLine::of(header, bytes)).collect();
        }
        for (slot, header) in self.inline.iter_mut().zip(found) {
            *slot = FieldLine::of(header, bytes);
            self.names |= name_bit(header.name.as_bytes());
        }
        Ok(())
    }

    /// One valid Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 §3.2): with two, a cache may use the other one.
    fn check_host(&self, bytes: &[u8]) -> Result<(), RequestError> {
        let mut hosts = self.spans(bytes, "host");
        match (hosts.next(), hosts.next()) {
            (_, Some(second)) => Err(second.error(Fault::HostTwice)),
            (Some(host), None) if authority(host.of(bytes)).is_none() => Err(host.error(Fault::HostInvalid)),
            // Reported at the blank line: only there is it certain that the field is missing.
            (None, None) if self.line.version == Version::Http11 => {
                Err(RequestError::new(Fault::HostMissing, bytes.len() - 2, 0))
            }
            _ => Ok(()),
        }
    }

    /// Host and port the request is for (RFC 9112 §3.3); `None` for HTTP/1.0 without Host.
    pub fn authority<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match (self.line.target.form, self.line.target.authority) {
            // Host may say something else then, and must be ignored.
            (TargetForm::Absolute, Some(span)) => Some(span.of(bytes)),
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
        let mut headers = [httparse::EMPTY_HEADER; 2];
        match httparse::parse_headers(&head, &mut headers) {
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
            lines = lines.iter().flat_map(|line| ALPHABET.iter().map(move |&b| [&line[..], &[b]].concat())).collect();
            // A line that is empty is the end of the head and never looked at.
            lines.iter().for_each(|line| agree(line));
        }
    }

    #[test]
    fn every_byte_means_the_same_to_both_in_a_name_and_in_a_value() {
        for byte in (0..=u8::MAX).filter(|&b| b != b'\n') {
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
