//! One request to a practice address on its way to its handler, and what every answer has in common.
//!
//! Never: an answer that is kept by somebody ([`text`] says `no-store`), or guessed to be something else
//! than it says (`nosniff`).
//!
//! The subtle thing: an answer with pauses takes a slot ([`Call::slow`]) and keeps it until it is sent or
//! nobody waits for it. If there is none, the answer is that of a server that is full, byte for byte.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::http::{Method, Request, Status};
use crate::practice::limits::{SILENCE, SLOW, Slots};
use crate::practice::note::Store;
use crate::practice::query::{Query, bad, grouped};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Answer, Body, ByteOffset, Bytes, Credentials, DropToken, Pause, RequestContext, Response};

/// What all loops share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Who is answering slowly just now.
    pub(crate) slots: Slots,
    /// The note.
    pub(crate) note: Store,
    /// How often each of the addresses about caches has been asked.
    pub(crate) asked: [AtomicU64; 4],
    /// Who may enter `/.try/auth`.
    pub(crate) credentials: Credentials,
}

/// One request.
pub(crate) struct Call<'a, 'b> {
    pub(crate) request: &'a Request<'b>,
    pub(crate) visit: &'a RequestContext,
    pub(crate) shared: &'a Arc<Shared>,
    /// What stands in the place of the `*` of the pattern.
    pub(crate) part: &'a [u8],
}

impl Call<'_, '_> {
    /// The parameters, of these names only.
    pub(crate) fn query(&self, names: &[&str]) -> Result<Query, Problem> {
        Query::of(self.request, names)
    }

    /// The method.
    pub(crate) fn method(&self) -> Method {
        self.request.method()
    }

    /// An answer with so much silence in it, if there is a slot for it.
    pub(crate) fn slow(&self, silence: Duration, make: impl FnOnce(DropToken) -> Answer) -> Answer {
        if silence.is_zero() {
            return make(DropToken::default());
        }
        self.shared.slots.take().map_or_else(|| self.busy(), make)
    }

    /// What a server says that has no room.
    pub(crate) fn busy(&self) -> Answer {
        error_page::overload().closing().into()
    }
}

/// Where content begins: behind the first blank line, or at the end where there is none.
pub(crate) fn head_len(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
}

/// Plain text that nobody keeps and nobody takes for something else.
pub(crate) fn text(status: Status, text: impl Into<Bytes>) -> Response {
    unkept(Response::text(status, text))
}

/// Any response that nobody keeps and nobody takes for something else.
pub(crate) fn unkept(response: Response) -> Response {
    response.field("Cache-Control", "no-store")
}

/// Text with this body in the place of ours.
pub(crate) fn with_body(body: Body) -> Response {
    unkept(Response::new(Status::OK).field("Content-Type", "text/plain; charset=utf-8")).with_body(body)
}

/// So many letters, from `a` to `z` and again: whoever looks sees where it goes on.
pub(crate) fn letters(from: u64, count: u64) -> Vec<u8> {
    (from..from + count).map(|n| b'a' + (n % 26) as u8).collect()
}

/// A pause before each of these places.
pub(crate) fn pauses(places: impl IntoIterator<Item = ByteOffset>, time: Duration) -> Vec<Pause> {
    places.into_iter().map(|before| Pause { before, time }).collect()
}

/// How long so many pauses are together.
///
/// # Errors
/// When that is longer than an answer may take.
pub(crate) fn silence(count: u64, gap: Duration) -> Result<Duration, Problem> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    match gap.checked_mul(count).filter(|total| *total <= SILENCE) {
        Some(total) => Ok(total),
        None => Err(bad(format!(
            "All pauses together may take {} s; {} of {} ms are longer.",
            SILENCE.as_secs(),
            grouped(count.into()),
            grouped(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX)),
        ))),
    }
}

/// For the page about limits.
pub(crate) fn limits() -> String {
    format!(
        "At most 1 MiB of content, {} s of pauses and {SLOW} slow answers at once; one more is the 503 of a full server.",
        SILENCE.as_secs()
    )
}
