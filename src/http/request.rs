//! A request as a service sees it: the bytes of its head, and where its parts lie in them; and how long its content is.
//!
//! The bytes are borrowed on the event loop (no copy) and owned by a worker ([`Request::into_owned`]). A head is a list
//! of positions, so both are the same type and nothing is parsed twice. The content follows as [`crate::http::Event`]s.
//!
//! Two servers that frame one request differently are what request smuggling needs (RFC 9112 §11.2). So everything that
//! could be read in two ways is refused, and the connection is closed. That includes `Content-Length: 5, 5` and two
//! equal Content-Length lines, which a server may merge: no client known to us sends them, and attackers do.

use std::borrow::Cow;

use crate::http::head::Head;
use crate::http::target::{TargetForm, query_pairs};
use crate::http::{Fault, Method, RequestError, Version, field, grammar, target};

/// How the content of a request is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No content.
    None,
    /// This many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

impl Framing {
    /// Whether bytes of content follow the head.
    pub fn has_content(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }

    /// The framing of a request by the rules of RFC 9112 §6.3, or the error with the span of the faulty value.
    pub(crate) fn of(head: &Head, bytes: &[u8]) -> Result<Framing, RequestError> {
        let mut codings = head.spans(bytes, "transfer-encoding");
        let mut lengths = head.spans(bytes, "content-length");
        match (codings.next(), codings.next(), lengths.next(), lengths.next()) {
            // Only a response may last until the close.
            (None, _, None, _) => Ok(Framing::None),
            (None, _, Some(_), Some(second)) => Err(second.error(Fault::LengthTwice)),
            (None, _, Some(length), None) => match grammar::decimal(length.of(bytes)) {
                Some(length) => Ok(Framing::Length(length)),
                None => Err(length.error(Fault::LengthInvalid)),
            },
            // The RFC lets a server ignore the length here. A proxy before us may have used it instead.
            (Some(_), _, Some(length), _) => Err(length.error(Fault::LengthAndCoding)),
            // HTTP/1.0 has no chunks: an old proxy before us may have passed the field on without reading it.
            (Some(coding), ..) if head.line.version == Version::Http10 => Err(coding.error(Fault::CodingInHttp10)),
            // Exactly one line that is exactly `chunked`. An empty element (`chunked,`) would be legal in a list, but a
            // proxy that took it for "a coding after chunked" could be bypassed with it.
            (Some(coding), None, ..) if coding.of(bytes).eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(coding), ..) => Err(coding.error(coding_fault(head, bytes))),
        }
    }
}

/// Why a Transfer-Encoding is not `chunked`: an unknown coding (501), or chunked used wrongly (400).
fn coding_fault(head: &Head, bytes: &[u8]) -> Fault {
    let mut codings = Vec::new();
    for value in head.values(bytes, "transfer-encoding") {
        codings.extend(field::elements(value).map(|element| field::parameters(element).0));
    }
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    // An unknown coding is 501 only if chunked does not stand before another one: that is always wrong.
    let unknown = codings.iter().any(|coding| !chunked(coding));
    let misplaced = codings.iter().rev().skip(1).any(chunked);
    if unknown && !misplaced { Fault::CodingUnknown } else { Fault::CodingNotFinal }
}

/// What the Expect field asks for (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing; or the client speaks HTTP/1.0, in which Expect is ignored.
    None,
    /// `100-continue`.
    Continue,
    /// Something else: 417.
    Unknown,
}

/// One request head.
#[derive(Clone, Debug)]
pub struct Request<'b> {
    bytes: Cow<'b, [u8]>,
    head: Head,
    /// How many bytes at the start of the path are the prefix of a mounted service, in both forms of it.
    prefix: usize,
}

impl<'b> Request<'b> {
    pub(crate) fn new(bytes: &'b [u8], head: Head) -> Request<'b> {
        Request { bytes: Cow::Borrowed(bytes), head, prefix: 0 }
    }

    /// The same request with bytes of its own, for a worker.
    pub fn into_owned(self) -> Request<'static> {
        Request { bytes: Cow::Owned(self.bytes.into_owned()), head: self.head, prefix: self.prefix }
    }

    /// The head as it was received, blank line included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where its parts lie.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head.line.method
    }

    /// The name of the method as it was sent.
    pub fn method_name(&self) -> &[u8] {
        self.head.line.method_span.of(&self.bytes)
    }

    /// The version the client speaks.
    pub fn version(&self) -> Version {
        self.head.line.version
    }

    /// The form of the target.
    pub fn form(&self) -> TargetForm {
        self.head.line.target.form
    }

    /// The target as it was sent.
    pub fn target(&self) -> &[u8] {
        self.head.line.target.span.of(&self.bytes)
    }

    /// The path, decoded and without dot segments, not always UTF-8. `/` if a target in absolute-form has none; empty
    /// for `*` and CONNECT. For a service under a prefix, what follows the prefix.
    pub fn path(&self) -> &[u8] {
        &self.whole_path()[self.prefix..]
    }

    /// The same with the prefix.
    pub fn whole_path(&self) -> &[u8] {
        match &self.head.line.target.decoded {
            Some(decoded) => decoded,
            // Nothing was encoded and nothing removed, so both are the same bytes.
            None => self.whole_raw_path(),
        }
    }

    /// The path as it was sent. For a service under a prefix, what follows the prefix.
    pub fn raw_path(&self) -> &[u8] {
        &self.whole_raw_path()[self.prefix..]
    }

    /// The same with the prefix.
    pub(crate) fn whole_raw_path(&self) -> &[u8] {
        match self.head.line.target.path.of(&self.bytes) {
            // RFC 9112 §3.2.1: `http://host` asks for the same as `http://host/`.
            b"" if self.form() == TargetForm::Absolute => b"/",
            path => path,
        }
    }

    /// The prefix of the service that has this request, such as `/files`; empty for one that has all paths.
    pub fn prefix(&self) -> &[u8] {
        &self.whole_path()[..self.prefix]
    }

    /// The same request for a service that has only the paths under `prefix`. `None` if its path is not below that, or
    /// is written so that relative references would not lead below it: `/%66iles/a`, `/files/../files/a`.
    pub(crate) fn below(&self, prefix: &[u8]) -> Option<Request<'_>> {
        let rest = self.path().strip_prefix(prefix).filter(|rest| rest.starts_with(b"/"))?;
        let raw_rest = self.raw_path().strip_prefix(prefix)?;
        // The same bytes are taken off both forms, so what is left must still be two forms of one path.
        let is_plain = rest == raw_rest || target::decode(raw_rest).is_ok_and(|path| *path == *rest);
        let prefix = self.prefix + prefix.len();
        is_plain.then(|| Request { bytes: Cow::Borrowed(&self.bytes), head: self.head.clone(), prefix })
    }

    /// The same request as it was before any prefix was taken off its path.
    pub(crate) fn whole(self) -> Request<'b> {
        Request { prefix: 0, ..self }
    }

    /// The folder that relative references in the response start from; empty for `*` and CONNECT.
    pub(crate) fn base(&self) -> Vec<u8> {
        // Cannot fail: the whole path was decoded before.
        target::base(self.raw_path()).unwrap_or_default()
    }

    /// Whether the path is that of a folder, and relative references in its page would start from another one: `/d/e/..`
    /// is `/d/`, and a client resolves them against `/d/e/`.
    pub(crate) fn has_other_base(&self) -> bool {
        self.path().ends_with(b"/") && !self.raw_path().ends_with(b"/") && self.base() != self.path()
    }

    /// What follows the first `?`, as it was sent.
    pub fn query(&self) -> Option<&[u8]> {
        Some(self.head.line.target.query?.of(&self.bytes))
    }

    /// Names and values of the query as they were sent ([`query_pairs`]); none without a query.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        query_pairs(self.query().unwrap_or_default())
    }

    /// Host and port the request is for (RFC 9112 §3.3).
    pub fn authority(&self) -> Option<&[u8]> {
        self.head.authority(&self.bytes)
    }

    /// The value of a field that may appear once; `None` if it is missing or appears more than once.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.fields(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Whether there is a field line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.fields(name).next().is_some()
    }

    /// The values of all field lines of this name.
    pub fn fields<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n, 'b> {
        self.head.values(&self.bytes, name)
    }

    /// The elements of all field lines of this name, read as one list (RFC 9110 §5.3).
    pub fn list<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n, 'b> {
        self.fields(name).flat_map(field::elements)
    }

    /// Whether that list has this element, in any case.
    pub fn lists(&self, name: &str, element: &[u8]) -> bool {
        self.list(name).any(|e| e.eq_ignore_ascii_case(element))
    }

    /// How the content is delimited.
    pub fn framing(&self) -> Framing {
        // The fallback is never used: a request whose framing is wrong was refused by `Http1`.
        Framing::of(&self.head, &self.bytes).unwrap_or(Framing::None)
    }

    /// What the client expects.
    pub fn expectation(&self) -> Expectation {
        // RFC 9110 §10.1.1: a server must ignore 100-continue in HTTP/1.0.
        if self.version() == Version::Http10 {
            return Expectation::None;
        }
        let mut expectation = Expectation::None;
        for element in self.list("expect") {
            // One expectation that cannot be met is enough for 417.
            if !element.eq_ignore_ascii_case(b"100-continue") {
                return Expectation::Unknown;
            }
            expectation = Expectation::Continue;
        }
        expectation
    }
}
