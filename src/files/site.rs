//! Static files as a service: which file room answers.

use std::io;
use std::path::Path;

use crate::http::{Request, Status};
use crate::service::{Answer, Response, Service, Visit};

/// What the command line decides about the files.
#[derive(Clone, Debug, Default)]
pub struct Settings {}

/// A served folder (or one served file).
pub struct Site {}

impl Site {
    /// Opens the root.
    ///
    /// # Errors
    /// What the kernel says about `root`.
    pub fn open(root: &Path, settings: Settings) -> io::Result<Site> {
        let _ = (root, settings);
        Ok(Site {})
    }
}

impl Service for Site {
    fn answer(&mut self, _request: &Request<'_>, _visit: &Visit) -> Answer {
        Answer::Now(Response::text(Status::OK, "hello\n"))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Site {})
    }
}
