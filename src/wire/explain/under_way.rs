//! What a message that is not complete still needs.

use crate::say;

/// How far a message has come that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// What is missing.
    pub awaits: Awaited,
    /// Bytes of content so far, without chunk framing; in a head that is not complete, bytes of it.
    pub arrived: u64,
    /// Bytes of content that the head promises.
    pub promised: Option<u64>,
}

/// What is missing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The blank line after the head.
    BlankLine,
    /// Content, up to the length that the head promises.
    Content,
    /// The size line of the next chunk, which may be the last one.
    ChunkSize,
    /// Data of this chunk.
    ChunkData {
        /// Its number, counted from 1.
        chunk: u64,
        /// Bytes of it so far.
        arrived: u64,
        /// Its size.
        size: u64,
    },
    /// The blank line after the last chunk and the trailer fields.
    Trailer,
    /// The end of the connection.
    Close,
    /// The end of the connection, for bytes that no parser reads.
    CloseUnparsed,
    /// Nothing: it is complete, and the responses before it are not.
    Turn,
}

impl Awaited {
    /// One word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Awaited::BlankLine => "blank-line",
            Awaited::Content => "content",
            Awaited::ChunkSize => "chunk-size",
            Awaited::ChunkData { .. } => "chunk-data",
            Awaited::Trailer => "trailer",
            Awaited::Close | Awaited::CloseUnparsed => "close",
            Awaited::Turn => "turn",
        }
    }
}

impl UnderWay {
    /// What is missing, for people: `blank line not seen yet`, `12 of 5,000 bytes`.
    pub fn sentence(&self) -> String {
        match self.awaits {
            Awaited::BlankLine => say!("awaits/blank-line"),
            Awaited::Content => {
                say!("awaits/content", arrived = self.arrived, promised = self.promised.unwrap_or(self.arrived))
            }
            Awaited::ChunkSize => say!("awaits/chunk-size"),
            Awaited::ChunkData { chunk, arrived, size } => {
                say!("awaits/chunk-data", chunk = chunk.to_string(), arrived, size)
            }
            Awaited::Trailer => say!("awaits/trailer"),
            Awaited::Close => say!("awaits/close", arrived = self.arrived),
            Awaited::CloseUnparsed => say!("awaits/close-unparsed", arrived = self.arrived),
            Awaited::Turn => say!("awaits/turn"),
        }
    }
}
