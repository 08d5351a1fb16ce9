//! `barewire explain`: saved bytes, explained like those of a running server.
//!
//! Secrets are hidden here as well, unless `--wire-secrets` is given. A text editor turns CR LF into LF;
//! `--fix-newlines` undoes that in heads and says so, but not in content, where an LF may be what was sent.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use barewire::http::grammar::{decimal, hex_digit};
use barewire::http::{Fault, Limits, field::split_line};
use barewire::say;
use barewire::service::text::printable;
use barewire::wire::record::event::{EventKind, TimedMessage, WireEvent};
use barewire::wire::{Conversation, ExplainOptions, Message, NoteId, Role, Terminal, ViewFormat, html_page};

use crate::program::error::{Exit, StartError, print, warn};
use crate::program::{options::Explain, wire_view::style};

/// What one side of a connection sent.
struct Side {
    /// Requests came from the client, responses from the server.
    role: Role,
    /// The name of the file, for errors.
    name: String,
    bytes: Vec<u8>,
}

/// Explains the bytes.
///
/// Exit code 0: every message is well formed. 1: a message is broken or cut off, and standard error has a line
/// `FILE:offset: reason` for each. 4: a file cannot be read.
pub(crate) fn run(options: Explain) -> Result<ExitCode, StartError> {
    let mut sides = read_sides(&options)?;
    for side in sides.iter_mut().filter(|_| options.fix_newlines) {
        let (bytes, fixed) = fix_newlines(&side.bytes);
        side.bytes = bytes;
        if fixed > 0 {
            warn(&say!("explain/line-ends", file = &*side.name, lines = fixed as u64));
        }
    }
    let explain = ExplainOptions { redact: options.redact(), ..ExplainOptions::whole(Limits::default()) };
    let mut conversation = Conversation::new(&explain);
    // Two passes: the first one collects the secrets, because a value may also stand before the place
    // that shows it to be a secret.
    let first = read_messages(&mut conversation, &options, &sides);
    if let [Side { role: Role::Request, .. }] = &sides[..] {
        likely_tunnel(&first).inspect(|&exchange| conversation.begin_tunnel(exchange));
    }
    let mut messages = read_messages(&mut conversation.restart(&explain), &options, &sides);
    let unread: Vec<String> = sides.iter().filter_map(|side| unread_bytes(&messages, side)).collect();
    let wrong: Vec<String> = sides.iter().flat_map(|side| list_errors(&messages, side)).collect();
    let edited = messages.iter().any(|m| m.error.is_some_and(|e| e.note == NoteId::fault(Fault::BareLf)));
    // By exchange and not by side: a request, its responses, the next request.
    messages.sort_by_key(|message| (message.exchange, message.role == Role::Response));
    show(&options, messages);
    // Warnings and errors after the messages, where they are still on the screen.
    unread.iter().for_each(|line| warn(line));
    let mut out = io::stderr().lock();
    for line in &wrong {
        let _ = writeln!(out, "{line}");
    }
    if edited && !options.fix_newlines {
        let _ = writeln!(out, "{}", say!("explain/editor"));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

fn read_messages(conversation: &mut Conversation, options: &Explain, sides: &[Side]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (at, side) in sides.iter().enumerate() {
        if side.role == Role::Request {
            conversation.received(&side.bytes, &mut messages);
            conversation.client_ended(&mut messages);
        } else {
            // A response is read according to its request. This counts where the requests are not in the files.
            if at == 0 {
                conversation.assume(options.method);
            }
            conversation.sent(&side.bytes, &mut messages);
            conversation.server_ended(&mut messages);
        }
    }
    messages
}

/// The exchange after which the client did not speak HTTP any more, where its side alone is known: a request asked
/// for that (CONNECT or Upgrade), and what follows is no request.
fn likely_tunnel(requests: &[Message]) -> Option<u64> {
    let broken = requests.iter().position(|message| message.error.is_some())?;
    let asks = &requests[broken.checked_sub(1)?];
    asks.asks_for_tunnel().then_some(asks.exchange)
}

/// A line about the bytes after the last message of a side. They are no error: they may belong to another protocol.
/// After a broken message nothing is parsed; that is reported as its error.
fn unread_bytes(messages: &[Message], side: &Side) -> Option<String> {
    let mut own = messages.iter().filter(|message| message.role == side.role);
    if own.clone().any(|message| message.error.is_some()) {
        return None;
    }
    let rest = own.find(|message| message.is_unparsed())?;
    let (file, at, bytes) = (&*side.name, rest.start.to_string(), rest.len());
    Some(match messages.iter().any(Message::begins_tunnel) {
        true => say!("explain/tunnel", file, at, bytes),
        false => say!("explain/rest", file, at, bytes),
    })
}

/// Reads the files that were named: the side of the client first, if both are there. Exit code 4: a file cannot
/// be read, or holds no trace of curl although `--curl-trace` names it.
fn read_sides(options: &Explain) -> Result<Vec<Side>, StartError> {
    if let Some(file) = &options.curl_trace {
        let (name, bytes) = read_file(file)?;
        let (sent, received) = curl_trace(&bytes);
        if sent.is_empty() && received.is_empty() {
            let what = say!("explain/no-trace", file = name);
            return Err(StartError::new(Exit::Folder, what).advising(say!("explain/trace")));
        }
        let sides = [(Role::Request, "sent", sent), (Role::Response, "received", received)];
        // A side without bytes is left out, so that it is not reported as an empty file.
        let sides = sides.into_iter().filter(|(.., bytes)| !bytes.is_empty());
        return Ok(sides.map(|(role, what, bytes)| Side { role, name: format!("{name} ({what})"), bytes }).collect());
    }
    // Clap has refused `--in` and `--out` together with a file or a direction.
    let named = [(Role::Request, &options.input), (Role::Response, &options.output)];
    let mut sides = Vec::new();
    for (role, file) in named {
        if let Some(file) = file {
            let (name, bytes) = read_file(file)?;
            sides.push(Side { role, name, bytes });
        }
    }
    if sides.is_empty() {
        let (name, bytes) = read_file(&options.file)?;
        // No method begins with "HTTP/", so the first bytes tell the direction.
        let is_response = options.response || !options.request && bytes.starts_with(b"HTTP/");
        sides.push(Side { role: if is_response { Role::Response } else { Role::Request }, name, bytes });
    }
    Ok(sides)
}

/// The name, safe to print, and the bytes of a file, or for `-` of standard input. Exit code 4, with the error
/// of the system.
pub(crate) fn read_file(file: &Path) -> Result<(String, Vec<u8>), StartError> {
    let name = file.display().to_string();
    if name == "-" && io::stdin().is_terminal() {
        warn(&say!("explain/terminal"));
    }
    let mut input = Vec::new();
    let (shown, bytes) = match name.as_str() {
        "-" => ("standard input", io::stdin().lock().read_to_end(&mut input).map(|_| input)),
        name => (name, fs::read(file)),
    };
    // The name may come from a script and contain escapes of a terminal.
    let (name, shown) = (printable(&name), printable(shown));
    let bytes = bytes.map_err(|error| {
        StartError::new(Exit::Folder, say!("explain/unreadable", file = &*shown, error = error.to_string()))
    })?;
    Ok((name, bytes))
}

/// A message as an event of no connection, which the views can show.
pub(crate) fn event(message: Message) -> WireEvent {
    WireEvent::without_connection(EventKind::Message(Box::new(TimedMessage::without_calls(message))))
}

/// Prints the messages in the form that was asked for.
fn show(options: &Explain, messages: Vec<Message>) {
    let events: Vec<WireEvent> = messages.into_iter().map(event).collect();
    let mut text = String::new();
    if options.html {
        text = html_page(&events);
    } else {
        let form = if options.json { ViewFormat::Json } else { ViewFormat::Full };
        let mut terminal = Terminal::new(style(form, options.color, options.ascii));
        events.iter().for_each(|event| terminal.push_event(event, &mut text));
    }
    // A closed standard output (`| head`) is no failure.
    let _ = print(text.as_bytes());
}

/// A line `FILE:offset: reason` for everything that is broken on one side.
fn list_errors(messages: &[Message], side: &Side) -> Vec<String> {
    let is_own = |message: &&Message| message.role == side.role && !message.is_unparsed();
    let own: Vec<&Message> = messages.iter().filter(is_own).collect();
    // A file without any message would otherwise count as well formed.
    if own.is_empty() {
        let file = &*side.name;
        return vec![match side.role {
            Role::Request => say!("explain/no-request", file),
            Role::Response => say!("explain/no-response", file),
        }];
    }
    let line = |message: &Message| {
        let error = message.error?;
        let note = error.note.note();
        // The offset counts from the start of the file, where an editor can go to.
        let (file, at) = (&*side.name, (message.start + error.at).to_string());
        Some(say!("explain/broken", file, at, sentence = note.long, section = note.section))
    };
    own.into_iter().filter_map(line).collect()
}

/// Turns LF alone into CR LF in heads and chunk lines, and counts how often.
fn fix_newlines(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut fixed, mut at) = (Vec::with_capacity(bytes.len()), 0, 0);
    let mut length = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| at + n + 1);
        let line = &bytes[at..end];
        at = end;
        // The last line may have no end at all; then it is not a line yet, and nothing is added.
        let text = line.strip_suffix(b"\n").map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let Some(text) = text else {
            out.extend_from_slice(line);
            continue;
        };
        fixed += usize::from(!line.ends_with(b"\r\n"));
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        // Only a known length is skipped. Chunks are read like heads here, since their lines have the same ends.
        if let Some((name, value)) = split_line(text)
            && name.eq_ignore_ascii_case(b"content-length")
        {
            length = decimal(value).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        }
        // The blank line ends the head: copy the content as it is.
        if text.is_empty() {
            let content = length.min(bytes.len() - at);
            out.extend_from_slice(&bytes[at..at + content]);
            at += content;
            length = 0;
        }
    }
    (out, fixed)
}

/// The bytes in a file that `curl --trace` wrote: sent, received. Both are empty when the file is no trace.
fn curl_trace(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    /// The bytes in one line: `0000: 47 45 … `, and then the same as text.
    const ROW: usize = 16;
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let mut side: Option<&mut Vec<u8>> = None;
    for line in text.split(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(line);
        // A row of bytes is `0000: 47 45 …`; every other line is a title or a remark of curl.
        let Some((offset, bytes)) = line.split_once(": ") else {
            // A title. It may have a time before it; TLS has titles of its own ("SSL data"), which are skipped.
            let is_about = |what: &str| line.contains(what);
            side = if is_about("=> Send header") || is_about("=> Send data") {
                Some(&mut sent)
            } else if is_about("<= Recv header") || is_about("<= Recv data") {
                Some(&mut received)
            } else {
                None
            };
            continue;
        };
        let is_row = offset.len() >= 4 && offset.bytes().all(|b| hex_digit(b).is_some());
        if let (true, Some(side)) = (is_row, &mut side) {
            // The text column may look like hex digits, so not more than one row is read.
            let hex = bytes.as_bytes().chunks(3).take(ROW).map_while(|pair| match pair {
                [high, low, b' '] | [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => None,
            });
            side.extend(hex);
        } else if !is_row {
            side = None;
        }
    }
    (sent, received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_fixed_in_heads_and_left_alone_in_content() {
        let (fixed, count) = fix_newlines(b"PUT / HTTP/1.1\nContent-Length: 3\r\n\na\nbGET / HTTP/1.1\n\n");
        assert_eq!(fixed, b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\n\r\n");
        assert_eq!(count, 4);
    }

    #[test]
    fn a_trace_of_curl_is_taken_apart_by_direction() {
        let text = "== Info:   Trying 127.0.0.1:80...\n\
            => Send header, 18 bytes (0x12)\n\
            0000: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a GET / HTTP/1.1..\n\
            0010: 0d 0a                                           ..\n\
            == Info: x: y\n\
            <= Recv header, 3 bytes (0x3)\n\
            0000: 61 0d 0a                                        a..\n\
            12:00:00.1 <= Recv data, 2 bytes (0x2)\n\
            0000: 62 63                                           bc\n\
            => Send SSL data, 1 bytes (0x1)\n\
            0000: 00                                              .\n";
        let (sent, received) = curl_trace(text.as_bytes());
        assert_eq!((sent, received), (b"GET / HTTP/1.1\r\n\r\n".to_vec(), b"a\r\nbc".to_vec()));
    }
}
