//! All bounds of one message, in one struct.
//!
//! RFC 9110 §2.3 and §5.4 leave them to the recipient. Without a bound, a client decides how much memory
//! a request takes. Times and numbers of connections are not here: they belong to `net`.

/// The bounds of one message, all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A head, from the request line to the blank line. Over it: 431. The default, 16 KiB, leaves room:
    /// browsers stay under 4 KiB unless a site has filled them with cookies.
    pub head: usize,
    /// A request target. Over it: 414. RFC 9112 §3 recommends at least 8,000.
    pub target: usize,
    /// One chunk-size line, extension included. An incomplete line stays in the input buffer, so without
    /// a bound a client could fill it.
    pub chunk_line: usize,
    /// All chunk extensions of one message. Without it, one byte of content could cost a kilobyte of
    /// extension; hyper found the same bound necessary.
    pub chunk_extensions: usize,
    /// The trailer section.
    pub trailer: usize,
    /// Content that is read and thrown away to keep a connection. If more is left, the connection is
    /// closed instead.
    pub discard: u64,
}

impl Limits {
    /// No head can be longer, whatever is configured: positions in it have 16 bits ([`crate::http::Span`]).
    pub const HEAD_CEILING: usize = u16::MAX as usize;
    /// Field lines of one head, and of one trailer section. Not configurable, since the array in which
    /// they are parsed lies on the stack.
    pub const FIELD_LINES: usize = 100;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 16 * 1024,
            target: 8 * 1024,
            chunk_line: 1024,
            chunk_extensions: 16 * 1024,
            trailer: 8 * 1024,
            discard: 64 * 1024,
        }
    }
}
