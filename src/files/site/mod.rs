//! Static files as a [`Service`]: the last step of [`crate::service::app`].
//!
//! The loop first tries to answer with what the kernel has in memory. If that is not enough, the
//! same request goes to a worker, which may block ([`Answer::Blocking`]) and starts again from the
//! beginning. So there is one code path for both.
//!
//! The steps, each with the module that decides it:
//! 1. a kept response that is up to date: `files::cache`;
//! 2. a write that the rights allow: `files::write`, always on a worker;
//! 3. the file, folder or redirect at the path: `files::resource`;
//! 4. if there is none: a file of the program, the page of a single-page application, else 404;
//! 5. OPTIONS, or 405 for a method that does not work on this target;
//! 6. an expectation other than 100-continue: 417;
//! 7. the content: `files::retrieve` for a file, `files::listing` for a folder.
//!
//! | error | for a browser | for a program |
//! |---|---|---|
//! | 403, 404, 500 | the author's `403.html`, `404.html`, `500.html` at the top of the site, if they exist | one line, or JSON |
//! | 404 without a page of the author | links to the nearest folder and to the root | one line, or JSON |
//! | 503, because the root was removed | a sentence for the operator | the same |

mod fallback;
mod follow;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::files::resource::{ERROR_PAGES, Resolver, Resource, SingleFile, encode};
use crate::files::retrieve::{add_sandbox, error_for_sandbox, retrieve, with_true_charset};
use crate::files::rights::TargetKind;
use crate::files::root::{OpenMethod, Root};
use crate::files::site::follow::{Current, Followed};
use crate::files::write::{self, WriteRequest};
use crate::files::{
    Settings, cache::FileCache, cache::MadeByWorkers, cache::open_files::OpenFiles, disk_error, disk_error::Gone,
    listing, representation,
};

use crate::http::{Expectation, Method, Request, Status, field};
use crate::service::error_page::{self, NotFoundLine, PageFormat, Problem, TEXTS};
use crate::service::{Answer, Body, Lane, Outcome, RequestContext, Response, Service, Task, router, text};
pub use follow::RootWatch;

/// Style sheets and scripts of the listing are part of the program and lie under this path.
const ASSETS: &[u8] = b"/.barewire/";

/// A served folder, or a single served file. Each loop has its own, with its own cache.
pub struct Site {
    followed: Arc<Followed>,
    /// Of how many changes of the root this loop knows.
    changes: u64,
    current: Current,
    /// The arrival number for which the root was last seen to be there.
    seen_for: u64,
    /// `None` where checking a file may wait for a network, and for a single file.
    pub(crate) cache: Option<FileCache>,
}

/// What all loops and workers share.
struct SiteState {
    resolver: Arc<Resolver>,
    open_files: Arc<OpenFiles>,
    made: MadeByWorkers,
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
        let (folder, place, single) = Root::of(root, settings.symlinks)?;
        let single = single.map(|name| {
            // The URL has the name that the operator gave, even if that is a link to a file of another name.
            let url = root.file_name().map_or(&name[..], OsStrExt::as_bytes);
            SingleFile { url: [b"/", url].concat(), path: [b"/", &name[..]].concat() }
        });
        let open_files = Arc::new(OpenFiles::new(settings.open_files));
        let current = Current { state: Arc::new(SiteState::new(folder, single, settings, open_files)), gone: None };
        Ok(Site::with(Arc::new(Followed::new(place, current.clone())), current, 0))
    }

    /// Lets the site follow its path, and close files that it keeps open in vain; see [`RootWatch::look`].
    pub fn watch(&self) -> RootWatch {
        RootWatch(self.followed.clone())
    }

    /// A site for one loop, with an empty cache.
    fn with(followed: Arc<Followed>, current: Current, changes: u64) -> Site {
        let SiteState { resolver, open_files, .. } = &*current.state;
        let bytes = resolver.settings.cache_bytes;
        // A hit calls stat() on the loop, so the file system must never wait for a network.
        let is_local = resolver.root.open_method() == OpenMethod::Cached;
        let has_cache = bytes > 0 && resolver.single.is_none() && is_local;
        let cache = has_cache.then(|| FileCache::new(bytes, Arc::clone(open_files)));
        Site { followed, changes, current, seen_for: 0, cache }
    }

    /// The folder, for other parts that read or write in it.
    pub fn root(&self) -> &Root {
        &self.current.state.resolver.root
    }
}

impl Service for Site {
    fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        if let Some(current) = self.followed.changed(&mut self.changes) {
            // What is cached was found in the old folder.
            *self = Site::with(self.followed.clone(), current, self.changes);
        }
        if let Some(why) = self.current.gone {
            return Answer::Now(disk_error::gone(request, why));
        }
        let (state, resolver) = (&self.current.state, &self.current.state.resolver);
        if let Some(answer) = self.cache.as_mut().and_then(|cache| cache.lookup(request, &resolver.root, context)) {
            return answer;
        }
        // A write without the right is refused below, like any method that does not work here.
        if !request.method().is_read() && resolver.rights.allow(request.method()) {
            return write::answer(WriteRequest {
                resolver: Arc::clone(resolver),
                open_files: Arc::clone(&state.open_files),
                request: request.clone().into_owned(),
                context: *context,
            });
        }
        if let Some(response) = state.respond(request, context, false, None) {
            if is_missing(&response) && has_lost_root(&mut self.seen_for, context, resolver) {
                return Answer::Now(disk_error::gone(request, Gone::Missing));
            }
            if let Some(cache) = &mut self.cache {
                cache.store(request, &response, resolver, context.now);
            }
            return Answer::Now(response);
        }
        let mut is_wanted = false;
        if let Some(cache) = &mut self.cache {
            if let Some(answer) = cache.lookup_made(request, &state.made, &resolver.root, context) {
                return answer;
            }
            is_wanted = cache.was_requested(request);
        }
        let (state, context, request) = (Arc::clone(state), *context, request.clone().into_owned());
        let device = resolver.root.device_on_the_way(request.path());
        // A path that ends in a slash will be listed. The request joins a reading now, when it
        // arrives: on the worker it would miss the one that begins meanwhile.
        let reading = request.path().ends_with(b"/").then(|| state.readings.join(request.path()));
        let task = Task { device, ..reading.as_ref().map_or(Lane::Open.into(), listing::Reading::task) };
        let job = move || {
            // A worker may block, so only a lookup that lost every race has no response.
            let response = state.respond(&request, &context, true, reading);
            let response = response.unwrap_or_else(|| disk_error::response(&request, Errno::AGAIN));
            if is_missing(&response) && state.resolver.root.is_gone() {
                return Outcome::Response(disk_error::gone(&request, Gone::Missing));
            }
            if is_wanted {
                state.made.make(&request, &response, &state.resolver, &state.open_files, context.now);
            }
            Outcome::Response(response)
        };
        Answer::Blocking(task, Box::new(job))
    }

    fn methods(&self) -> Vec<Method> {
        self.current.state.resolver.rights.methods()
    }

    fn relieve(&mut self) {
        self.current.state.open_files.clear();
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Site::with(self.followed.clone(), self.current.clone(), self.changes))
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
        let response = match self.respond_with_file(request, context, may_block, reading) {
            Ok(response) => response,
            Err(Errno::AGAIN) if !may_block => return None,
            Err(error) => match self.failure(request, error, may_block) {
                Ok(response) => response,
                Err(Errno::AGAIN) if !may_block => return None,
                // The error page needed the disk and failed too. The plain one needs no disk.
                Err(_) => disk_error::response(request, error),
            },
        };
        let is_error = self.resolver.rights.can_write() && response.status().is_error();
        Some(if is_error { error_for_sandbox(request, response) } else { response })
    }

    /// Everything but errors of the disk.
    fn respond_with_file(
        &self,
        request: &Request<'_>,
        context: &RequestContext,
        may_block: bool,
        reading: Option<listing::Reading>,
    ) -> Result<Response, Errno> {
        if request.path().starts_with(ASSETS)
            && request.method().is_read()
            && let Some(response) = listing::asset(request.path())
        {
            return Ok(response);
        }
        let mut is_fallback = false;
        // Existence first: a method is only refused for a target that exists.
        let found = match self.find(request, may_block) {
            Err(error) if disk_error::is_not_found(error) => {
                if let Some(response) = self.built_in(request, context, may_block)? {
                    return Ok(response);
                }
                match self.application(request, may_block)? {
                    Some(page) => {
                        is_fallback = true;
                        Resource::File(page)
                    }
                    None => return self.respond_for_free_name(request, context).ok_or(error),
                }
            }
            found => found?,
        };
        // A redirect is for every method: the client should repeat the request at the right address.
        if !matches!(found, Resource::Redirect { .. })
            && let Some(response) = self.refuse(request, context, TargetKind::of_path(request.path()))
        {
            return Ok(response);
        }
        match found {
            Resource::Redirect { path, permanent } => Ok(self.redirect(request, &path, permanent)),
            Resource::File(file) => {
                let response = retrieve(request, file, &self.resolver, context.now, may_block)?;
                // With another Accept the client would have got a 404. A cache must know that.
                Ok(if is_fallback { response.varying_by("Accept") } else { response })
            }
            // Reading a folder takes long even when it is in memory.
            Resource::Directory(_) if !may_block => Err(Errno::AGAIN),
            Resource::Directory(directory) => {
                let reading = reading.unwrap_or_else(|| self.readings.join(request.path()));
                Ok(listing::respond(request, directory, reading, &self.resolver, &self.pages))
            }
        }
    }

    /// The resource at the path, if it may be shown.
    fn find<'a>(&self, request: &'a Request<'_>, may_block: bool) -> Result<Resource<'a>, Errno> {
        let found = self.resolver.find(request.path(), may_block)?;
        if request.has_other_base() && !matches!(found, Resource::Redirect { .. }) {
            return Ok(Resource::Redirect { path: request.path().to_vec(), permanent: true });
        }
        if !matches!(found, Resource::Directory(_)) {
            return Ok(found);
        }
        // The start of an application is its page, under any name.
        let settings = &self.resolver.settings;
        let is_start = settings.spa.is_some() && request.path() == b"/";
        // A folder that is not listed may still take uploads, and OPTIONS has to say so.
        let asks_for_methods = request.method() == Method::Options && self.resolver.rights.any();
        let is_shown = if is_start { !request.method().is_read() } else { settings.listing || asks_for_methods };
        // A removed folder that is held open still looks like an empty one.
        if is_shown && !self.resolver.root.is_gone() { Ok(found) } else { Err(Errno::NOENT) }
    }

    /// The response to OPTIONS, to a method that does not work on this file or folder, and to an unknown expectation.
    fn refuse(&self, request: &Request<'_>, context: &RequestContext, kind: TargetKind) -> Option<Response> {
        if request.method().is_read() {
            // Only here: 417 must not hide a 405.
            let is_unknown = request.expectation() == Expectation::Unknown;
            return is_unknown.then(|| router::expectation_failed(request));
        }
        let is_single = self.resolver.single.is_some();
        let kind = if is_single { TargetKind::File } else { kind };
        Some(match request.method() {
            Method::Options => self.resolver.rights.options(kind),
            _ => self.resolver.rights.not_allowed(request, kind, context),
        })
    }

    /// A redirect to another path of this site.
    fn redirect(&self, request: &Request<'_>, path: &[u8], permanent: bool) -> Response {
        let mut response = router::moved(request, &text::reference(&request.base(), path));
        if !permanent {
            response = response.with_status(Status::TEMPORARY_REDIRECT);
        }
        response.field("Cache-Control", &self.resolver.cache_control)
    }

    /// The response for an error of the disk: the table at the head of this file. The author's
    /// pages lie on the disk too, so this may block.
    fn failure(&self, request: &Request<'_>, error: Errno, may_block: bool) -> Result<Response, Errno> {
        let status = disk_error::status_of(error);
        let is_browser = accepts_html(request);
        // 404 is the most frequent error, mostly for robots, which get text. So its text is prepared.
        if status == Status::NOT_FOUND
            && !is_browser
            && let Some(line) = self.missing.as_ref().filter(|_| PageFormat::of(request) == PageFormat::Text)
        {
            return Ok(line.response(request.whole_path()));
        }
        // Only for browsers: a program gets one line or JSON, even if the author has a page.
        let own = if is_browser { self.author_page(status, may_block)? } else { None };
        let (mut problem, note) = disk_error::explain(error);
        if own.is_none() && status == Status::NOT_FOUND {
            // Finding the folder costs some opens, and a program would not follow the link.
            let is_useful = is_browser && self.resolver.single.is_none();
            let parent = if is_useful { self.resolver.nearest_folder(request.path(), may_block)? } else { None };
            problem = Problem::not_found(request.whole_path(), parent.as_deref());
            if let (Some(parent), [(label, _), _]) = (&parent, &mut problem.links[..]) {
                let folder = text::shown(&[request.prefix(), parent].concat());
                *label = TEXTS.say("link folder", &[("folder", &folder)]);
            }
            if let Some(single) = &self.resolver.single {
                problem.links = vec![(TEXTS.say("link file", &[]), encode(&single.url))];
            }
        }
        let mut response = own.unwrap_or_else(|| error_page::problem(request, &problem));
        // With another Accept, the application would have answered. A cache must know that.
        if self.resolver.settings.spa.is_some() {
            response = response.varying_by("Accept");
        }
        Ok(disk_error::add_note(response, note))
    }

    /// The author's page for this status: `404.html` and the like.
    fn author_page(&self, status: Status, may_block: bool) -> Result<Option<Response>, Errno> {
        let name = format!("{}.html", status.code());
        if self.resolver.single.is_some() || !ERROR_PAGES.contains(&&*name) {
            return Ok(None);
        }
        match self.resolver.open_file(name.as_bytes(), may_block) {
            Ok((file, meta)) => {
                let media_type = with_true_charset(representation::media_type(name.as_bytes()), &file, may_block)?;
                let response = Response::new(status).field("Content-Type", media_type.as_bytes());
                let body = Body::File { file: Arc::new(file), from: 0, len: meta.size };
                // This page may have been uploaded, like any other.
                let response =
                    if self.resolver.rights.can_write() { add_sandbox(response, &media_type) } else { response };
                Ok(Some(response.field("Vary", "Accept").with_body(body)))
            }
            Err(Errno::AGAIN) if !may_block => Err(Errno::AGAIN),
            // A second error must not hide the first one: this server's own page needs no disk.
            Err(_) => Ok(None),
        }
    }
}

/// Whether the reason may be that the root was removed. Under Landlock everything in a removed root is forbidden.
fn is_missing(response: &Response) -> bool {
    matches!(response.status(), Status::NOT_FOUND | Status::FORBIDDEN)
}

/// Whether the root was removed. Robots ask for many missing files: requests that arrived together share this check, as
/// in the cache. `seen_for` is the arrival number for which the root was last seen.
fn has_lost_root(seen_for: &mut u64, context: &RequestContext, resolver: &Resolver) -> bool {
    let is_gone = *seen_for != context.arrival && resolver.root.is_gone();
    if !is_gone {
        *seen_for = context.arrival;
    }
    is_gone
}

/// Whether the client is a browser that navigates: its `Accept` names text/html.
fn accepts_html(request: &Request<'_>) -> bool {
    let mut accepted = request.fields("accept").flat_map(field::weighted);
    accepted.any(|(name, weight)| weight > 0 && name.eq_ignore_ascii_case(b"text/html"))
}

#[cfg(test)]
mod tests;
