//! Static files as a [`Service`]: the last step of [`crate::service::app`].
//!
//! The loop first tries to answer with what the kernel has in memory. If that is not enough, the
//! same request goes to a worker, which may block ([`Answer::Blocking`]). A try on the loop changes
//! nothing, so the worker simply starts again from the beginning, and there is one code path for
//! both.
//!
//! The steps, each with the module that decides it:
//! 1. a kept response that is still true: [`crate::files::cache`];
//! 2. a write that the rights allow: [`crate::files::write`], always on a worker;
//! 3. a style sheet or script of the listing: [`crate::files::listing`];
//! 4. the file, folder or redirect at the path: [`crate::files::resource`];
//! 5. if there is none: the page of a single-page application, else 404;
//! 6. OPTIONS, or 405 for a method that does not work on this target;
//! 7. an expectation other than 100-continue: 417;
//! 8. the content: [`crate::files::retrieve`] for a file, [`crate::files::listing`] for a folder.

mod errors;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::files::cache::FileCache;
use crate::files::disk_error;
use crate::files::listing;
use crate::files::resource::{FileError, FoundFile, Resolver, Resource, SingleFile};
use crate::files::retrieve::{FileContext, retrieve};
use crate::files::root::{OpenMethod, Root};
use crate::files::settings::{CacheControl, Settings};
use crate::files::write;
use crate::files::write::request::WriteContext;
use crate::files::write::rights::{Rights, TargetKind};
use crate::http::{Expectation, Method, Request, Status};
use crate::service::error_page::NotFoundLine;
use crate::service::router;
use crate::service::{Answer, Lane, Outcome, RequestContext, Response, Service};

use errors::accepts_html;

/// A served folder, or a single served file. Each loop has its own, with its own cache.
pub struct Site {
    state: Arc<SiteState>,
    /// `None` where checking a file may wait for a network, and for a single file.
    pub(crate) cache: Option<FileCache>,
}

/// What all loops and workers share.
struct SiteState {
    resolver: Resolver,
    listing: bool,
    /// The path of the page of a single-page application.
    spa: Option<Vec<u8>>,
    cache_control: String,
    cache_bytes: usize,
    open_files: usize,
    writer: Arc<WriteContext>,
    pages: listing::Pages,
    readings: listing::Readings,
    /// The prepared text of a 404, if it depends on nothing but the path.
    missing: Option<NotFoundLine>,
}

impl Site {
    /// Opens the root: a folder, or a single file.
    ///
    /// # Errors
    /// The error of the kernel for `root`.
    pub fn open(root: &Path, settings: Settings) -> io::Result<Site> {
        let (folder, single) = Root::of(root, settings.symlinks)?;
        let single = single.map(|name| {
            // The URL has the name that the operator gave, even if that is a link to a file of
            // another name.
            let url = root.file_name().map_or(&name[..], OsStrExt::as_bytes);
            SingleFile { url: [b"/", url].concat(), path: [b"/", &name[..]].concat() }
        });
        let rights = Rights {
            // Nothing can be added to a single file.
            upload: settings.upload && single.is_none(),
            overwrite: settings.overwrite,
            delete: settings.delete,
        };
        let resolver = Resolver { root: folder, index: settings.index, dotfiles: settings.dotfiles, single };
        // Temporary files of a killed server in the root. Other folders are swept when they are
        // first written to.
        if rights.any()
            && let Ok(folder) = resolver.root.writable_folder(b"/")
        {
            resolver.root.sweep(&folder);
        }
        let has_plain_errors = settings.spa.is_none() && resolver.single.is_none();
        let (max_body, open_form_files) = (settings.max_body, 0.into());
        let writer = WriteContext { resolver: resolver.clone(), rights, max_body, open_form_files };
        Ok(Site::with(Arc::new(SiteState {
            resolver,
            listing: settings.listing,
            spa: settings.spa.map(|name| format!("/{name}").into_bytes()),
            cache_control: match settings.cache_control {
                CacheControl::Revalidate => "no-cache".into(),
                CacheControl::Off => "no-store".into(),
                CacheControl::Seconds(seconds) if settings.private => format!("private, max-age={seconds}"),
                CacheControl::Seconds(seconds) => format!("max-age={seconds}"),
            },
            cache_bytes: settings.cache_bytes,
            open_files: settings.open_files,
            writer: Arc::new(writer),
            pages: listing::Pages::default(),
            readings: listing::Readings::default(),
            missing: has_plain_errors.then(NotFoundLine::new),
        })))
    }

    /// A site for one loop, with an empty cache.
    fn with(state: Arc<SiteState>) -> Site {
        let SiteState { resolver, cache_bytes, open_files, .. } = &*state;
        // A hit calls stat() on the loop, so the file system must never wait for a network.
        let is_local = resolver.root.open_method() == OpenMethod::Cached;
        let has_cache = *cache_bytes > 0 && resolver.single.is_none() && is_local;
        let cache = has_cache.then(|| FileCache::new(*cache_bytes, *open_files));
        Site { state, cache }
    }

    /// The folder, for other parts that read or write in it.
    pub fn root(&self) -> &Root {
        &self.state.resolver.root
    }
}

impl Service for Site {
    fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        let resolver = &self.state.resolver;
        if let Some(answer) = self.cache.as_mut().and_then(|cache| cache.lookup(request, &resolver.root, context)) {
            return answer;
        }
        if let Some(answer) = write::answer(&self.state.writer, request, context) {
            return answer;
        }
        if let Some(response) = self.state.respond(request, context, false, None) {
            if let Some(cache) = &mut self.cache {
                cache.store(request, &response, &resolver.root, &resolver.index, context.now);
            }
            return Answer::Now(response);
        }
        let (state, context) = (Arc::clone(&self.state), *context);
        let request = request.clone().into_owned();
        // A path that ends in a slash will be listed, which takes seconds for 100,000 entries.
        let lane = if request.path().ends_with(b"/") { Lane::Long } else { Lane::Short };
        // The request joins a reading now, when it arrives. On the worker it would miss the one
        // that begins meanwhile.
        let reading = (lane == Lane::Long).then(|| self.state.readings.join(request.path()));
        let job = move || {
            let response = state.respond(&request, &context, true, reading);
            // A worker may block, so only a lookup that lost every race ends here.
            Outcome::Response(response.unwrap_or_else(|| disk_error::response(&request, &Errno::AGAIN.into())))
        };
        Answer::Blocking(lane, Box::new(job))
    }

    fn methods(&self) -> Vec<Method> {
        self.state.writer.rights.methods()
    }

    fn relieve(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.close_files();
        }
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Site::with(Arc::clone(&self.state)))
    }
}

impl SiteState {
    /// The response; `None` if it would block and must not. `reading` is the one a listing may use.
    fn respond(
        &self,
        request: &Request<'_>,
        context: &RequestContext,
        may_block: bool,
        reading: Option<listing::Reading>,
    ) -> Option<Response> {
        let error = match self.respond_with_file(request, context, may_block, reading) {
            Ok(response) => return Some(response),
            Err(FileError::WouldBlock) => return None,
            Err(FileError::Disk(error)) => error,
        };
        // The most frequent error, so it has a short way.
        if disk_error::status_of(&error) == Status::NOT_FOUND
            && let Some(response) = self.missing_line(request)
        {
            return Some(response);
        }
        match self.failure(request, &error, may_block) {
            Ok(response) => Some(response),
            Err(FileError::WouldBlock) => None,
            // The error page needed the disk and failed too. The plain one needs no disk.
            Err(FileError::Disk(_)) => Some(disk_error::response(request, &error)),
        }
    }

    /// Everything but errors: a file, a folder, a redirect, or the refusal of a method.
    fn respond_with_file(
        &self,
        request: &Request<'_>,
        context: &RequestContext,
        may_block: bool,
        reading: Option<listing::Reading>,
    ) -> Result<Response, FileError> {
        // Style sheets and scripts of the listing are part of the program.
        if is_read(request)
            && let Some(response) = listing::asset(request.path())
        {
            return Ok(response);
        }
        let rights = self.writer.rights;
        let mut file_context = FileContext {
            cache_control: &self.cache_control,
            now: context.now,
            varies_by_accept: false,
            sandbox: rights.can_write(),
        };
        // Existence first: a method is only refused for a target that exists.
        let found = match self.find(request, may_block) {
            Err(error) if error.is_not_found() => match self.application(request, may_block)? {
                Some(page) => {
                    file_context.varies_by_accept = true;
                    Resource::File(page)
                }
                None => return self.respond_for_free_name(request, context).ok_or(error),
            },
            found => found?,
        };
        // For every method: the client should repeat the request at the right address.
        if let Resource::Redirect { location, permanent } = found {
            return Ok(self.redirect(request, location, permanent));
        }
        let kind = if self.resolver.single.is_some() { TargetKind::File } else { TargetKind::of_path(request.path()) };
        match request.method() {
            Method::Options => return Ok(rights.options(kind)),
            _ if !is_read(request) => return Ok(rights.not_allowed(request, kind, context.peer)),
            // After the check of the method: 417 must not hide a 405.
            _ if request.expectation() == Expectation::Unknown => return Ok(router::expectation_failed(request)),
            _ => {}
        }
        match found {
            Resource::File(file) => retrieve(request, file, &self.resolver, &file_context, may_block),
            // Reading a folder takes long even when it is in memory.
            Resource::Directory(_) if !may_block => Err(FileError::WouldBlock),
            Resource::Directory(directory) => {
                let (dotfiles, cache_control) = (self.resolver.dotfiles, &*self.cache_control);
                let listing = listing::ListingContext { dotfiles, rights, cache_control, pages: &self.pages };
                let reading = reading.unwrap_or_else(|| self.readings.join(request.path()));
                Ok(listing::respond(request, directory, reading, listing))
            }
            Resource::Redirect { .. } => Err(FileError::not_found()),
        }
    }

    /// The resource at the path, if it may be shown.
    fn find<'a>(&self, request: &'a Request<'_>, may_block: bool) -> Result<Resource<'a>, FileError> {
        let asks_for_methods = request.method() == Method::Options && self.writer.rights.any();
        // The start of an application is its page, under any name.
        let is_start = self.spa.is_some() && request.path() == b"/";
        match self.resolver.find(request.path(), may_block)? {
            // A removed folder that is held open still looks like an empty one.
            Resource::Directory(_) if self.resolver.root.is_gone() => Err(FileError::not_found()),
            Resource::Directory(_) if is_start && is_read(request) => Err(FileError::not_found()),
            // A folder that is not listed may still take uploads, and OPTIONS has to say so.
            Resource::Directory(_) if !(self.listing || is_start || asks_for_methods) => Err(FileError::not_found()),
            found => Ok(found),
        }
    }

    /// The response where a free name makes a difference. `None`: it is 404.
    fn respond_for_free_name(&self, request: &Request<'_>, context: &RequestContext) -> Option<Response> {
        if self.resolver.is_hidden(request.path()) {
            return None;
        }
        let rights = self.writer.rights;
        let is_file = TargetKind::of_path(request.path()) == TargetKind::File;
        match request.method() {
            // A PUT may create the file, so a missing file is no reason for 404, but the missing
            // right is one for 405.
            Method::Put => Some(rights.not_allowed(request, TargetKind::Free, context.peer)),
            Method::Options if rights.upload && is_file => Some(rights.options(TargetKind::Free)),
            _ => None,
        }
    }

    /// The page of a single-page application, which answers unknown paths when a browser navigates.
    /// A script that fetches a missing file gets 404.
    fn application(&self, request: &Request<'_>, may_block: bool) -> Result<Option<FoundFile<'static>>, FileError> {
        let is_navigation = is_read(request) && accepts_html(request);
        let is_page = is_navigation && self.resolver.single.is_none() && !self.resolver.is_hidden(request.path());
        let Some(path) = self.spa.as_ref().filter(|_| is_page) else { return Ok(None) };
        // If the page is missing, the client gets the 404 of the path it asked for.
        match self.resolver.open_file(path, may_block) {
            Ok((file, meta)) => Ok(Some(FoundFile { file, meta, path: path.clone().into() })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A redirect to another path of this site. It keeps the query, and names no host, so a forged
    /// Host field cannot lead elsewhere.
    fn redirect(&self, request: &Request<'_>, location: String, permanent: bool) -> Response {
        let status = if permanent { Status::PERMANENT_REDIRECT } else { Status::TEMPORARY_REDIRECT };
        // The location is an absolute path, made by `encode`.
        let mut location = location.into_bytes();
        if let Some(query) = request.query() {
            location.push(b'?');
            location.extend_from_slice(query);
        }
        Response::new(status).field("Location", location).field("Cache-Control", &self.cache_control)
    }
}

/// GET or HEAD.
fn is_read(request: &Request<'_>) -> bool {
    matches!(request.method(), Method::Get | Method::Head)
}

#[cfg(test)]
mod tests;
