//! The request line: method, target and version, and where they lie (RFC 9112 §3).
//!
//! Never: a line that has not ended, but for the one question what makes it too long.
//!
//! The subtle thing: of several faults the one that stands first is told, whatever came in which piece.

use memchr::memchr;

use crate::http::fault::{Fault, RequestError};
use crate::http::grammar::{is_target_byte, is_tchar};
use crate::http::limits::Limits;
use crate::http::method::Method;
use crate::http::target::Target;
use crate::http::{Span, Version};

pub(crate) fn too_large(limits: &Limits) -> RequestError {
    RequestError::new(Fault::HeadTooLarge, limits.head, 0)
}

/// What makes a request line too long that has not ended within the bound of a head.
pub(crate) fn overlong(line: &[u8], limits: &Limits) -> RequestError {
    let Some(first) = line.iter().position(|&o| o == b' ') else { return too_large(limits) };
    let target = &line[first + 1..];
    let len = target.iter().position(|&o| o == b' ').unwrap_or(target.len());
    if len <= limits.target && len < target.len() {
        return too_large(limits);
    }
    let at = len.min(limits.target);
    RequestError::new(Fault::TargetTooLong, first + 1 + at, len - at)
}

/// The request line: method, target, version, and where they lie.
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
    pub(crate) fn of_checked(message: &[u8], limits: &Limits) -> Result<RequestLine, RequestError> {
        let end = message.iter().position(|&o| o == b'\r').unwrap_or(message.len());
        RequestLine::parse(message, end, limits)
    }

    /// Reads `method SP target SP version` from the `end` bytes at the start of the message.
    pub(crate) fn parse(message: &[u8], end: usize, limits: &Limits) -> Result<RequestLine, RequestError> {
        let line = &message[..end];
        let refuse = |fault, at, len| Err(RequestError::new(fault, at, len));
        if let Some(at) = memchr(b'\r', line) {
            return refuse(Fault::BareCr, at, 1);
        }
        let first = line.iter().position(|&o| !is_tchar(o)).unwrap_or(end);
        if first < end && line[first] != b' ' {
            return refuse(Fault::MethodName, first, 1);
        }
        if first == 0 || first == end {
            return refuse(Fault::RequestLine, first, 0);
        }
        let at = first + 1;
        let len = memchr(b' ', &line[at..]).unwrap_or(end - at);
        if len > limits.target {
            return refuse(Fault::TargetTooLong, at + limits.target, len - limits.target);
        }
        if len == 0 {
            return refuse(Fault::RequestLine, at, 1.min(end - at));
        }
        if at + len == end {
            // A tab in the place of the space is the mistake, and not that the version is missing.
            return match line[at..].iter().position(|&o| !is_target_byte(o)) {
                Some(bad) => refuse(Fault::TargetByte, at + bad, 1),
                None => refuse(Fault::NoVersion, end, 0),
            };
        }
        let method = Method::of(&line[..first]);
        let version_span = Span::new(at + len + 1, end - at - len - 1);
        let version = version(version_span.of(line), version_span.start())?;
        let target = Target::parse(message, Span::new(at, len), method)?;
        Ok(RequestLine { method, method_span: Span::new(0, first), target, version, version_span, len: end + 2 })
    }
}

/// HTTP-version = "HTTP" "/" DIGIT "." DIGIT, case-sensitive (RFC 9112 §2.3). Any 1.x is answered as
/// the highest 1.x known here (RFC 9110 §2.5).
fn version(bytes: &[u8], at: usize) -> Result<Version, RequestError> {
    match bytes {
        b"HTTP/1.0" => Ok(Version::Http10),
        b"" => Err(RequestError::new(Fault::NoVersion, at, 0)),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(RequestError::new(Fault::VersionUnsupported, at, bytes.len()))
        }
        _ if bytes.first() == Some(&b' ') || bytes.contains(&b' ') => {
            let space = bytes.iter().position(|&o| o == b' ').unwrap_or(0);
            Err(RequestError::new(Fault::RequestLine, at + space, 1))
        }
        _ => Err(RequestError::new(Fault::VersionSyntax, at, bytes.len())),
    }
}
