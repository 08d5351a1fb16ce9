//! `/.try/auth`: who are you? Basic (student / wire), `/bearer` (wire), and `/forbidden` for everybody.
//!
//! RFC 9110 §11 (challenge and credentials), §15.5.2 (401), §15.5.4 (403); RFC 7617 (Basic);
//! RFC 6750 (Bearer).
//!
//! Never: a word about which part was wrong, a password repeated.
//!
//! The subtle thing: these credentials are known to everybody, and are compared as if they were not: in
//! constant time, by what the real doorkeeper uses. What is learned here is copied.

use subtle::ConstantTimeEq;

use crate::http::Status;
use crate::http::grammar::is_ows;
use crate::practice::call::{Call, text};
use crate::service::access::credentials::Credential;
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Answer, Response};

/// `user:password` of the practice.
pub(crate) const USER: &str = "student:wire";
const TOKEN: &[u8] = b"wire";
const BASIC: &str = "Basic realm=\"practice\", charset=\"UTF-8\"";

/// Basic.
pub(crate) fn basic(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let known = &call.shared.credentials;
    let right = Credential::of(call.request).is_some_and(|c| known.find_plain(known.digest(&c)).is_some());
    Ok(match right {
        true => text(Status::OK, "Welcome, student. Base64 is no secret: whoever sees the request can read it.\n"),
        false => challenge(call, BASIC, "name and a password", "curl -u student:wire with the same address"),
    }
    .into())
}

/// Bearer.
pub(crate) fn bearer(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let token = call.request.field("authorization").and_then(|value| {
        let (scheme, token) = value.split_at(value.iter().position(|&o| is_ows(o))?);
        scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii_start())
    });
    Ok(match token {
        Some(token) if bool::from(token.ct_eq(TOKEN)) => text(Status::OK, "Welcome, whoever holds the token.\n"),
        // RFC 6750 §3.1: an error is named only to somebody who has sent a token.
        Some(_) => challenge(call, "Bearer realm=\"practice\", error=\"invalid_token\"", "token", ADVICE),
        None => challenge(call, "Bearer realm=\"practice\"", "token", ADVICE),
    }
    .into())
}

const ADVICE: &str = "curl -H 'Authorization: Bearer wire' with the same address";

/// 403, whoever asks.
pub(crate) fn forbidden(_: &Call<'_, '_>) -> Result<Answer, Problem> {
    Err(Problem::new(Status::FORBIDDEN)
        .with_sentence("Nobody may enter here, whoever they are.")
        .with_advice("No credentials help: that is the difference from 401."))
}

fn challenge(call: &Call<'_, '_>, challenge: &str, with: &str, advice: &str) -> Response {
    let problem = Problem::new(Status::UNAUTHORIZED)
        .with_sentence(format!("This address is only for people with a {with}."))
        .with_advice(format!("In a terminal: {advice}."));
    error_page::problem(call.request, &problem).field("WWW-Authenticate", challenge)
}
