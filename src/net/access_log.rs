//! The access log: one line for every request, in four forms, safe to read.
//!
//! Never: an error message (those go through `log` to stderr), a block of the loop. Lines are gathered
//! per turn and handed to one writing thread; if the reader of the log is slow they are dropped and
//! counted, if it is gone they are dropped silently. A log must not stop the server.
//!
//! The subtle thing: a client chooses its target, its User-Agent and its Referer. An escape sequence
//! in one of them would reach the terminal of whoever reads the log (CVE-2009-4487 and its row), and a
//! line end would forge a line. So one function ([`push_log_value`]) writes every byte that is not plain
//! ASCII as `\xNN`, and quotes and backslashes too. And what a client puts into an address that is a
//! secret by its name (`?token=`) is painted over: logs are kept, copied and sent around.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::{HttpDate, Request, Status, grammar};
use crate::service::text::push_log_value;
use crate::wire::redact_address;

/// How the access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Nothing.
    Off,
    /// For a person at a terminal.
    Short,
    /// NCSA common.
    Common,
    /// NCSA combined: common, Referer and User-Agent.
    Combined,
    /// One JSON object a line.
    Json,
}

/// Batches of lines that may wait for the writing thread.
const BATCHES: usize = 64;
/// A batch is handed over when it has grown to this, else once a turn.
pub const BATCH: usize = 32 * 1024;
/// Entries kept for the next requests: as many as are answered in one turn, mostly.
const SPARE: usize = 64;
/// The most bytes of one value: a target may have 8 KiB, a log line should not.
const VALUE: usize = 1024;

/// What the log says of a request, kept from its arrival to the end of its answer.
#[derive(Clone, Debug)]
pub struct LogEntry {
    began: SystemTime,
    /// The request line, Referer and User-Agent, one behind the other: one allocation for all of them.
    bytes: Vec<u8>,
    /// Where the line ends, and where the two values do, if there are any.
    line: usize,
    referer: Option<usize>,
    agent: Option<usize>,
}

impl LogEntry {
    fn fill(&mut self, line: &[u8], referer: Option<&[u8]>, agent: Option<&[u8]>, began: SystemTime) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // Secrets go before a value is cut: a half one would not be known for one.
        let mut keep = |value: &[u8], address: fn(&[u8]) -> Range<usize>| {
            let from = bytes.len();
            bytes.extend_from_slice(value);
            redact_address(&mut bytes[from..][address(value)]);
            bytes.truncate(from + VALUE);
            bytes.len()
        };
        let line = keep(line, target);
        let referer = referer.map(|value| keep(value, |value| 0..value.len()));
        let agent = agent.map(|value| keep(value, |_| 0..0));
        *self = LogEntry { began, bytes, line, referer, agent };
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

impl Default for LogEntry {
    fn default() -> LogEntry {
        LogEntry { began: UNIX_EPOCH, bytes: Vec::new(), line: 0, referer: None, agent: None }
    }
}

/// Where the target stands in a request line, or might stand in what is none.
fn target(line: &[u8]) -> Range<usize> {
    let from = line.iter().position(|&o| o == b' ').map_or(0, |at| at + 1);
    let to = line.iter().rposition(|&o| o == b' ').filter(|&at| at > from).unwrap_or(line.len());
    from..to
}

/// How an exchange came out.
#[derive(Clone, Copy, Debug)]
pub struct LoggedResponse<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// The status.
    pub status: Status,
    /// Bytes of content that were sent.
    pub bytes: u64,
    /// When the answer was complete.
    pub ended: SystemTime,
    /// What else is worth saying: the name of a fault, why an answer broke off.
    pub note: Option<&'a str>,
}

/// One loop's end of the log.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
    batch: Vec<u8>,
    writer: Option<SyncSender<Vec<u8>>>,
    dropped: u64,
    /// The second of the last line, ready: the next line is nearly always of the same one.
    stamp: HttpDate,
    /// Entries that are written, with room for the next ones.
    #[expect(clippy::vec_box, reason = "the boxes themselves are lent")]
    spare: Vec<Box<LogEntry>>,
}

impl AccessLog {
    /// A log that says nothing.
    pub fn off() -> AccessLog {
        AccessLog::new(LogFormat::Off, None)
    }

    fn new(format: LogFormat, writer: Option<SyncSender<Vec<u8>>>) -> AccessLog {
        AccessLog { format, batch: Vec::new(), writer, dropped: 0, stamp: HttpDate::from_second(0), spare: Vec::new() }
    }

    /// Whether entries are wanted.
    pub fn is_on(&self) -> bool {
        self.format != LogFormat::Off
    }

    /// The entry of a request.
    pub fn entry(&mut self, request: &Request<'_>, began: SystemTime) -> Box<LogEntry> {
        let end = request.bytes().iter().position(|&o| o == b'\r').unwrap_or(0);
        let cut = |value| <[u8]>::get(value, ..VALUE).unwrap_or(value);
        let agent = request.field("user-agent").map(cut);
        self.filled(&request.bytes()[..end], request.field("referer"), agent, began)
    }

    /// The entry of bytes that are no request.
    pub fn entry_of_refused(&mut self, head: &[u8], began: SystemTime) -> Box<LogEntry> {
        let end = head.iter().position(|&o| matches!(o, b'\r' | b'\n')).unwrap_or(head.len());
        self.filled(&head[..end], None, None, began)
    }

    fn filled(
        &mut self,
        line: &[u8],
        referer: Option<&[u8]>,
        agent: Option<&[u8]>,
        began: SystemTime,
    ) -> Box<LogEntry> {
        let mut entry = self.spare.pop().unwrap_or_default();
        entry.fill(line, referer, agent, began);
        entry
    }

    /// Writes one line; the entry is used again for another.
    pub fn write(&mut self, entry: Box<LogEntry>, result: &LoggedResponse<'_>) {
        self.put(&entry, result);
        if self.spare.len() < SPARE {
            self.spare.push(entry);
        }
    }

    fn put(&mut self, entry: &LogEntry, result: &LoggedResponse<'_>) {
        let out = &mut self.batch;
        match self.format {
            LogFormat::Off => return,
            LogFormat::Short => short(out, entry, result),
            LogFormat::Common => common(out, entry, result, &mut self.stamp),
            LogFormat::Combined => {
                common(out, entry, result, &mut self.stamp);
                for value in [entry.referer(), entry.agent()] {
                    out.extend_from_slice(b" \"");
                    push_log_value(out, value.unwrap_or(b"-"));
                    out.push(b'"');
                }
            }
            LogFormat::Json => json(out, entry, result),
        }
        self.batch.push(b'\n');
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Gives the lines of this turn to the writing thread.
    pub fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let Some(writer) = &self.writer else { return self.batch.clear() };
        // As much room as this turn needed, so that the next one does not grow step by step.
        let next = Vec::with_capacity(self.batch.len().min(BATCH));
        let mut batch = std::mem::replace(&mut self.batch, next);
        if self.dropped > 0 {
            batch.extend_from_slice(format!("... {} batches of lines not written\n", self.dropped).as_bytes());
        }
        match writer.try_send(batch) {
            Ok(()) => self.dropped = 0,
            Err(_) => self.dropped += 1,
        }
    }
}

impl Clone for AccessLog {
    fn clone(&self) -> AccessLog {
        AccessLog::new(self.format, self.writer.clone())
    }
}

/// Tells when everything has been written.
#[derive(Debug)]
pub struct Written(Receiver<()>);

impl Written {
    /// Waits until the last line is out, but not longer than a second: a reader that has stopped
    /// reading must not keep the server from stopping.
    pub fn wait(self) {
        // Never a message: the sender is dropped when the thread ends.
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A log on standard output, or on standard error; its thread ends when the last [`AccessLog`] is gone.
///
/// # Errors
/// When no thread can be started.
pub fn start(format: LogFormat, to_stderr: bool) -> io::Result<(AccessLog, Option<Written>)> {
    if format == LogFormat::Off {
        return Ok((AccessLog::off(), None));
    }
    let (writer, batches) = sync_channel(BATCHES);
    let (alive, written) = sync_channel::<()>(1);
    std::thread::Builder::new().name("journal".into()).spawn(move || {
        if to_stderr {
            write_all(&batches, io::stderr());
        } else {
            write_all(&batches, io::stdout());
        }
        drop(alive);
    })?;
    Ok((AccessLog::new(format, Some(writer)), Some(Written(written))))
}

fn write_all(batches: &Receiver<Vec<u8>>, mut out: impl Write) {
    let mut gone = false;
    for batch in batches {
        if !gone {
            // The reader may leave (`| head`); the server goes on without it.
            gone = out.write_all(&batch).and_then(|()| out.flush()).is_err();
        }
    }
}

/// An address; those of IPv4 without the machinery of formatting.
fn push_address(out: &mut Vec<u8>, peer: SocketAddr) {
    match peer.ip().to_canonical() {
        IpAddr::V4(ip) => {
            for (place, byte) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                grammar::push_decimal(out, u64::from(byte));
            }
        }
        ip @ IpAddr::V6(_) => out.extend_from_slice(ip.to_string().as_bytes()),
    }
}

/// `12:00:01 GET /a.txt 200 21 B 0.4 ms`
fn short(out: &mut Vec<u8>, entry: &LogEntry, result: &LoggedResponse<'_>) {
    let date = HttpDate::new(result.ended);
    out.extend_from_slice(&date.bytes()[17..25]);
    out.push(b' ');
    push_address(out, result.peer);
    out.push(b' ');
    let line = entry.line().strip_suffix(b" HTTP/1.1").unwrap_or(entry.line());
    push_log_value(out, if line.is_empty() { b"-" } else { line });
    let micros = result.ended.duration_since(entry.began).unwrap_or_default().as_micros();
    let text = format!(" {} {} B {}.{} ms", result.status.code(), result.bytes, micros / 1000, micros / 100 % 10);
    out.extend_from_slice(text.as_bytes());
    if let Some(note) = result.note {
        out.push(b' ');
        push_log_value(out, note.as_bytes());
    }
}

/// `192.0.2.1 - - [21/Nov/2026:12:00:01 +0000] "GET /a.txt HTTP/1.1" 200 21`
fn common(out: &mut Vec<u8>, entry: &LogEntry, result: &LoggedResponse<'_>, stamp: &mut HttpDate) {
    push_address(out, result.peer);
    out.extend_from_slice(b" - - [");
    let second = entry.began.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if stamp.second() != second {
        *stamp = HttpDate::from_second(second);
    }
    let d = stamp.bytes(); // Sat, 21 Nov 2026 12:00:01 GMT
    for part in [&d[5..7], b"/", &d[8..11], b"/", &d[12..16], b":", &d[17..25], b" +0000] \""] {
        out.extend_from_slice(part);
    }
    push_log_value(out, if entry.line().is_empty() { b"-" } else { entry.line() });
    out.extend_from_slice(b"\" ");
    grammar::push_decimal(out, u64::from(result.status.code()));
    out.push(b' ');
    grammar::push_decimal(out, result.bytes);
}

#[derive(serde::Serialize)]
struct Line<'a> {
    time: f64,
    client: String,
    request: &'a str,
    status: u16,
    /// The key keeps its first name: programs that read the log know it.
    #[serde(rename = "octets")]
    bytes: u64,
    milliseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

fn json(out: &mut Vec<u8>, entry: &LogEntry, result: &LoggedResponse<'_>) {
    let safe = |bytes: &[u8]| {
        let mut text = Vec::new();
        for &byte in bytes {
            // JSON quotes by itself; only what is no plain ASCII is written as in the other forms.
            if matches!(byte, b' '..=b'~') { text.push(byte) } else { push_log_value(&mut text, &[byte]) }
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let since = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or(Duration::ZERO);
    let line = Line {
        time: since(UNIX_EPOCH, entry.began).as_micros() as f64 / 1e6,
        client: result.peer.ip().to_canonical().to_string(),
        request: &safe(entry.line()),
        status: result.status.code(),
        bytes: result.bytes,
        milliseconds: since(entry.began, result.ended).as_micros() as f64 / 1e3,
        referer: entry.referer().map(safe),
        user_agent: entry.agent().map(safe),
        note: result.note,
    };
    // Strings and numbers only: this cannot fail, and if it did the line would be missing, not wrong.
    let _ = serde_json::to_writer(&mut *out, &line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, request_line: &[u8]) -> String {
        let mut access_log = AccessLog { format, ..AccessLog::off() };
        let began = UNIX_EPOCH + Duration::from_millis(784_111_777_000);
        let entry = access_log.filled(request_line, None, Some(b"\x1b[2Jevil\r\nforged \xff\""), began);
        let peer = "192.0.2.1:5".parse().unwrap();
        let ended = began + Duration::from_micros(1_450);
        access_log.write(entry, &LoggedResponse { peer, status: Status::OK, bytes: 21, ended, note: Some("Why") });
        String::from_utf8(access_log.batch).unwrap()
    }

    #[test]
    fn each_form_is_as_its_readers_know_it() {
        let request = b"GET /a.txt HTTP/1.1";
        let common = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a.txt HTTP/1.1\" 200 21";
        assert_eq!(line(LogFormat::Common, request), format!("{common}\n"));
        let agent = r#" "-" "\x1b[2Jevil\x0d\x0aforged \xff\"""#;
        assert_eq!(line(LogFormat::Combined, request), format!("{common}{agent}\n"));
        assert_eq!(line(LogFormat::Short, request), "08:49:37 192.0.2.1 GET /a.txt 200 21 B 1.4 ms Why\n");
        let json: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, request)).unwrap();
        assert_eq!((&json["status"], &json["octets"], &json["milliseconds"]), (&200.into(), &21.into(), &1.45.into()));
    }

    #[test]
    fn the_values_of_an_entry_stay_apart_and_short() {
        let long = [b'a'; 2 * VALUE];
        let mut access_log = AccessLog::off();
        for (referer, agent) in
            [(None, None), (Some(&b"r"[..]), None), (None, Some(&b"a"[..])), (Some(b""), Some(b"a"))]
        {
            let entry = access_log.filled(b"GET / HTTP/1.1", referer, agent, UNIX_EPOCH);
            assert_eq!((entry.line(), entry.referer(), entry.agent()), (&b"GET / HTTP/1.1"[..], referer, agent));
            // The next one is made of it, and has nothing of it.
            access_log.spare.push(entry);
        }
        let entry = access_log.filled(&long, Some(&long), Some(&long), UNIX_EPOCH);
        for value in [Some(entry.line()), entry.referer(), entry.agent()] {
            assert_eq!(value, Some(&long[..VALUE]));
        }
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for address in ["0.0.0.0", "127.0.0.1", "255.10.9.100", "::1", "2001:db8::5"] {
            let mut out = Vec::new();
            push_address(&mut out, SocketAddr::new(address.parse().unwrap(), 1));
            assert_eq!(out, address.as_bytes());
        }
        let mut out = Vec::new();
        push_address(&mut out, "[::ffff:192.0.2.1]:1".parse().unwrap());
        assert_eq!(out, b"192.0.2.1");
    }

    #[test]
    fn no_byte_of_a_client_reaches_the_log_raw() {
        let hostile: Vec<u8> = (0..=255).collect();
        for format in [LogFormat::Short, LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
            let text = line(format, &hostile);
            assert_eq!(text.matches('\n').count(), 1, "{format:?}");
            assert!(text.trim_end().bytes().all(|o| (b' '..=b'~').contains(&o)), "{format:?}: {text}");
        }
    }
}
