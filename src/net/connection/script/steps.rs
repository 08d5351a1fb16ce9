//! The bytes of a scripted response, cut into steps: each is sent on its own, after a pause.
//!
//! ```text
//! bytes   interim | head | content with its framing          added in order
//! pauses   0: 200 ms, 17: 0 ms, ...                           from the script
//! steps    [200 ms] bytes 0..17  [0 ms] bytes 17.. [...]     sent one by one
//! ```
//!
//! A pause stands at a position of the response, counted from its first byte, while content may still be made. So
//! content that is added later is cut by the same list, and its end need not be known.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::http::chunked;
use crate::service::{Body, ByteOffset, ChunkedBody, OpenFile, Pause, Piece};

/// Bytes that are sent one after the other.
#[derive(Debug)]
pub(super) enum Fragment {
    /// Heads, chunk-size lines and other bytes that are not content.
    Frame(Vec<u8>),
    /// Content from memory.
    Content(Vec<u8>),
    /// Content from a file.
    File { file: Arc<OpenFile>, from: u64, len: u64 },
}

impl Fragment {
    fn len(&self) -> u64 {
        match self {
            Fragment::Frame(bytes) | Fragment::Content(bytes) => bytes.len() as u64,
            Fragment::File { len, .. } => *len,
        }
    }

    /// Cuts off everything from `at` on.
    fn split_off(&mut self, at: u64) -> Fragment {
        match self {
            Fragment::Frame(bytes) => Fragment::Frame(bytes.split_off(at as usize)),
            Fragment::Content(bytes) => Fragment::Content(bytes.split_off(at as usize)),
            Fragment::File { file, from, len } => {
                // Only the range is cut: the file is not read.
                let rest = Fragment::File { file: Arc::clone(file), from: *from + at, len: *len - at };
                *len = at;
                rest
            }
        }
    }
}

/// Bytes that are sent together, after a pause.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// How long to wait before the first byte is queued; 0 for no pause.
    pub(super) after: Duration,
    /// In the order of sending. Empty in a step that is a pause alone.
    pub(super) fragments: Vec<Fragment>,
}

/// The steps that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In the order of sending. The last one takes the bytes that are added next, unless a pause stands before them.
    steps: VecDeque<Step>,
    /// Bytes added so far.
    position: u64,
    /// Where a pause stands, in order.
    pauses: VecDeque<(u64, Duration)>,
}

impl Steps {
    /// No bytes yet; the content will begin after `head` bytes.
    pub(super) fn new(pauses: &[Pause], head: u64) -> Steps {
        let place = |pause: &Pause| match pause.before {
            ByteOffset::Response(at) => (at, pause.time),
            ByteOffset::Content(at) => (head.saturating_add(at), pause.time),
        };
        let mut pauses: Vec<(u64, Duration)> = pauses.iter().map(place).collect();
        // The order is stable: pauses at the same place keep theirs, and their times add up.
        pauses.sort_by_key(|(at, _)| *at);
        Steps { steps: VecDeque::from([Step::default()]), position: 0, pauses: pauses.into() }
    }

    pub(super) fn next(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    pub(super) fn pause_before_next(&self) -> Option<Duration> {
        self.steps.front().map(|step| step.after)
    }

    /// A pause; the bytes added next are sent on their own.
    pub(super) fn pause(&mut self, time: Duration) {
        match self.steps.back_mut() {
            Some(step) if step.fragments.is_empty() => step.after += time,
            _ => self.steps.push_back(Step { after: time, fragments: Vec::new() }),
        }
    }

    /// The pauses that stand directly after the last byte.
    pub(super) fn pause_at_end(&mut self) {
        while let Some(&(at, time)) = self.pauses.front()
            && at == self.position
        {
            self.pauses.pop_front();
            self.pause(time);
        }
    }

    /// Adds bytes.
    ///
    /// It is cut at each pause that stands inside it. A pause exactly at its end stays for the bytes that follow.
    pub(super) fn add(&mut self, mut fragment: Fragment) {
        while let Some(&(at, time)) = self.pauses.front()
            && at < self.position + fragment.len()
        {
            self.pauses.pop_front();
            // Bytes before the pause end this step; the rest begins the next one, and may be cut again.
            let rest = fragment.split_off(at.saturating_sub(self.position));
            self.push(fragment);
            self.pause(time);
            fragment = rest;
        }
        self.push(fragment);
    }

    fn push(&mut self, fragment: Fragment) {
        let len = fragment.len();
        if len == 0 {
            return;
        }
        self.position += len;
        // All earlier steps have been sent, as happens with a stream.
        if self.steps.is_empty() {
            self.steps.push_back(Step::default());
        }
        if let Some(step) = self.steps.back_mut() {
            step.fragments.push(fragment);
        }
    }

    /// Adds one chunk, or the data alone where there are no chunks. Empty data adds nothing: an empty chunk would end
    /// the content.
    pub(super) fn add_chunk(&mut self, data: Vec<u8>, extension: &str, chunked: bool) {
        if chunked && !data.is_empty() {
            // Size line, data and line end are one step, unless a pause stands between them.
            let mut line = Vec::with_capacity(20 + extension.len());
            chunked::encode_size(data.len() as u64, extension, &mut line);
            self.add(Fragment::Frame(line));
            self.add(Fragment::Content(data));
            self.add(Fragment::Frame(b"\r\n".to_vec()));
        } else {
            self.add(Fragment::Content(data));
        }
    }

    /// Adds content whose end is known; that of a stream is not.
    pub(super) fn add_body(&mut self, body: Body, chunked: bool) {
        match body {
            Body::Empty | Body::Stream(_) => {}
            // Copied: a scripted response is made for study, and its speed does not matter.
            Body::Bytes(bytes) | Body::UntilClose(bytes) => self.add(Fragment::Content(bytes.to_vec())),
            Body::File { file, from, len } => self.add(Fragment::File { file, from, len }),
            Body::Pieces { file, pieces } => {
                for piece in pieces {
                    self.add(match piece {
                        Piece::Bytes(bytes) => Fragment::Content(bytes),
                        Piece::Range { from, len } => Fragment::File { file: Arc::clone(&file), from, len },
                    });
                }
            }
            Body::Chunks(chunks) => self.add_chunks(*chunks, chunked),
        }
    }

    fn add_chunks(&mut self, chunks: ChunkedBody, chunked: bool) {
        // No gap before the first chunk: it follows the head at once, in a step of its own.
        let mut gap = Duration::ZERO;
        for data in chunks.data.into_iter().filter(|data| !data.is_empty()) {
            self.pause(std::mem::replace(&mut gap, chunks.gap));
            self.add_chunk(data, &chunks.extension, chunked);
        }
        // A client without chunked coding gets the data alone: gaps stay, extensions and trailers are left out.
        if chunked {
            // The last chunk comes after a gap as well; its trailers belong to it (RFC 9112 §7.1.2).
            self.pause(gap);
            let mut end = b"0\r\n".to_vec();
            end.extend_from_slice(chunks.trailers.bytes());
            end.extend_from_slice(b"\r\n");
            self.add(Fragment::Frame(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(before: ByteOffset, millis: u64) -> Pause {
        Pause { before, time: Duration::from_millis(millis) }
    }

    /// `200:ab` for `ab` after 200 ms.
    fn told(mut steps: Steps) -> String {
        let mut told = Vec::new();
        while let Some(step) = steps.next() {
            let fragments = step.fragments.iter().map(|fragment| match fragment {
                Fragment::Frame(bytes) | Fragment::Content(bytes) => String::from_utf8(bytes.clone()).unwrap(),
                Fragment::File { from, len, .. } => format!("[{from}+{len}]"),
            });
            told.push(format!("{}:{}", step.after.as_millis(), fragments.collect::<String>()));
        }
        told.join(" ")
    }

    fn played(pauses: &[Pause], head: &str, body: Body, chunked: bool) -> String {
        let mut steps = Steps::new(pauses, head.len() as u64);
        steps.add(Fragment::Frame(head.as_bytes().to_vec()));
        steps.add_body(body, chunked);
        told(steps)
    }

    #[test]
    fn a_pause_stands_before_its_byte_in_every_kind_of_content() {
        use ByteOffset::{Content, Response};
        let file = Arc::new(OpenFile::from(std::fs::File::open("/dev/null").unwrap()));
        let range = || Body::File { file: file.clone(), from: 10, len: 5 };
        for (pauses, body, expected) in [
            (vec![], Body::Bytes("body".into()), "0:head\nbody"),
            (vec![pause(Response(0), 5)], Body::Bytes("body".into()), "5:head\nbody"),
            (vec![pause(Content(0), 5)], Body::Bytes("body".into()), "0:head\n 5:body"),
            (vec![pause(Content(2), 5), pause(Response(2), 0)], Body::Bytes("body".into()), "0:he 0:ad\nbo 5:dy"),
            (vec![pause(Response(7), 5), pause(Content(2), 6)], Body::Bytes("body".into()), "0:head\nbo 11:dy"),
            (vec![pause(Content(4), 5), pause(Response(900), 5)], Body::Bytes("body".into()), "0:head\nbody"),
            (vec![pause(Content(2), 5)], range(), "0:head\n[10+2] 5:[12+3]"),
            (vec![pause(Content(0), 5), pause(Content(5), 5)], range(), "0:head\n 5:[10+5]"),
        ] {
            assert_eq!(played(&pauses, "head\n", body, false), expected, "{pauses:?}");
        }
    }

    #[test]
    fn each_chunk_is_a_step_and_the_gap_stands_before_all_but_the_first() {
        let mut chunks =
            ChunkedBody { data: vec![b"hello".to_vec(), vec![], b"you".to_vec()], ..ChunkedBody::default() };
        chunks.gap = Duration::from_millis(7);
        chunks.extension = "a=b".into();
        chunks.trailers.push("X", "1").unwrap();
        let body = |chunks: &ChunkedBody| Body::Chunks(Box::new(chunks.clone()));
        assert_eq!(
            played(&[], "h", body(&chunks), true),
            "0:h 0:5;a=b\r\nhello\r\n 7:3;a=b\r\nyou\r\n 7:0\r\nX: 1\r\n\r\n"
        );
        assert_eq!(played(&[], "h", body(&chunks), false), "0:h 0:hello 7:you");
        assert_eq!(
            played(&[pause(ByteOffset::Content(17), 4)], "h", body(&chunks), true),
            "0:h 0:5;a=b\r\nhello\r\n 7:3;a 4:=b\r\nyou\r\n 7:0\r\nX: 1\r\n\r\n"
        );
        assert_eq!(played(&[], "h", body(&ChunkedBody::default()), true), "0:h 0:0\r\n\r\n");
    }

    #[test]
    fn content_that_is_added_later_is_cut_by_the_same_list() {
        let mut steps = Steps::new(&[pause(ByteOffset::Content(4), 3), pause(ByteOffset::Content(9), 4)], 1);
        steps.add(Fragment::Frame(b"h".to_vec()));
        assert!(steps.next().is_some() && steps.next().is_none());
        steps.add_chunk(b"ab".to_vec(), "", true);
        steps.add_chunk(b"cdef".to_vec(), "", true);
        assert_eq!(told(steps), "0:2\r\na 3:b\r\n4\r 4:\ncdef\r\n");
    }
}
