//! Errors of the disk as answers of the site: its author's own page, a page with a way out, or the truth that
//! the whole folder is gone.
//!
//! Never: an error that hides another. If the page of an error cannot be had, the plain one can.
//!
//! The subtle thing: own pages may themselves lie on the disk, so asking for one can block, and then the whole
//! question goes to a worker.

use std::io;
use std::sync::Arc;

use crate::files::resource::{FileError, encode};
use crate::files::site::Shared;
use crate::files::{disk_error, media_type, retrieve};
use crate::http::{Request, Status, field};
use crate::service::error_page;
use crate::service::{Body, RequestContext, Response};

impl Shared {
    /// The line of a 404, whole, for whoever wants lines: robots, mostly, and nothing is asked for more often.
    /// `None` where the answer depends on more than the path. One look at the root holds for all who had asked
    /// when it was made ([`RequestContext::arrival`]).
    pub(crate) fn missing_line(
        &self,
        request: &Request<'_>,
        visit: &RequestContext,
        stood: Option<&mut u64>,
    ) -> Option<Response> {
        let line = self.missing.as_ref()?;
        if error_page::Form::of(request) != error_page::Form::Text || accepts_html(request) {
            return None;
        }
        if stood.as_ref().is_none_or(|stood| **stood != visit.arrival) {
            if self.resolver.root.is_gone() {
                return None;
            }
            if let Some(stood) = stood {
                *stood = visit.arrival;
            }
        }
        Some(line.response(request.path()))
    }

    /// An error of the disk for the client: the site's own page if it has one, else ours.
    pub(crate) fn failure(
        &self,
        request: &Request<'_>,
        error: &io::Error,
        may_block: bool,
    ) -> Result<Response, FileError> {
        let (mut problem, note) = disk_error::explain(error);
        // The fence around the process forbids what it cannot find a way to.
        if matches!(problem.status, Status::NOT_FOUND | Status::FORBIDDEN) && self.resolver.root.is_gone() {
            return Ok(disk_error::gone(request));
        }
        let mut response = None;
        if accepts_html(request) {
            response = self.own_page(problem.status, may_block)?;
        }
        if response.is_none() && problem.status == Status::NOT_FOUND {
            let (label, href) = match &self.resolver.single {
                Some(single) => ("Open the file".to_string(), encode(&single.url)),
                None if accepts_html(request) => {
                    let href = self.resolver.nearest_folder(request.path(), may_block)?;
                    let folder: Vec<u8> = percent_encoding::percent_decode_str(&href).collect();
                    let label =
                        if href == "/" { "Home".into() } else { format!("Go to {}", error_page::shown(&folder)) };
                    (label, href)
                }
                None => ("Home".into(), "/".into()),
            };
            problem.sentence = error_page::missing(request.path());
            let away = href != "/" && self.resolver.single.is_none();
            problem.links.push((label, href));
            if away {
                problem.links.push(("Home".into(), "/".into()));
            }
        }
        let mut response = response.unwrap_or_else(|| error_page::problem(request, &problem));
        if self.spa.is_some() {
            response = response.varying_by("Accept");
        }
        Ok(disk_error::add_note(response, note))
    }

    /// `404.html` and its kin, as the site's author wrote them.
    fn own_page(&self, status: Status, may_block: bool) -> Result<Option<Response>, FileError> {
        let path: &[u8] = match status {
            _ if self.resolver.single.is_some() => return Ok(None),
            Status::NOT_FOUND => b"/404.html",
            Status::FORBIDDEN => b"/403.html",
            Status::INTERNAL_SERVER_ERROR => b"/500.html",
            _ => return Ok(None),
        };
        match self.resolver.open_file(path, may_block) {
            Ok((file, meta)) => {
                let body = Body::File { file: Arc::new(file), from: 0, len: meta.size };
                let media_type = media_type::of(path);
                let response = Response::new(status).field("Content-Type", media_type.as_bytes());
                // This page too may have been uploaded.
                let response = retrieve::add_sandbox(response, &media_type, self.writer.rights.fill());
                Ok(Some(response.field("Vary", "Accept").with_body(body)))
            }
            Err(FileError::WouldBlock) => Err(FileError::WouldBlock),
            Err(FileError::Disk(_)) => Ok(None),
        }
    }
}

/// Whether the client asks for pages: `Accept` names text/html.
pub(crate) fn accepts_html(request: &Request<'_>) -> bool {
    let mut accepted = request.fields("accept").flat_map(field::weighted);
    accepted.any(|(name, weight)| weight > 0 && name.eq_ignore_ascii_case(b"text/html"))
}
