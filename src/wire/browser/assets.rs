//! The page of the wire view: three files that are part of the program.
//!
//! Never: a key. The page has it from the address it was opened with.

use crate::http::Status;
use crate::service::{Response, Router};

const PAGE: &str = include_str!("../../pages/wire.html");
const STYLE: &str = include_str!("../../pages/wire.css");
const SCRIPT: &str = include_str!("../../pages/wire.js");

/// Adds them.
pub(super) fn routes(router: Router) -> Router {
    let asset = |media_type, text: &'static str| move |_: &_| Response::content(Status::OK, media_type, text);
    router
        .get("/", asset("text/html; charset=utf-8", PAGE))
        .get("/wire.css", asset("text/css; charset=utf-8", STYLE))
        .get("/wire.js", asset("text/javascript; charset=utf-8", SCRIPT))
}
