//! Who may come in: Basic credentials, asked for, checked, remembered.
//!
//! RFC 7617 (Basic, `charset="UTF-8"`), RFC 9110 §11.6 (challenge and credentials), §15.5.2 (401).
//!
//! Never: a page or a note that says which part was wrong, a name or a password in a log, bcrypt on the
//! loop.
//!
//! The subtle thing: bcrypt is slow on purpose, and browsers send credentials with every request. So a
//! right answer is remembered as the digest of the whole credential, shared by all loops: one password
//! costs one bcrypt as long as the process lives. A wrong one is not remembered. It costs a bcrypt each
//! time, on a lane of its own, and its sender runs into `failures` after ten.
//!
//! How a request goes:
//!
//! ```text
//! not asked for credentials ────────────────────────────► in
//! none, or unreadable ──────────────────────────────────► 401
//! remembered as right ──────────────────────────────────► in     (always, whoever else fails)
//! ten failures in a minute ─────────────────────────────► 429
//! one of --auth ────────────────────────────────────────► in, remembered
//! no password file ─────────────────────────────────────► 401, a failure
//! else a worker runs bcrypt: right ─► remembered, asked again ─► in
//!                            wrong ─────────────────────► 401, a failure
//! ```
//!
//! A password that was right and is not remembered yet waits like a wrong one while its client has ten
//! failures; else a guesser could go on at full speed and simply be let in by the hit.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::http::{Method, Request, Status};
use crate::service::access::credentials::{Credential, Credentials, Digest, Place};
use crate::service::access::throttle::Failures;
use crate::service::answer::{Answer, Lane, Outcome, RequestContext};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::response::Response;

/// What a browser needs to ask its user (RFC 7617 §2, §2.1).
const CHALLENGE: &str = "Basic realm=\"barewire\", charset=\"UTF-8\"";

/// What credentials are asked for (`--auth-for`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, OPTIONS included.
    All,
    /// Only requests with one of these methods: the unsafe ones whose right is on. A write that nobody
    /// may do is then 405, and nobody is asked for a password that would not help.
    Methods(Vec<Method>),
}

/// The doorkeeper, shared by all loops.
#[derive(Clone)]
pub struct Auth {
    scope: Scope,
    shared: Arc<Shared>,
}

struct Shared {
    credentials: Credentials,
    right: RwLock<Right>,
    failures: Arc<Failures>,
}

/// Credentials that have proved right: one for each user, so there are never more of them than users.
/// (One user can have many that are right: bcrypt reads 72 bytes of a password and no more.)
struct Right {
    digests: HashSet<Digest>,
    of: Vec<Option<Digest>>,
}

impl Shared {
    fn is_right(&self, digest: Digest) -> bool {
        self.right.read().unwrap_or_else(PoisonError::into_inner).digests.contains(&digest)
    }

    fn remember(&self, place: Place, digest: Digest) {
        let mut right = self.right.write().unwrap_or_else(PoisonError::into_inner);
        let Right { digests, of } = &mut *right;
        if let Some(slot) = of.get_mut(place) {
            if let Some(former) = slot.replace(digest) {
                digests.remove(&former);
            }
            digests.insert(digest);
        }
    }
}

impl Auth {
    /// Lets in those who have one of these credentials.
    pub fn new(credentials: Credentials, scope: Scope) -> Auth {
        let right = Right { digests: HashSet::new(), of: vec![None; credentials.len()] };
        Auth { scope, shared: Arc::new(Shared { credentials, right: RwLock::new(right), failures: Arc::default() }) }
    }

    /// Whether this method needs credentials.
    pub fn asks(&self, method: Method) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Methods(methods) => methods.contains(&method),
        }
    }

    /// `None`: let in. Else the answer, or the job after which to ask again.
    pub fn check(&self, request: &Request<'_>, visit: &RequestContext) -> Option<Answer> {
        if !self.asks(request.method()) {
            return None;
        }
        let Some(credential) = Credential::of(request) else { return Some(Answer::Now(challenge(request))) };
        let shared = &self.shared;
        let digest = shared.credentials.digest(&credential);
        if shared.is_right(digest) {
            return None;
        }
        let attempt = match shared.failures.begin(visit.peer.ip(), visit.now) {
            Ok(attempt) => attempt,
            Err(wait) => return Some(Answer::Now(slow_down(request, wait))),
        };
        if let Some(place) = shared.credentials.find_plain(digest) {
            shared.remember(place, digest);
            return None;
        }
        if !shared.credentials.has_hashes() {
            attempt.fail();
            return Some(Answer::Now(challenge(request).with_note("credentials refused")));
        }
        let (shared, request) = (Arc::clone(shared), request.clone().into_owned());
        let job = move || {
            // A browser opens six connections at once: the first of them has done the work for all.
            if shared.is_right(digest) {
                return Outcome::Again(Box::new(request));
            }
            match shared.credentials.find_hashed(&credential) {
                Some(place) => {
                    shared.remember(place, digest);
                    Outcome::Again(Box::new(request))
                }
                None => {
                    attempt.fail();
                    Outcome::Response(challenge(&request).with_note("credentials refused"))
                }
            }
        };
        Some(Answer::Blocking(Lane::Passwords, Box::new(job)))
    }
}

/// 401, the same for every reason.
fn challenge(request: &Request<'_>) -> Response {
    error_page::problem(request, &Problem::new(Status::UNAUTHORIZED)).field("WWW-Authenticate", CHALLENGE)
}

/// 429 for somebody who has failed too often, whatever came this time.
fn slow_down(request: &Request<'_>, wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let problem = Problem::new(Status::TOO_MANY_REQUESTS)
        .with_sentence("Too many sign-ins from your address have failed.")
        .with_advice(format!("Try again in {seconds} s. Whoever has signed in already can go on."));
    error_page::problem(request, &problem)
        .field("Retry-After", seconds.to_string())
        .with_note("too many failed sign-ins of this client")
}

#[cfg(test)]
mod tests;
