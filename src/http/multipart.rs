//! multipart/form-data read as a stream (RFC 7578, RFC 2046 §5.1).
//!
//! ```text
//! body      = [ preamble CRLF ] "--" boundary *LWSP CRLF part *( CRLF "--" boundary *LWSP CRLF part )
//!             CRLF "--" boundary "--" [ epilogue ]
//! part      = *( field-line CRLF ) CRLF *OCTET
//! boundary  = 0*69bchars bcharsnospace
//! ```
//!
//! Never: a buffer, a disk. The caller shows the bytes from the first one that was not used, with more
//! behind them, as for [`crate::http::Connection`]; what is content of a part comes out as slices of
//! what went in.
//!
//! The subtle things:
//! - A delimiter may be cut anywhere. Bytes at the end that could begin one are not used, so the verdict
//!   does not depend on how the content came; a test tries every split.
//! - The first delimiter needs no CRLF before it when nothing precedes it, so reading begins as if one
//!   had been seen.
//! - The search jumps by the length of the delimiter (Horspool), which is some forty bytes: most of a
//!   film is never looked at.

use crate::http::field;
use crate::http::grammar::trim;

/// Bytes of a boundary, at most (RFC 2046 §5.1.1).
const BOUNDARY: usize = 70;
/// Bytes of the field lines of one part. A name takes 255; the rest is what browsers write.
const HEAD: usize = 8 * 1024;
/// Blanks between a boundary and its line end, which RFC 2046 allows and nobody sends.
const PADDING: usize = 64;

/// Why this is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The Content-Type names no usable boundary.
    Boundary,
    /// Something else than a line end follows a boundary.
    Delimiter,
    /// The field lines of a part are too long.
    LongHead,
    /// A part without a Content-Disposition of form-data, or with lines that are none.
    Head,
    /// A part is encoded once more (RFC 7578 §4.7 tells senders not to).
    Encoded,
    /// The content ended before the last boundary.
    Short,
}

impl Broken {
    /// One sentence for the page.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Broken::Boundary => "The Content-Type of the form names no usable boundary.",
            Broken::Delimiter => "A boundary of the form is not followed by the end of its line.",
            Broken::LongHead => "The field lines of a part of the form are too long.",
            Broken::Head => "A part of the form does not say that it is form-data.",
            Broken::Encoded => "A part of the form is encoded; send its octets as they are.",
            Broken::Short => "The form ended before its last boundary.",
        }
    }
}

/// What the input turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'b> {
    /// Nothing yet: show the unused bytes again, with more behind them.
    NeedMore,
    /// A part begins. It is a file if it has a file name: the bytes between the quotes, as sent.
    Part(Option<Vec<u8>>),
    /// Content of the part.
    Data(&'b [u8]),
    /// The part is complete.
    PartEnd,
    /// The form is complete; what follows is nobody's.
    End,
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the very beginning, where a delimiter needs no line end before it.
    Start,
    /// Before the first delimiter.
    Preamble,
    /// Behind a delimiter, inside its line.
    Line,
    /// In the field lines of a part.
    Head,
    /// In the content of a part.
    Content,
    /// Behind the last delimiter.
    Epilogue,
}

/// The reader of one form.
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    /// CR LF, two dashes, the boundary.
    delimiter: Vec<u8>,
    /// How far the search may jump when this byte stands where the delimiter would end.
    jumps: Box<[u8; 256]>,
    at: At,
}

impl Multipart {
    /// The reader for this Content-Type. `None`: it is no multipart/form-data.
    pub(crate) fn of(content_type: &[u8]) -> Option<Result<Multipart, Broken>> {
        let (media_type, mut parameters) = field::parameters(content_type);
        if !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let boundary = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"));
        let boundary = boundary.map(|(_, value)| field::unquote(value)).unwrap_or_default();
        Some(if is_boundary(&boundary) { Ok(Multipart::with(&boundary)) } else { Err(Broken::Boundary) })
    }

    fn with(boundary: &[u8]) -> Multipart {
        let delimiter = [b"\r\n--", boundary].concat();
        let length = delimiter.len() as u8; // at most 74
        let mut jumps = Box::new([length; 256]);
        for (at, &byte) in delimiter[..delimiter.len() - 1].iter().enumerate() {
            jumps[usize::from(byte)] = length - 1 - at as u8;
        }
        Multipart { delimiter, jumps, at: At::Start }
    }

    /// Whether the last boundary has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.at == At::Epilogue
    }

    /// Reads on; says how many bytes are used up. None and nothing new: it is stuck without more.
    ///
    /// # Errors
    /// Why this is no form.
    pub(crate) fn step<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Event<'b>), Broken> {
        match self.at {
            At::Start => self.start(input),
            At::Preamble => Ok(match self.find(input) {
                Ok(at) => {
                    self.at = At::Line;
                    (at + self.delimiter.len(), Event::NeedMore)
                }
                Err(safe) => (safe, Event::NeedMore),
            }),
            At::Line => self.line(input),
            At::Head => self.head(input),
            At::Content => Ok(match self.find(input) {
                Ok(0) => {
                    self.at = At::Line;
                    (self.delimiter.len(), Event::PartEnd)
                }
                Ok(at) | Err(at) if at > 0 => (at, Event::Data(&input[..at])),
                _ => (0, Event::NeedMore),
            }),
            At::Epilogue => Ok((input.len(), Event::End)),
        }
    }

    fn start<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Event<'b>), Broken> {
        let first = &self.delimiter[2..];
        if input.len() < first.len() && first.starts_with(input) {
            return Ok((0, Event::NeedMore));
        }
        if input.starts_with(first) {
            self.at = At::Line;
            return Ok((first.len(), Event::NeedMore));
        }
        self.at = At::Preamble;
        self.step(input)
    }

    /// What follows a boundary: two dashes, or blanks and the end of the line.
    fn line<'b>(&mut self, input: &[u8]) -> Result<(usize, Event<'b>), Broken> {
        let blanks = input.iter().take(PADDING + 1).take_while(|o| matches!(o, b' ' | b'\t')).count();
        if blanks > PADDING {
            return Err(Broken::Delimiter);
        }
        match (&input[blanks..], blanks) {
            ([b'-', b'-', ..], 0) => {
                self.at = At::Epilogue;
                Ok((2, Event::End))
            }
            ([b'\r', b'\n', ..], _) => {
                self.at = At::Head;
                Ok((blanks + 2, Event::NeedMore))
            }
            ([] | [b'\r'], _) | ([b'-'], 0) => Ok((0, Event::NeedMore)),
            _ => Err(Broken::Delimiter),
        }
    }

    fn head<'b>(&mut self, input: &[u8]) -> Result<(usize, Event<'b>), Broken> {
        let lines = match input.starts_with(b"\r\n") {
            true => 0,
            false => match input.windows(4).take(HEAD).position(|w| w == b"\r\n\r\n") {
                Some(at) => at + 2,
                None if input.len() > HEAD => return Err(Broken::LongHead),
                None => return Ok((0, Event::NeedMore)),
            },
        };
        let name = file_name(&input[..lines])?;
        self.at = At::Content;
        Ok((lines + 2, Event::Part(name)))
    }

    /// Where the delimiter begins; else how many bytes surely do not belong to one.
    fn find(&self, input: &[u8]) -> Result<usize, usize> {
        let length = self.delimiter.len();
        let mut end = length;
        while end <= input.len() {
            if input[end - length..end] == self.delimiter[..] {
                return Ok(end - length);
            }
            end += usize::from(self.jumps[usize::from(input[end - 1])]);
        }
        let tail = input.len().saturating_sub(length - 1);
        let cut = (tail..input.len()).find(|&at| self.delimiter.starts_with(&input[at..]));
        Err(cut.unwrap_or(input.len()))
    }
}

/// RFC 2046 §5.1.1; it may hold a space, but not at its end.
fn is_boundary(bytes: &[u8]) -> bool {
    let bchar = |o: &u8| o.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(o);
    (1..=BOUNDARY).contains(&bytes.len()) && bytes.iter().all(bchar) && !bytes.ends_with(b" ")
}

/// The file name of a part, from its field lines.
fn file_name(lines: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut name = Err(Broken::Head);
    for line in lines.split(|&o| o == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|&o| o == b':').ok_or(Broken::Head)?;
        let (field, value) = (&line[..colon], trim(&line[colon + 1..]));
        if field.eq_ignore_ascii_case(b"content-disposition") {
            name = disposition(value);
        } else if field.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = [&b"binary"[..], b"8bit", b"7bit"].iter().any(|p| value.eq_ignore_ascii_case(p));
            if !plain {
                return Err(Broken::Encoded);
            }
        }
    }
    name
}

/// RFC 7578 §4.2. `filename*` is left alone: that section forbids it here.
fn disposition(value: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let (kind, mut parameters) = field::parameters(value);
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return Err(Broken::Head);
    }
    let name = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"filename"));
    Ok(name.map(|(_, value)| unescape(value)))
}

/// A file name as the sender meant it.
///
/// Browsers write `"`, CR and LF as `%22`, `%0D` and `%0A` and nothing else (WHATWG HTML, "multipart/
/// form-data encoding algorithm"), curl does too or puts a backslash before a quote. Only those are
/// undone: a `%41` is a name with a percent sign, and `C:\film.mp4` has separators and no escapes.
fn unescape(value: &[u8]) -> Vec<u8> {
    let mut rest = match value {
        [b'"', inner @ .., b'"'] => inner,
        token => token,
    };
    let mut name = Vec::with_capacity(rest.len());
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, used) = match rest {
            [b'%', b'2', b'2', ..] => (b'"', 3),
            [b'%', b'0', b'D' | b'd', ..] => (b'\r', 3),
            [b'%', b'0', b'A' | b'a', ..] => (b'\n', 3),
            [b'\\', quoted @ (b'"' | b'\\'), ..] => (*quoted, 2),
            _ => (first, rest.len() - behind.len()),
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
    type Part = (Option<String>, Vec<u8>);

    /// A whole form, fed in pieces as a caller would.
    fn read(pieces: &[&[u8]]) -> Result<Vec<Part>, Broken> {
        let mut form = Multipart::of(b"multipart/form-data; boundary=XyZ").unwrap().unwrap();
        let (mut parts, mut open, mut waiting) = (Vec::new(), false, Vec::new());
        for piece in pieces {
            waiting.extend_from_slice(piece);
            loop {
                let (used, event) = form.step(&waiting)?;
                let stuck = used == 0 && event == Event::NeedMore;
                let end = event == Event::End;
                match event {
                    Event::NeedMore | Event::End => {}
                    Event::Part(name) => {
                        assert!(!open);
                        open = true;
                        parts.push((name.map(|n| String::from_utf8_lossy(&n).into_owned()), Vec::new()));
                    }
                    Event::Data(data) => {
                        assert!(open && !data.is_empty());
                        parts.last_mut().unwrap().1.extend_from_slice(data);
                    }
                    Event::PartEnd => {
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
        if form.is_complete() { Ok(parts) } else { Err(Broken::Short) }
    }

    fn part(name: &str, content: &[u8]) -> Part {
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
            assert_eq!(read(&[&FORM[..cut]]), Err(Broken::Short), "{cut}");
        }
        assert!(read(&[&FORM[..end]]).is_ok());
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let after = |text: &str| read(&[text.as_bytes()]);
        assert_eq!(after("--XyZ-\r\n"), Err(Broken::Delimiter));
        assert_eq!(after("--XyZjunk\r\n\r\n"), Err(Broken::Delimiter));
        assert_eq!(after("--XyZ\n\n"), Err(Broken::Delimiter));
        assert_eq!(after(&format!("--XyZ{}\r\n", " ".repeat(65))), Err(Broken::Delimiter));
        assert_eq!(after("--XyZ\r\n\r\nno head\r\n--XyZ--"), Err(Broken::Head));
        assert_eq!(after("--XyZ\r\nContent-Disposition: attachment; filename=a\r\n\r\n"), Err(Broken::Head));
        assert_eq!(after("--XyZ\r\nnonsense\r\n\r\n"), Err(Broken::Head));
        assert_eq!(after(&format!("--XyZ\r\nX: {}", "a".repeat(HEAD))), Err(Broken::LongHead));
        let encoded =
            "--XyZ\r\nContent-Disposition: form-data; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        assert_eq!(after(encoded), Err(Broken::Encoded));
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
            assert_eq!(disposition(value), Ok(expected.map(<[u8]>::to_vec)), "{}", String::from_utf8_lossy(value));
        }
    }
}
