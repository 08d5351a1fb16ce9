//! How the view looks: its form, the terminal it is for, and the words that all forms share.
//!
//! Never: a question to the machine. Whether there is a terminal, and how wide, is found out by the
//! program.
//!
//! The subtle thing: a title is made of bytes of the network, and is safe like everything else.

use std::time::Duration;

use crate::service::text::push_visible;
use crate::wire::explain::message::{Message, Role, SpanKind};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line for each exchange.
    Line,
    /// Heads; of bodies only what is said about them.
    Head,
    /// Bodies too; every note every time.
    Full,
    /// One JSON object for each event.
    Json,
}

/// What the terminal is like.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// How much is shown.
    pub form: Form,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to use nothing but ASCII.
    pub ascii: bool,
    /// How wide it is.
    pub columns: usize,
}

/// `0.4 ms`, `921.3 ms`, `12.0 s`.
pub(crate) fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    if micros < 9_999_950 {
        let tenths = (micros + 50) / 100;
        format!("{}.{} ms", tenths / 10, tenths % 10)
    } else {
        let tenths = (micros + 50_000) / 100_000;
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}

/// The line of a message that is named by its first bytes: method and target, or the status.
pub(crate) fn title(message: &Message, ascii: bool) -> String {
    let mut text = String::new();
    match message.role {
        Role::Request => {
            push_visible(&mut text, message.part(SpanKind::Method), ascii);
            text.push(' ');
            push_visible(&mut text, message.target(), ascii);
        }
        Role::Response => push_visible(&mut text, message.part(SpanKind::Status), ascii),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let say = |micros| millis(Duration::from_micros(micros));
        assert_eq!([say(0), say(449), say(921_300), say(12_040_000)], ["0.0 ms", "0.4 ms", "921.3 ms", "12.0 s"]);
    }
}
