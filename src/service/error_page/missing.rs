//! The line of a 404, ready but for the name in it.
//!
//! RFC 9110 §15.5.5. Nothing is asked for more often than what is not there, by robots and scanners that
//! accept anything: no words are chosen, escaped or measured for them.
//!
//! Never: another answer than the one that is told without it. It is made from that one.
//!
//! The subtle thing: what stands in the line is a name of the client's choosing, so it goes through the
//! same door as everywhere (`push_shown`): nothing in it acts on a terminal.

use crate::http::{Fields, Status};
use crate::service::error_page::{PageFormat, Problem, render};
use crate::service::text::push_shown;
use crate::service::{Body, Response};

/// The line of [`Problem::not_found`], ready but for the name: nothing is asked for more often than what
/// is not there, by robots and scanners that accept anything.
#[derive(Clone, Debug)]
pub(crate) struct NotFoundLine {
    fields: Fields,
    /// Around the name.
    before: String,
    after: String,
}

impl NotFoundLine {
    /// Made from the response that is told without it.
    pub(crate) fn new() -> NotFoundLine {
        let example = render(PageFormat::Text, &Problem::not_found(b"/", None), None);
        let (_, fields, body) = example.into_parts();
        let line = match body {
            Body::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        };
        // The name of the example is one slash, and neither the words before it nor those behind have one.
        let (before, after) = line.split_once('/').unwrap_or((&line, ""));
        NotFoundLine { fields, before: before.into(), after: after.into() }
    }

    /// The whole response for `path` (decoded).
    pub(crate) fn response(&self, path: &[u8]) -> Response {
        let mut line = Vec::with_capacity(self.before.len() + path.len() + self.after.len());
        line.extend_from_slice(self.before.as_bytes());
        push_shown(&mut line, path);
        line.extend_from_slice(self.after.as_bytes());
        Response::from_parts((Status::NOT_FOUND, self.fields.clone(), Body::Bytes(line.into())))
    }
}
