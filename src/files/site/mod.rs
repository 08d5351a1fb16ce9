//! Static files as a service: which rule of this room answers (design: "the order of answers").
//!
//! Never: a disk that blocks on the loop. Everything is tried at once with what the kernel has in
//! memory; if that does not suffice, the same question goes to a worker ([`Answer::Blocking`]).
//!
//! The subtle thing: a question that was tried in vain leaves nothing behind, so asking it again from
//! the start on a worker is always right, and no state has to travel half-done.

mod failure;
mod write;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::files::cache::FileCache;
use crate::files::disk_error;
use crate::files::listing;
use crate::files::resource::{FileError, FoundFile, Resolver, Resource, SingleFile};
use crate::files::retrieve;
use crate::files::retrieve::retrieve;
use crate::files::root::{OpenMethod, Root};
use crate::files::settings::{Cache, Settings};
use crate::files::site::failure::accepts_html;
use crate::files::write::checks::Writer;
use crate::files::write::rights::{Kind, Rights, allowing};
use crate::http::{Expectation, Method, Request, Status};
use crate::service::error_page::MissingLine;
use crate::service::router;
use crate::service::{Answer, Lane, Outcome, RequestContext, Response, Service};

/// A served folder (or one served file). Each loop has one of its own, with a shelf of small files
/// that nobody else touches.
pub struct Site {
    shared: Arc<Shared>,
    /// Small files that lie ready; none where looking at a file may wait for a network, or where an
    /// answer depends on who asks.
    pub(crate) shelf: Option<FileCache>,
    /// The arrival for which the root was last seen to be there.
    stood: u64,
}

/// Where a question to the disk is asked.
enum Speed<'a> {
    /// On the loop: only with what the kernel has in memory. `stood` is that of the loop.
    InMemory { stood: &'a mut u64 },
    /// On a worker, with the reading that a listing would share.
    Blocking { reading: Option<listing::Reading> },
}

/// What all loops and workers read.
struct Shared {
    resolver: Resolver,
    listing: bool,
    spa: Option<Vec<u8>>,
    cache_control: String,
    shelf: usize,
    open_files: usize,
    writer: Arc<Writer>,
    pages: listing::Pages,
    readings: listing::Readings,
    /// The line of a 404, where it does not depend on who asks.
    missing: Option<MissingLine>,
}

impl Site {
    /// Opens the root: a folder, or one file that is served alone.
    ///
    /// # Errors
    /// What the kernel says about `root`.
    pub fn open(root: &Path, settings: Settings) -> io::Result<Site> {
        let (resolver, single) = Root::of(root, settings.symlinks)?;
        let single = single.map(|name| {
            let url = root.file_name().map_or(&name[..], |n| std::os::unix::ffi::OsStrExt::as_bytes(n));
            SingleFile { url: [b"/", url].concat(), path: [b"/", &name[..]].concat() }
        });
        // To one file that is served alone there is nothing to add.
        let upload = settings.upload && single.is_none();
        let rights = Rights { upload, overwrite: settings.overwrite, delete: settings.delete };
        let resolver = Resolver { root: resolver, index: settings.index, dotfiles: settings.dotfiles, single };
        if rights.any()
            && let Ok(folder) = resolver.root.writable_folder(b"/")
        {
            resolver.root.sweep(&folder);
        }
        let writer = Writer { resolver: resolver.clone(), rights, max_body: settings.max_body, held: 0.into() };
        let mut shared = Shared {
            resolver,
            writer: Arc::new(writer),
            listing: settings.listing,
            spa: settings.spa.map(|name| format!("/{name}").into_bytes()),
            cache_control: match settings.cache {
                Cache::Revalidate => "no-cache".into(),
                Cache::Off => "no-store".into(),
                Cache::Seconds(seconds) if settings.private => format!("private, max-age={seconds}"),
                Cache::Seconds(seconds) => format!("max-age={seconds}"),
            },
            shelf: settings.shelf,
            open_files: settings.open_files,
            pages: listing::Pages::default(),
            readings: listing::Readings::default(),
            missing: None,
        };
        if shared.spa.is_none() && shared.resolver.single.is_none() {
            shared.missing = Some(MissingLine::new());
        }
        Ok(Site::with(Arc::new(shared)))
    }

    fn with(shared: Arc<Shared>) -> Site {
        let resolver = &shared.resolver;
        let kept = shared.shelf > 0 && resolver.single.is_none();
        let kept = kept && resolver.root.open_method() == OpenMethod::Cached;
        let shelf = kept.then(|| FileCache::new(shared.shelf, shared.open_files));
        Site { shared, shelf, stood: 0 }
    }

    /// One sentence on how the folder is held, for the banner.
    pub fn door(&self) -> &'static str {
        self.shared.resolver.root.open_method().sentence()
    }

    /// The root, for whatever else reads or writes in it.
    pub fn root(&self) -> &Root {
        &self.shared.resolver.root
    }
}

impl Service for Site {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        let root = &self.shared.resolver.root;
        if let Some(ready) = self.shelf.as_mut().and_then(|shelf| shelf.lookup(request, root, visit)) {
            return ready;
        }
        if let Some(answer) = self.shared.write(request, visit) {
            return answer;
        }
        if let Some(response) = self.shared.answer(request, visit, Speed::InMemory { stood: &mut self.stood }) {
            if let Some(shelf) = &mut self.shelf {
                shelf.store(request, &response, root, &self.shared.resolver.index, visit.now);
            }
            return Answer::Now(response);
        }
        let (shared, visit) = (Arc::clone(&self.shared), *visit);
        let request = request.clone().into_owned();
        // A path that ends in a slash is a folder to be listed: seconds, if it has 100,000 entries.
        let lane = if request.path().ends_with(b"/") { Lane::Long } else { Lane::Short };
        // Joined now and not on the worker: a reading that begins from here on will do.
        let reading = (lane == Lane::Long).then(|| self.shared.readings.join(request.path()));
        Answer::Blocking(
            lane,
            Box::new(move || {
                let response = shared.answer(&request, &visit, Speed::Blocking { reading });
                let busy = || {
                    let busy = disk_error::response(&request, &Errno::AGAIN.into());
                    busy
                };
                Outcome::Response(response.unwrap_or_else(busy))
            }),
        )
    }

    fn methods(&self) -> Vec<Method> {
        self.shared.writer.rights.methods()
    }

    fn relieve(&mut self) {
        if let Some(shelf) = &mut self.shelf {
            shelf.close_files();
        }
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Site::with(Arc::clone(&self.shared)))
    }
}

impl Shared {
    /// The response. `None`: a worker must look.
    fn answer(&self, request: &Request<'_>, visit: &RequestContext, speed: Speed<'_>) -> Option<Response> {
        let (reading, stood) = match speed {
            Speed::InMemory { stood } => (None, Some(stood)),
            Speed::Blocking { reading } => (reading, None),
        };
        let may_block = stood.is_none();
        let response = match self.without_disk(request) {
            Some(response) => Ok(response),
            None => self.with_disk(request, visit, may_block, reading),
        };
        if let Err(error) = &response
            && error.is_not_found()
            && let Some(line) = self.missing_line(request, visit, stood)
        {
            return Some(line);
        }
        let response = match response {
            Err(FileError::WouldBlock) => return None,
            Err(FileError::Disk(error)) => match self.failure(request, &error, may_block) {
                Ok(response) => response,
                Err(FileError::WouldBlock) => return None,
                // Even the page of the error could not be had: the plain one always can.
                Err(FileError::Disk(_)) => disk_error::response(request, &error),
            },
            Ok(response) => response,
        };
        Some(response)
    }

    /// Our own style sheets and scripts lie on no disk.
    fn without_disk(&self, request: &Request<'_>) -> Option<Response> {
        let reads = matches!(request.method(), Method::Get | Method::Head);
        if reads { listing::asset(request.path()) } else { None }
    }

    /// Steps 7 to 12.
    fn with_disk(
        &self,
        request: &Request<'_>,
        visit: &RequestContext,
        may_block: bool,
        reading: Option<listing::Reading>,
    ) -> Result<Response, FileError> {
        let reads = matches!(request.method(), Method::Get | Method::Head);
        let rights = self.writer.rights;
        let asks_what_works = request.method() == Method::Options;
        let mut context = retrieve::FileContext {
            cache_control: &self.cache_control,
            now: visit.now,
            varies_by_accept: false,
            sandbox: rights.fill(),
        };
        let found = match self.find(request, may_block) {
            Err(error) if error.is_not_found() => match self.application(request, may_block)? {
                Some(page) => {
                    context.varies_by_accept = true;
                    Resource::File(page)
                }
                // To PUT, a name that is free is no obstacle; that nobody may write here is.
                None if request.method() == Method::Put && !self.resolver.is_hidden(request.path()) => {
                    return Ok(rights.not_allowed(request, Kind::Free, visit.peer));
                }
                None if asks_what_works && self.takes_new(request.path()) => {
                    return Ok(allowing(&rights.allow(Kind::Free)));
                }
                None => return Err(error),
            },
            found => found?,
        };
        if let Resource::Redirect { location, permanent } = found {
            return Ok(self.redirect(request, location, permanent));
        }
        match request.method() {
            Method::Options => return Ok(allowing(&rights.allow(self.kind_of(request.path())))),
            _ if !reads => return Ok(rights.not_allowed(request, self.kind_of(request.path()), visit.peer)),
            _ => {}
        }
        if request.expectation() == Expectation::Unknown {
            return Ok(router::expectation_failed(request));
        }
        match found {
            Resource::File(located) => retrieve(request, located, &self.resolver, &context, may_block),
            // Reading a folder can take long, cached or not.
            Resource::Directory(_) if !may_block => Err(FileError::WouldBlock),
            Resource::Directory(directory) => {
                let (dotfiles, cache_control) = (self.resolver.dotfiles, &*self.cache_control);
                let context = listing::Context { dotfiles, rights, cache_control, pages: &self.pages };
                let reading = reading.unwrap_or_else(|| self.readings.join(request.path()));
                Ok(listing::respond(request, directory, reading, context))
            }
            Resource::Redirect { .. } => Err(FileError::not_found()),
        }
    }

    /// What lies at the path, as far as it is to be seen.
    fn find<'a>(&self, request: &'a Request<'_>, may_block: bool) -> Result<Resource<'a>, FileError> {
        let reads = matches!(request.method(), Method::Get | Method::Head);
        let is_write_asked_for = request.method() == Method::Options && self.writer.rights.any();
        // The start of an application is its page, whatever that is called.
        let is_start = self.spa.is_some() && request.path() == b"/";
        match self.resolver.find(request.path(), may_block)? {
            // A removed folder that is held open still looks like an empty one.
            Resource::Directory(_) if self.resolver.root.is_gone() => Err(FileError::not_found()),
            Resource::Directory(_) if is_start && reads => Err(FileError::not_found()),
            // A folder that is not shown may still take uploads.
            Resource::Directory(_) if !(self.listing || is_start || is_write_asked_for) => Err(FileError::not_found()),
            found => Ok(found),
        }
    }

    /// The kind of what was found at `path`.
    fn kind_of(&self, path: &[u8]) -> Kind {
        if self.resolver.single.is_some() { Kind::File } else { Kind::of_path(path) }
    }

    /// Whether a file could be made under this name, which is free.
    fn takes_new(&self, path: &[u8]) -> bool {
        self.writer.rights.upload && Kind::of_path(path) == Kind::File && !self.resolver.is_hidden(path)
    }

    /// The page of a single-page application, which answers unknown paths of people who look at
    /// pages; a script that asks for a missing file gets its 404.
    fn application(&self, request: &Request<'_>, may_block: bool) -> Result<Option<FoundFile<'static>>, FileError> {
        let reads = matches!(request.method(), Method::Get | Method::Head) && accepts_html(request);
        let is_page = reads && self.resolver.single.is_none() && !self.resolver.is_hidden(request.path());
        let Some(path) = self.spa.as_ref().filter(|_| is_page) else { return Ok(None) };
        match self.resolver.open_file(path, may_block) {
            Ok((file, meta)) => Ok(Some(FoundFile { file, meta, path: path.clone().into() })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The query goes along; the host is not named, so no Host field can lead anybody astray.
    fn redirect(&self, request: &Request<'_>, location: String, permanent: bool) -> Response {
        let status = if permanent { Status::PERMANENT_REDIRECT } else { Status::TEMPORARY_REDIRECT };
        let mut location = location.into_bytes();
        if let Some(query) = request.query() {
            location.push(b'?');
            location.extend_from_slice(query);
        }
        Response::new(status).field("Location", location).field("Cache-Control", &self.cache_control)
    }
}

#[cfg(test)]
mod tests;
