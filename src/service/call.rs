//! A request as a handler of a [`Router`] sees it, with its query, its form or its JSON; and what a handler returns.
//!
//! What a client has sent wrongly is a [`Problem`], which a handler passes on with `?`: it becomes an error page, JSON or
//! one line, as the client asks for.
//!
//! [`Router`]: crate::service::Router

use std::ops::Range;
use std::sync::Arc;

use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use crate::http::target::query_pairs;
use crate::http::{Request, Status, field};
use crate::service::error_page::{self, Problem};
use crate::service::{RequestContext, Response};

/// The parameters of a pattern, with their ranges in the decoded path.
pub(crate) type Ranges = Vec<(Arc<str>, Range<usize>)>;

/// The parts of a path that a pattern has as `{name}` or `{*name}`.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) ranges: &'a [(Arc<str>, Range<usize>)],
}

impl<'a> Parameters<'a> {
    /// The part of this name, decoded. It is bytes, since a path need not be UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let (_, range) = self.ranges.iter().find(|(other, _)| **other == *name)?;
        self.path.get(range.clone())
    }
}

/// A request for a handler that runs on a worker.
#[derive(Debug)]
pub struct Call {
    pub(crate) request: Request<'static>,
    pub(crate) content: Vec<u8>,
    pub(crate) ranges: Ranges,
    pub(crate) context: RequestContext,
}

impl Call {
    /// The request.
    pub fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// The whole content, without its framing.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The part of the path that the pattern has as `{name}` or `{*name}` ([`Parameters::get`]).
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        Parameters { path: self.request.path(), ranges: &self.ranges }.get(name)
    }

    /// The same as text; `None` also when it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.parameter(name)?).ok()
    }

    /// Names and values of the query, decoded, in the order in which they were sent. A name without `=` has an empty
    /// value.
    pub fn query(&self) -> Vec<(String, String)> {
        decoded(self.request.query().unwrap_or_default())
    }

    /// The names and values of a form that a page sends by default (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// 415 for content of another type.
    pub fn form(&self) -> Result<Vec<(String, String)>, Problem> {
        self.require_type("application/x-www-form-urlencoded", |_| false)?;
        Ok(decoded(&self.content))
    }

    /// The content, read as JSON.
    ///
    /// # Errors
    /// 415 for content of another type, 400 for content that is not JSON or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // RFC 6839 §3.1: types such as `application/problem+json` are JSON too.
        self.require_type("application/json", |name| name.ends_with(b"+json"))?;
        let wrong = |error: serde_json::Error| Problem::of(Status::BAD_REQUEST, "no json", &[("error", &error)]);
        serde_json::from_slice(&self.content).map_err(wrong)
    }

    /// A page of another origin may send content of some types without a preflight, so the type is always checked.
    fn require_type(&self, wanted: &str, is_kin: impl Fn(&[u8]) -> bool) -> Result<(), Problem> {
        let name = self.request.field("content-type").map(|value| field::parameters(value).0.to_ascii_lowercase());
        match name {
            Some(name) if name == wanted.as_bytes() || is_kin(&name) => Ok(()),
            _ => Err(Problem::of(Status::UNSUPPORTED_MEDIA_TYPE, "other type", &[("type", &wanted)])),
        }
    }

    /// Addresses and time of the request.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }
}

/// The pairs of a query or of a form. A plus is a space, as browsers write it (URL Standard, "urlencoded parsing"), and
/// bytes that are not UTF-8 are replaced.
fn decoded(pairs: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| {
        let spaced: Vec<u8> = bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    // Split first: `%26` is part of a value and no separator.
    query_pairs(pairs).map(|(name, value)| (text(name), text(value.unwrap_or_default()))).collect()
}

/// What a handler may return: a [`Response`], or a `Result` whose error is a [`Problem`].
pub trait IntoResponse {
    /// The response to this request.
    fn into_response(self, request: &Request<'_>) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self, _: &Request<'_>) -> Response {
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self, request: &Request<'_>) -> Response {
        error_page::problem(request, &self)
    }
}

impl<R: IntoResponse, E: IntoResponse> IntoResponse for Result<R, E> {
    fn into_response(self, request: &Request<'_>) -> Response {
        match self {
            Ok(response) => response.into_response(request),
            Err(error) => error.into_response(request),
        }
    }
}
