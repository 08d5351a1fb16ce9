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
use percent_encoding::percent_decode;

use crate::http::field;
use crate::http::grammar::{hex_digit, is_ows};

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
    /// There is no file name but a `filename*` that cannot be read.
    FileName,
    /// The content ended before the last boundary.
    Short,
}

impl FormError {
    /// One sentence for the error page.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            FormError::Boundary => "The Content-Type of the form has no valid boundary.",
            FormError::Delimiter => "After a boundary of the form, the line does not end.",
            FormError::LongHead => "The field lines of a part of the form are too long.",
            FormError::Head => "A part of the form has no Content-Disposition: form-data.",
            FormError::Encoded => "A part of the form is encoded. Send its bytes as they are.",
            FormError::FileName => {
                "The file name in filename* cannot be read. Send it percent-encoded after UTF-8'' or ISO-8859-1''."
            }
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
        let name = part_file_name(&input[..lines])?;
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
fn part_file_name(lines: &[u8]) -> Result<Option<Vec<u8>>, FormError> {
    let unfolded = unfold(lines);
    // RFC 7578 §4.2: every part has a Content-Disposition.
    let mut name = Err(FormError::Head);
    for line in unfolded.split(|&b| b == b'\n').filter(|line| !matches!(*line, b"" | b"\r")) {
        let (field, value) = field::split_line(line).ok_or(FormError::Head)?;
        if field.eq_ignore_ascii_case(b"content-disposition") {
            let (kind, _) = field::parameters(value);
            name = match kind.eq_ignore_ascii_case(b"form-data") {
                true => file_name(value, unescape),
                false => Err(FormError::Head),
            };
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

/// The field lines with each folded one on a line of its own. HTTP forbids folding, but a part is MIME (RFC 5322
/// §2.2.3), and mail libraries fold long lines.
fn unfold(lines: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|&b| b == b'\n') {
        if line.first().is_some_and(|&b| is_ows(b)) {
            // Only the line end goes: the blank after it belongs to the value.
            let len = unfolded.trim_ascii_end().len();
            unfolded.truncate(len);
        }
        unfolded.extend_from_slice(line);
    }
    unfolded
}

/// The file name in a Content-Disposition, not checked; `None` if it has none. `plain` undoes the escapes of
/// `filename`.
///
/// `filename*` comes first (RFC 6266 §4.3). RFC 7578 §4.2 forbids it in a form, but .NET and PowerShell send it beside
/// a `filename` in which the name is an encoded-word of mail, and slashes of Base64 look like folders.
pub(crate) fn file_name(disposition: &[u8], plain: fn(&[u8]) -> Vec<u8>) -> Result<Option<Vec<u8>>, FormError> {
    let find = |wanted: &[u8]| {
        let (_, mut parameters) = field::parameters(disposition);
        parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let extended = find(b"filename*").map(|value| extended_value(value).ok_or(FormError::FileName)).transpose();
    match (extended, find(b"filename")) {
        // An empty name counts as one here; `files` knows that browsers send it if no file was chosen.
        (Ok(None) | Err(_), Some(value)) => Ok(Some(plain(value))),
        // Without a name the part would count as a text field, and the file would be lost.
        (extended, _) => extended,
    }
}

/// The value of an extended parameter; `None` if it is empty, malformed, or in another character set.
///
/// ```text
/// ext-value = ( "UTF-8" / "ISO-8859-1" ) "'" [ language ] "'" *( "%" 2HEXDIG / attr-char )     RFC 8187 §3.2.1
/// ```
fn extended_value(value: &[u8]) -> Option<Vec<u8>> {
    // Some clients quote it, which the grammar does not allow.
    let value = field::unquote(value);
    let mut pieces = value.splitn(3, |&b| b == b'\'');
    let (charset, _language, encoded) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let is_escape = |rest: &[u8]| matches!(rest, [a, b, ..] if hex_digit(*a).and(hex_digit(*b)).is_some());
    if encoded.is_empty() || !encoded.split(|&b| b == b'%').skip(1).all(is_escape) {
        return None;
    }
    let decoded = percent_decode(encoded);
    // UTF-8 is not checked: a name on Linux may be any bytes.
    match charset {
        _ if charset.eq_ignore_ascii_case(b"utf-8") => Some(decoded.collect()),
        _ if charset.eq_ignore_ascii_case(b"iso-8859-1") => Some(decoded.map(char::from).collect::<String>().into()),
        _ => None,
    }
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
            // Back to control bytes: a file on Linux may have them in its name.
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
            // An encoded-word in quotes is no encoded-word (RFC 2047 §5), and the name may really be that.
            (b"form-data; filename=\"=?utf-8?B?YQ==?=\"", Some(b"=?utf-8?B?YQ==?=")),
            // What .NET sends: Base64 with a slash in it, and the name.
            (b"form-data; filename=\"=?utf-8?B?/w==?=\"; filename*=utf-8''%C3%A9%20b.txt", Some("é b.txt".as_bytes())),
            (b"form-data; filename*=\"UTF-8'en'a'b\"; filename=x", Some(b"a'b")),
            (b"form-data; FileName*=iso-8859-1''%e9", Some("é".as_bytes())),
            (b"form-data; filename*=UTF-8''%FF%2F..%00%0d%0A", Some(b"\xff/..\0\r\n")),
            // One that cannot be read is ignored where there is a plain name.
            (b"form-data; filename*=KOI8-R''%C1; filename=x", Some(b"x")),
            (b"form-data; filename=x; filename*=UTF-8''", Some(b"x")),
        ] {
            let name = file_name(value, unescape);
            assert_eq!(name, Ok(expected.map(<[u8]>::to_vec)), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_name_that_cannot_be_read_is_refused_and_no_file_is_lost() {
        for value in [
            "KOI8-R''%C1",
            "UTF-16''a",
            "''a",
            "UTF-8''%4",
            "UTF-8''%",
            "UTF-8''%zz",
            "UTF-8''a%+1",
            "UTF-8'a",
            "",
            "UTF-8''",
        ] {
            let name = file_name(format!("form-data; filename*={value}").as_bytes(), unescape);
            assert_eq!(name, Err(FormError::FileName), "{value}");
        }
    }

    #[test]
    fn a_folded_field_line_is_one_line() {
        for (lines, expected) in [
            ("Content-Disposition: form-data;\r\n name=f;\r\n\tfilename=\"a.txt\"\r\n", Ok(Some("a.txt"))),
            ("Content-Disposition:\r\n form-data; filename=\"a\r\n b\"\r\nX: y\r\n", Ok(Some("a b"))),
            ("X: y\r\n Content-Disposition: form-data; filename=no\r\n", Err(FormError::Head)),
            (" X: y\r\nContent-Disposition: form-data\r\n \r\n", Ok(None)),
            (
                "Content-Disposition: form-data; filename=a\r\nContent-Transfer-Encoding:\r\n base64\r\n",
                Err(FormError::Encoded),
            ),
        ] {
            let expected = expected.map(|name| name.map(|name| name.as_bytes().to_vec()));
            assert_eq!(part_file_name(lines.as_bytes()), expected, "{lines}");
        }
    }
}
