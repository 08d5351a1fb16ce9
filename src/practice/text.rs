//! The small ones: `/.try/method`, `/.try/utf8`.
//!
//! RFC 9110 §9.1 (methods), §15.5.6 (405 and `Allow`), §8.6 (a length counts bytes).
//!
//! Never: more than they are about.
//!
//! The subtle thing: the content of `/.try/utf8` is ten bytes and nothing else, so that its
//! Content-Length is the answer to the question; what they are is said in fields.

use crate::http::Status;
use crate::practice::call::{Call, text};
use crate::service::Answer;
use crate::service::error_page::Problem;

/// Of 2, 3, 4 and 1 bytes.
const CHARACTERS: &str = "é汉😀a";

/// GET and OPTIONS, nothing else.
pub(crate) fn method(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let said = format!("{} works here, and so does OPTIONS. Try POST.\n", call.method().name());
    Ok(text(Status::OK, said).into())
}

/// Four characters, ten bytes.
pub(crate) fn utf8(_: &Call<'_, '_>) -> Result<Answer, Problem> {
    let response = text(Status::OK, CHARACTERS);
    Ok(response
        .field("X-Characters", CHARACTERS.chars().count().to_string())
        .field("X-Bytes", CHARACTERS.len().to_string())
        .into())
}
