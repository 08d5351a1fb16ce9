//! A scripted answer, cut into what is sent at once and the silences between.
//!
//! ```text
//! bytes   interim | head | content as it is framed            in, in order
//! borders  0: 200 ms, 17: 0 ms, ...                            from the pauses of the script
//! stages   [200 ms] bytes 0..17  [0 ms] bytes 17.. [...]     out, each sent on its own
//! ```
//!
//! Never: a socket, a clock. [`crate::net::connection::script`] sends it.
//!
//! The subtle thing: a border is a place in the answer, counted from its first byte, while content
//! may still be made. So what is added later is cut by the same list, and nobody has to know the end.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use crate::http::chunked;
use crate::service::script::{Chunks, Pause, Place};
use crate::service::{Body, Piece};

/// Bytes that leave one behind the other.
#[derive(Debug)]
pub(crate) enum Bit {
    /// Heads, chunk-size lines and what else is no content.
    Frame(Vec<u8>),
    /// Content from memory.
    Bytes(Vec<u8>),
    /// Content from a file.
    Range { file: Arc<File>, from: u64, len: u64 },
}

impl Bit {
    fn len(&self) -> u64 {
        match self {
            Bit::Frame(bytes) | Bit::Bytes(bytes) => bytes.len() as u64,
            Bit::Range { len, .. } => *len,
        }
    }

    /// Cuts off everything from `at` on.
    fn split_off(&mut self, at: u64) -> Bit {
        match self {
            Bit::Frame(bytes) => Bit::Frame(bytes.split_off(at as usize)),
            Bit::Bytes(bytes) => Bit::Bytes(bytes.split_off(at as usize)),
            Bit::Range { file, from, len } => {
                let rest = Bit::Range { file: Arc::clone(file), from: *from + at, len: *len - at };
                *len = at;
                rest
            }
        }
    }
}

/// Bytes that are sent at once, after a silence.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) after: Duration,
    pub(crate) bits: Vec<Bit>,
}

/// What is still to be sent.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    stages: VecDeque<Stage>,
    /// Bytes added so far.
    position: u64,
    borders: VecDeque<(u64, Duration)>,
}

impl Stages {
    /// The pauses stand where they say; the content begins behind `head` bytes.
    pub(crate) fn new(pauses: &[Pause], head: u64) -> Stages {
        let place = |pause: &Pause| match pause.before {
            Place::Answer(at) => (at, pause.time),
            Place::Content(at) => (head.saturating_add(at), pause.time),
        };
        let mut borders: Vec<(u64, Duration)> = pauses.iter().map(place).collect();
        borders.sort_by_key(|(at, _)| *at);
        Stages { stages: VecDeque::from([Stage::default()]), position: 0, borders: borders.into() }
    }

    /// The next bytes, to be sent after their silence.
    pub(crate) fn next(&mut self) -> Option<Stage> {
        self.stages.pop_front()
    }

    /// A silence; what is added next is sent on its own.
    pub(crate) fn pause(&mut self, time: Duration) {
        match self.stages.back_mut() {
            Some(stage) if stage.bits.is_empty() => stage.after += time,
            _ => self.stages.push_back(Stage { after: time, bits: Vec::new() }),
        }
    }

    /// The silences that stand directly behind the last byte.
    pub(crate) fn pause_at_end(&mut self) {
        while let Some(&(at, time)) = self.borders.front()
            && at == self.position
        {
            self.borders.pop_front();
            self.pause(time);
        }
    }

    /// Adds bytes.
    pub(crate) fn add(&mut self, mut bit: Bit) {
        while let Some(&(at, time)) = self.borders.front()
            && at < self.position + bit.len()
        {
            self.borders.pop_front();
            let rest = bit.split_off(at.saturating_sub(self.position));
            self.push(bit);
            self.pause(time);
            bit = rest;
        }
        self.push(bit);
    }

    fn push(&mut self, bit: Bit) {
        let len = bit.len();
        if len == 0 {
            return;
        }
        self.position += len;
        if self.stages.is_empty() {
            self.stages.push_back(Stage::default());
        }
        if let Some(stage) = self.stages.back_mut() {
            stage.bits.push(bit);
        }
    }

    /// Adds one chunk, or the bare data where there are no chunks; nothing for nothing.
    pub(crate) fn add_chunk(&mut self, data: Vec<u8>, extension: &str, chunked: bool) {
        if chunked && !data.is_empty() {
            let mut line = Vec::with_capacity(20 + extension.len());
            chunked::encode_size(data.len() as u64, extension, &mut line);
            self.add(Bit::Frame(line));
            self.add(Bit::Bytes(data));
            self.add(Bit::Frame(b"\r\n".to_vec()));
        } else {
            self.add(Bit::Bytes(data));
        }
    }

    /// Adds content that has its end; a stream has none yet.
    pub(crate) fn add_body(&mut self, body: Body, chunked: bool) {
        match body {
            Body::Empty | Body::Stream(_) => {}
            Body::Bytes(bytes) | Body::UntilClose(bytes) => self.add(Bit::Bytes(bytes.to_vec())),
            Body::File { file, from, len } => self.add(Bit::Range { file, from, len }),
            Body::Pieces { file, pieces } => {
                for piece in pieces {
                    self.add(match piece {
                        Piece::Bytes(bytes) => Bit::Bytes(bytes),
                        Piece::Range { from, len } => Bit::Range { file: Arc::clone(&file), from, len },
                    });
                }
            }
            Body::Chunks(chunks) => self.add_chunks(*chunks, chunked),
        }
    }

    fn add_chunks(&mut self, chunks: Chunks, chunked: bool) {
        let mut gap = Duration::ZERO;
        for data in chunks.data.into_iter().filter(|data| !data.is_empty()) {
            self.pause(std::mem::replace(&mut gap, chunks.gap));
            self.add_chunk(data, &chunks.extension, chunked);
        }
        if chunked {
            self.pause(gap);
            let mut end = b"0\r\n".to_vec();
            end.extend_from_slice(chunks.trailers.bytes());
            end.extend_from_slice(b"\r\n");
            self.add(Bit::Frame(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(before: Place, millis: u64) -> Pause {
        Pause { before, time: Duration::from_millis(millis) }
    }

    /// `200:ab` for `ab` after 200 ms.
    fn told(mut stages: Stages) -> String {
        let mut told = Vec::new();
        while let Some(stage) = stages.next() {
            let bits = stage.bits.iter().map(|bit| match bit {
                Bit::Frame(bytes) | Bit::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
                Bit::Range { from, len, .. } => format!("[{from}+{len}]"),
            });
            told.push(format!("{}:{}", stage.after.as_millis(), bits.collect::<String>()));
        }
        told.join(" ")
    }

    fn played(pauses: &[Pause], head: &str, body: Body, chunked: bool) -> String {
        let mut stages = Stages::new(pauses, head.len() as u64);
        stages.add(Bit::Frame(head.as_bytes().to_vec()));
        stages.add_body(body, chunked);
        told(stages)
    }

    #[test]
    fn a_border_stands_before_its_byte_whatever_lies_there() {
        use Place::{Answer, Content};
        let file = Arc::new(File::open("/dev/null").unwrap());
        let range = || Body::File { file: file.clone(), from: 10, len: 5 };
        for (pauses, body, expected) in [
            (vec![], Body::Bytes("body".into()), "0:head\nbody"),
            (vec![pause(Answer(0), 5)], Body::Bytes("body".into()), "5:head\nbody"),
            (vec![pause(Content(0), 5)], Body::Bytes("body".into()), "0:head\n 5:body"),
            (vec![pause(Content(2), 5), pause(Answer(2), 0)], Body::Bytes("body".into()), "0:he 0:ad\nbo 5:dy"),
            (vec![pause(Answer(7), 5), pause(Content(2), 6)], Body::Bytes("body".into()), "0:head\nbo 11:dy"),
            (vec![pause(Content(4), 5), pause(Answer(900), 5)], Body::Bytes("body".into()), "0:head\nbody"),
            (vec![pause(Content(2), 5)], range(), "0:head\n[10+2] 5:[12+3]"),
            (vec![pause(Content(0), 5), pause(Content(5), 5)], range(), "0:head\n 5:[10+5]"),
        ] {
            assert_eq!(played(&pauses, "head\n", body, false), expected, "{pauses:?}");
        }
    }

    #[test]
    fn each_chunk_is_a_stage_and_the_gap_stands_before_all_but_the_first() {
        let mut chunks = Chunks { data: vec![b"hello".to_vec(), vec![], b"you".to_vec()], ..Chunks::default() };
        chunks.gap = Duration::from_millis(7);
        chunks.extension = "a=b".into();
        chunks.trailers.push("X", "1").unwrap();
        let body = |chunks: &Chunks| Body::Chunks(Box::new(chunks.clone()));
        assert_eq!(
            played(&[], "h", body(&chunks), true),
            "0:h 0:5;a=b\r\nhello\r\n 7:3;a=b\r\nyou\r\n 7:0\r\nX: 1\r\n\r\n"
        );
        assert_eq!(played(&[], "h", body(&chunks), false), "0:h 0:hello 7:you");
        assert_eq!(
            played(&[pause(Place::Content(17), 4)], "h", body(&chunks), true),
            "0:h 0:5;a=b\r\nhello\r\n 7:3;a 4:=b\r\nyou\r\n 7:0\r\nX: 1\r\n\r\n"
        );
        assert_eq!(played(&[], "h", body(&Chunks::default()), true), "0:h 0:0\r\n\r\n");
    }

    #[test]
    fn what_is_added_later_is_cut_by_the_same_list() {
        let mut stages = Stages::new(&[pause(Place::Content(4), 3), pause(Place::Content(9), 4)], 1);
        stages.add(Bit::Frame(b"h".to_vec()));
        assert!(stages.next().is_some() && stages.next().is_none());
        stages.add_chunk(b"ab".to_vec(), "", true);
        stages.add_chunk(b"cdef".to_vec(), "", true);
        assert_eq!(told(stages), "0:2\r\na 3:b\r\n4\r 4:\ncdef\r\n");
    }
}
