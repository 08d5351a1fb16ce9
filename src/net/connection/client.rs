//! Who the client is, on a connection of a trusted proxy (`--trust`).
//!
//! | the client is named by | known | the connection counts for the client |
//! |---|---|---|
//! | a PROXY header | for the whole connection, before its first request | until its end |
//! | a field of each request | for this request | until the response is sent |
//!
//! The connection of any other peer has one client from its beginning, and nothing here is called for it.

use crate::http::response::{connection_line, write_head};
use crate::http::{AddedFields, HttpDate, Request, Status, Transfer, Version};
use crate::net::connection::Connection;
use crate::net::connection::state::{Ending, LoopContext, NextBytes, Opening};
use crate::net::{CloseReason, admission::AdmissionError};
use crate::service::access::proxy_header::{self, Preamble};
use crate::service::error_page::{self, TEXTS};
use crate::service::{Body, Client, Response, app::Additions};

impl Connection {
    /// Reads the PROXY header at the beginning of the connection. Returns how many bytes were used.
    pub(super) fn take_proxy_header(&mut self, input: &[u8], cx: &mut LoopContext) -> usize {
        let (used, client) = match proxy_header::read(input) {
            Preamble::Incomplete => {
                self.next_bytes = NextBytes::Socket;
                return 0;
            }
            Preamble::Header(len, client) => (len, client),
            Preamble::Invalid => {
                let reason = CloseReason::ProxyHeaderMissing;
                log::warn!("{}: {}", self.peer, reason.explain());
                let response = Response::text(Status::BAD_REQUEST, TEXTS.say("no proxy header", &[]) + "\n");
                self.respond_and_end(response, reason, cx);
                return input.len();
            }
        };
        self.opening = Opening::Request;
        if used == input.len() {
            self.next_bytes = NextBytes::Socket;
        }
        // A header without an address is that of a health check, or the proxy does not know its client.
        if let Some(address) = client {
            self.client = Client::OfProxy(address);
            self.exchange.client = self.client;
            match cx.admission.share(self.client) {
                Ok(share) => self.share = share,
                Err(_) => self.respond_and_end(error_page::overload(), CloseReason::Shed, cx),
            }
        }
        used
    }

    /// Finds out which client of a trusted proxy has sent this request, and counts the connection for it. Errors: this
    /// client already uses as many connections as one client may.
    pub(super) fn identify(&mut self, request: &Request<'_>, cx: &LoopContext) -> Result<(), AdmissionError> {
        let proxies = cx.settings.proxies.as_ref();
        let Some(client) = proxies.and_then(|proxies| proxies.client_of(self.peer.ip(), request)) else {
            return Ok(());
        };
        self.exchange.client = client;
        // The share of the request before is dropped already.
        self.share = cx.admission.share(client)?;
        Ok(())
    }

    /// Between two requests the connection of a proxy is used for no client.
    pub(super) fn release_share(&mut self) {
        // Every other connection has one client, to its end.
        if matches!(self.client, Client::Unnamed(_)) {
            self.share = None;
        }
    }

    /// Ends the connection with a response that belongs to no request.
    fn respond_and_end(&mut self, response: Response, reason: CloseReason, cx: &mut LoopContext) {
        let bytes = without_request(response, cx.app.added_fields(&Additions::default()), &cx.date);
        self.send_queue.buffer(&mut cx.spare_buffers).extend_from_slice(&bytes);
        self.ending = Some(Ending::Linger(reason));
    }
}

/// The bytes of a response that belongs to no request. Its content is in memory.
pub(crate) fn without_request(response: Response, added: &AddedFields, date: &HttpDate) -> Vec<u8> {
    let (status, fields, body) = response.into_parts();
    let content = if let Body::Bytes(bytes) = &body { &bytes[..] } else { b"" };
    let mut bytes = Vec::new();
    let (announced, connection) = (Transfer::Exactly(content.len() as u64), connection_line(false, Version::Http11));
    write_head(&mut bytes, status, &fields, added, date, announced, connection);
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_gets_a_whole_response_with_the_fields_of_all_others() {
        let mut added = AddedFields::default();
        added.add(crate::http::MergeRule::Replace, "X-Mine", "yes").unwrap();
        let sent = without_request(error_page::overload(), &added, &HttpDate::from_second(0));
        let sent = String::from_utf8(sent).unwrap();
        let (head, content) = sent.split_once("\r\n\r\n").unwrap();
        let start = "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n";
        assert!(head.starts_with(start), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", content.len())), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n") && head.ends_with("\r\nX-Mine: yes"), "{head}");
    }
}
