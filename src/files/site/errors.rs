//! Errors of the disk as responses of a site: the error page of the site's author, or the page of
//! this server with links to places that exist.
//!
//! The author's pages lie on the disk too, so fetching one may block; then the whole request goes
//! to a worker.
//!
//! | status | for a browser | for a program |
//! |---|---|---|
//! | 403, 404, 500 | `403.html`, `404.html`, `500.html` at the top of the site, if they exist | one line, or JSON |
//! | 404 without a page of the author | links to the nearest folder and to the root | one line, or JSON |
//! | 503, because the root was removed | a sentence for the operator | the same |

use std::io;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::files::resource::{FileError, encode};
use crate::files::site::SiteState;
use crate::files::{disk_error, media_type, retrieve};
use crate::http::{Request, Status, field};
use crate::service::error_page::{self, PageFormat, Problem};
use crate::service::text;
use crate::service::{Body, Response};

impl SiteState {
    /// The prepared text of a 404, for clients that get text: mostly robots, and nothing is
    /// requested more often. `None` if the response depends on more than the path.
    pub(crate) fn missing_line(&self, request: &Request<'_>) -> Option<Response> {
        let line = self.missing.as_ref()?;
        let is_text = PageFormat::of(request) == PageFormat::Text && !accepts_html(request);
        // If the root itself is gone, the response is 503.
        (is_text && !self.resolver.root.is_gone()).then(|| line.response(request.path()))
    }

    /// The response for an error of the disk.
    pub(crate) fn failure(
        &self,
        request: &Request<'_>,
        error: &io::Error,
        may_block: bool,
    ) -> Result<Response, FileError> {
        let (mut problem, note) = disk_error::explain(error);
        // Under Landlock everything in a removed root is forbidden.
        if matches!(problem.status, Status::NOT_FOUND | Status::FORBIDDEN) && self.resolver.root.is_gone() {
            return Ok(disk_error::gone(request));
        }
        // Only for browsers: a program gets one line or JSON, even if the author has a page.
        let own = if accepts_html(request) { self.own_page(problem.status, may_block)? } else { None };
        if own.is_none() && problem.status == Status::NOT_FOUND {
            problem.sentence = error_page::not_found_sentence(request.path());
            self.add_links(request, &mut problem, may_block)?;
        }
        let mut response = own.unwrap_or_else(|| error_page::problem(request, &problem));
        // With another Accept, the application would have answered. A cache must know that.
        if self.spa.is_some() {
            response = response.varying_by("Accept");
        }
        Ok(disk_error::add_note(response, note))
    }

    /// Links from a 404 page to the nearest existing folder and to the root.
    fn add_links(&self, request: &Request<'_>, problem: &mut Problem, may_block: bool) -> Result<(), FileError> {
        if let Some(single) = &self.resolver.single {
            problem.links.push(("Open the file".into(), encode(&single.url)));
            return Ok(());
        }
        // Finding the folder costs some opens, and a program would not follow the link.
        if accepts_html(request) {
            let href = self.resolver.nearest_folder(request.path(), may_block)?;
            if href != "/" {
                let folder: Vec<u8> = percent_decode_str(&href).collect();
                problem.links.push((format!("Go to {}", text::shown(&folder)), href));
            }
        }
        problem.links.push(("Home".into(), "/".into()));
        Ok(())
    }

    /// The author's page for this status: `404.html` and the like.
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
                // This page may have been uploaded, like any other.
                let response = retrieve::add_sandbox(response, &media_type, self.writer.rights.can_write());
                Ok(Some(response.field("Vary", "Accept").with_body(body)))
            }
            Err(FileError::WouldBlock) => Err(FileError::WouldBlock),
            // A second error must not hide the first one: this server's own page needs no disk.
            Err(FileError::Disk(_)) => Ok(None),
        }
    }
}

/// Whether the client is a browser that navigates: its `Accept` names text/html.
pub(crate) fn accepts_html(request: &Request<'_>) -> bool {
    let mut accepted = request.fields("accept").flat_map(field::weighted);
    accepted.any(|(name, weight)| weight > 0 && name.eq_ignore_ascii_case(b"text/html"))
}
