//! Messages as one page of HTML that needs nothing else: for homework, for a bug report.
//!
//! The page has no script and sends no request. It shows the same rows as the terminal, so that the two
//! cannot disagree. All text was made safe for a terminal before; the template escapes it for HTML.

use askama::Template;

use crate::wire::explain::message::{Role, byte_count};
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};
use crate::wire::show::rows::{MessageRow, message_rows};
use crate::wire::show::sentences::story;

/// The values of the template `src/pages/messages.html`.
#[derive(Template)]
#[template(path = "messages.html", config = "src/pages/askama.toml")]
struct MessagesPage {
    messages: Vec<MessageSection>,
}

/// One message of the page. The sentences about its end and its error name their section of an RFC.
struct MessageSection {
    name: String,
    length: String,
    story: String,
    rows: Vec<MessageRow>,
    end: Option<String>,
    error: Option<String>,
}

impl MessageSection {
    /// The texts of one message. They are not escaped yet: the template does that.
    fn new(timed: &TimedMessage) -> MessageSection {
        let message = &timed.message;
        let arrow = if message.role == Role::Request { "▶" } else { "◀" };
        MessageSection {
            name: format!("{arrow} {} {}", message.role.name(), message.exchange),
            length: byte_count(message.len()),
            story: story(timed),
            // A page is read in any order, so every note is there every time.
            rows: message_rows(timed, true, false, &mut |_| true),
            end: message.framing.map(|framing| format!("{} ({})", framing.sentence(), framing.section())),
            error: message.error.map(|error| {
                let note = error.note.note();
                format!("byte {}: {} ({})", error.at, note.long, note.section)
            }),
        }
    }
}

/// The page with the messages among these events.
pub fn page(events: &[WireEvent]) -> String {
    let messages = events.iter().filter_map(|event| match &event.kind {
        EventKind::Message(timed) => Some(MessageSection::new(timed)),
        _ => None,
    });
    // Rendering fails only if a value of the template does, and all of them are texts.
    MessagesPage { messages: messages.collect() }.render().unwrap_or_default()
}
