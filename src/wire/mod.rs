//! The study view: record now, explain later.
//!
//! [`tape`] keeps the bytes of both directions as the system calls moved them, and only when somebody
//! asked for it. Whatever is said about them is found by replaying
//! them through the [`crate::http`] room that served them, so the explanation cannot differ from what
//! happened.
//!
//! | file | one line |
//! |---|---|
//! | [`dictionary`] | what every part means: short, long, section, under a number |
//! | [`tape`] | what the system calls moved, handed over in batches |
//! | [`span`] | messages, lines, spans, excerpts |
//! | `value`, `lexer` | heads, values and chunk lines to spans; which bytes are secrets |
//! | `parts` | the content of a form: borders, heads, data |
//! | `draft` | a message while it comes, in bounded memory |
//! | `requests` | the client's bytes, replayed through the machine that served them |
//! | `verdict`, `responses` | the server's bytes, by RFC 9112 §6.3 |
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
//! | `paint`, `style`, `rows`, `layout`, [`terminal`], [`json`], [`html`] | events to text that is safe to show |
//!
//! Never, in this room: a socket, a file's path, an effect on what is served.
//!
//! The subtle thing: with no tape, one branch at each recv and each send is all that is left of it.

pub mod browser;
pub mod explain;
pub mod export;
pub mod record;
pub mod show;

pub use explain::builder::{ExplainOptions, KeepLimits};
pub use explain::conversation::{Annotated, Conversation, annotate};
pub use explain::message::{Message, MessageSpan, Role, SpanKind};
pub use explain::notes::{Note, NoteId};
pub use explain::value::{RedactOptions, redact_address};
pub use record::recorder::{RecordReceiver, Recorder};
pub use show::layout::{ViewFormat, ViewOptions};
pub use show::rows::html_page;
pub use show::terminal::Terminal;

#[cfg(test)]
mod testing;
