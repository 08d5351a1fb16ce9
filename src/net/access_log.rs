//! The access log: one line for each request, in four formats.
//!
//! A log must not stop the server. Lines are gathered during a turn of the loop and handed to one writing thread
//! (`log_writer`), which drops and counts lines that cannot be written.
//!
//! A client chooses its target, User-Agent and Referer. An escape sequence in them would act on the terminal of the
//! reader (CVE-2009-4487 and others like it), and a line end would forge a line. So every such value is written by
//! `push_log_value`, which escapes all bytes that are not plain ASCII, and quotes and backslashes. Secrets in an
//! address (`?token=`) are made unreadable, because logs are kept, copied and sent around.

use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::{Request, Status, field, grammar};
use crate::net::log_output::LogOutput;
use crate::net::log_time::{LogClock, LogZone};
use crate::net::log_writer::{self, LogQueue};
use crate::service::text::hex_escape;
use crate::wire::redact_address;

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// No log.
    Off,
    /// For a person at a terminal. `12:00:01 192.0.2.1 GET /a.txt 200 21 B 0.4 ms`, and a note if there is one.
    Short,
    /// NCSA common. `192.0.2.1 - - [21/Nov/2026:12:00:01 +0000] "GET /a.txt HTTP/1.1" 200 21`
    Common,
    /// NCSA combined: common, Referer and User-Agent.
    Combined,
    /// A JSON object. Programs read it, so its keys do not change.
    Json,
}

/// A batch is handed over when it has grown to this, at the latest at the end of the turn.
const BATCH: usize = 32 * 1024;
/// Most bytes of one value: a target may have 8 KiB, a log line should not.
const VALUE: usize = 1024;
/// How long the last lines may take when the server stops. A reader that has stopped reading must not keep the server
/// from stopping.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(1);

/// Entries kept for the next requests, each with at most four times [`VALUE`] bytes.
const SPARE_ENTRIES: usize = 64;

/// What the log says of a request, kept until its response is sent.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    /// When the head was complete.
    began: SystemTime,
    /// The request line, Referer and User-Agent, one after the other.
    bytes: Vec<u8>,
    /// Where the line ends, and where the two values do, if there are any.
    line: usize,
    referer: Option<usize>,
    agent: Option<usize>,
    /// A note: the name of a fault, or why the response broke off.
    pub(crate) note: Option<String>,
}

impl LogEntry {
    fn new() -> LogEntry {
        LogEntry { began: UNIX_EPOCH, bytes: Vec::new(), line: 0, referer: None, agent: None, note: None }
    }

    fn fill(&mut self, line: &[u8], referer: Option<&[u8]>, agent: Option<&[u8]>, began: SystemTime) {
        self.bytes.clear();
        let mut keep = |value: &[u8], address: fn(&[u8]) -> Range<usize>| {
            let from = self.bytes.len();
            self.bytes.extend_from_slice(value);
            // Before the value is cut: of a secret that is cut, the rest would not be recognised.
            redact_address(&mut self.bytes[from..][address(value)]);
            self.bytes.truncate(from + VALUE);
            self.bytes.len()
        };
        self.line = keep(line, target);
        self.referer = referer.map(|value| keep(value, |value| 0..value.len()));
        self.agent = agent.map(|value| keep(value, |_| 0..0));
        (self.began, self.note) = (began, None);
    }

    fn line(&self) -> &[u8] {
        &self.bytes[..self.line]
    }

    fn referer(&self) -> Option<&[u8]> {
        self.referer.map(|end| &self.bytes[self.line..end])
    }

    fn agent(&self) -> Option<&[u8]> {
        self.agent.map(|end| &self.bytes[self.referer.unwrap_or(self.line)..end])
    }
}

/// Where the target stands in a request line, or where it may stand in an invalid one.
fn target(line: &[u8]) -> Range<usize> {
    let from = line.iter().position(|&b| b == b' ').map_or(0, |at| at + 1);
    let to = line.iter().rposition(|&b| b == b' ').filter(|&at| at > from).unwrap_or(line.len());
    from..to
}

/// How a request was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedResponse {
    /// `None` for a client of a Unix socket, which has no address.
    pub(crate) client: Option<IpAddr>,
    pub(crate) status: Status,
    /// Bytes of content that were sent.
    pub(crate) bytes: u64,
    /// When the response was sent.
    pub(crate) ended: SystemTime,
}

/// One loop's end of the log.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    format: LogFormat,
    /// The lines of this turn; at most a little over [`BATCH`], since lines are not cut.
    batch: Vec<u8>,
    /// Leads to the thread that writes for all loops. `None` without a log.
    queue: Option<LogQueue>,
    /// At the last line: the next line is nearly always of the same second.
    clock: LogClock,
    /// Entries that are not in use. They are lent to requests, so that a logged request allocates nothing, and an idle
    /// connection owns none.
    #[expect(clippy::vec_box, reason = "lent and given back as a box, without a copy")]
    spare: Vec<Box<LogEntry>>,
}

impl AccessLog {
    fn new(format: LogFormat, queue: Option<LogQueue>, zone: LogZone) -> AccessLog {
        AccessLog { format, batch: Vec::new(), queue, clock: LogClock::new(zone), spare: Vec::new() }
    }

    /// The entry of a request; `None` without a log.
    pub(crate) fn entry_of_request(&mut self, request: &Request<'_>, began: SystemTime) -> Option<Box<LogEntry>> {
        let mut entry = self.lend()?;
        let end = request.bytes().iter().position(|&b| b == b'\r').unwrap_or(0);
        entry.fill(&request.bytes()[..end], request.field("referer"), request.field("user-agent"), began);
        Some(entry)
    }

    /// The entry of bytes that are no valid request: their first line, and the two fields if they are there.
    pub(crate) fn entry_of_refused(&mut self, head: &[u8], began: SystemTime) -> Option<Box<LogEntry>> {
        let mut entry = self.lend()?;
        // An empty line before the request line was skipped.
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        let end = head.iter().position(|&b| matches!(b, b'\r' | b'\n')).unwrap_or(head.len());
        // Lines after the fault count too: they decide nothing here, and they tell which program sends such requests.
        let field = |name| field::find(head, name).next().map(|line| line.value);
        entry.fill(&head[..end], field("referer"), field("user-agent"), began);
        Some(entry)
    }

    fn lend(&mut self) -> Option<Box<LogEntry>> {
        let spare = || self.spare.pop().unwrap_or_else(|| Box::new(LogEntry::new()));
        (self.format != LogFormat::Off).then(spare)
    }

    /// Writes the line of an entry.
    pub(crate) fn write(&mut self, entry: Box<LogEntry>, response: &LoggedResponse) {
        self.add_line(&entry, response);
        // One that grew for a long line is dropped.
        if self.spare.len() < SPARE_ENTRIES && entry.bytes.capacity() <= 4 * VALUE {
            self.spare.push(entry);
        }
    }

    fn add_line(&mut self, entry: &LogEntry, response: &LoggedResponse) {
        let out = &mut self.batch;
        match self.format {
            LogFormat::Off => return,
            LogFormat::Short => push_short(out, entry, response, &mut self.clock),
            LogFormat::Common => push_common(out, entry, response, &mut self.clock),
            LogFormat::Combined => {
                push_common(out, entry, response, &mut self.clock);
                for value in [entry.referer(), entry.agent()] {
                    out.extend_from_slice(b" \"");
                    push_log_value(out, value.unwrap_or(b"-"));
                    out.push(b'"');
                }
            }
            LogFormat::Json => push_json(out, entry, response),
        }
        self.batch.push(b'\n');
        // A turn with many requests would otherwise grow one large batch.
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Hands the lines of this turn to the writing thread.
    pub(crate) fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let Some(queue) = &self.queue else { return self.batch.clear() };
        // With the capacity that this turn needed, so that the next batch does not grow step by step.
        let next = Vec::with_capacity(self.batch.len().min(BATCH));
        queue.offer(std::mem::replace(&mut self.batch, next));
    }
}

/// Starts a log. Its thread ends when the last [`AccessLog`] is dropped. The receiver never gets a message: it is
/// disconnected when the thread has ended. Errors: when the stream cannot be opened a second time, or the thread cannot
/// be started.
pub(crate) fn start(
    format: LogFormat,
    output: &LogOutput,
    zone: &LogZone,
) -> io::Result<(AccessLog, Option<Receiver<()>>)> {
    if format == LogFormat::Off {
        return Ok((AccessLog::new(format, None, LogZone::default()), None));
    }
    // The line that stands for lost ones.
    let missing: fn(u64) -> String = match format {
        LogFormat::Json => |lines| format!("{{\"missing_lines\":{lines}}}"),
        _ => |lines| format!("... missing lines: {lines}"),
    };
    let (queue, written) = log_writer::start(output.writer()?, missing)?;
    Ok((AccessLog::new(format, Some(queue), zone.clone()), Some(written)))
}

/// `12:00:01 192.0.2.1 GET /a.txt 200 21 B 0.4 ms`
fn push_short(out: &mut Vec<u8>, entry: &LogEntry, response: &LoggedResponse, clock: &mut LogClock) {
    out.extend_from_slice(clock.time(response.ended));
    out.push(b' ');
    push_address(out, response.client);
    out.push(b' ');
    // The version is left out: it is nearly always the same.
    let line = entry.line().strip_suffix(b" HTTP/1.1").unwrap_or(entry.line());
    push_log_value(out, if line.is_empty() { b"-" } else { line });
    let micros = since(entry.began, response.ended).as_micros();
    let (status, bytes) = (response.status.code(), response.bytes);
    out.extend_from_slice(format!(" {status} {bytes} B {}.{} ms", micros / 1000, micros / 100 % 10).as_bytes());
    if let Some(note) = &entry.note {
        out.push(b' ');
        push_log_value(out, note.as_bytes());
    }
}

/// `192.0.2.1 - - [21/Nov/2026:12:00:01 +0000] "GET /a.txt HTTP/1.1" 200 21`
fn push_common(out: &mut Vec<u8>, entry: &LogEntry, response: &LoggedResponse, clock: &mut LogClock) {
    push_address(out, response.client);
    out.extend_from_slice(b" - - [");
    clock.push(out, entry.began);
    out.extend_from_slice(b"] \"");
    push_log_value(out, if entry.line().is_empty() { b"-" } else { entry.line() });
    out.extend_from_slice(b"\" ");
    grammar::push_decimal(out, u64::from(response.status.code()));
    out.push(b' ');
    grammar::push_decimal(out, response.bytes);
}

/// The address; one of IPv4 never in the form of IPv6; `unix:` for a Unix socket.
fn push_address(out: &mut Vec<u8>, client: Option<IpAddr>) {
    match client {
        // Writing to memory does not fail.
        Some(address) => _ = write!(out, "{}", address.to_canonical()),
        None => out.extend_from_slice(b"unix:"),
    }
}

/// The time between two moments; none if the clock was set back between them.
fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[derive(serde::Serialize)]
struct JsonLine<'a> {
    /// Seconds since 1970, when the head was complete.
    time: f64,
    /// The address, without port.
    client: String,
    /// The request line, escaped; the first line of bytes that are no request.
    request: &'a str,
    /// 499 for a client that left before its response began.
    status: u16,
    /// The key keeps its first name: programs that read the log know it.
    #[serde(rename = "octets")]
    bytes: u64,
    /// From the head to the end of the response.
    milliseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn push_json(out: &mut Vec<u8>, entry: &LogEntry, response: &LoggedResponse) {
    let safe = |bytes: &[u8]| {
        let mut text = Vec::new();
        for &byte in bytes {
            // JSON has its own escapes for quotes and backslashes; all other bytes are escaped as in the other formats.
            if matches!(byte, b' '..=b'~') { text.push(byte) } else { push_log_value(&mut text, &[byte]) }
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut client = Vec::new();
    push_address(&mut client, response.client);
    let line = JsonLine {
        time: since(UNIX_EPOCH, entry.began).as_micros() as f64 / 1e6,
        client: safe(&client),
        request: &safe(entry.line()),
        status: response.status.code(),
        bytes: response.bytes,
        milliseconds: since(entry.began, response.ended).as_micros() as f64 / 1e3,
        referer: entry.referer().map(safe),
        user_agent: entry.agent().map(safe),
        note: entry.note.as_deref().map(|note| safe(note.as_bytes())),
    };
    // Strings and numbers can always be written.
    let _ = serde_json::to_writer(&mut *out, &line);
}

/// Appends bytes inside a quoted value of the access log. The result is plain ASCII, so a client can forge neither a
/// line nor the end of the value.
fn push_log_value(out: &mut Vec<u8>, bytes: &[u8]) {
    // The quote and the backslash would end or change the value.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let mut rest = bytes;
    while !rest.is_empty() {
        // Nearly everything is plain: it is copied in one piece.
        let plain = rest.iter().position(|&b| !is_plain(b)).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        match rest.get(plain) {
            Some(&byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', byte]),
            Some(&byte) => out.extend_from_slice(&hex_escape(byte)),
            None => return,
        }
        rest = &rest[plain + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, request_line: &[u8]) -> String {
        let mut access_log = AccessLog::new(format, None, LogZone::default());
        let began = UNIX_EPOCH + Duration::from_millis(784_111_777_000);
        let mut entry = Box::new(LogEntry::new());
        entry.fill(request_line, None, Some(b"\x1b[2Jevil\r\nforged \xff\""), began);
        entry.note = Some("Why\u{202e}".into());
        let client = Some("192.0.2.1".parse().unwrap());
        let ended = began + Duration::from_micros(1_450);
        access_log.write(entry, &LoggedResponse { client, status: Status::OK, bytes: 21, ended });
        String::from_utf8(access_log.batch).unwrap()
    }

    #[test]
    fn each_format_is_as_its_readers_know_it() {
        let request = b"GET /a.txt HTTP/1.1";
        let common = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a.txt HTTP/1.1\" 200 21";
        assert_eq!(line(LogFormat::Common, request), format!("{common}\n"));
        let agent = r#" "-" "\x1b[2Jevil\x0d\x0aforged \xff\"""#;
        assert_eq!(line(LogFormat::Combined, request), format!("{common}{agent}\n"));
        assert_eq!(
            line(LogFormat::Short, request),
            "08:49:37 192.0.2.1 GET /a.txt 200 21 B 1.4 ms Why\\xe2\\x80\\xae\n"
        );
        let json: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, request)).unwrap();
        assert_eq!((&json["status"], &json["octets"], &json["milliseconds"]), (&200.into(), &21.into(), &1.45.into()));
    }

    #[test]
    fn the_values_of_an_entry_stay_apart_and_short() {
        let long = [b'a'; 2 * VALUE];
        let mut entry = LogEntry::new();
        for (referer, agent) in
            [(None, None), (Some(&b"r"[..]), None), (None, Some(&b"a"[..])), (Some(b""), Some(b"a"))]
        {
            entry.fill(b"GET / HTTP/1.1", referer, agent, UNIX_EPOCH);
            assert_eq!((entry.line(), entry.referer(), entry.agent()), (&b"GET / HTTP/1.1"[..], referer, agent));
        }
        entry.fill(&long, Some(&long), Some(&long), UNIX_EPOCH);
        for value in [Some(entry.line()), entry.referer(), entry.agent()] {
            assert_eq!(value, Some(&long[..VALUE]));
        }
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for address in ["0.0.0.0", "127.0.0.1", "255.10.9.100", "::1", "2001:db8::5"] {
            let mut out = Vec::new();
            push_address(&mut out, Some(address.parse().unwrap()));
            assert_eq!(out, address.as_bytes());
        }
        let mut out = Vec::new();
        push_address(&mut out, Some("::ffff:192.0.2.1".parse().unwrap()));
        assert_eq!(out, b"192.0.2.1");
        out.clear();
        push_address(&mut out, None);
        assert_eq!(out, b"unix:");
    }

    #[test]
    fn no_byte_of_a_client_reaches_the_log_raw() {
        let hostile: Vec<u8> = (0..=255).collect();
        for format in [LogFormat::Short, LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
            let text = line(format, &hostile);
            assert_eq!(text.matches('\n').count(), 1, "{format:?}");
            assert!(text.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{format:?}: {text}");
        }
    }
}
