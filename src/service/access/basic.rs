//! Basic authentication: credentials are asked for, checked, and remembered.
//!
//! RFC 7617 (Basic, `charset="UTF-8"`), RFC 9110 §11.6 (challenge and credentials), §15.5.2 (401).
//!
//! bcrypt is slow on purpose, and browsers send credentials with every request. So right credentials are remembered by
//! their digest, for all loops: a password costs one bcrypt in the life of the process. Wrong ones are not remembered.
//! They cost a bcrypt each time, on a lane of their own, and after ten of them for one user the client has to wait
//! (`Throttle`).
//!
//! A right password that is not remembered yet waits like a wrong one, or also gets 429, while its client has ten
//! failures. Otherwise a client could guess at full speed, and the right guess would be allowed.
//!
//! No page and no note says whether the name or the password was wrong, and neither of them is logged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::http::{Method, Request, Status};
use crate::service::access::credentials::{Credential, Credentials, Digest};
use crate::service::error_page::{self, Problem};
use crate::service::{
    Answer, Lane, Outcome, RequestContext, Response, access::throttle::Throttle, access::throttle::Verdict,
};

/// Tells a browser to ask its user for a name and a password (RFC 7617 §2, §2.1).
const CHALLENGE: &str = "Basic realm=\"barewire\", charset=\"UTF-8\"";

/// Which requests need credentials (`--auth-for`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All, OPTIONS included.
    All,
    /// Only requests with one of these methods: the unsafe ones that are enabled. A write that is not enabled is 405
    /// and needs no password, since none would help.
    Methods(Vec<Method>),
}

/// Checks the credentials of requests. Clones share what they remember.
#[derive(Clone)]
pub struct Auth {
    scope: Scope,
    users: Arc<Users>,
}

struct Users {
    credentials: Credentials,
    /// The digests of right credentials, each with its user. One user may have many right ones, since bcrypt reads only
    /// 72 bytes of a password; the last digest of each is kept, so the memory is bounded.
    verified: RwLock<HashMap<Digest, usize>>,
    throttle: Arc<Throttle>,
    /// The log has said that a client does not send UTF-8. Once is enough: it is the habit of a program.
    told_encoding: AtomicBool,
}

impl Users {
    fn is_verified(&self, digest: Digest) -> bool {
        // A panic elsewhere cannot leave a half-written digest, so a poisoned lock is still good.
        self.verified.read().unwrap_or_else(PoisonError::into_inner).contains_key(&digest)
    }

    fn remember(&self, user: usize, digest: Digest) {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        // Slow for many users, but it runs only once after each bcrypt.
        verified.retain(|_, other| *other != user);
        verified.insert(digest, user);
    }

    /// Whether these credentials are those of `--auth`. They are remembered then.
    fn finds_plain(&self, digest: Digest) -> bool {
        let user = self.credentials.find_plain(digest);
        user.into_iter().for_each(|user| self.remember(user, digest));
        user.is_some()
    }

    /// The same for a password file. Blocks.
    fn finds_hashed(&self, digest: Digest, credential: &Credential) -> bool {
        let user = self.credentials.find_hashed(credential);
        user.into_iter().for_each(|user| self.remember(user, digest));
        user.is_some()
    }

    /// The response to credentials that are wrong, which only the log says.
    fn refuse(&self, request: &Request<'_>, credential: &Credential) -> Response {
        if credential.is_utf8() {
            return challenge(request).with_note("credentials refused");
        }
        if !self.told_encoding.swap(true, Ordering::Relaxed) {
            log::warn!(
                "A client sends its name and password in another encoding than UTF-8, so letters such as \u{e9} do not \
                 match. Make the client send UTF-8, or choose a password of ASCII characters only."
            );
        }
        challenge(request).with_note("credentials refused: they are not UTF-8")
    }
}

impl Auth {
    /// Asks for one of these credentials where `scope` says so.
    pub fn new(credentials: Credentials, scope: Scope) -> Auth {
        let (verified, throttle, told_encoding) = Default::default();
        let users = Users { credentials, verified, throttle, told_encoding };
        Auth { scope, users: Arc::new(users) }
    }

    /// Whether this method needs credentials.
    pub fn asks(&self, method: Method) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Methods(methods) => methods.contains(&method),
        }
    }

    /// `None` if the request is allowed. Else its answer, which may be a job after which to check again.
    pub fn check(&self, request: &Request<'_>, context: &RequestContext) -> Option<Answer> {
        // Wrong credentials of a request that needs none are not looked at, so they tell nothing.
        if !self.asks(request.method()) {
            return None;
        }
        // No credentials are no guess, so the throttle does not count them.
        let Some(credential) = Credential::of(request) else { return Some(challenge(request).into()) };
        let users = &self.users;
        let digest = users.credentials.digest(&credential);
        // Before the throttle: failures of others at the same address must not delay a user who has signed in.
        if users.is_verified(digest) {
            return None;
        }
        // From here on the attempt counts, so guesses that are sent at once cannot all pass.
        let (wait, attempt) = match users.throttle.begin(context.client, credential.user(), context.now) {
            Verdict::Begins(attempt) => (Duration::ZERO, attempt),
            Verdict::BeginsAfter(wait, attempt) => (wait, attempt),
            Verdict::Refused(wait) => return Some(slow_down(request, wait).into()),
        };
        // An attempt that has to wait is not looked at before: the response must not show what it will be.
        if wait.is_zero() {
            // Quick, so it runs on the loop. The attempt ends here without a failure.
            if users.finds_plain(digest) {
                return None;
            }
            // Without a password file bcrypt could not find the user either.
            if !users.credentials.has_hashes() {
                attempt.fail();
                return Some(users.refuse(request, &credential).into());
            }
        }
        // The attempt moves into the job: if the job is given up before it begins, it is taken back.
        let (users, request) = (Arc::clone(users), request.clone().into_owned());
        let job = move || {
            // A browser opens six connections at once; the first job has done the work for all of them.
            if users.is_verified(digest) || users.finds_plain(digest) || users.finds_hashed(digest, &credential) {
                return Outcome::Again(Box::new(request));
            }
            attempt.fail();
            Outcome::Response(users.refuse(&request, &credential))
        };
        let (task, job) = (Lane::Passwords.into(), Box::new(job));
        Some(if wait.is_zero() { Answer::Blocking(task, job) } else { Answer::Delayed(wait, task, job) })
    }
}

/// 401, with the same page for every reason.
fn challenge(request: &Request<'_>) -> Response {
    error_page::problem(request, &Problem::new(Status::UNAUTHORIZED)).field("WWW-Authenticate", CHALLENGE)
}

/// 429 for a client that has failed too often, whether these credentials are right or not.
fn slow_down(request: &Request<'_>, wait: Duration) -> Response {
    // Rounded up, since a client that came back too early would be refused once more.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let problem = Problem::of(Status::TOO_MANY_REQUESTS, "sign-ins", &[("seconds", &seconds)]);
    error_page::problem(request, &problem)
        .field("Retry-After", seconds.to_string())
        .with_note("too many failed sign-ins of this client")
}

#[cfg(test)]
mod tests;
