//! The page of the wire view: five files that are part of the program.
//!
//! Never: a key. The page has it from the address it was opened with.

use crate::http::Status;
use crate::service::{Response, Router};

const PAGE: &str = include_str!("../../pages/wire.html");
const STYLE: &str = include_str!("../../pages/wire.css");
/// ES modules: what is known of the wire, how it is drawn, and the page that does both.
const SCRIPTS: [(&str, &str); 3] = [
    ("/wire.js", include_str!("../../pages/wire.js")),
    ("/wire-book.js", include_str!("../../pages/wire-book.js")),
    ("/wire-draw.js", include_str!("../../pages/wire-draw.js")),
];

/// Adds them.
pub(crate) fn routes(router: Router) -> Router {
    let asset = |media_type, text: &'static str| move |_: &_| Response::content(Status::OK, media_type, text);
    let router = router
        .get("/", asset("text/html; charset=utf-8", PAGE))
        .get("/wire.css", asset("text/css; charset=utf-8", STYLE));
    SCRIPTS
        .into_iter()
        .fold(router, |router, (path, text)| router.get(path, asset("text/javascript; charset=utf-8", text)))
}
