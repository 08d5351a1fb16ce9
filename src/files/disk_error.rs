//! Errors of the disk as responses.
//!
//! A page never shows the words of the kernel: they name paths and mounts. They go to the log, with
//! a short id that the page shows too.
//!
//! | error | status | reason |
//! |---|---|---|
//! | nothing there, or outside the root | 404 | both look the same to a client |
//! | no permission, a file of `/proc` or the like | 403 | |
//! | out of descriptors or memory, a lost race | 503 | the file exists; the client should come back |
//! | disk full, quota, size limit | 507 | |
//! | name in use, folder not empty | 409 | |
//! | anything else | 500 | the note in the log has the details |

use rustix::io::Errno;

use crate::files::root::PSEUDO;
use crate::http::{Request, Status};
use crate::service::Response;
use crate::service::error_page::{self, Problem};

pub(crate) fn status_of(error: Errno) -> Status {
    match error {
        // EXDEV leads out of the root, ENXIO is a socket, ENODEV a device without driver. EINVAL
        // and EILSEQ are names that this file system cannot have.
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::XDEV => Status::NOT_FOUND,
        Errno::NXIO | Errno::NODEV | Errno::INVAL | Errno::ILSEQ => Status::NOT_FOUND,
        Errno::ACCESS | Errno::PERM | Errno::ROFS | PSEUDO => Status::FORBIDDEN,
        // Never 404: caches, indexes and mirrors would remove a file because this server was busy.
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => Status::SERVICE_UNAVAILABLE,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Status::INSUFFICIENT_STORAGE,
        Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => Status::CONFLICT,
        // EIO and the rest: the disk is broken or this server is.
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

/// Whether nothing is there, or nothing that is served.
pub(crate) fn is_not_found(error: Errno) -> bool {
    status_of(error) == Status::NOT_FOUND
}

/// The page for an error of the disk, and a note for the log if the operator should know of it.
pub(crate) fn explain(error: Errno) -> (Problem, Option<String>) {
    let status = status_of(error);
    match status {
        Status::NOT_FOUND => (Problem::of(status, "nothing here", &[]), None),
        Status::FORBIDDEN if error == PSEUDO => {
            let note = "a file system of the kernel, such as /proc";
            (Problem::of(status, "pseudo file", &[]), Some(note.into()))
        }
        Status::FORBIDDEN => (Problem::of(status, "may not read", &[]), None),
        // The limit that was reached can be raised, so it is logged for the operator.
        Status::SERVICE_UNAVAILABLE => (Problem::of(status, "too busy to open", &[]), Some(error.to_string())),
        Status::INTERNAL_SERVER_ERROR => {
            // Only an id for the client. The same id is in the note, with the words of the kernel.
            let (problem, note) = error_page::internal_problem(&error.to_string());
            (problem, Some(note))
        }
        _ => (Problem::new(status), None),
    }
}

pub(crate) fn response(request: &Request<'_>, error: Errno) -> Response {
    let (problem, note) = explain(error);
    add_note(error_page::problem(request, &problem), note)
}

/// Why the served folder cannot be served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Missing,
    OtherOwner,
    OtherFileSystem,
    Barred,
}

impl Gone {
    /// What has happened and what to do, for the operator.
    pub(crate) fn explain(self) -> &'static str {
        match self {
            Gone::Missing => "it was removed or moved away. It is served again when it is back.",
            Gone::OtherOwner => "another user owns the folder that is in its place. Start barewire again to serve it.",
            Gone::OtherFileSystem => {
                "the folder that is in its place is on another file system. Start barewire again to serve it."
            }
            Gone::Barred => {
                "Landlock does not let barewire read the folder that is in its place. Start barewire again to serve it."
            }
        }
    }
}

/// The response when the served folder itself was removed or replaced. 503 and not 404, which would tell caches and
/// indexes to forget files that may soon be back.
pub(crate) fn gone(request: &Request<'_>, why: Gone) -> Response {
    let name = if why == Gone::Missing { "root gone" } else { "root replaced" };
    let problem = Problem::of(Status::SERVICE_UNAVAILABLE, name, &[]);
    error_page::problem(request, &problem).with_note(format!("not served: {}", why.explain()))
}

/// The response with a note for the log, if there is one.
pub(crate) fn add_note(response: Response, note: Option<String>) -> Response {
    match note {
        Some(note) => response.with_note(note),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_never_says_not_found() {
        for (errno, code) in [
            (Errno::NOENT, 404),
            (Errno::NOTDIR, 404),
            (Errno::NAMETOOLONG, 404),
            (Errno::LOOP, 404),
            (Errno::XDEV, 404),
            (Errno::NXIO, 404),
            (Errno::ACCESS, 403),
            (Errno::PERM, 403),
            (Errno::ROFS, 403),
            (PSEUDO, 403),
            (Errno::MFILE, 503),
            (Errno::NFILE, 503),
            (Errno::NOMEM, 503),
            (Errno::AGAIN, 503),
            (Errno::NOSPC, 507),
            (Errno::DQUOT, 507),
            (Errno::FBIG, 507),
            (Errno::EXIST, 409),
            (Errno::ISDIR, 409),
            (Errno::NOTEMPTY, 409),
            (Errno::IO, 500),
        ] {
            assert_eq!(status_of(errno).code(), code, "{errno:?}");
        }
    }

    #[test]
    fn a_500_shows_the_id_of_the_log_line_and_nothing_else_of_it() {
        let (problem, note) = explain(Errno::IO);
        let note = note.unwrap();
        let id = note.split(':').next().unwrap();
        assert_eq!(id.len(), 8);
        let said = format!("{} {}", problem.sentence, problem.advice.unwrap());
        assert!(said.contains(id) && !said.contains("os error"), "{said}");
    }
}
