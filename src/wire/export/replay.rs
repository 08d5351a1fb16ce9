//! A request once more: its bytes, with the cuts and the gaps with which they came.
//!
//! Never: a socket (the program has one for it); a byte in the place of a hidden one. A request whose
//! secret was painted over would be another request.
//!
//! The subtle thing: what came in pieces came with gaps, and without them TCP would join the pieces. So
//! every gap is at least `LEAST`, however short it was.

use std::time::Duration;

use crate::wire::record::event::TimedMessage;

/// The longest gap: whoever typed a request by hand does not want to wait as long again.
const MOST: Duration = Duration::from_secs(2);
/// The shortest one: longer than a busy server takes to read.
const LEAST: Duration = Duration::from_millis(20);

/// What to send, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Each piece, and how long to wait before it.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// The client ends its side behind them, since the request was never complete.
    pub ends: bool,
}

impl Recipe {
    /// Of a request.
    ///
    /// # Errors
    /// Why it cannot be sent again.
    pub(crate) fn of(request: &TimedMessage) -> Result<Recipe, &'static str> {
        let bytes = whole(request)?;
        if request.message.masked {
            return Err("a secret in it is hidden, and what is hidden cannot be sent again");
        }
        let mut pieces: Vec<(Duration, Vec<u8>)> = Vec::new();
        let cuts = cuts(request);
        let ends = cuts.iter().skip(1).map(|(at, _)| *at).chain([bytes.len()]);
        for (&(at, gap), end) in cuts.iter().zip(ends) {
            pieces.push((gap, bytes[at..end].to_vec()));
        }
        Ok(Recipe { pieces, ends: request.message.error.is_some_and(|broken| broken.cut_off) })
    }
}

/// The bytes of a request, if all were kept.
pub(crate) fn whole(request: &TimedMessage) -> Result<&[u8], &'static str> {
    match &request.message.bytes {
        kept if kept.gap == 0 && kept.last.is_empty() => Ok(&kept.first),
        _ => Err("it is long, and only the beginning and the end of it were kept"),
    }
}

/// Where each piece begins, and how long to wait before it.
pub(crate) fn cuts(request: &TimedMessage) -> Vec<(usize, Duration)> {
    let (start, end) = (request.message.start, request.message.end());
    let mut cuts = vec![(0, Duration::ZERO)];
    for pair in request.calls.windows(2) {
        if pair[1].at > start && pair[1].at < end {
            let gap = pair[1].when.saturating_sub(pair[0].when).clamp(LEAST, MOST);
            cuts.push(((pair[1].at - start) as usize, gap));
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record::exchange::{Exchange, ExchangeId};
    use crate::wire::testing::{Call, history};

    fn recipe(calls: &[Call<'_>]) -> Result<Recipe, &'static str> {
        let history = history(calls, true);
        Recipe::of(Exchange::find(&history, ExchangeId { connection: 1, exchange: 1 }).unwrap().request().unwrap())
    }

    fn millis(recipe: &Recipe) -> Vec<(u128, &[u8])> {
        recipe.pieces.iter().map(|(gap, bytes)| (gap.as_millis(), bytes.as_slice())).collect()
    }

    #[test]
    fn a_request_has_its_cuts_and_gaps_but_no_long_ones_and_none_too_short() {
        let recipe = recipe(&[
            (3, true, b"GET /"),
            (203, true, b"a HTTP/1.1\r"),
            (204, true, b"\nHost: a\r\n"),
            (9_999, true, b"\r\n"),
        ]);
        let recipe = recipe.unwrap();
        assert_eq!(
            millis(&recipe),
            [(0, &b"GET /"[..]), (200, b"a HTTP/1.1\r"), (20, b"\nHost: a\r\n"), (2000, b"\r\n")]
        );
        assert!(!recipe.ends);
    }

    #[test]
    fn one_of_several_in_a_recv_goes_alone() {
        let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let recipe = recipe(&[(3, true, &ask.repeat(3))]).unwrap();
        assert_eq!(millis(&recipe), [(0, &ask[..])]);
    }

    #[test]
    fn what_was_broken_off_is_broken_off_again() {
        let recipe = recipe(&[(3, true, b"GET / HT")]).unwrap();
        assert_eq!((millis(&recipe), recipe.ends), (vec![(0, &b"GET / HT"[..])], true));
    }

    #[test]
    fn what_is_hidden_or_was_not_kept_cannot_be_sent() {
        let secret = b"GET /?token=0123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(recipe(&[(3, true, secret)]).unwrap_err().contains("secret"));
        let long = [&b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"[..], &[b'x'; 90_000]].concat();
        assert!(recipe(&[(3, true, &long)]).unwrap_err().contains("kept"));
    }
}
