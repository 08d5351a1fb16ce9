//! All ways in which a request can break the protocol, as one table: name, status, section, sentence.
//!
//! [`Fault`] is the kind; [`RequestError`] carries it with its position. A fault contains no text from the client, so
//! nothing hostile can be reflected. The corpus of tests has a case for each.
//!
//! Every fault ends the connection. After bytes that break the grammar it is unknown where the next message begins, and
//! a guess would allow request smuggling (RFC 9112 §11.2).

use crate::http::Status;

macro_rules! faults {
    ($($name:ident $status:ident $section:literal $sentence:literal,)*) => {
        /// One way in which a request can break the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = concat!($sentence, ". (", $section, ")")] $name,)*
        }

        impl Fault {
            /// The whole table, in its order.
            pub const ALL: &'static [Fault] = &[$(Fault::$name),*];

            /// The status of the response.
            pub const fn status(self) -> Status {
                match self { $(Fault::$name => Status::$status,)* }
            }

            /// The section whose rule is broken.
            pub const fn section(self) -> &'static str {
                match self { $(Fault::$name => $section,)* }
            }

            /// One sentence for people, without a full stop.
            pub const fn sentence(self) -> &'static str {
                match self { $(Fault::$name => $sentence,)* }
            }

            /// The name of the variant, as it stands in the access log.
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$name => stringify!($name),)* }
            }
        }
    };
}

faults! {
    // The line ends.
    BareLf BAD_REQUEST "RFC 9112 §2.2" "a line ends with LF alone; every line of a head ends with CR LF",
    BareCr BAD_REQUEST "RFC 9112 §2.2" "a CR is not followed by LF",
    EmptyLines BAD_REQUEST "RFC 9112 §2.2" "there is more than one empty line before the request line",
    TlsHandshake BAD_REQUEST "RFC 9112 §3" "the client starts encryption (TLS, https://), but plain http:// is expected here",
    // The request line.
    RequestLine BAD_REQUEST "RFC 9112 §3" "the request line is not: method, one space, target, one space, version",
    MethodName BAD_REQUEST "RFC 9112 §3.1" "the method contains a byte that no method may have",
    MethodTooLong NOT_IMPLEMENTED "RFC 9112 §3" "the method is longer than any known method",
    NoVersion BAD_REQUEST "RFC 9112 §3" "the request line names no version; HTTP/0.9 is not supported",
    VersionSyntax BAD_REQUEST "RFC 9112 §2.3" "the version is not written like HTTP/1.1",
    VersionUnsupported VERSION_NOT_SUPPORTED "RFC 9110 §15.6.6" "this version is not supported; HTTP/1.0 and HTTP/1.1 are",
    Http2Preface VERSION_NOT_SUPPORTED "RFC 9113 §3.4" "the client starts HTTP/2 (its connection preface); HTTP/1.0 and HTTP/1.1 are supported",
    // The target.
    TargetTooLong URI_TOO_LONG "RFC 9112 §3" "the request target is longer than the limit",
    TargetByte BAD_REQUEST "RFC 9112 §3.2" "the target contains a byte that must be percent-encoded",
    TargetForm BAD_REQUEST "RFC 9112 §3.2" "the target has none of the four forms, or one that this method may not use",
    TargetScheme MISDIRECTED_REQUEST "RFC 9110 §7.4" "the target names a scheme other than http",
    TargetUserinfo BAD_REQUEST "RFC 9110 §4.2.4" "the target contains a user name, which http addresses must not have",
    TargetHost BAD_REQUEST "RFC 9110 §4.2.1" "the host in the target is not a valid host name, address or port",
    PercentEncoding BAD_REQUEST "RFC 3986 §2.1" "a percent sign in the path is not followed by two hexadecimal digits",
    EncodedNul BAD_REQUEST "RFC 3986 §7.3" "the path contains an encoded NUL",
    EncodedSlash BAD_REQUEST "RFC 3986 §2.2" "the path contains an encoded slash, which could mean two different resources",
    AboveRoot BAD_REQUEST "RFC 3986 §5.2.4" "a '..' segment leads above the root",
    // The field lines.
    HeadTooLarge FIELDS_TOO_LARGE "RFC 6585 §5" "the head is longer than the limit",
    TooManyFields FIELDS_TOO_LARGE "RFC 6585 §5" "the head has more field lines than the limit",
    ObsFold BAD_REQUEST "RFC 9112 §5.2" "a line begins with a space; folded field lines are obsolete and refused",
    SpaceBeforeColon BAD_REQUEST "RFC 9112 §5.1" "there is a space between a field name and its colon",
    NoColon BAD_REQUEST "RFC 9112 §5" "a field line has no colon",
    FieldName BAD_REQUEST "RFC 9110 §5.1" "a field name is empty or contains a byte that no name may have",
    FieldValue BAD_REQUEST "RFC 9110 §5.5" "a field value contains a control character",
    HostMissing BAD_REQUEST "RFC 9112 §3.2" "an HTTP/1.1 request must have a Host field",
    HostTwice BAD_REQUEST "RFC 9112 §3.2" "there is more than one Host field",
    HostInvalid BAD_REQUEST "RFC 9112 §3.2" "the Host field is not a valid host name, address or port",
    // Framing.
    LengthAndCoding BAD_REQUEST "RFC 9112 §6.1" "a request has both Content-Length and Transfer-Encoding, which may disagree about its end",
    LengthInvalid BAD_REQUEST "RFC 9112 §6.3" "Content-Length is not one plain decimal number",
    LengthTwice BAD_REQUEST "RFC 9112 §6.3" "there is more than one Content-Length field",
    CodingUnknown NOT_IMPLEMENTED "RFC 9112 §6.1" "a transfer coding other than chunked is not supported",
    CodingNotFinal BAD_REQUEST "RFC 9112 §6.3" "the only transfer coding must be chunked, once, without parameters",
    CodingInHttp10 BAD_REQUEST "RFC 9112 §6.1" "HTTP/1.0 has no Transfer-Encoding, so the end of this message is not certain",
    // Chunked content.
    ChunkSize BAD_REQUEST "RFC 9112 §7.1" "a chunk does not begin with its size in hexadecimal digits",
    ChunkTooLarge BAD_REQUEST "RFC 9112 §7.1" "a chunk size has more digits than any real chunk needs",
    ChunkExtension BAD_REQUEST "RFC 9112 §7.1.1" "a chunk extension is malformed",
    ChunkLineTooLong BAD_REQUEST "RFC 9112 §7.1.1" "a chunk-size line, or all chunk extensions together, are longer than the limit",
    ChunkEnd BAD_REQUEST "RFC 9112 §7.1" "the data of a chunk is not followed by CR LF: its size and its data disagree",
    TrailerTooLarge FIELDS_TOO_LARGE "RFC 6585 §5" "the trailer section is longer than the limit",
    // The end or the deadline came first.
    TruncatedHead BAD_REQUEST "RFC 9112 §8" "the connection ended before the blank line that ends a head",
    TruncatedContent BAD_REQUEST "RFC 9112 §8" "the connection ended before the content was complete",
    SlowHead REQUEST_TIMEOUT "RFC 9110 §15.5.9" "the head did not arrive within the time limit",
    SlowContent REQUEST_TIMEOUT "RFC 9110 §15.5.9" "the content arrived more slowly than the limit allows",
}

/// The error of a request that breaks the protocol: the fault, and where it is.
///
/// ```
/// use barewire::http::{Event, Http1, Limits};
///
/// let mut http = Http1::new(Limits::default());
/// let Event::Refused(error) = http.receive(b"GET /#top HTTP/1.1\r\n").event else { panic!() };
/// assert_eq!((error.fault.name(), error.at, error.len), ("TargetByte", 5, 1));
/// assert_eq!(error.fault.status().code(), 400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The kind.
    pub fault: Fault,
    /// The position of the first byte that breaks the rule, from the end of the message before; an empty line counts
    /// too.
    pub at: u64,
    /// How many bytes break it; 0 if something is missing at `at`.
    pub len: u64,
}

impl RequestError {
    /// A fault with its position.
    pub const fn new(fault: Fault, at: usize, len: usize) -> RequestError {
        RequestError { fault, at: at as u64, len: len as u64 }
    }

    /// The same error, with its position counted from `bytes` bytes earlier.
    pub(crate) const fn shifted(self, bytes: u64) -> RequestError {
        RequestError { at: self.at + bytes, ..self }
    }
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {}: {} ({})", self.at, self.fault.sentence(), self.fault.section())
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_an_error_status_a_section_and_one_sentence() {
        for fault in Fault::ALL {
            assert!(fault.status().is_error(), "{fault:?}");
            assert!(fault.section().starts_with("RFC "), "{fault:?}");
            let sentence = fault.sentence();
            assert!(!sentence.ends_with('.') && (20..=110).contains(&sentence.len()), "{fault:?}: {sentence}");
        }
    }
}
