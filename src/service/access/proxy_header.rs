//! The PROXY header: bytes before the first request, with which a proxy names its client (`--proxy-protocol`).
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. The crate `proxy-header` reads it; this file finds its
//! end first, so that it may come in any pieces.
//!
//! ```text
//! version 1   PROXY TCP4 192.0.2.7 10.0.0.1 50123 80 CR LF            at most 107 bytes
//! version 2   signature 12 │ version, command 1 │ family 1 │ length 2 │ addresses and additions of that length
//! ```

use std::net::IpAddr;

use proxy_header::{ParseConfig, ProxyHeader};

/// Bytes of a header at most, as in nginx. Version 2 could have 64 KiB, but its additions are a few hundred bytes, those
/// about TLS included.
const LONGEST: usize = 4096;
/// Bytes of a header of version 1 at most.
const LONGEST_V1: usize = 107;
const START_V1: &[u8] = b"PROXY ";
const START_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 2 before its addresses.
const FIXED_V2: usize = 16;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// The first part of a header.
    Incomplete,
    /// A header of this many bytes. It names no client if the proxy has connected for itself, or does not know it.
    Header(usize, Option<IpAddr>),
    /// Something else, or a header that is wrong or too long.
    Invalid,
}

/// Reads the first bytes of a connection.
pub(crate) fn read(bytes: &[u8]) -> Preamble {
    let end = if begins_like(bytes, START_V2) { end_v2(bytes) } else { end_v1(bytes) };
    let Ok(end) = end else { return Preamble::Invalid };
    let Some(header) = end.and_then(|end| bytes.get(..end)) else { return Preamble::Incomplete };
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, len)) if len == header.len() => {
            let client = parsed.proxied_address().map(|address| address.source.ip().to_canonical());
            Preamble::Header(len, client)
        }
        _ => Preamble::Invalid,
    }
}

/// Whether bytes that are no request begin with a PROXY header.
pub(crate) fn is_begun(bytes: &[u8]) -> bool {
    bytes.starts_with(START_V1) || bytes.starts_with(START_V2)
}

/// Whether `bytes` begin with `start`, as far as they have come.
fn begins_like(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

/// Where a header of version 1 ends; `None` if more bytes are needed to know.
fn end_v1(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let line_end = bytes.iter().take(LONGEST_V1).position(|&b| b == b'\n');
    match line_end {
        _ if !begins_like(bytes, START_V1) => Err(()),
        Some(at) if bytes[..at].ends_with(b"\r") => Ok(Some(at + 1)),
        None if bytes.len() < LONGEST_V1 => Ok(None),
        _ => Err(()),
    }
}

/// The same for version 2.
fn end_v2(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let Some(fixed) = bytes.get(..FIXED_V2) else { return Ok(None) };
    let end = FIXED_V2 + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if end > LONGEST { Err(()) } else { Ok(Some(end)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2: command, family, and what follows the length.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [START_V2, &[0x20 | command, family], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc3, 0xcb, 0, 80];

    #[test]
    fn a_header_names_the_client_however_its_bytes_are_cut() {
        let mut ipv6 = [0; 36];
        ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        ipv6[15] = 7;
        let unix = [0; 216];
        let long = [&IPV4[..], &[0x04, 0x0f, 0xe1], &[0; LONGEST - FIXED_V2 - 15]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n".to_vec(), Some("192.0.2.7")),
            (b"PROXY TCP6 2001:db8::7 fd00::1 50123 80\r\n".to_vec(), Some("2001:db8::7")),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 50123 80\r\n".to_vec(), Some("192.0.2.7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN 192.0.2.7 whatever stands here\r\n".to_vec(), None),
            (v2(1, 0x11, &IPV4), Some("192.0.2.7")),
            (v2(1, 0x11, &[&IPV4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat()), Some("192.0.2.7")),
            (v2(1, 0x21, &ipv6), Some("2001:db8::7")),
            (v2(1, 0x11, &long), Some("192.0.2.7")),
            (v2(0, 0x00, &[]), None),
            (v2(0, 0x11, &IPV4), None),
            (v2(1, 0x00, &[1, 2, 3]), None),
            (v2(1, 0x31, &unix), None),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            let text = header.escape_ascii().to_string();
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Preamble::Incomplete, "{text} cut at {cut}");
            }
            assert_eq!(read(&header), Preamble::Header(header.len(), client), "{text}");
            let with_request = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&with_request), Preamble::Header(header.len(), client), "{text}");
            assert!(is_begun(&header), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_as_early_as_it_can_be() {
        let too_long = [&v2(1, 0x11, &IPV4)[..14], &[0x0f, 0xf1]].concat();
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"G",
            b"PROXX",
            b"proxy TCP4",
            b"PROXY\tTCP4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.007 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 2001:db8::7 fd00::1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n",
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY \r\n",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat(),
            b"\r\nG",
            b"\r\n\r\n\0\r\nQUIT\r",
            // The length alone says that it is too long.
            &too_long,
            // Another version, command or family; too few bytes of addresses.
            &[START_V2, b"\x31\x11\x00\x0c", &IPV4].concat(),
            &v2(2, 0x11, &IPV4),
            &v2(1, 0x41, &IPV4),
            &v2(1, 0x11, &IPV4[..11]),
            &v2(1, 0x21, &IPV4),
        ] {
            assert_eq!(read(bytes), Preamble::Invalid, "{}", bytes.escape_ascii());
        }
        assert!(!is_begun(b"GET /PROXY TCP4"));
    }
}
