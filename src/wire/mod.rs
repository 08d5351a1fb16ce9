//! The wire view: what the sockets carried, recorded first and explained later.
//!
//! Recording is off unless it was asked for; then the loop pays one branch at each `recv` and each `send`. An
//! explanation is found by a replay of the recorded bytes through [`crate::http`], the code that served them, so it
//! cannot differ from what happened. Nothing in this layer opens a socket or a path, or changes what is served.
//!
//! Each module uses only those above it:
//!
//! | module | what it does |
//! |---|---|
//! | [`explain`] | bytes of both directions to annotated messages, with their secrets redacted |
//! | [`record`] | what the system calls moved; events of live connections; the history of them |
//! | [`show`] | events as text that is safe to show: terminal, JSON, HTML |
//! | [`export`] | an exchange as a HAR archive, as a shell command, as a plan to send it again |
//! | [`browser`] | the page of the wire view, its API, and the check of its key |

#[doc(hidden)]
pub mod browser;
#[doc(hidden)]
pub mod explain;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod show;

pub use explain::builder::ExplainOptions;
pub use explain::message::{Message, MessageSpan, Role, SpanKind};
pub use explain::notes::{Note, NoteId};
pub use explain::value::RedactOptions;
#[doc(hidden)]
pub use explain::value::redact_address;
pub use explain::{Annotated, Conversation, annotate};
pub use record::event::{EventKind, WireEvent};
pub use record::live::LiveConnection;
pub use record::memory::WireMemory;
pub(crate) use record::recorder::Recorder;
pub use record::recorder::{Batch, Record, RecordReceiver, SocketEvent};
pub use show::layout::{ViewFormat, ViewOptions};
#[doc(hidden)]
pub use show::rows::html_page;
pub use show::terminal::Terminal;

#[cfg(test)]
mod testing;
