//! `/.try/upload`: takes content in, throws it away, and says how it came.
//!
//! RFC 9110 §8.6, RFC 9112 §6: what is counted is content, without its framing. The calls are those of
//! the loop: what `recv` returned, which is neither packets nor chunks.
//!
//! Never: a second copy. A byte is counted and hashed in the block it came in.
//!
//! The subtle thing: the measure comes from the loop when the content is complete, so it may not come at
//! all (nothing was received). Then it is all zeros, and that is right.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::Status;
use crate::practice::call::{Call, unkept};
use crate::practice::limits::UPLOAD;
use crate::service::error_page::Problem;
use crate::service::{Answer, ReceiveSummary, Response, Sink};

#[derive(Default)]
struct Count {
    bytes: u64,
    hash: Sha256,
    meter: ReceiveSummary,
}

#[derive(Serialize)]
struct Report {
    bytes: u64,
    recv_calls: u64,
    smallest: u64,
    largest: u64,
    milliseconds: u128,
    sha256: String,
}

impl Sink for Count {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        Ok(())
    }

    fn measured(&mut self, meter: &ReceiveSummary) {
        self.meter = *meter;
    }

    fn finish(self: Box<Self>) -> Response {
        let ReceiveSummary { calls, smallest, largest, time } = self.meter;
        let report = Report {
            bytes: self.bytes,
            recv_calls: calls,
            smallest,
            largest,
            milliseconds: time.as_millis(),
            sha256: self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        unkept(Response::json(Status::OK, serde_json::to_string(&report).unwrap_or_default() + "\n"))
    }
}

/// POST or PUT.
pub(crate) fn upload(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    if !call.request.framing().has_content() {
        return Ok(Box::<Count>::default().finish().into());
    }
    Ok(Answer::Receive { limit: UPLOAD, open: Box::new(|| Ok(Box::<Count>::default())) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::Body;

    #[test]
    fn what_came_is_counted_hashed_and_measured() {
        let mut sink = Box::<Count>::default();
        assert!(sink.write(b"a").is_ok() && sink.write(b"bc").is_ok());
        sink.measured(&ReceiveSummary { calls: 2, smallest: 1, largest: 2, time: Duration::from_micros(7999) });
        let (_, _, Body::Bytes(bytes)) = sink.finish().into_parts() else { panic!("no octets") };
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "{\"bytes\":3,\"recv_calls\":2,\"smallest\":1,\"largest\":2,\"milliseconds\":7,\
             \"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}\n"
        );
    }
}
