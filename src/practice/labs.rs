//! The labs: the pages of `public/learn/` and the file that they ask for, as parts of the program.
//!
//! | address | found there |
//! |---|---|
//! | `/.try/learn/`, `/.try/learn/hello.txt` | always |
//! | `/learn/`, `/hello.txt` | where the served folder has no entry of that name ([`BuiltIn`]) |
//!
//! A page that comes from here comes from a server with `--study`, so the parts marked `WITHOUT_STUDY`, which tell the
//! reader to start one, are hidden.
//!
//! [`BuiltIn`]: crate::service::BuiltIn

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::http::{Request, Status};
use crate::practice::{PracticeRequest, caching, catalogue, hex};
use crate::service::error_page::{self, Problem};
use crate::service::{Answer, BuiltIn, Response, text::reference};

/// Marks parts of a page that are only for a server without `--study`.
const WITHOUT_STUDY: &str = "data-without-study";
/// A lab uses its own style, script and picture, and asks this server from a worker. Nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The labs for the paths of the served folder. Its own entries come first.
pub const BUILT_IN: BuiltIn = BuiltIn { names: &["learn", "hello.txt"], respond: respond_at };

/// A file of the labs.
struct LabFile {
    /// Its path after `/learn/`.
    path: &'static str,
    media_type: &'static str,
    bytes: Vec<u8>,
    /// A hash of the bytes.
    tag: String,
}

/// A row of [`FILES`]: the path after `/learn/`, and the bytes of `public/learn/`.
macro_rules! page {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../public/learn/", $path, "index.html")).as_slice())
    };
}

static FILES: LazyLock<Vec<LabFile>> = LazyLock::new(|| {
    let files = [
        page!(""),
        page!("01/"),
        page!("02/"),
        page!("03/"),
        page!("04/"),
        page!("05/"),
        page!("06/"),
        page!("07/"),
        page!("08/"),
        page!("09/"),
        page!("10/"),
        page!("11/"),
        page!("12/"),
        page!("wrong/"),
        ("lab.css", include_bytes!("../../public/learn/lab.css")),
        ("theme.js", include_bytes!("../../public/learn/theme.js")),
        ("lab.js", include_bytes!("../../public/learn/lab.js")),
        ("favicon.svg", include_bytes!("../../public/learn/favicon.svg")),
        ("hello.txt", include_bytes!("../../public/hello.txt")),
    ];
    files.into_iter().map(|(path, bytes)| LabFile::new(path, bytes)).collect()
});

impl LabFile {
    fn new(path: &'static str, bytes: &[u8]) -> LabFile {
        let media_type = match path.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        let mut file = LabFile { path, media_type, bytes: bytes.to_vec(), tag: String::new() };
        if file.is_page() {
            file.bytes = String::from_utf8_lossy(bytes).replace(WITHOUT_STUDY, "hidden").into_bytes();
        }
        file.tag = format!("\"{}\"", hex(&Sha256::digest(&file.bytes)[..8]));
        file
    }

    fn is_page(&self) -> bool {
        self.media_type.starts_with("text/html")
    }
}

/// A file of the labs, under `/.try/learn/`.
pub(super) fn lab(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    match find(practice.request, practice.value)? {
        Some(response) => Ok(response.into()),
        None => catalogue::unknown(practice),
    }
}

/// The same at the path of the request, which is one of [`BUILT_IN`], if there is such a lab.
fn respond_at(request: &Request<'_>) -> Option<Response> {
    let path = match request.path() {
        b"/hello.txt" => &b"hello.txt"[..],
        b"/learn" => b"",
        path => path.strip_prefix(b"/learn/")?,
    };
    find(request, path).unwrap_or_else(|problem| Some(error_page::problem(request, &problem)))
}

/// The file at this path after `/learn/`, or a redirect to it.
///
/// # Errors
/// A precondition is false, or the range lies after the end.
fn find(request: &Request<'_>, path: &[u8]) -> Result<Option<Response>, Problem> {
    let find = |path: &[u8]| FILES.iter().find(|file| file.path.as_bytes() == path);
    // As for a folder: without the slash at its end, relative links of the page would lead elsewhere.
    let slash = if request.path().ends_with(b"/") { &b""[..] } else { b"/" };
    let is_elsewhere = path.is_empty() && !slash.is_empty() || request.has_other_base();
    let Some(file) = find(path).filter(|_| !is_elsewhere) else {
        let is_folder = find(path).is_some() || find(&[path, slash].concat()).is_some();
        let location = || reference(&request.base(), &[request.path(), slash].concat());
        // A bare 301 is kept for ever, and tomorrow another server may have this port.
        let redirect = || Response::new(Status::MOVED_PERMANENTLY).field("Cache-Control", "no-cache");
        return Ok(is_folder.then(|| redirect().field("Location", location())));
    };
    // An unchanged page costs a 304.
    let respond = |status, bytes| {
        let response = Response::content(status, file.media_type, bytes).field("Cache-Control", "no-cache");
        if file.is_page() { response.field("Content-Security-Policy", POLICY) } else { response }
    };
    caching::in_parts(request, &file.tag, respond, &file.bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_of_the_program_tells_the_reader_to_start_it() {
        for file in FILES.iter().filter(|file| file.is_page()) {
            let page = String::from_utf8_lossy(&file.bytes);
            assert!(!page.contains(WITHOUT_STUDY), "{}", file.path);
            assert!(page.contains("id=\"start\" hidden>"), "{}: the part is hidden", file.path);
        }
    }
}
