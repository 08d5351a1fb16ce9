//! Routes: method and pattern to handler; everything else to one fallback service.

use super::answer::{Answer, Service, Visit};
use crate::http::Request;

/// Chooses who answers.
pub struct Router {
    fallback: Box<dyn Service>,
}

impl Router {
    /// A router whose every request goes to `fallback` until routes are added.
    pub fn new(fallback: Box<dyn Service>) -> Router {
        Router { fallback }
    }
}

impl Service for Router {
    fn answer(&mut self, request: &Request<'_>, visit: &Visit) -> Answer {
        self.fallback.answer(request, visit)
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Router { fallback: self.fallback.fork() })
    }
}
