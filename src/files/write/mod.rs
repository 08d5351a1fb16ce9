//! Changing files over HTTP: PUT, POST and DELETE.
//!
//! [`answer`] decides where a write runs: always on a worker, because each of its checks may wait
//! for a disk. `request` has the checks that all writes share, before any content is read. `put`,
//! `post` and `delete` do the work.
//!
//! | response | meaning |
//! |---|---|
//! | 201 | new files, with the address and the tag of a single one |
//! | 204 | a file was replaced or removed |
//! | 303 | a form was stored: the browser shows the folder |
//! | 400 | the content is shorter than announced, a broken form, or a range of a file |
//! | 403 | the permissions on the disk forbid it |
//! | 404 | the path is not served, or there is nothing to remove |
//! | 405 | the right is missing, or the method does not work on this target |
//! | 409 | the name is in use or unusable, a folder is missing or not empty |
//! | 411, 413, 415, 417 | no length, too long, compressed, an unknown expectation |
//! | 412 | the client expects another version |
//! | 507 | no space on the disk |

pub(crate) mod delete;
pub(crate) mod file_name;
pub(crate) mod post;
pub(crate) mod put;
pub(crate) mod request;
pub mod rights;

use std::sync::Arc;

use crate::files::write::request::{WriteContext, WriteRequest};
use crate::http::{Framing, Method, Request};
use crate::service::error_page::{self, Problem};
use crate::service::{Answer, Lane, Outcome, RequestContext};

/// The answer to a write that the rights allow on some target. `None`: the request is not a write
/// of that kind.
pub(crate) fn answer(writer: &Arc<WriteContext>, request: &Request<'_>, context: &RequestContext) -> Option<Answer> {
    let rights = writer.rights;
    let has_right = match request.method() {
        Method::Put => rights.can_write(),
        Method::Post => rights.upload,
        Method::Delete => rights.delete,
        _ => false,
    };
    // The site itself answers 405.
    if !has_right {
        return None;
    }
    let request = request.clone().into_owned();
    let write = Arc::new(WriteRequest { writer: Arc::clone(writer), request, peer: context.peer, now: context.now });
    if write.request.method() == Method::Delete {
        // The long lane, because fsync of the folder may take seconds.
        let job = move || Outcome::Response(delete::delete(&write));
        return Some(Answer::Blocking(Lane::Long, Box::new(job)));
    }
    let is_refused = match write.request.framing() {
        Framing::None => true,
        Framing::Length(length) => length > writer.max_body,
        Framing::Chunked => false,
    };
    let too_large = error_page::problem(&write.request, &Problem::too_large(writer.max_body));
    let open = move || match write.request.method() {
        Method::Put => put::begin(&write),
        _ => post::begin(&write),
    };
    Some(match is_refused {
        // The head alone decides, but a worker still makes all checks, so that refusals keep their
        // order. No content is awaited.
        true => Answer::Blocking(Lane::Short, Box::new(move || Outcome::Response(open().err().unwrap_or(too_large)))),
        // The sinks count the bytes themselves, so that content that is too long gets the same page
        // everywhere.
        false => Answer::Receive { limit: u64::MAX, open: Box::new(open) },
    })
}
