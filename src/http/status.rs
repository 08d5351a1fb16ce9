//! Status codes, their classes and reason phrases (RFC 9110 §15, RFC 6585).

/// A status code, 100 to 999.
///
/// ```
/// use barewire::http::Status;
///
/// assert_eq!(Status::NOT_FOUND.to_string(), "404 Not Found");
/// assert_eq!(Status::new(299).map(Status::reason), Some("Success"));
/// assert_eq!(Status::new(42), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident $code:literal $reason:literal $section:literal,)*) => {
        impl Status {
            $(#[doc = concat!($reason, " (", $section, ").")] pub const $name: Status = Status($code);)*

            /// All codes with a name.
            pub const ALL: &'static [Status] = &[$(Status($code)),*];

            /// The reason phrase, for people (§15.1); that of its class if the code has no name.
            pub fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    100..=199 => "Informational",
                    200..=299 => "Success",
                    300..=399 => "Redirection",
                    400..=499 => "Client Error",
                    500..=599 => "Server Error",
                    _ => "Unknown",
                }
            }

            /// The section that defines it, or `RFC 9110 §15` for a code without a name.
            pub const fn section(self) -> &'static str {
                match self.0 {
                    $($code => $section,)*
                    _ => "RFC 9110 §15",
                }
            }
        }
    };
}

statuses! {
    CONTINUE 100 "Continue" "RFC 9110 §15.2.1",
    SWITCHING_PROTOCOLS 101 "Switching Protocols" "RFC 9110 §15.2.2",
    PROCESSING 102 "Processing" "RFC 2518 §10.1",
    EARLY_HINTS 103 "Early Hints" "RFC 8297 §2",
    OK 200 "OK" "RFC 9110 §15.3.1",
    CREATED 201 "Created" "RFC 9110 §15.3.2",
    ACCEPTED 202 "Accepted" "RFC 9110 §15.3.3",
    NON_AUTHORITATIVE 203 "Non-Authoritative Information" "RFC 9110 §15.3.4",
    NO_CONTENT 204 "No Content" "RFC 9110 §15.3.5",
    RESET_CONTENT 205 "Reset Content" "RFC 9110 §15.3.6",
    PARTIAL_CONTENT 206 "Partial Content" "RFC 9110 §15.3.7",
    MULTIPLE_CHOICES 300 "Multiple Choices" "RFC 9110 §15.4.1",
    MOVED_PERMANENTLY 301 "Moved Permanently" "RFC 9110 §15.4.2",
    FOUND 302 "Found" "RFC 9110 §15.4.3",
    SEE_OTHER 303 "See Other" "RFC 9110 §15.4.4",
    NOT_MODIFIED 304 "Not Modified" "RFC 9110 §15.4.5",
    TEMPORARY_REDIRECT 307 "Temporary Redirect" "RFC 9110 §15.4.8",
    PERMANENT_REDIRECT 308 "Permanent Redirect" "RFC 9110 §15.4.9",
    BAD_REQUEST 400 "Bad Request" "RFC 9110 §15.5.1",
    UNAUTHORIZED 401 "Unauthorized" "RFC 9110 §15.5.2",
    PAYMENT_REQUIRED 402 "Payment Required" "RFC 9110 §15.5.3",
    FORBIDDEN 403 "Forbidden" "RFC 9110 §15.5.4",
    NOT_FOUND 404 "Not Found" "RFC 9110 §15.5.5",
    METHOD_NOT_ALLOWED 405 "Method Not Allowed" "RFC 9110 §15.5.6",
    NOT_ACCEPTABLE 406 "Not Acceptable" "RFC 9110 §15.5.7",
    PROXY_AUTHENTICATION_REQUIRED 407 "Proxy Authentication Required" "RFC 9110 §15.5.8",
    REQUEST_TIMEOUT 408 "Request Timeout" "RFC 9110 §15.5.9",
    CONFLICT 409 "Conflict" "RFC 9110 §15.5.10",
    GONE 410 "Gone" "RFC 9110 §15.5.11",
    LENGTH_REQUIRED 411 "Length Required" "RFC 9110 §15.5.12",
    PRECONDITION_FAILED 412 "Precondition Failed" "RFC 9110 §15.5.13",
    CONTENT_TOO_LARGE 413 "Content Too Large" "RFC 9110 §15.5.14",
    URI_TOO_LONG 414 "URI Too Long" "RFC 9110 §15.5.15",
    UNSUPPORTED_MEDIA_TYPE 415 "Unsupported Media Type" "RFC 9110 §15.5.16",
    RANGE_NOT_SATISFIABLE 416 "Range Not Satisfiable" "RFC 9110 §15.5.17",
    EXPECTATION_FAILED 417 "Expectation Failed" "RFC 9110 §15.5.18",
    MISDIRECTED_REQUEST 421 "Misdirected Request" "RFC 9110 §15.5.20",
    UNPROCESSABLE_CONTENT 422 "Unprocessable Content" "RFC 9110 §15.5.21",
    UPGRADE_REQUIRED 426 "Upgrade Required" "RFC 9110 §15.5.22",
    PRECONDITION_REQUIRED 428 "Precondition Required" "RFC 6585 §3",
    TOO_MANY_REQUESTS 429 "Too Many Requests" "RFC 6585 §4",
    FIELDS_TOO_LARGE 431 "Request Header Fields Too Large" "RFC 6585 §5",
    INTERNAL_SERVER_ERROR 500 "Internal Server Error" "RFC 9110 §15.6.1",
    NOT_IMPLEMENTED 501 "Not Implemented" "RFC 9110 §15.6.2",
    BAD_GATEWAY 502 "Bad Gateway" "RFC 9110 §15.6.3",
    SERVICE_UNAVAILABLE 503 "Service Unavailable" "RFC 9110 §15.6.4",
    GATEWAY_TIMEOUT 504 "Gateway Timeout" "RFC 9110 §15.6.5",
    VERSION_NOT_SUPPORTED 505 "HTTP Version Not Supported" "RFC 9110 §15.6.6",
    INSUFFICIENT_STORAGE 507 "Insufficient Storage" "RFC 4918 §11.5",
}

impl Status {
    /// The status of this code; `None` unless it has three digits (RFC 9110 §15).
    pub const fn new(code: u16) -> Option<Status> {
        if matches!(code, 100..=999) { Some(Status(code)) } else { None }
    }

    /// The three digits.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx: an interim response, always followed by a final one.
    pub const fn is_interim(self) -> bool {
        self.0 < 200
    }

    /// 4xx or 5xx.
    pub const fn is_error(self) -> bool {
        self.0 >= 400
    }

    /// Whether a response with this status never has content, even if its fields announce some (RFC 9112 §6.3, rule 1).
    pub const fn forbids_content(self) -> bool {
        self.is_interim() || matches!(self.0, 204 | 304)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_three_digit_code_has_a_phrase_a_client_can_print() {
        for code in 100..=999 {
            let status = Status::new(code).unwrap();
            assert!(!status.reason().is_empty() && status.reason().is_ascii());
        }
        assert_eq!((Status::new(99), Status::new(1000)), (None, None));
    }
}
