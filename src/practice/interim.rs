//! `/.try/interim/CODE`: an interim response before the final one; `/.try/expect/refuse`: a final one in
//! the place of 100 (Continue).
//!
//! RFC 9110 §15.2 (1xx), §10.1.1 (Expect), RFC 8297 (103).
//!
//! Never: an interim response to HTTP/1.0, which would take it for the final one. The loop leaves it out.
//!
//! The subtle thing: the loop sends the final response on its own, so a client that takes the first bytes
//! it gets for the whole answer is found out.

use crate::http::{Fields, Status};
use crate::practice::call::{Call, text};
use crate::practice::query::bad;
use crate::practice::status::LANDED;
use crate::service::Answer;
use crate::service::error_page::Problem;

/// What goes with it.
fn interim_fields(status: Status) -> Fields {
    let mut fields = Fields::new();
    if status == Status::EARLY_HINTS {
        // The name and the value are ours and valid: nothing is refused.
        let _ = fields.push("Link", format!("<{LANDED}>; rel=preload; as=fetch"));
    }
    fields
}

/// An interim response before the final one (RFC 9110 §15.2), in a `send` of its own.
pub(crate) fn interim(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let status = match call.part {
        b"100" => Status::CONTINUE,
        b"102" => Status::PROCESSING,
        b"103" => Status::EARLY_HINTS,
        _ => return Err(bad("Interim responses here are 100, 102 and 103.")),
    };
    let fields = interim_fields(status);
    let said = format!("This is the final response. Before it came {status}.\n");
    Ok(text(Status::OK, said).after_interim(status, fields).into())
}

/// 413 before any content is read, so before 100 (Continue) too.
pub(crate) fn refuse(_: &Call<'_, '_>) -> Result<Answer, Problem> {
    let content = "413 Content Too Large\nThis address takes no content, and says so before it is sent.\n";
    Ok(text(Status::CONTENT_TOO_LARGE, content).into())
}
