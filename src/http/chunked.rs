//! Chunked content: decoded without copying, and encoded (RFC 9112 §7.1).
//!
//! ```text
//! chunked-body = *chunk last-chunk trailer-section CRLF
//! chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! last-chunk   = 1*"0" [ chunk-ext ] CRLF
//! chunk-ext    = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
//! ```
//!
//! The decoder has no buffer. Data comes out as slices of the input; a line that is not complete stays in the caller's
//! input, which is why lines are bounded.
//!
//! A lenient reader of chunk lines allows request smuggling even if everything else is strict (CVE-2025-55315 and
//! similar bugs: a bare LF or CR inside a chunk extension). So a line ends with CR LF only, and an extension is checked
//! though its meaning is ignored. Trailer fields are checked and dropped, as RFC 9110 §6.5.1 allows.

use crate::http::grammar::{self, is_field_byte, is_ows, is_tchar};
use crate::http::{Fault, Limits, RequestError, field};

/// Where in the grammar the decoder is.
#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    /// Before a chunk-size line.
    #[default]
    Size,
    /// Inside chunk-data, with this many bytes to come.
    Data(u64),
    /// After chunk-data, before its CR LF.
    DataEnd,
    /// In the trailer section.
    Trailer,
    /// After the final CR LF.
    End,
}

/// What one step of the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<'b> {
    /// The input ends inside a line: pass it again, with more after it.
    NeedMore,
    /// Bytes of content.
    Data(&'b [u8]),
    /// A line of framing was read: call again.
    Line,
    /// The content is complete.
    End,
    /// The framing is invalid; the position counts from the start of this input.
    Refused(RequestError),
}

/// The decoder of one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    state: ChunkState,
    /// Bytes of chunk extensions so far.
    extensions: usize,
    /// Bytes of the trailer section so far.
    trailer: usize,
    trailer_lines: usize,
    /// Bytes of the incomplete line searched so far: a slow sender must not make us search it again for each byte.
    seen: usize,
}

impl Decoder {
    /// Reads on in `input`. Returns how many bytes of it are used up, and what they were.
    pub fn step<'b>(&mut self, input: &'b [u8], limits: &Limits) -> (usize, Chunk<'b>) {
        self.advance(input, limits).unwrap_or_else(|error| (0, Chunk::Refused(error)))
    }

    fn advance<'b>(&mut self, input: &'b [u8], limits: &Limits) -> Result<(usize, Chunk<'b>), RequestError> {
        match self.state {
            ChunkState::Size => self.size_line(input, limits),
            ChunkState::Data(left) => {
                // As much as is there: a chunk may be larger than any buffer.
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                if take == 0 {
                    return Ok((0, Chunk::NeedMore));
                }
                let left = left - take as u64;
                self.state = if left == 0 { ChunkState::DataEnd } else { ChunkState::Data(left) };
                Ok((take, Chunk::Data(&input[..take])))
            }
            // Checked, not skipped: a wrong size would else make the decoder read data as framing.
            ChunkState::DataEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.state = ChunkState::Size;
                    Ok((2, Chunk::Line))
                }
                [] | [b'\r'] => Ok((0, Chunk::NeedMore)),
                [b'\r', ..] => Err(RequestError::new(Fault::ChunkEnd, 1, 1)),
                _ => Err(RequestError::new(Fault::ChunkEnd, 0, 1)),
            },
            ChunkState::Trailer => self.trailer_line(input, limits),
            ChunkState::End => Ok((0, Chunk::End)),
        }
    }

    fn size_line<'b>(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Chunk<'b>), RequestError> {
        let refuse = |fault, at, len| Err(RequestError::new(fault, at, len));
        let digits = input.iter().take(grammar::HEXADECIMAL_DIGITS + 1).take_while(|b| b.is_ascii_hexdigit()).count();
        // A wrong byte is refused at once, not when the line is complete: a client that forgot the size may send no
        // line end, and would wait for us while we wait for it.
        match (digits, input.get(digits)) {
            // More digits could overflow, and an overflow would make the size small.
            _ if digits > grammar::HEXADECIMAL_DIGITS => return refuse(Fault::ChunkTooLarge, 0, digits),
            (_, None) => return Ok((0, Chunk::NeedMore)),
            (0, Some(_)) => return refuse(Fault::ChunkSize, 0, 1),
            (_, Some(b'\n')) => return refuse(Fault::BareLf, digits, 1),
            (_, Some(b'\r' | b';' | b' ' | b'\t')) => {}
            (_, Some(_)) => return refuse(Fault::ChunkSize, digits, 1),
        }
        // The extensions are searched for the end of the line before they are parsed, since they may be incomplete.
        let Some(end) = self.line_end(input, digits, limits.chunk_line, Fault::ChunkLineTooLong)? else {
            return Ok((0, Chunk::NeedMore));
        };
        let Some(size) = grammar::hexadecimal(&input[..digits]) else { return refuse(Fault::ChunkSize, 0, digits) };
        if let Some((at, len)) = extension_fault(&input[digits..end]) {
            return refuse(Fault::ChunkExtension, digits + at, len);
        }
        // Each line is bounded already. All together, many tiny chunks would still carry any amount.
        self.extensions += end - digits;
        if self.extensions > limits.chunk_extensions {
            return refuse(Fault::ChunkLineTooLong, digits, end - digits);
        }
        self.state = if size == 0 { ChunkState::Trailer } else { ChunkState::Data(size) };
        Ok((end + 2, Chunk::Line))
    }

    fn trailer_line<'b>(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Chunk<'b>), RequestError> {
        // The bound is for the whole section: each line has what the lines before it have left.
        let bound = limits.trailer.saturating_sub(self.trailer);
        let Some(end) = self.line_end(input, 0, bound, Fault::TrailerTooLarge)? else {
            return Ok((0, Chunk::NeedMore));
        };
        // The blank line ends the section, and with it the message.
        if end == 0 {
            self.state = ChunkState::End;
            return Ok((2, Chunk::End));
        }
        // The same rules as for the fields of a head. With laxer ones a proxy could see another end of the message.
        if let Some((fault, at, len)) = field::diagnose(&input[..end]) {
            return Err(RequestError::new(fault, at, len));
        }
        self.trailer += end + 2;
        self.trailer_lines += 1;
        if self.trailer_lines > Limits::FIELD_LINES {
            return Err(RequestError::new(Fault::TooManyFields, 0, end));
        }
        Ok((end + 2, Chunk::Line))
    }

    /// The length of the line that begins with `input`, without its CR LF; its end is not among the first `from` bytes.
    /// `Ok(None)` if the end has not arrived. Errors: `too_long` for a line of more than `bound` bytes, else a bare CR
    /// or LF.
    fn line_end(
        &mut self,
        input: &[u8],
        from: usize,
        bound: usize,
        too_long: Fault,
    ) -> Result<Option<usize>, RequestError> {
        for (at, &byte) in input.iter().enumerate().skip(from.max(self.seen)) {
            self.seen = at;
            match (byte, input.get(at + 1)) {
                (b'\r', Some(b'\n')) if at <= bound => {
                    self.seen = 0;
                    return Ok(Some(at));
                }
                // Whether this CR is bare depends on a byte that has not arrived.
                (b'\r', None) if at <= bound => return Ok(None),
                // Before the bare CR and LF, so that a long line has the same fault wherever it is cut.
                _ if at >= bound => return Err(RequestError::new(too_long, at, 0)),
                (b'\r', _) => return Err(RequestError::new(Fault::BareCr, at, 1)),
                (b'\n', _) => return Err(RequestError::new(Fault::BareLf, at, 1)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The first byte in `line` (from the size up to the CR) that no chunk-ext may have there, and how many bytes are
/// faulty: 0 if the line ends too early. `None` if the extensions are valid.
fn extension_fault(line: &[u8]) -> Option<(usize, usize)> {
    // The fault is the first byte of `rest`. At the end of the line there is no such byte, only a position.
    let fault_at = |rest: &[u8]| Some((line.len() - rest.len(), 1.min(rest.len())));
    let mut rest = line;
    // Each turn reads one extension: `;`, a name, and perhaps `=` and a value.
    while !rest.is_empty() {
        let semicolon = skip(rest, is_ows);
        if semicolon.is_empty() {
            // Spaces after the size without an extension: the grammar has no `5 \r\n`.
            return Some((line.len() - rest.len(), rest.len()));
        }
        let Some(name) = semicolon.strip_prefix(b";") else { return fault_at(semicolon) };
        let name = skip(name, is_ows);
        rest = skip(name, is_tchar);
        if rest.len() == name.len() {
            return fault_at(name);
        }
        // Without a value, the spaces belong to the next extension, or are a fault at the end of the line. With one,
        // bad whitespace on both sides of the `=` must be accepted (RFC 9112 §7.1.1).
        let Some(value) = skip(rest, is_ows).strip_prefix(b"=") else { continue };
        let value = skip(value, is_ows);
        rest = match value {
            [b'"', quoted @ ..] => match skip_quoted(quoted) {
                Ok(rest) => rest,
                Err(bad) => return fault_at(bad),
            },
            token => skip(token, is_tchar),
        };
        if rest.len() == value.len() {
            return fault_at(value);
        }
    }
    None
}

/// The bytes from the first one on that is not in the set.
fn skip(bytes: &[u8], is_in_set: fn(u8) -> bool) -> &[u8] {
    &bytes[bytes.iter().take_while(|&&b| is_in_set(b)).count()..]
}

/// The bytes after a quoted-string whose first quote was read; `Err` with the bytes from the first invalid one on.
fn skip_quoted(mut rest: &[u8]) -> Result<&[u8], &[u8]> {
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Ok(rest),
            // quoted-pair: the byte after the backslash is taken as it is, even if it is a quote.
            [b'\\', byte, rest @ ..] if is_field_byte(*byte) => rest,
            // A backslash that reaches here stands before a control byte or at the end of the line.
            [byte, rest @ ..] if is_field_byte(*byte) && *byte != b'\\' => rest,
            bad => return Err(bad),
        };
    }
}

/// Appends one chunk. Empty data is left out: a size of 0 would end the content.
///
/// ```
/// use barewire::http::chunked;
///
/// let mut out = Vec::new();
/// chunked::encode(b"hello, world", &mut out);
/// out.extend_from_slice(chunked::LAST_CHUNK);
/// assert_eq!(out, b"c\r\nhello, world\r\n0\r\n\r\n");
/// ```
pub fn encode(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    encode_size(data.len() as u64, "", out);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the size line of a chunk. An extension with a control byte is left out, since it could end the line.
pub fn encode_size(size: u64, extension: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{size:x}").as_bytes());
    if !extension.is_empty() && extension.bytes().all(is_field_byte) {
        out.push(b';');
        out.extend_from_slice(extension.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of chunked content: the last chunk and an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in two pieces cut at `cut`; returns the content, or the fault and its position.
    fn run(input: &[u8], cut: usize) -> Result<(Vec<u8>, usize), (Fault, u64)> {
        let (mut decoder, limits) = (Decoder::default(), Limits::default());
        let (mut content, mut from) = (Vec::new(), 0);
        for end in [cut, input.len()] {
            loop {
                let (used, chunk) = decoder.step(&input[from..end], &limits);
                let start = from;
                from += used;
                match chunk {
                    Chunk::NeedMore => break,
                    Chunk::Line => {}
                    Chunk::Data(data) => content.extend_from_slice(data),
                    Chunk::End => return Ok((content, from)),
                    Chunk::Refused(r) => return Err((r.fault, start as u64 + r.at)),
                }
            }
        }
        Ok((content, usize::MAX))
    }

    #[track_caller]
    fn check(input: &str, expected: Result<(&str, usize), (Fault, u64)>) {
        for cut in 0..=input.len() {
            let got = run(input.as_bytes(), cut);
            assert_eq!(got, expected.map(|(c, n)| (c.as_bytes().to_vec(), n)), "{input:?} cut at {cut}");
        }
    }

    #[test]
    fn chunks_extensions_and_trailers_are_read_at_every_split() {
        check("3\r\nabc\r\n0\r\n\r\nrest", Ok(("abc", 13)));
        check("3;a=b;c=\"d;\\\"e\" ; f\r\nabc\r\n0A\r\n0123456789\r\n0;x\r\n\r\n", Ok(("abc0123456789", 49)));
        check("0\r\nX-Sum: 31\r\nY:\r\n\r\n", Ok(("", 20)));
        check("000\r\n\r\n", Ok(("", 7)));
        check("3\r\nab", Ok(("ab", usize::MAX)));
    }

    #[test]
    fn anything_but_the_grammar_is_refused_at_its_byte() {
        check("+3\r\nabc", Err((Fault::ChunkSize, 0)));
        check("0x3\r\nabc", Err((Fault::ChunkSize, 1)));
        check("\r\nabc", Err((Fault::ChunkSize, 0)));
        check("3\nabc\r\n", Err((Fault::BareLf, 1)));
        check("3 \r\nabc\r\n", Err((Fault::ChunkExtension, 1)));
        check("3;\r\nabc\r\n", Err((Fault::ChunkExtension, 2)));
        check("3;a\nb\r\nabc\r\n", Err((Fault::BareLf, 3)));
        check("3;a\rb\r\nabc\r\n", Err((Fault::BareCr, 3)));
        check("3;a=\"b\r\nabc\r\n", Err((Fault::ChunkExtension, 6)));
        check("3\r\nabcd\r\n", Err((Fault::ChunkEnd, 6)));
        check("3\r\nabc\r3\r\n", Err((Fault::ChunkEnd, 7)));
        check("1000000000000000\r\n", Err((Fault::ChunkTooLarge, 0)));
        check("0\r\n folded: x\r\n\r\n", Err((Fault::ObsFold, 3)));
        check("0\r\nA : x\r\n\r\n", Err((Fault::SpaceBeforeColon, 4)));
        check("0\r\nA: x\n\r\n", Err((Fault::BareLf, 7)));
    }

    #[test]
    fn endless_lines_and_endless_trailers_meet_their_bounds() {
        let limits = Limits::default();
        check(
            &format!("3;{}", "a".repeat(limits.chunk_line)),
            Err((Fault::ChunkLineTooLong, limits.chunk_line as u64)),
        );
        let chunk = format!("1;{}\r\nx\r\n", "a".repeat(1000));
        assert_eq!(run(chunk.repeat(20).as_bytes(), 0).unwrap_err().0, Fault::ChunkLineTooLong);
        let trailers = format!("0\r\n{}", "A: b\r\n".repeat(101));
        assert_eq!(run(trailers.as_bytes(), 0).unwrap_err().0, Fault::TooManyFields);
        let trailers = format!("0\r\nA: {}", "b".repeat(limits.trailer));
        assert_eq!(run(trailers.as_bytes(), 0).unwrap_err().0, Fault::TrailerTooLarge);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut out = Vec::new();
        encode(b"hello", &mut out);
        encode(b"", &mut out);
        encode(&[b'x'; 300], &mut out);
        out.extend_from_slice(LAST_CHUNK);
        let (content, used) = run(&out, 7).unwrap();
        assert_eq!((content.len(), used), (305, out.len()));
    }
}
