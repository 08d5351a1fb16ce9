//! The listing of a folder without an index file: an HTML page, lines for a terminal, or JSON.
//!
//! RFC 9110 §12.5.1 (Accept), §8.8.3 (ETag), §15.4.5 (304). The page works without scripts. One script filters, shows
//! times in the reader's zone and remembers light or dark. Where clients may write, a second one uploads dropped files
//! (PUT, one request for each) and deletes; without it a plain form adds files (POST).
//!
//! Programs read the page too. wget and rclone follow its links, fsspec and httpdirfs take each link
//! but `../` for an entry, GDAL looks at the title and at one link in each line. So the only links are
//! `../` and the entries, one in a line, and all else is a button of a form.
//!
//! No script and no style is inside the page: they have addresses of their own ([`asset`]) with a hash of their
//! content, so browsers keep them for ever, and the Content-Security-Policy needs no exception.
//!
//! The entity-tag is made from everything that the page depends on: path, entries, order, rights and this program. So
//! an unchanged listing is answered with 304 before anything is sorted or rendered. The modification time of the folder
//! would not be enough: it stays the same when a file in the folder grows.

mod in_flight;
mod order;
mod render;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use askama::Template;

use crate::files::precondition::{self, Verdict};
use crate::files::resource::{Resolver, is_hidden};
use crate::files::root::{Directory, Entry, FileKind};
use crate::files::validator::{Validators, hash, mix};
use crate::files::{disk_error, rights::Rights};
use crate::http::{Request, Status};
use crate::service::error_page::{self, PageFormat, Problem, TEXTS};
use crate::service::{Body, Response, text};

use in_flight::FoundPage;
pub(crate) use in_flight::{Pages, Reading, Readings};
use order::{By, Order, sorted};

/// The listing of a folder, for GET and HEAD. `pages` are those that are being sent to other clients. Blocks.
pub(crate) fn respond(
    request: &Request<'_>,
    directory: Directory,
    reading: Reading,
    resolver: &Resolver,
    pages: &Pages,
) -> Response {
    // `.well-known` is shown at the top only. A path may have several slashes.
    let at_root = request.path().iter().all(|&b| b == b'/');
    let read = |directory: &Directory| {
        let mut entries = directory.entries()?;
        // Hidden names are not served, so they must not be listed either.
        entries.retain(|entry| !is_hidden(&entry.name, at_root, resolver.settings.dotfiles));
        Ok(entries)
    };
    let entries = match reading.entries(directory, read) {
        Ok(entries) => entries,
        Err(error) => return disk_error::response(request, error),
    };
    let response = respond_with(request, &entries, resolver.rights, &resolver.cache_control, pages);
    if let Body::Bytes(page) = response.body() {
        reading.keep(page);
    }
    response
}

/// The page, its style sheet and its script. A script has several files, one for each job, which share their functions.
/// It is sent as one response: with one for each file, a listing would fill the wire view with exchanges of scripts.
const TEMPLATE: &str = include_str!("../../pages/listing.html");
const CSS: &str = include_str!("../../pages/listing.css");
const JS: &str = concat!(
    include_str!("../../pages/listing/text.js"),
    include_str!("../../pages/listing/dom.js"),
    include_str!("../../pages/listing/theme.js"),
    include_str!("../../pages/listing/times.js"),
    include_str!("../../pages/listing/filter.js"),
    include_str!("../../pages/listing/page.js"),
);
/// The additions where clients may write.
const WRITE_CSS: &str = include_str!("../../pages/upload.css");
const WRITE_JS: &str = concat!(
    include_str!("../../pages/upload/text.js"),
    include_str!("../../pages/upload/format.js"),
    include_str!("../../pages/upload/server.js"),
    include_str!("../../pages/upload/announce.js"),
    include_str!("../../pages/upload/table.js"),
    include_str!("../../pages/upload/delete.js"),
    include_str!("../../pages/upload/queue.js"),
    include_str!("../../pages/upload/transfer.js"),
    include_str!("../../pages/upload/taken.js"),
    include_str!("../../pages/upload/list.js"),
    include_str!("../../pages/upload/drop.js"),
    include_str!("../../pages/upload/start.js"),
);

/// Addresses of the style sheets and scripts, without the slash at the beginning. The first segment
/// begins with a dot, so they hide no file that would be served.
static CSS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/listing-{:016x}.css", digest(&CSS)));
static JS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/listing-{:016x}.js", digest(&JS)));
static WRITE_CSS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/upload-{:016x}.css", digest(&WRITE_CSS)));
static WRITE_JS_PATH: LazyLock<String> = LazyLock::new(|| format!(".barewire/upload-{:016x}.js", digest(&WRITE_JS)));
/// The part of the entity-tag that depends on this program.
static PROGRAM: LazyLock<u64> =
    LazyLock::new(|| digest(&(env!("CARGO_PKG_VERSION"), TEMPLATE, CSS, JS, WRITE_CSS, WRITE_JS)));

/// For content that never changes under its address: a year, the longest time in use.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Everything comes from this server. `data:` is for the icons in the style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Bytes of a page without its rows, for the size of a buffer.
const PAGE_BYTES: usize = 4096;

/// The style sheet or script with the address `path`.
pub(crate) fn asset(path: &[u8]) -> Option<Response> {
    let path = path.strip_prefix(b"/")?;
    // Nearly every path ends here, before the addresses are compared.
    if !path.starts_with(b".barewire/") {
        return None;
    }
    let assets = [(&CSS_PATH, CSS), (&JS_PATH, JS), (&WRITE_CSS_PATH, WRITE_CSS), (&WRITE_JS_PATH, WRITE_JS)];
    let text = assets.into_iter().find(|(at, _)| path == at.as_bytes()).map(|(_, text)| text)?;
    let media_type = if path.ends_with(b".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let response = Response::content(Status::OK, media_type, text);
    Some(response.field("Cache-Control", FOR_EVER))
}

/// The listing of these entries in the form and order that the request asks for, or 304.
fn respond_with(
    request: &Request<'_>,
    entries: &[Entry],
    rights: Rights,
    cache_control: &str,
    pages: &Pages,
) -> Response {
    let path = request.path();
    let (form, order) = (PageFormat::of_listing(request), Order::of(request.query()));
    let validators = validators(request, (form, order), rights, entries);
    let add_common = |response: Response| {
        let response = response.field("ETag", validators.tag.bytes());
        response.field("Cache-Control", cache_control).field("Vary", "Accept, User-Agent")
    };
    match precondition::evaluate(request, Some(&validators)) {
        Verdict::NotModified => return add_common(Response::new(Status::NOT_MODIFIED)),
        Verdict::Failed => return error_page::problem(request, &Problem::new(Status::PRECONDITION_FAILED)),
        // No ranges: each one would cost as much as the whole page.
        Verdict::Proceed { .. } => {}
    }
    // Before rendering, because rendering is what costs.
    let page = match pages.find(validators.tag, path) {
        FoundPage::Same(page) => page,
        FoundPage::Full => {
            return error_page::problem(request, &Problem::of(Status::SERVICE_UNAVAILABLE, "many listings", &[]));
        }
        FoundPage::MayBeMade => match render(request, form, rights, &sorted(entries, order), order) {
            Ok(page) => pages.add(validators.tag, path, page),
            Err(error) => {
                return error_page::internal_error(request, &format!("a listing could not be written: {error}"));
            }
        },
    };
    let response = match form {
        PageFormat::Text => Response::text(Status::OK, page),
        PageFormat::Json => Response::json(Status::OK, page),
        PageFormat::Html => Response::html(Status::OK, page)
            .field("Content-Security-Policy", POLICY)
            .field("Referrer-Policy", "same-origin"),
    };
    add_common(response)
}

/// The content of the response.
fn render(
    request: &Request<'_>,
    form: PageFormat,
    rights: Rights,
    entries: &[&Entry],
    order: Order,
) -> askama::Result<Vec<u8>> {
    match form {
        PageFormat::Text => Ok(render::text(entries)),
        PageFormat::Json => Ok(render::json(request.whole_path(), entries).into_bytes()),
        PageFormat::Html => page(request, rights, entries, order).map(String::into_bytes),
    }
}

/// The entity-tag of a listing. It has no date.
fn validators(request: &Request<'_>, variant: (PageFormat, Order), rights: Rights, entries: &[Entry]) -> Validators {
    // A sum, because the disk may name the entries in any order.
    let sum = entries.iter().fold(0u64, |sum, entry| sum.wrapping_add(fingerprint(entry)));
    // Other rights make another page: other scripts and another form.
    let whole = digest(&(*PROGRAM, variant, request.whole_path(), request.raw_path(), rights, entries.len(), sum));
    Validators::of_content(&whole.to_be_bytes())
}

/// The hash of one entry. With 100,000 of them, the hasher of the standard library would take five times as long.
fn fingerprint(entry: &Entry) -> u64 {
    let (seconds, nanoseconds) = entry.modified;
    let kind = u64::from(entry.kind == FileKind::Directory);
    [kind, entry.size, seconds as u64, u64::from(nanoseconds)].into_iter().fold(hash(&entry.name), mix)
}

/// A hash by the standard library, with fixed keys: the same after each restart of the same build,
/// so the copies of browsers stay valid.
fn digest(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

struct Column {
    title: String,
    /// The values of `sort` and `order` in the query that its button leads to.
    name: &'static str,
    order: &'static str,
    sorted: Option<&'static str>,
}

/// The values of the template.
#[derive(Template)]
#[template(path = "listing.html", config = "src/pages/askama.toml")]
struct ListingPage<'a> {
    /// The path as it was sent, for the title: GDAL takes a page for a listing only if its title has the
    /// path of the address, encoded as there. The script of the page decodes it for people.
    path: String,
    /// The relative path to the root. All references are relative, so the page works with a proxy
    /// that adds a prefix, and no folder called `//host` can lead to another server.
    up: &'a str,
    /// The same as a reference: never empty, which would lead to this page with its query.
    home: &'a str,
    css: &'a str,
    js: &'a str,
    write_css: &'a str,
    write_js: &'a str,
    rights: Rights,
    /// The names of the rights, for the script.
    right_names: String,
    /// Name and reference of each folder on the way.
    crumbs: Vec<(String, String)>,
    summary: String,
    permission: String,
    /// Whether the table would be empty: no entries, and no parent folder.
    bare: bool,
    columns: [Column; 3],
    rows: render::Rows<'a>,
}

fn page(request: &Request<'_>, rights: Rights, entries: &[&Entry], order: Order) -> askama::Result<String> {
    // As the client counts: what `../` means depends on the path that it has sent.
    let base = request.base();
    let (crumbs, up) = (crumbs(&base), up(&base));
    let page = ListingPage {
        path: text::shown(request.whole_raw_path()),
        up: &up,
        home: if up.is_empty() { "./" } else { &up },
        css: &CSS_PATH,
        js: &JS_PATH,
        write_css: &WRITE_CSS_PATH,
        write_js: &WRITE_JS_PATH,
        rights,
        right_names: right_names(rights),
        bare: crumbs.is_empty() && entries.is_empty(),
        crumbs,
        summary: summary(entries),
        permission: permission(rights),
        columns: [By::Name, By::Size, By::Time].map(|by| column(by, order)),
        rows: render::Rows(entries),
    };
    // Each row has the name twice.
    let rows: usize = entries.iter().map(|entry| render::ROW_BYTES + 2 * entry.name.len()).sum();
    // One allocation for the whole page: with 100,000 entries it has 20 MB.
    let mut out = String::with_capacity(PAGE_BYTES + rows);
    page.render_into(&mut out)?;
    Ok(out)
}

/// The segments of a path that ends with a slash. Empty ones count, because they count for a client
/// that resolves `../` (RFC 3986 §5.2.4).
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = path.strip_prefix(b"/").unwrap_or(path);
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    inner.split(|&b| b == b'/').skip(usize::from(inner.is_empty()))
}

/// The relative path to the root.
fn up(path: &[u8]) -> String {
    "../".repeat(segments(path).count())
}

/// Name and reference of each folder on the way.
fn crumbs(path: &[u8]) -> Vec<(String, String)> {
    let steps = segments(path).count();
    // An empty segment has no name to show, but `../` still has to climb over it.
    let named = segments(path).enumerate().filter(|(_, name)| !name.is_empty());
    named.map(|(at, name)| (text::shown(name), "../".repeat(steps - 1 - at))).collect()
}

/// How many folders and files there are, and how many bytes.
fn summary(entries: &[&Entry]) -> String {
    let folders = entries.iter().filter(|entry| entry.kind == FileKind::Directory).count();
    let files = entries.len() - folders;
    // Saturating: sparse files may claim any size.
    let bytes =
        entries.iter().filter(|entry| entry.kind == FileKind::File).fold(0, |sum: u64, e| sum.saturating_add(e.size));
    let size = text::size(bytes);
    match (folders, files) {
        (0, 0) => TEXTS.say("empty folder", &[]),
        (_, 0) => TEXTS.say("folders", &[("folders", &folders)]),
        (0, _) => TEXTS.say("files", &[("files", &files), ("size", &size)]),
        _ => TEXTS.say("folders and files", &[("folders", &folders), ("files", &files), ("size", &size)]),
    }
}

/// What the reader may do: the sentence after the summary.
fn permission(rights: Rights) -> String {
    let name = match (rights.upload, rights.overwrite, rights.delete) {
        (false, false, false) => return String::new(),
        (true, false, false) => "may add",
        (true, true, false) => "may add, overwrite",
        (true, false, true) => "may add, delete",
        (true, true, true) => "may add, overwrite, delete",
        (false, true, false) => "may overwrite",
        (false, true, true) => "may overwrite, delete",
        (false, false, true) => "may delete",
    };
    TEXTS.say(name, &[])
}

/// The rights in the form that the script of the page reads.
fn right_names(rights: Rights) -> String {
    let all = [(rights.upload, "upload"), (rights.overwrite, "overwrite"), (rights.delete, "delete")];
    all.into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// A column title with a button for the listing in this order, or in the other direction if it has this order already.
/// A button of a form and not a link, because `wget -m` would fetch each folder in every order.
fn column(by: By, order: Order) -> Column {
    let (title, name) = match by {
        By::Name => ("column name", "name"),
        By::Size => ("column size", "size"),
        By::Time => ("column time", "time"),
    };
    // Sizes and times begin with the largest and the newest.
    let descending = if by == order.by { !order.descending } else { by != By::Name };
    Column {
        title: TEXTS.say(title, &[]),
        name,
        order: if descending { "desc" } else { "asc" },
        sorted: (by == order.by).then_some(if order.descending { "descending" } else { "ascending" }),
    }
}

#[cfg(test)]
mod tests;
