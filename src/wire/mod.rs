//! The study view: record now, explain later.
//!
//! [`tape`] keeps the octets of both directions as the system calls moved them, and only when somebody
//! asked for it. Whatever is said about them is found by replaying
//! them through the [`crate::http`] room that served them, so the explanation cannot differ from what
//! happened.
//!
//! | file | one line |
//! |---|---|
//! | [`dictionary`] | what every part means: short, long, section, under a number |
//! | [`tape`] | what the system calls moved, handed over in batches |
//! | [`span`] | messages, lines, spans, excerpts |
//! | `value`, `lexer` | heads, values and chunk lines to spans; which octets are secrets |
//! | `parts` | the content of a form: borders, heads, data |
//! | `draft` | a message while it comes, in bounded memory |
//! | `requests` | the client's octets, replayed through the machine that served them |
//! | `verdict`, `responses` | the server's octets, by RFC 9112 §6.3 |
//! | `deframed` | content without its framing, for those who look for secrets in it |
//! | `mask` | secrets painted over, by field and by value |
//! | [`mod@annotate`] | both directions of a connection to masked messages |
//! | [`event`], [`live`], [`watch`] | a live connection, and the thread that watches all of them |
//! | [`history`], `exchange` | what is kept of them, in bounded memory |
//! | [`browser`] | the wire view: its page, its API, who may ask |
//! | [`signpost`] | ways from the server to the view |
//! | `words`, [`tags`] | messages and connections in plain words |
//! | `har`, `shell`, [`replay`] | an exchange as an archive, as a command, once more |
//! | [`practice`] | `/.try/`: every case of HTTP on demand |
//! | `paint`, [`look`], `flow`, `layout`, `line`, [`terminal`], [`json`], [`html`] | events to text that is safe to show |
//!
//! Never, in this room: a socket, a file's path, an effect on what is served.
//!
//! The subtle thing: with no tape, one branch at each recv and each send is all that is left of it.

pub mod annotate;
pub mod browser;
mod deframed;
pub mod dictionary;
mod draft;
pub mod event;
mod exchange;
mod flow;
mod har;
pub mod history;
pub mod html;
pub mod json;
mod layout;
mod lexer;
mod line;
pub mod live;
pub mod look;
mod mask;
mod paint;
mod parts;
pub mod practice;
pub mod replay;
mod requests;
mod responses;
mod shell;
pub mod sieve;
pub mod signpost;
pub mod span;
pub mod tags;
pub mod tape;
pub mod terminal;
#[cfg(test)]
mod testing;
mod value;
mod verdict;
pub mod watch;
mod words;

pub use annotate::{Annotated, Conversation, Manner, annotate};
pub use dictionary::{Note, NoteId};
pub use draft::Keep;
pub use look::{Form, Style};
pub use practice::Practice;
pub use span::{Kind, Message, Role, Span};
pub use tape::{Reel, Tape};
pub use terminal::Terminal;
pub use value::{Hide, hide_in_address};
