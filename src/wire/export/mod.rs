//! An exchange to take away: as a HAR archive ([`har`]), as a line for a shell ([`command`]), and as the
//! plan by which the program sends a request again.
//!
//! A plan keeps the pieces in which a request came, and the gaps between them, since without gaps TCP would
//! join the pieces. This module opens no socket: the program sends the plan.

pub(crate) mod command;
pub(crate) mod har;

use std::time::Duration;

use crate::wire::record::event::TimedMessage;

/// The longest gap: a person who typed the request by hand does not want to wait as long again.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// The shortest gap: longer than a busy server takes to read, or two pieces would arrive as one.
const SHORTEST_GAP: Duration = Duration::from_millis(20);

/// A request to be sent again: its bytes, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayPlan {
    /// Each piece, and how long to wait before it.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// Whether to close the sending side after the last piece, because the recorded request was cut off there.
    pub ends: bool,
}

impl ReplayPlan {
    /// The plan for this request.
    ///
    /// # Errors
    /// The reason why it cannot be sent again.
    pub(crate) fn new(request: &TimedMessage) -> Result<ReplayPlan, &'static str> {
        let bytes = all_bytes(request)?;
        // With stars in place of its secret it would be another request.
        if request.message.masked {
            return Err("a secret in it is hidden, and what is hidden cannot be sent again");
        }
        let starts = piece_starts(request);
        // Each piece ends where the next one begins.
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([bytes.len()]);
        let pieces = starts.iter().zip(ends).map(|(&(at, gap), end)| (gap, bytes[at..end].to_vec())).collect();
        Ok(ReplayPlan { pieces, ends: request.message.error.is_some_and(|error| error.cut_off) })
    }
}

/// The bytes of a request, if all were kept.
///
/// # Errors
/// The reason why there are not all: of a long message only the start and the end are kept.
fn all_bytes(request: &TimedMessage) -> Result<&[u8], &'static str> {
    match &request.message.bytes {
        // Without a gap there is no end that is kept apart.
        kept if kept.gap == 0 && kept.last.is_empty() => Ok(&kept.first),
        _ => Err("it is long, and only the beginning and the end of it were kept"),
    }
}

/// Where each piece begins in the request, and how long to wait before it. A piece is what one `recv()` call
/// brought; the first one has no gap.
fn piece_starts(request: &TimedMessage) -> Vec<(usize, Duration)> {
    let (start, end) = (request.message.start, request.message.end());
    let mut starts = vec![(0, Duration::ZERO)];
    for calls in request.calls.windows(2) {
        // A call that began before the request brought the end of another one too: no piece begins there.
        if calls[1].at > start && calls[1].at < end {
            let gap = calls[1].when.saturating_sub(calls[0].when).clamp(SHORTEST_GAP, LONGEST_GAP);
            starts.push(((calls[1].at - start) as usize, gap));
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record::exchange::{Exchange, ExchangeId};
    use crate::wire::testing::{Call, history};

    fn plan(calls: &[Call<'_>]) -> Result<ReplayPlan, &'static str> {
        let history = history(calls, true);
        ReplayPlan::new(Exchange::find(&history, ExchangeId { connection: 1, exchange: 1 }).unwrap().request().unwrap())
    }

    fn millis(plan: &ReplayPlan) -> Vec<(u128, &[u8])> {
        plan.pieces.iter().map(|(gap, bytes)| (gap.as_millis(), bytes.as_slice())).collect()
    }

    #[test]
    fn a_plan_has_the_pieces_of_the_request_and_no_gap_is_too_long_or_too_short() {
        let plan = plan(&[
            (3, true, b"GET /"),
            (203, true, b"a HTTP/1.1\r"),
            (204, true, b"\nHost: a\r\n"),
            (9_999, true, b"\r\n"),
        ]);
        let plan = plan.unwrap();
        assert_eq!(
            millis(&plan),
            [(0, &b"GET /"[..]), (200, b"a HTTP/1.1\r"), (20, b"\nHost: a\r\n"), (2000, b"\r\n")]
        );
        assert!(!plan.ends);
    }

    #[test]
    fn one_request_of_several_in_a_recv_is_sent_alone() {
        let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let plan = plan(&[(3, true, &ask.repeat(3))]).unwrap();
        assert_eq!(millis(&plan), [(0, &ask[..])]);
    }

    #[test]
    fn a_request_that_was_cut_off_is_cut_off_again() {
        let plan = plan(&[(3, true, b"GET / HT")]).unwrap();
        assert_eq!((millis(&plan), plan.ends), (vec![(0, &b"GET / HT"[..])], true));
    }

    #[test]
    fn a_request_with_hidden_or_missing_bytes_cannot_be_sent() {
        let secret = b"GET /?token=0123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(plan(&[(3, true, secret)]).unwrap_err().contains("secret"));
        let long = [&b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"[..], &[b'x'; 90_000]].concat();
        assert!(plan(&[(3, true, &long)]).unwrap_err().contains("kept"));
    }
}
