//! Folders as pages.

use std::time::SystemTime;

use super::gate;
use super::resource::is_hidden;
use super::root::{Directory, Kind};
use crate::http::{Request, Status};
use crate::service::Response;

/// What a listing is made for.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The folder's path, decoded, one slash between names and one at the end.
    pub path: Vec<u8>,
    /// Whether names that begin with a dot are shown.
    pub dotfiles: bool,
    /// What Cache-Control says.
    pub cache_control: String,
    /// The moment of asking.
    pub now: SystemTime,
}

/// The listing of a folder, for GET and HEAD. Blocks.
pub(crate) fn respond(request: &Request<'_>, directory: &Directory, context: &Context) -> Response {
    let _ = context.now;
    let mut entries = match directory.entries() {
        Ok(entries) => entries,
        Err(error) => return gate::response(request, &error),
    };
    entries.retain(|entry| !is_hidden(&entry.name, context.path == b"/", context.dotfiles));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for entry in &entries {
        text.push_str(&String::from_utf8_lossy(&entry.name));
        text.push_str(if entry.kind == Kind::Directory { "/\n" } else { "\n" });
    }
    Response::text(Status::OK, text).field("Cache-Control", &context.cache_control)
}
