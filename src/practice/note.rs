//! `/.try/note`: one text in memory, for every method that a resource can have.
//!
//! RFC 9110 §9.3 (GET, HEAD, PUT, DELETE, OPTIONS), §13.1 (If-Match, If-None-Match), §14.5 (partial PUT).
//!
//! Never: a disk, a second note, one of more than 64 KiB. It needs no right to write, since it changes
//! nothing that is anybody's; it is gone when the server stops.
//!
//! The subtle thing: a condition is looked at under the same lock as the change it guards. Two who both
//! say `If-None-Match: *` cannot both be the first.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::http::{Method, Request, Status};
use crate::practice::call::{Call, Shared, unkept};
use crate::practice::condition;
use crate::practice::condition::Verdict;
use crate::practice::limits::NOTE;
use crate::practice::query::bad;
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Answer, Response};

/// Where it is kept.
#[derive(Default)]
pub(crate) struct Store(Mutex<Option<Note>>);

#[derive(Clone)]
struct Note {
    text: Arc<Vec<u8>>,
    tag: String,
}

impl Note {
    fn new(text: Vec<u8>) -> Note {
        let hash: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Note { text: Arc::new(text), tag: format!("\"{hash}\"") }
    }
}

/// Every method.
pub(crate) fn note(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    if call.method() != Method::Put {
        return change(call.shared, call.request, Vec::new()).map(Answer::Now);
    }
    if call.request.has("content-range") {
        return Err(bad("PUT with Content-Range would put a part in the place of the whole (RFC 9110 §14.5)."));
    }
    if !call.request.framing().has_content() {
        return change(call.shared, call.request, Vec::new()).map(Answer::Now);
    }
    let (shared, request) = (Arc::clone(call.shared), call.request.clone().into_owned());
    let then = move |content| {
        change(&shared, &request, content).unwrap_or_else(|problem| error_page::problem(&request, &problem))
    };
    Ok(Answer::Collect { limit: NOTE, then: Box::new(then) })
}

/// What the request does to the note, and what it is told.
fn change(shared: &Shared, request: &Request<'_>, content: Vec<u8>) -> Result<Response, Problem> {
    let mut kept = shared.note.0.lock().unwrap_or_else(PoisonError::into_inner);
    match condition::evaluate(request, kept.as_ref().map(|note| note.tag.as_str())) {
        Verdict::Failed => return Err(condition::failed()),
        Verdict::NotModified => {
            let tag = kept.as_ref().map_or("", |note| note.tag.as_str());
            return Ok(Response::new(Status::NOT_MODIFIED).field("ETag", tag).field("Cache-Control", "no-store"));
        }
        Verdict::Proceed => {}
    }
    match request.method() {
        Method::Put => {
            if std::str::from_utf8(&content).is_err() {
                let problem = Problem::new(Status::UNSUPPORTED_MEDIA_TYPE);
                return Err(problem.with_sentence("The note is a text in UTF-8, and this is none."));
            }
            let note = Note::new(content);
            let status = if kept.is_some() { Status::NO_CONTENT } else { Status::CREATED };
            let response = Response::new(status).field("ETag", &note.tag).field("Cache-Control", "no-store");
            *kept = Some(note);
            Ok(response)
        }
        Method::Delete if kept.take().is_some() => {
            Ok(Response::new(Status::NO_CONTENT).field("Cache-Control", "no-store"))
        }
        _ => match kept.as_ref() {
            Some(note) => Ok(unkept(Response::text(Status::OK, Arc::clone(&note.text))).field("ETag", &note.tag)),
            None => Err(Problem::new(Status::NOT_FOUND)
                .with_sentence("There is no note.")
                .with_advice("Write one: curl -T - with the same address, then type and end with Ctrl-D.")),
        },
    }
}
