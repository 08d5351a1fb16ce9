//! `/.try/redirect/CODE`: once, several times, and for ever.
//!
//! RFC 9110 §15.4 (3xx), §10.2.2 (Location).
//!
//! Never: a Location from a request. It is a path under `/.try/` made of a code and a number, both read
//! and written anew, so nobody is led off this server.
//!
//! The subtle thing: 307 and 308 keep the method and the content, 303 makes a GET of it, and 301 and 302
//! do what history made of them. So every method may come here, and the last page says with which one.

use crate::http::Status;
use crate::practice::call::{Call, text};
use crate::practice::limits::REDIRECTS;
use crate::practice::query::{bad, number};
use crate::practice::status::LANDED;
use crate::service::Answer;
use crate::service::error_page::Problem;

/// One step of the way.
pub(crate) fn redirect(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let left = call.query(&["times"])?.number("times", 1, 1..=REDIRECTS)?;
    let status = match number("The code", call.part, 300..=399) {
        Ok(301) => Status::MOVED_PERMANENTLY,
        Ok(302) => Status::FOUND,
        Ok(303) => Status::SEE_OTHER,
        Ok(307) => Status::TEMPORARY_REDIRECT,
        Ok(308) => Status::PERMANENT_REDIRECT,
        _ => return Err(bad("The codes of redirects are 301, 302, 303, 307 and 308; or loop.")),
    };
    let location = match left {
        1 => LANDED.to_string(),
        _ => format!("/.try/redirect/{}?times={}", status.code(), left - 1),
    };
    Ok(text(status, format!("{status}: go to {location}\n")).field("Location", location).into())
}

/// Round and round.
pub(crate) fn around(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    call.query(&[])?;
    let here = "/.try/redirect/loop";
    Ok(text(Status::FOUND, "302 Found: go to where you are\n").field("Location", here).into())
}
