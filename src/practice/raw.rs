//! Answers written out byte by byte, where the ordinary writer would refuse: its answers are right.
//!
//! Never: a byte of a request that has not been looked at. What goes in here is ours, or was checked by
//! whoever passes it.
//!
//! The subtle thing: the connection always ends behind such an answer, and its head says so wherever
//! saying so is not itself the fault.

use crate::http::grammar::push_decimal;
use crate::http::{HttpDate, Method, Status};
use crate::service::{Answer, CloseBy, DropToken, Pause, RawResponse};

use crate::practice::call::{Call, head_len};

/// A head line by line, as the ordinary writer orders it.
pub(crate) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Status line, Date and `Connection`.
    pub(crate) fn new(call: &Call<'_, '_>, status: Status, reason: &str, connection: &str) -> Head {
        let mut bytes = b"HTTP/1.1 ".to_vec();
        push_decimal(&mut bytes, status.code().into());
        let date = HttpDate::new(call.visit.now);
        for part in [b" ", reason.as_bytes(), b"\r\nDate: ", date.bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
        Head { bytes }.line("Connection", connection)
    }

    /// One more line.
    pub(crate) fn line(mut self, name: &str, value: &str) -> Head {
        for part in [name, ": ", value, "\r\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self
    }

    /// One more line with this number.
    pub(crate) fn number(self, name: &str, value: u64) -> Head {
        self.line(name, &value.to_string())
    }

    /// The lines that every text of practice has.
    pub(crate) fn text_lines(self) -> Head {
        self.line("Content-Type", "text/plain; charset=utf-8")
            .line("Cache-Control", "no-store")
            .line("X-Content-Type-Options", "nosniff")
    }

    /// The lines so far, without the blank one.
    pub(crate) fn unfinished(self) -> Vec<u8> {
        self.bytes
    }

    /// With the blank line and this content behind it.
    pub(crate) fn content(mut self, content: &[u8]) -> Vec<u8> {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(content);
        self.bytes
    }
}

/// The answer with these bytes; to HEAD only those of its head.
pub(crate) fn answer(
    call: &Call<'_, '_>,
    status: Status,
    mut bytes: Vec<u8>,
    pauses: Vec<Pause>,
    end: CloseBy,
    held: DropToken,
) -> Answer {
    if call.method() == Method::Head {
        bytes.truncate(head_len(&bytes));
    }
    Answer::Raw(Box::new(RawResponse { status, bytes, pauses, close: end, token: held }))
}
