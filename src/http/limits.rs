//! Every bound of one message, in one struct.
//!
//! RFC 9110 §2.3 and §5.4 leave the bounds to the recipient; a server without them keeps whatever a
//! client cares to send. Times and queue lengths are not here: they belong to `net`.
//!
//! Never: a bound that is applied anywhere else under another name.
//!
//! The subtle thing: positions inside a head are `u16` ([`crate::http::Span`]), so
//! [`Limits::HEAD_CEILING`] is a law of the types and not a matter of taste.

/// The bounds of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, from the request line to the blank line. Over it: 431. Caddy's default too;
    /// browsers stay under 4 KiB unless somebody fills them with cookies.
    pub head: usize,
    /// Bytes of a request target. Over it: 414. RFC 9112 §3 recommends at least 8,000.
    pub target: usize,
    /// Bytes of one chunk-size line, extension included (`chunked.rs` says why it must be bounded).
    pub chunk_line: usize,
    /// Bytes of all chunk extensions of one message: the bound hyper found necessary.
    pub chunk_extensions: usize,
    /// Bytes of the trailer section.
    pub trailer: usize,
    /// Bytes of content nobody wants that are read past to keep a connection. Over it: close.
    pub discard: u64,
}

impl Limits {
    /// A head can never be longer than this: its positions are 16 bits wide.
    pub const HEAD_CEILING: usize = u16::MAX as usize;
    /// Field lines of one head, and of one trailer section. A number of the type, not of the
    /// configuration: the room in which they are read is on the stack.
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
