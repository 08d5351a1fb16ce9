//! A strict reader of responses, and the rules that hold for all of them.
//!
//! RFC 9112 §2, §4, §6 and §7; RFC 9110 §6.6.1 (Date), §8.6 (Content-Length), §15 (statuses). A lenient reader would
//! hide faults that a browser or a proxy does not accept.

use crate::support::client::Client;
use crate::support::reference::assert_stays;

/// One response, whole.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Fields that may stand in a response once at most.
const SINGLE: [&str; 10] = [
    "date",
    "content-length",
    "transfer-encoding",
    "content-type",
    "content-range",
    "content-encoding",
    "etag",
    "last-modified",
    "location",
    "connection",
];

impl Response {
    /// Reads one response to a request of this method from the client.
    #[track_caller]
    pub(crate) fn read(client: &mut Client, method: &str) -> Response {
        let mut response = Response::read_head(client);
        response.body = response.read_body(client, method);
        response
    }

    /// Reads the head alone.
    #[track_caller]
    pub(crate) fn read_head(client: &mut Client) -> Response {
        let head = client.take_until(b"\r\n\r\n");
        // Our own heads are ASCII; whatever is not must be percent-encoded.
        let head = String::from_utf8(head).expect("a response head in ASCII");
        assert!(head.is_ascii(), "{head}");
        assert!(!head.replace("\r\n", "").contains(|c: char| c.is_ascii_control()), "control characters: {head:?}");
        let mut lines = head.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
        let status_line = lines.next().unwrap();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .filter(|rest| rest.len() > 4 && rest.as_bytes()[3] == b' ')
            .and_then(|rest| rest[..3].parse().ok())
            .unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field line: {line:?}"));
            assert!(!name.is_empty() && name.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-'), "{line:?}");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_string())
        });
        Response { status, fields: fields.collect(), body: Vec::new() }
    }

    #[track_caller]
    fn read_body(&self, client: &mut Client, method: &str) -> Vec<u8> {
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            return Vec::new();
        }
        match (self.field("transfer-encoding"), self.field("content-length")) {
            (Some("chunked"), None) => read_chunks(client),
            (None, Some(length)) => client.take(length.parse().expect("a Content-Length")),
            (None, None) => {
                assert_eq!(self.field("connection"), Some("close"), "nothing says where the content ends");
                client.rest().0
            }
            both => panic!("framing: {both:?}"),
        }
    }

    /// The value of the only field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a field that must be there.
    #[track_caller]
    pub(crate) fn must(&self, name: &str) -> &str {
        self.field(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Whether a list field has this element.
    pub(crate) fn lists(&self, name: &str, element: &str) -> bool {
        let lines = self.fields.iter().filter(|(n, _)| n == name);
        lines.flat_map(|(_, v)| v.split(',')).any(|e| e.trim().eq_ignore_ascii_case(element))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Response {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The fields without those that may differ between two equal answers.
    pub(crate) fn steady_fields(&self) -> Vec<(String, String)> {
        self.fields.iter().filter(|(n, _)| n != "date").cloned().collect()
    }

    /// What must hold for every response whatsoever.
    #[track_caller]
    pub(crate) fn assert_lawful(&self, method: &str) {
        for name in SINGLE {
            let count = self.fields.iter().filter(|(n, _)| n == name).count();
            assert!(count <= 1, "{count} times {name}: {self:?}");
        }
        if self.status < 200 {
            return;
        }
        let date = httpdate::parse_http_date(self.must("date")).expect("a Date");
        if let Some(modified) = self.field("last-modified") {
            // RFC 9110 §8.8.2.1: never later than the message itself.
            assert!(httpdate::parse_http_date(modified).expect("a Last-Modified") <= date, "{self:?}");
        }
        let framed = self.field("content-length").is_some() || self.field("transfer-encoding").is_some();
        match self.status {
            204 => assert!(!framed, "RFC 9110 §8.6: no Content-Length on 204: {self:?}"),
            304 => assert!(self.field("transfer-encoding").is_none(), "{self:?}"),
            206 => {
                let parts = self.field("content-type").is_some_and(|t| t.starts_with("multipart/byteranges"));
                assert!(parts != self.field("content-range").is_some(), "RFC 9110 §15.3.7: {self:?}");
            }
            201 | 301..=303 | 307 | 308 => assert_stays(self.must("location")),
            405 => assert!(self.field("allow").is_some(), "RFC 9110 §15.5.6: {self:?}"),
            416 => assert!(self.must("content-range").starts_with("bytes */"), "{self:?}"),
            503 => assert!(self.field("retry-after").is_some(), "promise 4: {self:?}"),
            _ => {}
        }
        assert!(framed || matches!(self.status, 204 | 304) || self.field("connection") == Some("close"), "{self:?}");
        if method == "HEAD" || matches!(self.status, 204 | 304) {
            assert!(self.body.is_empty());
        }
        assert_ne!(self.status, 500, "{self:?}");
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "\n{}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]))
    }
}

/// Content in chunks (RFC 9112 §7.1), without extensions and trailers: this server sends none.
#[track_caller]
fn read_chunks(client: &mut Client) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = String::from_utf8(client.take_until(b"\r\n")).expect("a chunk-size line");
        let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk size");
        content.extend(client.take(size));
        assert_eq!(client.take(2), b"\r\n", "a chunk ends with CR LF");
        if size == 0 {
            return content;
        }
    }
}
