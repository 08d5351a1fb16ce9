//! Requests with content, and forms.

use crate::support::client::{Client, request};
use crate::support::response::Response;
use crate::support::server::Server;

/// One request with content on a connection of its own.
#[track_caller]
pub(crate) fn send(server: &Server, method: &str, target: &str, fields: &str, content: impl AsRef<[u8]>) -> Response {
    let content = content.as_ref();
    let mut client = Client::connect(server);
    let mut bytes = request(method, target, &format!("{fields}Content-Length: {}\r\n", content.len()));
    bytes.extend_from_slice(content);
    client.send_if_open(&bytes);
    let response = client.response(method);
    client.end();
    response
}

#[track_caller]
pub(crate) fn put(server: &Server, target: &str, fields: &str, content: impl AsRef<[u8]>) -> Response {
    send(server, "PUT", target, fields, content)
}

/// A form of these files.
pub(crate) fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let head = format!("--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n");
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"--XyZ--\r\n");
    bytes
}

pub(crate) const FORM: &str = "Content-Type: multipart/form-data; boundary=XyZ\r\n";
