//! What answers for a path at which the folder has nothing, in this order:
//! 1. a file of the program ([`BuiltIn`](crate::service::BuiltIn)), if the folder has no entry of its first name;
//! 2. the page of a single-page application;
//! 3. for PUT and OPTIONS, that the name is free.

use rustix::io::Errno;

use crate::files::disk_error;
use crate::files::resource::FoundFile;
use crate::files::rights::TargetKind;
use crate::files::site::{SiteState, accepts_html};
use crate::http::{Method, Request};
use crate::service::{RequestContext, Response};

impl SiteState {
    /// The response where a free name makes a difference. `None`: it is 404.
    pub(super) fn respond_for_free_name(&self, request: &Request<'_>, context: &RequestContext) -> Option<Response> {
        if self.resolver.is_hidden(request.path()) {
            return None;
        }
        let rights = self.resolver.rights;
        let is_file = TargetKind::of_path(request.path()) == TargetKind::File;
        match request.method() {
            // A PUT may create the file, so a missing file is no reason for 404, but the missing right is one for 405.
            Method::Put => Some(rights.not_allowed(request, TargetKind::Free, context)),
            Method::Options if rights.upload && is_file => Some(rights.options(TargetKind::Free)),
            _ => None,
        }
    }

    /// The response with a file of the program, if the folder has no entry of its name.
    pub(super) fn built_in(
        &self,
        request: &Request<'_>,
        context: &RequestContext,
        may_block: bool,
    ) -> Result<Option<Response>, Errno> {
        let Some(built_in) = &self.resolver.settings.built_in else { return Ok(None) };
        let top = request.path().split(|&b| b == b'/').nth(1).unwrap_or_default();
        let found = built_in.names.iter().any(|name| name.as_bytes() == top).then(|| (built_in.respond)(request));
        let Some(response) = found.flatten() else { return Ok(None) };
        // A folder `learn` without this page, or one that is closed, is still an entry.
        if self.resolver.single.is_none() {
            match self.resolver.root.open(&[b"/", top].concat(), may_block) {
                Err(Errno::NOENT) => {}
                Err(Errno::AGAIN) if !may_block => return Err(Errno::AGAIN),
                _ => return Ok(None),
            }
        }
        Ok(Some(self.refuse(request, context, TargetKind::Free).unwrap_or(response)))
    }

    /// The page of a single-page application, which answers unknown paths when a browser navigates.
    /// A script that fetches a missing file gets 404.
    pub(super) fn application(
        &self,
        request: &Request<'_>,
        may_block: bool,
    ) -> Result<Option<FoundFile<'static>>, Errno> {
        let is_navigation = request.method().is_read() && accepts_html(request);
        let is_page = is_navigation && self.resolver.single.is_none() && !self.resolver.is_hidden(request.path());
        let Some(name) = self.resolver.settings.spa.as_ref().filter(|_| is_page) else { return Ok(None) };
        let path = format!("/{name}").into_bytes();
        // If the page is missing, the client gets the 404 of the path it asked for.
        match self.resolver.open_file(&path, may_block) {
            Ok((file, meta)) => Ok(Some(FoundFile { file, meta, path: path.into() })),
            Err(error) if disk_error::is_not_found(error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
