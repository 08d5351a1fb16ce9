//! Writes as answers of the site: which of them there are, and where their work runs.
//!
//! Never: the disk on the loop. Every check of a write may touch it, so all of them run on a worker,
//! before 100 (Continue) is sent and before content is read.
//!
//! The subtle thing: what is refused by its head alone is still refused by the worker, in the order of
//! all refusals; only it is no upload then, and nothing waits for its content.

use std::sync::Arc;

use crate::files::site::Shared;
use crate::files::write::checks::Call;
use crate::files::write::{delete, post, put};
use crate::http::{Framing, Method, Request};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Answer, Lane, Outcome, RequestContext};

impl Shared {
    /// The answer to a write that some right allows somewhere. `None`: the request is none.
    pub(crate) fn write(self: &Arc<Shared>, request: &Request<'_>, visit: &RequestContext) -> Option<Answer> {
        let rights = self.writer.rights;
        let has_right = match request.method() {
            Method::Put => rights.fill(),
            Method::Post => rights.upload,
            Method::Delete => rights.delete,
            _ => false,
        };
        if !has_right {
            return None;
        }
        let writer = Arc::clone(&self.writer);
        let call = Arc::new(Call { writer, request: request.clone().into_owned(), visit: *visit });
        if request.method() == Method::Delete {
            let job = move || Outcome::Response(delete::remove(&call));
            return Some(Answer::Blocking(Lane::Long, Box::new(job)));
        }
        let is_hopeless = match request.framing() {
            Framing::None => true,
            Framing::Length(length) => length > self.writer.max_body,
            Framing::Chunked => false,
        };
        let open = move || {
            let begin = if call.request.method() == Method::Put { put::begin } else { post::begin };
            begin(&call)
        };
        Some(match is_hopeless {
            true => {
                let problem = error_page::problem(request, &Problem::too_large(self.writer.max_body));
                let job = move || Outcome::Response(open().err().unwrap_or(problem));
                Answer::Blocking(Lane::Short, Box::new(job))
            }
            // The sinks count, so that what is too long gets a page like all others.
            false => Answer::Receive { limit: u64::MAX, open: Box::new(open) },
        })
    }
}
