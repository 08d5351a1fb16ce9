//! For tests: a history made of calls.

use std::time::Duration;

use crate::http::Limits;
use crate::wire::explain::builder::ExplainOptions;
use crate::wire::explain::value::RedactOptions;
use crate::wire::record::history::History;
use crate::wire::record::live::LiveConnection;
use crate::wire::record::recorder::{Record, SocketEvent};

/// One call of a connection: its time in milliseconds, whether it was a `recv`, and its bytes.
pub(crate) type TestCall<'a> = (u64, bool, &'a [u8]);

/// A history with connection 1, accepted at 1,000 ms of the 21st of November 2026, 12:00 UTC.
pub(crate) fn history(calls: &[TestCall<'_>], closed: bool) -> History {
    const NOON: Duration = Duration::from_secs(1_795_262_400);
    let history = History::new(1 << 22);
    let peer = ([127, 0, 0, 1], 50_000).into();
    let start = Duration::from_secs(1);
    let mut live =
        LiveConnection::new(1, start, NOON, &ExplainOptions::live(Limits::default(), RedactOptions::default()));
    let mut out = Vec::new();
    let mut tell = |millis, event, bytes: &[u8]| {
        live.explain(&Record { connection: 1, at: start + Duration::from_millis(millis), event }, bytes, &mut out);
    };
    tell(0, SocketEvent::Accepted { peer }, b"");
    for &(at, came_in, bytes) in calls {
        let len = bytes.len();
        tell(at, if came_in { SocketEvent::Received(len) } else { SocketEvent::Sent(len) }, bytes);
    }
    if closed {
        tell(9_000, SocketEvent::Closed { reason: "PeerClosed" }, b"");
    }
    history.push(&out);
    history
}
