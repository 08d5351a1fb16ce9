//! A folder without an index as a page, as lines for a terminal, or as JSON.
//!
//! RFC 9110 §12.5.1 (Accept), §8.8.3 (ETag), §15.4.5 (304). The page works without scripts; its script
//! only filters, tells times in the reader's zone and remembers light or dark. Where something may be
//! changed there is a second script, which sends what is dropped (PUT, one request a file) and deletes;
//! without it a plain form adds files (POST).
//!
//! Never: anything foreign, and no script or style inside the page. Both have addresses of their own
//! ([`asset`]), named after their content, so that browsers keep them for ever and the policy needs no
//! exception. The first segment of those addresses is a dot name, so a folder hides nothing that it
//! would otherwise show.
//!
//! The subtle thing: the page is a function of the path, the entries, the order, the rights and this
//! program, so the entity-tag is made of those and not of the page: a true repeat is answered 304 before anything
//! is sorted or written. The modification time of the folder would not do, because it stays the same
//! when a file inside grows. The tags of the entries are added up, so the order in which the disk
//! names them does not matter.

mod in_flight;
mod order;
mod render;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use askama::Template;

use crate::files::disk_error;
use crate::files::precondition;
use crate::files::precondition::Verdict;
use crate::files::resource::is_hidden;
use crate::files::root::{Directory, Entry, FileKind};
use crate::files::validator::{Validators, hash, mix};
use crate::files::write::rights::Rights;
use crate::http::{Request, Status};
use crate::service::Response;
use crate::service::error_page;
use crate::service::error_page::{Form, Problem};

use in_flight::FoundPage;
pub(crate) use in_flight::{Pages, Reading, Readings};
use order::{By, Order, sorted};

/// What a listing is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListingContext<'a> {
    /// Whether names that begin with a dot are shown.
    pub dotfiles: bool,
    /// What may be changed here.
    pub rights: Rights,
    /// What Cache-Control says.
    pub cache_control: &'a str,
    /// Pages on their way to others.
    pub pages: &'a Pages,
}

/// The listing of a folder, for GET and HEAD. Blocks.
pub(crate) fn respond(
    request: &Request<'_>,
    directory: Directory,
    reading: Reading,
    context: ListingContext<'_>,
) -> Response {
    let at_root = request.path().iter().all(|&b| b == b'/');
    let read = |directory: &Directory| {
        let mut entries = directory.entries()?;
        entries.retain(|entry| !is_hidden(&entry.name, at_root, context.dotfiles));
        Ok(entries)
    };
    let entries = match reading.entries(directory, read) {
        Ok(entries) => entries,
        Err(error) => return disk_error::response(request, &error.into()),
    };
    let wanted = Wanted::by(request);
    let validators = validators(wanted, request.path(), context.rights, &entries);
    answer(request, &entries, wanted, validators, context)
}

/// Which of the pages of a folder a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    form: Form,
    order: Order,
}

impl Wanted {
    /// What this request wants.
    pub(crate) fn by(request: &Request<'_>) -> Wanted {
        Wanted { form: form(request), order: Order::of(request.query()) }
    }
}

const TEMPLATE: &str = include_str!("../../pages/listing.html");
const CSS: &str = include_str!("../../pages/listing.css");
const JS: &str = include_str!("../../pages/listing.js");
/// What the page needs besides where something may be changed.
const WRITE_CSS: &str = include_str!("../../pages/upload.css");
static WRITE_JS: LazyLock<String> = LazyLock::new(|| lean(include_str!("../../pages/upload.js")));

/// Where the style sheets and the scripts of the page are, without the slash before.
static CSS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/listing-{:016x}.css", digest(&CSS)));
static JS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/listing-{:016x}.js", digest(&JS)));
static WRITE_CSS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/upload-{:016x}.css", digest(&WRITE_CSS)));
static WRITE_JS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/upload-{:016x}.js", digest(&*WRITE_JS)));
/// What every page owes to this program.
static PROGRAM: LazyLock<u64> =
    LazyLock::new(|| digest(&(env!("CARGO_PKG_VERSION"), TEMPLATE, CSS, JS, WRITE_CSS, &*WRITE_JS)));

/// How long a browser may keep what will never change: a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Everything comes from this server; `data:` is for the small pictures in the style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Bytes of a page without its rows: the shell, its crumbs and its columns.
const SHELL_BYTES: usize = 4096;

/// A script without its indentation and its lines of comment. None of its strings has a line end inside.
fn lean(script: &str) -> String {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/**");
    let lines = script.lines().map(str::trim_start).filter(is_code);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A style sheet or a script of a listing, if `path` is the address of one. Asked before the disk.
pub(crate) fn asset(path: &[u8]) -> Option<Response> {
    let path = path.strip_prefix(b"/")?;
    if !path.starts_with(b".barewire/") {
        return None;
    }
    let assets = [(&CSS_PATH, CSS), (&JS_PATH, JS), (&WRITE_CSS_PATH, WRITE_CSS), (&WRITE_JS_PATH, &WRITE_JS)];
    let text = assets.into_iter().find(|(at, _)| path == at.as_bytes()).map(|(_, text)| text)?;
    let media_type = if path.ends_with(b".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let response = Response::content(Status::OK, media_type, text);
    Some(response.field("Cache-Control", FOR_EVER))
}

/// The listing of a folder in the form and the order the request asks for, or 304 when the client has
/// exactly that. References in a page are resolved against the path of the request, which ends with a
/// slash; its empty segments are steps too.
fn answer(
    request: &Request<'_>,
    entries: &[Entry],
    Wanted { form, order }: Wanted,
    validators: Validators,
    context: ListingContext<'_>,
) -> Response {
    let path = request.path();
    let base = |response: Response| {
        let response = response.field("ETag", validators.tag.bytes());
        response.field("Cache-Control", context.cache_control).field("Vary", "Accept, User-Agent")
    };
    match precondition::evaluate(request, Some(&validators)) {
        Verdict::NotModified => return base(Response::new(Status::NOT_MODIFIED)),
        Verdict::Failed => return error_page::problem(request, &Problem::new(Status::PRECONDITION_FAILED)),
        // A page made for this request has no ranges: they would cost as much as the whole.
        Verdict::Proceed { .. } => {}
    }
    let page = match context.pages.find(validators.tag, path) {
        FoundPage::Same(page) => page,
        FoundPage::Full => {
            let mut problem = Problem::new(Status::SERVICE_UNAVAILABLE);
            problem.sentence = "Too many long listings are being sent just now.".into();
            return error_page::problem(request, &problem);
        }
        FoundPage::MayBeMade => match write(form, path, context.rights, &sorted(entries, order), order) {
            Ok(page) => context.pages.add(validators.tag, path, page),
            Err(error) => return error_page::failure(request, &format!("a listing could not be written: {error}")),
        },
    };
    let response = match form {
        Form::Text => Response::text(Status::OK, page),
        Form::Json => Response::json(Status::OK, page),
        Form::Html => Response::html(Status::OK, page)
            .field("Content-Security-Policy", POLICY)
            .field("Referrer-Policy", "same-origin"),
    };
    base(response)
}

fn write(form: Form, path: &[u8], rights: Rights, entries: &[&Entry], order: Order) -> askama::Result<Vec<u8>> {
    match form {
        Form::Text => Ok(render::text(entries)),
        Form::Json => Ok(render::json(path, entries).into_bytes()),
        Form::Html => render(path, rights, entries, order).map(String::into_bytes),
    }
}

/// A page, unless the client names another form, or is curl and names none. Programs that walk a site
/// (`wget -r`) send `*/*` too and follow the links of the page.
fn form(request: &Request<'_>) -> Form {
    let curl = || {
        let agent = request.field("user-agent").is_some_and(|agent| agent.starts_with(b"curl/"));
        agent && (!request.has("accept") || request.list("accept").any(|range| range == b"*/*"))
    };
    match Form::named(request.fields("accept")) {
        Some(form) => form,
        None if curl() => Form::Text,
        None => Form::Html,
    }
}

fn validators(Wanted { form, order }: Wanted, path: &[u8], rights: Rights, entries: &[Entry]) -> Validators {
    let sum = entries.iter().fold(0u64, |sum, entry| sum.wrapping_add(fingerprint(entry)));
    let Rights { upload, overwrite, delete } = rights;
    let whole = digest(&(*PROGRAM, form, order, path, (upload, overwrite, delete), entries.len(), sum));
    Validators::of_content(&whole.to_be_bytes())
}

/// One entry as a number, by the hash of all tags: there may be 100,000, and the hasher below takes five
/// times as long.
fn fingerprint(entry: &Entry) -> u64 {
    let (seconds, nanoseconds) = entry.modified;
    let kind = u64::from(entry.kind == FileKind::Directory);
    [kind, entry.size, seconds as u64, u64::from(nanoseconds)].into_iter().fold(hash(&entry.name), mix)
}

/// The hasher of the standard library with its fixed keys: the same bytes after every restart of the
/// same build, so that what a browser has stays known.
fn digest(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

struct Column {
    title: &'static str,
    href: String,
    sorted: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "listing.html", config = "src/pages/askama.toml")]
struct Page<'a> {
    title: String,
    /// The way to the root: references are relative, so that the page also works behind a proxy that
    /// adds a prefix, and no folder called `//host` can lead elsewhere.
    up: String,
    css: &'a str,
    js: &'a str,
    write_css: &'a str,
    write_js: &'a str,
    rights: Rights,
    /// The rights by name, for the script.
    may: String,
    crumbs: Vec<(String, String)>,
    summary: String,
    /// Whether there is nothing to show in the table, the way up included.
    bare: bool,
    columns: [Column; 3],
    rows: render::Rows<'a>,
}

fn render(path: &[u8], rights: Rights, entries: &[&Entry], order: Order) -> askama::Result<String> {
    let crumbs = crumbs(path);
    let page = Page {
        title: error_page::shown(path),
        up: if crumbs.is_empty() { "./".to_string() } else { up(path) },
        css: &CSS_PATH,
        js: &JS_PATH,
        write_css: &WRITE_CSS_PATH,
        write_js: &WRITE_JS_PATH,
        rights,
        may: names(rights),
        bare: crumbs.is_empty() && entries.is_empty(),
        crumbs,
        summary: summary(entries) + permission(rights),
        columns: [By::Name, By::Size, By::Time].map(|by| column(by, order)),
        rows: render::Rows(entries),
    };
    // A name stands in a row twice.
    let rows: usize = entries.iter().map(|entry| render::ROW_BYTES + 2 * entry.name.len()).sum();
    let mut out = String::with_capacity(SHELL_BYTES + rows);
    page.render_into(&mut out)?;
    Ok(out)
}

/// The segments of a path that ends with a slash. Empty ones count as steps, since they do for a client
/// that resolves `../` (RFC 3986 §5.2.4).
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = path.strip_prefix(b"/").unwrap_or(path);
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    inner.split(|&b| b == b'/').skip(usize::from(inner.is_empty()))
}

fn up(path: &[u8]) -> String {
    "../".repeat(segments(path).count())
}

/// Name and reference of each folder on the way.
fn crumbs(path: &[u8]) -> Vec<(String, String)> {
    let steps = segments(path).count();
    let named = segments(path).enumerate().filter(|(_, name)| !name.is_empty());
    named.map(|(at, name)| (error_page::shown(name), "../".repeat(steps - 1 - at))).collect()
}

fn summary(entries: &[&Entry]) -> String {
    let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let folders = entries.iter().filter(|entry| entry.kind == FileKind::Directory).count();
    let files = entries.len() - folders;
    let bytes =
        entries.iter().filter(|entry| entry.kind == FileKind::File).fold(0, |sum: u64, e| sum.saturating_add(e.size));
    match (folders, files) {
        (0, 0) => "This folder is empty.".to_string(),
        (_, 0) => many(folders, "folder") + ".",
        (0, _) => format!("{}, {}.", many(files, "file"), error_page::size(bytes)),
        _ => format!("{}, {}, {}.", many(folders, "folder"), many(files, "file"), error_page::size(bytes)),
    }
}

/// What the reader may do, after the summary.
fn permission(rights: Rights) -> &'static str {
    match (rights.upload, rights.overwrite, rights.delete) {
        (false, false, false) => "",
        (true, false, false) => " You may add files here; nothing is overwritten.",
        (true, true, false) => " You may add files here; nothing is overwritten unless you say so.",
        (true, false, true) => " You may add and delete files here; nothing is overwritten.",
        (true, true, true) => " You may add and delete files here; nothing is overwritten unless you say so.",
        (false, true, false) => " You may replace the files here, but add none.",
        (false, true, true) => " You may replace and delete the files here, but add none.",
        (false, false, true) => " You may delete files here.",
    }
}

fn names(rights: Rights) -> String {
    let all = [(rights.upload, "upload"), (rights.overwrite, "overwrite"), (rights.delete, "delete")];
    all.into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// A column title that leads to the list in its order, or in the other direction if it is already so.
fn column(by: By, order: Order) -> Column {
    let (title, name) = match by {
        By::Name => ("Name", "name"),
        By::Size => ("Size", "size"),
        By::Time => ("Changed", "time"),
    };
    let descending = if by == order.by { !order.descending } else { by != By::Name };
    Column {
        title,
        href: format!("?sort={name}&order={}", if descending { "desc" } else { "asc" }),
        sorted: (by == order.by).then_some(if order.descending { "descending" } else { "ascending" }),
    }
}

#[cfg(test)]
mod tests;
