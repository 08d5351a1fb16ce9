//! multipart/form-data, read as a stream (RFC 7578, RFC 2046 §5.1).
//!
//! ```text
//! body      = [ preamble CRLF ] "--" boundary *LWSP CRLF part *( CRLF "--" boundary *LWSP CRLF part )
//!             CRLF "--" boundary "--" [ epilogue ]
//! part      = *( field-line CRLF ) CRLF *OCTET
//! boundary  = 0*69bchars bcharsnospace
//! ```
//!
//! It has no buffer: the caller passes the bytes from the first one that was not used, and the content of a part comes
//! out as slices of them. A delimiter is CR LF, two dashes and the boundary, and it may be cut anywhere. Bytes at the
//! end of the input that could begin one are therefore not used; a test tries every split.

use memchr::memmem;

use crate::http::field;

/// The most bytes of a boundary (RFC 2046 §5.1.1).
const BOUNDARY: usize = 70;
/// The most bytes of the field lines of one part. A file name has at most 255; browsers add little.
const HEAD: usize = 8 * 1024;
/// The most blanks between a boundary and its line end. RFC 2046 allows them, and no client sends any.
const PADDING: usize = 64;

/// Why content is not a valid form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    /// The Content-Type has no valid boundary.
    Boundary,
    /// Something else than a line end follows a boundary.
    Delimiter,
    /// The field lines of a part are too long.
    LongHead,
    /// A part has no Content-Disposition of form-data, or has an invalid field line.
    Head,
    /// A part is encoded once more (RFC 7578 §4.7 tells senders not to).
    Encoded,
    /// The content ended before the last boundary.
    Short,
}

impl FormError {
    /// One sentence for the error page.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            FormError::Boundary => "The Content-Type of the form names no usable boundary.",
            FormError::Delimiter => "A boundary of the form is not followed by the end of its line.",
            FormError::LongHead => "The field lines of a part of the form are too long.",
            FormError::Head => "A part of the form does not say that it is form-data.",
            FormError::Encoded => "A part of the form is encoded; send its octets as they are.",
            FormError::Short => "The form ended before its last boundary.",
        }
    }
}

/// What one step of the reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormEvent<'b> {
    /// Nothing to report. If no byte was used either, pass the unused bytes again, with more after them.
    NeedMore,
    /// A part begins. It is a file if it has a file name (as the sender meant it, not checked).
    Part(Option<Vec<u8>>),
    /// Content of the part.
    Data(&'b [u8]),
    /// The part is complete.
    PartEnd,
    /// The form is complete; everything after it is ignored.
    End,
}

/// Where in the grammar the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormState {
    /// At the first byte, where a delimiter needs no line end before it.
    Start,
    /// Before the first delimiter.
    Preamble,
    /// After a boundary, in the rest of its line.
    Line,
    /// In the field lines of a part.
    Head,
    /// In the content of a part.
    Content,
    /// After the last delimiter.
    Epilogue,
}

/// The boundary of a Content-Type, not checked, perhaps empty; `None` if the type is not multipart/form-data.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let (media_type, mut parameters) = field::parameters(content_type);
    if !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let boundary = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"));
    Some(boundary.map(|(_, value)| field::unquote(value)).unwrap_or_default())
}

/// The reader of one form.
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    /// Finds CR LF, two dashes, the boundary.
    delimiter: memmem::Finder<'static>,
    state: FormState,
}

impl Multipart {
    /// The reader for content of this Content-Type. `None` if the type is not multipart/form-data.
    pub(crate) fn of(content_type: &[u8]) -> Option<Result<Multipart, FormError>> {
        let boundary = boundary(content_type)?;
        // Checked, since its length bounds what is kept back between two pieces.
        if !is_boundary(&boundary) {
            return Some(Err(FormError::Boundary));
        }
        let delimiter = memmem::Finder::new(&[b"\r\n--", &boundary[..]].concat()).into_owned();
        Some(Ok(Multipart { delimiter, state: FormState::Start }))
    }

    /// Whether the last boundary has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == FormState::Epilogue
    }

    /// Reads on. Returns how many bytes are used up, and what they were.
    ///
    /// # Errors
    /// Why the content is not a valid form.
    pub(crate) fn step<'b>(&mut self, input: &'b [u8]) -> Result<(usize, FormEvent<'b>), FormError> {
        match self.state {
            FormState::Start => self.start(input),
            FormState::Preamble => Ok(match self.find(input) {
                Ok(at) => {
                    self.state = FormState::Line;
                    (at + self.delimiter.needle().len(), FormEvent::NeedMore)
                }
                // The preamble is for mail programs that cannot read multipart; it is not content.
                Err(safe) => (safe, FormEvent::NeedMore),
            }),
            FormState::Line => self.line(input),
            FormState::Head => self.head(input),
            FormState::Content => Ok(match self.find(input) {
                Ok(0) => {
                    self.state = FormState::Line;
                    (self.delimiter.needle().len(), FormEvent::PartEnd)
                }
                // The CR LF before a boundary belongs to it (RFC 2046 §5.1.1), so content ends before it.
                Ok(at) | Err(at) if at > 0 => (at, FormEvent::Data(&input[..at])),
                _ => (0, FormEvent::NeedMore),
            }),
            FormState::Epilogue => Ok((input.len(), FormEvent::End)),
        }
    }

    fn start<'b>(&mut self, input: &'b [u8]) -> Result<(usize, FormEvent<'b>), FormError> {
        let first = &self.delimiter.needle()[2..];
        // Nothing precedes the first delimiter, so it needs no line end before it.
        if input.len() < first.len() && first.starts_with(input) {
            return Ok((0, FormEvent::NeedMore));
        }
        if input.starts_with(first) {
            self.state = FormState::Line;
            return Ok((first.len(), FormEvent::NeedMore));
        }
        self.state = FormState::Preamble;
        self.step(input)
    }

    /// The rest of the line of a boundary: two dashes, or blanks and the line end.
    fn line<'b>(&mut self, input: &[u8]) -> Result<(usize, FormEvent<'b>), FormError> {
        // Bounded, since an incomplete line stays in the caller's buffer.
        let blanks = input.iter().take(PADDING + 1).take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blanks > PADDING {
            return Err(FormError::Delimiter);
        }
        match (&input[blanks..], blanks) {
            ([b'-', b'-', ..], 0) => {
                self.state = FormState::Epilogue;
                Ok((2, FormEvent::End))
            }
            ([b'\r', b'\n', ..], _) => {
                self.state = FormState::Head;
                Ok((blanks + 2, FormEvent::NeedMore))
            }
            ([] | [b'\r'], _) | ([b'-'], 0) => Ok((0, FormEvent::NeedMore)),
            // A boundary must not occur in the content, not even as a prefix, so this cannot be understood safely.
            _ => Err(FormError::Delimiter),
        }
    }

    fn head<'b>(&mut self, input: &[u8]) -> Result<(usize, FormEvent<'b>), FormError> {
        // Without field lines the blank line comes at once, and is not preceded by a CR LF of its own.
        let lines = match input.starts_with(b"\r\n") {
            true => 0,
            false => match input.windows(4).take(HEAD).position(|w| w == b"\r\n\r\n") {
                Some(at) => at + 2,
                None if input.len() > HEAD => return Err(FormError::LongHead),
                None => return Ok((0, FormEvent::NeedMore)),
            },
        };
        let name = file_name(&input[..lines])?;
        self.state = FormState::Content;
        Ok((lines + 2, FormEvent::Part(name)))
    }

    /// Where the delimiter begins; `Err` with the number of bytes that surely do not belong to one.
    fn find(&self, input: &[u8]) -> Result<usize, usize> {
        if let Some(at) = self.delimiter.find(input) {
            return Ok(at);
        }
        // The delimiter may begin in the last bytes and end in the next piece: those are kept back.
        let tail = input.len().saturating_sub(self.delimiter.needle().len() - 1);
        let cut = (tail..input.len()).find(|&at| self.delimiter.needle().starts_with(&input[at..]));
        Err(cut.unwrap_or(input.len()))
    }
}

/// RFC 2046 §5.1.1: a boundary may contain a space, but not at its end.
fn is_boundary(bytes: &[u8]) -> bool {
    let bchar = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
    (1..=BOUNDARY).contains(&bytes.len()) && bytes.iter().all(bchar) && !bytes.ends_with(b" ")
}

/// The file name of a part, from its field lines.
fn file_name(lines: &[u8]) -> Result<Option<Vec<u8>>, FormError> {
    // RFC 7578 §4.2: every part has a Content-Disposition.
    let mut name = Err(FormError::Head);
    for line in lines.split(|&b| b == b'\n').filter(|line| !matches!(*line, b"" | b"\r")) {
        let (field, value) = field::split_line(line).ok_or(FormError::Head)?;
        if field.eq_ignore_ascii_case(b"content-disposition") {
            name = disposition_file_name(value);
        } else if field.eq_ignore_ascii_case(b"content-transfer-encoding") {
            // Stored as it is, a base64 part would be a damaged file.
            let is_plain = [&b"binary"[..], b"8bit", b"7bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain));
            if !is_plain {
                return Err(FormError::Encoded);
            }
        }
    }
    name
}

/// The file name in a Content-Disposition. `filename*` is ignored: RFC 7578 §4.2 forbids it in a form.
fn disposition_file_name(value: &[u8]) -> Result<Option<Vec<u8>>, FormError> {
    let (kind, mut parameters) = field::parameters(value);
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return Err(FormError::Head);
    }
    // An empty name counts as one here; `files` knows that browsers send it if no file was chosen.
    let name = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"filename"));
    Ok(name.map(|(_, value)| unescape(value)))
}

/// A file name as the sender meant it.
///
/// Browsers write `"`, CR and LF as `%22`, `%0D` and `%0A` and change nothing else (WHATWG HTML, "multipart/form-data
/// encoding algorithm"). curl does the same, or puts a backslash before a quote. Only those are undone: `%41` is a name
/// with a percent sign, and the backslashes in `C:\film.mp4` are separators.
fn unescape(value: &[u8]) -> Vec<u8> {
    let mut rest = match value {
        [b'"', inner @ .., b'"'] => inner,
        token => token,
    };
    let mut name = Vec::with_capacity(rest.len());
    while let Some(&first) = rest.first() {
        let (byte, used) = match rest {
            [b'%', b'2', b'2', ..] => (b'"', 3),
            // Back to control bytes: the rules for file names then refuse the name.
            [b'%', b'0', b'D' | b'd', ..] => (b'\r', 3),
            [b'%', b'0', b'A' | b'a', ..] => (b'\n', 3),
            // A backslash before anything else is a separator of Windows, not an escape.
            [b'\\', quoted @ (b'"' | b'\\'), ..] => (*quoted, 2),
            _ => (first, 1),
        };
        name.push(byte);
        rest = &rest[used..];
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File name and content.
    type FilePart = (Option<String>, Vec<u8>);

    /// A whole form, fed in pieces as a caller would.
    fn read(pieces: &[&[u8]]) -> Result<Vec<FilePart>, FormError> {
        let mut form = Multipart::of(b"multipart/form-data; boundary=XyZ").unwrap().unwrap();
        let (mut parts, mut open, mut waiting) = (Vec::new(), false, Vec::new());
        for piece in pieces {
            waiting.extend_from_slice(piece);
            loop {
                let (used, event) = form.step(&waiting)?;
                let stuck = used == 0 && event == FormEvent::NeedMore;
                let end = event == FormEvent::End;
                match event {
                    FormEvent::NeedMore | FormEvent::End => {}
                    FormEvent::Part(name) => {
                        assert!(!open);
                        open = true;
                        parts.push((name.map(|n| String::from_utf8_lossy(&n).into_owned()), Vec::new()));
                    }
                    FormEvent::Data(data) => {
                        assert!(open && !data.is_empty());
                        parts.last_mut().unwrap().1.extend_from_slice(data);
                    }
                    FormEvent::PartEnd => {
                        assert!(open);
                        open = false;
                    }
                }
                waiting.drain(..used);
                if stuck || end || waiting.is_empty() {
                    break;
                }
            }
        }
        if form.is_complete() { Ok(parts) } else { Err(FormError::Short) }
    }

    fn part(name: &str, content: &[u8]) -> FilePart {
        (Some(name.to_string()), content.to_vec())
    }

    const FORM: &[u8] = b"--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nfield\r\n\
        --XyZ\r\ncontent-disposition: FORM-DATA; name=f; filename=\"film.mp4\"\r\nContent-Type: video/mp4\r\n\r\n\
        one\r\n--XyX\r\n--Xy\r\n--\r\r\n\n\r\n--XyZ \t\r\nContent-Disposition: form-data; filename=empty\r\n\r\n\r\n--XyZ--\r\nbye";

    #[test]
    fn a_form_is_the_same_however_it_is_cut() {
        let whole = read(&[FORM]).unwrap();
        let expected = vec![
            (None, b"field".to_vec()),
            part("film.mp4", b"one\r\n--XyX\r\n--Xy\r\n--\r\r\n\n"),
            part("empty", b""),
        ];
        assert_eq!(whole, expected);
        let bytes: Vec<&[u8]> = FORM.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(whole.clone()));
        for cut in 0..=FORM.len() {
            assert_eq!(read(&[&FORM[..cut], &FORM[cut..]]), Ok(whole.clone()), "cut at {cut}");
            for second in (cut..FORM.len()).step_by(7) {
                assert_eq!(read(&[&FORM[..cut], &FORM[cut..second], &FORM[second..]]), Ok(whole.clone()));
            }
        }
    }

    #[test]
    fn a_form_that_breaks_off_is_never_complete() {
        let end = FORM.windows(7).position(|w| w == b"--XyZ--").unwrap() + 7;
        for cut in 0..end {
            assert_eq!(read(&[&FORM[..cut]]), Err(FormError::Short), "{cut}");
        }
        assert!(read(&[&FORM[..end]]).is_ok());
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let after = |text: &str| read(&[text.as_bytes()]);
        assert_eq!(after("--XyZ-\r\n"), Err(FormError::Delimiter));
        assert_eq!(after("--XyZjunk\r\n\r\n"), Err(FormError::Delimiter));
        assert_eq!(after("--XyZ\n\n"), Err(FormError::Delimiter));
        assert_eq!(after(&format!("--XyZ{}\r\n", " ".repeat(65))), Err(FormError::Delimiter));
        assert_eq!(after("--XyZ\r\n\r\nno head\r\n--XyZ--"), Err(FormError::Head));
        assert_eq!(after("--XyZ\r\nContent-Disposition: attachment; filename=a\r\n\r\n"), Err(FormError::Head));
        assert_eq!(after("--XyZ\r\nnonsense\r\n\r\n"), Err(FormError::Head));
        assert_eq!(after(&format!("--XyZ\r\nX: {}", "a".repeat(HEAD))), Err(FormError::LongHead));
        let encoded =
            "--XyZ\r\nContent-Disposition: form-data; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        assert_eq!(after(encoded), Err(FormError::Encoded));
        // A preamble is read past; only a whole line counts as delimiter.
        let form = "hello --XyZ\r\n--XyZ\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--XyZ--";
        assert_eq!(after(form), Ok(vec![part("a", b"x")]));
    }

    #[test]
    fn only_a_boundary_of_the_alphabet_is_one() {
        for (value, good) in [
            (&b"multipart/form-data; boundary=a"[..], true),
            (b"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b?c\"", true),
            (b"multipart/form-data", false),
            (b"multipart/form-data; boundary=", false),
            (b"multipart/form-data; boundary=\"\"", false),
            (b"multipart/form-data; boundary=\"a \"", false),
            (b"multipart/form-data; boundary=\"a\x01\"", false),
            (b"multipart/form-data; boundary=a@b", false),
        ] {
            assert_eq!(Multipart::of(value).unwrap().is_ok(), good, "{}", String::from_utf8_lossy(value));
        }
        let of_length = |n: usize| Multipart::of(format!("multipart/form-data; boundary={}", "b".repeat(n)).as_bytes());
        assert!(of_length(70).unwrap().is_ok() && of_length(71).unwrap().is_err());
        for value in [&b"text/plain"[..], b"", b"multipart/mixed; boundary=a", b"application/x-www-form-urlencoded"] {
            assert!(Multipart::of(value).is_none());
        }
    }

    #[test]
    fn names_mean_what_the_sender_meant() {
        for (value, expected) in [
            (&br#"form-data; name=f; filename="a b;c.txt""#[..], Some(&b"a b;c.txt"[..])),
            (br#"form-data; filename="say %22hi%22%0d%0A.txt""#, Some(b"say \"hi\"\r\n.txt")),
            (br#"form-data; filename="say \"hi\".txt""#, Some(br#"say "hi".txt"#)),
            (br#"form-data; filename="100%41%.txt""#, Some(b"100%41%.txt")),
            (br#"form-data; filename="C:\Users\me\film.mp4""#, Some(br"C:\Users\me\film.mp4")),
            (b"form-data; filename=\"\xff\xc3\xa9\"", Some(b"\xff\xc3\xa9")),
            (b"form-data; filename=token", Some(b"token")),
            (b"form-data; name=\"x\"; filename=\"\"", Some(b"")),
            (b"form-data; name=\"filename=no\"", None),
            (b"form-data; filename*=UTF-8''a", None),
        ] {
            assert_eq!(
                disposition_file_name(value),
                Ok(expected.map(<[u8]>::to_vec)),
                "{}",
                String::from_utf8_lossy(value)
            );
        }
    }
}
