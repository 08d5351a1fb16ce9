//! A request: the bytes of its head, and where everything lies in them.
//!
//! Never: the content. It follows as events of the connection.
//!
//! The subtle thing: borrowed on the loop (no copy), owned by a worker ([`Request::into_owned`]);
//! since a head is positions, both are the same type and neither is parsed twice.

use crate::http::head::Head;
use crate::http::target::Form;
use crate::http::{Bytes, Expectation, Framing, Method, Version, field, framing};

/// One request head.
#[derive(Clone, Debug)]
pub struct Request<'b> {
    bytes: Bytes<'b>,
    head: Head,
}

impl<'b> Request<'b> {
    pub(crate) fn new(bytes: &'b [u8], head: Head) -> Request<'b> {
        Request { bytes: Bytes::Borrowed(bytes), head }
    }

    /// The same request with bytes of its own, for a worker.
    pub fn into_owned(self) -> Request<'static> {
        Request { bytes: Bytes::Owned(self.bytes.into_owned()), head: self.head }
    }

    /// The head as it was received, blank line included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where everything lies.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head.line.method
    }

    /// The method's name as it was sent.
    pub fn method_name(&self) -> &[u8] {
        self.head.line.method_span.of(&self.bytes)
    }

    /// The version the client speaks.
    pub fn version(&self) -> Version {
        self.head.line.version
    }

    /// The form of the target.
    pub fn form(&self) -> Form {
        self.head.line.target.form
    }

    /// The target as it was sent.
    pub fn target(&self) -> &[u8] {
        self.head.line.target.span.of(&self.bytes)
    }

    /// The path, decoded: bytes, since file names need not be UTF-8. `/` when an absolute-form target
    /// has none; empty for `*` and CONNECT.
    pub fn path(&self) -> &[u8] {
        match &self.head.line.target.decoded {
            Some(decoded) => decoded,
            None => self.raw_path(),
        }
    }

    /// The path as it was sent.
    pub fn raw_path(&self) -> &[u8] {
        match self.head.line.target.path.of(&self.bytes) {
            b"" if self.form() == Form::Absolute => b"/",
            path => path,
        }
    }

    /// What follows the first `?`, as it was sent.
    pub fn query(&self) -> Option<&[u8]> {
        Some(self.head.line.target.query?.of(&self.bytes))
    }

    /// Host and port the request is for (RFC 9112 §3.3).
    pub fn authority(&self) -> Option<&[u8]> {
        self.head.authority(&self.bytes)
    }

    /// The value of a field that may stand once; `None` if it is missing or stands more than once,
    /// which for a field without list syntax means nothing can be relied on.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.head.values(&self.bytes, name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Whether there is a field line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.head.values(&self.bytes, name).next().is_some()
    }

    /// The values of all lines of this name.
    pub fn fields<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n, 'b> {
        self.head.values(&self.bytes, name)
    }

    /// The elements of all lines of this name, read as one list (RFC 9110 §5.3).
    pub fn list<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n, 'b> {
        self.fields(name).flat_map(field::elements)
    }

    /// Whether the list of this name has this element, whatever its case.
    pub fn lists(&self, name: &str, element: &[u8]) -> bool {
        self.list(name).any(|e| e.eq_ignore_ascii_case(element))
    }

    /// How the content is delimited.
    pub fn framing(&self) -> Framing {
        // The connection refused the request if this could fail.
        framing::of(&self.head, &self.bytes).unwrap_or(Framing::None)
    }

    /// What the client expects.
    pub fn expectation(&self) -> Expectation {
        if self.version() == Version::Http10 {
            return Expectation::None;
        }
        match self.list("expect").fold((0, 0), |(known, unknown), e| {
            if e.eq_ignore_ascii_case(b"100-continue") { (known + 1, unknown) } else { (known, unknown + 1) }
        }) {
            (0, 0) => Expectation::None,
            (_, 0) => Expectation::Continue,
            _ => Expectation::Unknown,
        }
    }
}
