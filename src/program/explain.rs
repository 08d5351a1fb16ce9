//! `barewire explain`: saved bytes, explained like live ones.
//!
//! Never: the network; a secret, unless it is asked for (they are hidden here as well).
//!
//! The subtle thing: a text editor turns CR LF into LF. `--fix-newlines` undoes that in heads and says
//! so, but leaves content of a known length alone: there an LF may be what was sent.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use barewire::http::field::split_line;
use barewire::http::grammar::{decimal, hex_digit};
use barewire::http::{Fault, Limits};
use barewire::wire::record::event::{EventKind, TimedMessage, WireEvent};
use barewire::wire::show::html;
use barewire::wire::{Conversation, ExplainOptions, Message, NoteId, Role, Terminal, ViewFormat};

use crate::program::error::{Exit, StartError, warn};
use crate::program::options::{Direction, Explain};
use crate::program::view;

/// One side of a conversation.
struct Side {
    name: String,
    bytes: Vec<u8>,
}

/// Explains what was asked for.
pub(crate) fn run(options: Explain) -> Result<ExitCode, StartError> {
    let (mut asked, mut answered) = sides(&options.from)?;
    if options.fix_newlines {
        for side in [&mut asked, &mut answered].into_iter().flatten() {
            let (bytes, fixed) = fix_newlines(&side.bytes);
            side.bytes = bytes;
            if fixed > 0 {
                warn(&format!("{}: {fixed} line ends were LF alone and are read as CR LF.", side.name));
            }
        }
    }
    let manner = ExplainOptions { redact: options.hide.clone(), ..ExplainOptions::whole(Limits::default()) };
    let mut conversation = Conversation::new(&manner);
    // Once for what turns out to be secret, then to be shown.
    tell(&mut conversation, &options, &asked, &answered);
    let (mut messages, said) = tell(&mut conversation.restart(&manner), &options, &asked, &answered);
    let wrong = complaints(&messages, &asked, &answered);
    let edited = messages.iter().any(|m| m.error.is_some_and(|b| b.note == NoteId::fault(Fault::BareLf)));
    messages.sort_by_key(|message| (message.exchange, message.role == Role::Response));
    print(&options, messages)?;
    said.iter().for_each(|line| warn(line));
    let mut out = io::stderr().lock();
    for line in &wrong {
        let _ = writeln!(out, "{line}");
    }
    if edited && !options.fix_newlines {
        let _ = writeln!(out, "If an editor left it so:  barewire explain --fix-newlines");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// The messages of both sides, and what nobody reads of them.
fn tell(
    conversation: &mut Conversation,
    options: &Explain,
    asked: &Option<Side>,
    answered: &Option<Side>,
) -> (Vec<Message>, Vec<String>) {
    let (mut messages, mut said) = (Vec::new(), Vec::new());
    if let Some(side) = asked {
        conversation.received(&side.bytes, &mut messages);
        conversation.client_ended(&mut messages);
        said.extend(unread(side, &messages));
    }
    if let Some(side) = answered {
        if asked.is_none() {
            // Nobody knows how many answers there are; each has at least this many bytes.
            const SHORTEST: usize = 16;
            (0..=side.bytes.len() / SHORTEST).for_each(|_| conversation.assume(options.method));
        }
        let first = messages.len();
        conversation.sent(&side.bytes, &mut messages);
        conversation.server_ended(&mut messages);
        said.extend(unread(side, &messages[first..]));
    }
    (messages, said)
}

/// What to explain: what the client said, and what the server said.
fn sides(from: &Direction) -> Result<(Option<Side>, Option<Side>), StartError> {
    Ok(match from {
        Direction::Requests(file) => (Some(read(file.as_deref())?), None),
        Direction::Responses(file) => (None, Some(read(file.as_deref())?)),
        Direction::Guess(file) => {
            let side = read(file.as_deref())?;
            if side.bytes.starts_with(b"HTTP/") { (None, Some(side)) } else { (Some(side), None) }
        }
        Direction::Both(input, output) => {
            let side = |file: &Option<PathBuf>| file.as_deref().map(|file| read(Some(file))).transpose();
            (side(input)?, side(output)?)
        }
        Direction::CurlTrace(file) => {
            let Side { name, bytes } = read(Some(file))?;
            let (asked, answered) = curl_trace(&bytes);
            if asked.is_empty() && answered.is_empty() {
                let what = format!("{name} is no trace of curl: there are no lines of hexadecimal bytes in it.");
                return Err(StartError::new(Exit::Folder, what).advising("Write one:  curl --trace FILE URL"));
            }
            let side = |bytes: Vec<u8>, way: &str| {
                (!bytes.is_empty()).then(|| Side { name: format!("{name} ({way})"), bytes })
            };
            (side(asked, "sent"), side(answered, "received"))
        }
    })
}

fn read(file: Option<&Path>) -> Result<Side, StartError> {
    let is_input = file.is_none_or(|file| file == Path::new("-"));
    let name =
        if is_input { "standard input".into() } else { file.map(|f| f.display().to_string()).unwrap_or_default() };
    read_bytes(file)
        .map(|bytes| Side { name: if is_input { "-".into() } else { name.clone() }, bytes })
        .map_err(|error| StartError::new(Exit::Folder, format!("cannot read {name}: {error}.")))
}

/// The bytes of a file, or of standard input.
pub(crate) fn read_bytes(file: Option<&Path>) -> io::Result<Vec<u8>> {
    match file {
        Some(file) if file != Path::new("-") => fs::read(file),
        _ => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

fn print(options: &Explain, messages: Vec<Message>) -> Result<(), StartError> {
    let told: Vec<WireEvent> = messages
        .into_iter()
        .map(|message| {
            WireEvent::without_connection(EventKind::Message(Box::new(TimedMessage::without_calls(message))))
        })
        .collect();
    let mut text = String::new();
    if options.html {
        html::push_page(&told, &mut text);
    } else {
        let form = if options.json { ViewFormat::Json } else { ViewFormat::Full };
        let mut terminal = Terminal::new(view::style(form, options.color, options.ascii));
        told.iter().for_each(|told| terminal.push_event(told, &mut text));
    }
    let mut out = io::stdout().lock();
    // A reader that has left (`| head`) has seen what it wanted.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// `FILE:offset: reason`, for everything that is broken.
fn complaints(messages: &[Message], asked: &Option<Side>, answered: &Option<Side>) -> Vec<String> {
    let mut lines = Vec::new();
    for (role, side) in [(Role::Request, asked), (Role::Response, answered)] {
        let Some(side) = side else { continue };
        let mut own = messages.iter().filter(|message| message.role == role).peekable();
        if own.peek().is_none() {
            lines.push(format!("{}:0: there is no {} in it", side.name, role.name()));
        }
        lines.extend(own.filter_map(|message| {
            let broken = message.error?;
            let note = broken.note.note();
            Some(format!("{}:{}: {} ({})", side.name, message.start + broken.at, note.long, note.section))
        }));
    }
    lines
}

/// What nobody reads is said, but is not wrong.
fn unread(side: &Side, messages: &[Message]) -> Option<String> {
    let last = messages.last().filter(|message| message.error.is_none())?;
    let left = (side.bytes.len() as u64).saturating_sub(last.end());
    let from = last.end();
    (left > 0).then(|| format!("{}:{from}: {left} bytes behind the last message belong to none.", side.name))
}

/// LF alone as CR LF, in heads and chunk lines; how many.
fn fix_newlines(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut fixed, mut at) = (Vec::with_capacity(bytes.len()), 0, 0);
    let mut length = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|&o| o == b'\n').map_or(bytes.len(), |n| at + n + 1);
        let line = &bytes[at..end];
        at = end;
        let text = line.strip_suffix(b"\n").map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let Some(text) = text else {
            out.extend_from_slice(line);
            continue;
        };
        fixed += usize::from(!line.ends_with(b"\r\n"));
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        if let Some((name, value)) = split_line(text)
            && name.eq_ignore_ascii_case(b"content-length")
        {
            length = decimal(value).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        }
        if text.is_empty() {
            let content = length.min(bytes.len() - at);
            out.extend_from_slice(&bytes[at..at + content]);
            at += content;
            length = 0;
        }
    }
    (out, fixed)
}

/// The bytes in a file that `curl --trace` wrote: sent, received.
fn curl_trace(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    /// Bytes of one line: `0000: 47 45 … ` and then the same as text.
    const ROW: usize = 16;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut side: Option<&mut Vec<u8>> = None;
    for line in text.split(|&o| o == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((place, bytes)) = line.split_once(": ") else {
            let about = |what: &str| line.contains(what);
            side = match () {
                () if about("=> Send header") || about("=> Send data") => Some(&mut asked),
                () if about("<= Recv header") || about("<= Recv data") => Some(&mut answered),
                () => None,
            };
            continue;
        };
        let is_row = place.len() >= 4 && place.bytes().all(|o| hex_digit(o).is_some());
        if let (true, Some(side)) = (is_row, &mut side) {
            let hex = bytes.as_bytes().chunks(3).take(ROW).map_while(|pair| match pair {
                [high, low, b' '] | [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => None,
            });
            side.extend(hex);
        } else if !is_row {
            side = None;
        }
    }
    (asked, answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_mended_in_heads_and_left_alone_in_content() {
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
        let (asked, answered) = curl_trace(text.as_bytes());
        assert_eq!((asked, answered), (b"GET / HTTP/1.1\r\n\r\n".to_vec(), b"a\r\nbc".to_vec()));
    }
}
