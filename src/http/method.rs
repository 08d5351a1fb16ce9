//! Request methods and their properties (RFC 9110 §9).
//!
//! Names are case-sensitive (§9.1): `get` is not `GET` but an unknown method, answered with 501. Which
//! methods a resource allows is decided by the router and the file service.

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Send the current representation (§9.3.1).
    Get,
    /// Send the head that GET would get (§9.3.2).
    Head,
    /// Process the content as the resource sees fit (§9.3.3).
    Post,
    /// Create or replace the state of the target (§9.3.4).
    Put,
    /// Remove the association of target and functionality (§9.3.5).
    Delete,
    /// Open a tunnel (§9.3.6): for proxies only.
    Connect,
    /// Say which methods are allowed (§9.3.7).
    Options,
    /// Send the request back (§9.3.8).
    Trace,
    /// Apply a partial change (RFC 5789): known here so that users of the library can route it.
    Patch,
    /// Any other token: 501.
    Other,
}

impl Method {
    /// All methods with a name, in the order of RFC 9110 §9.3.
    pub const ALL: [Method; 9] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Connect,
        Method::Options,
        Method::Trace,
        Method::Patch,
    ];

    /// The method of this name; any other token is [`Method::Other`].
    pub fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// The name on the wire; for [`Method::Other`] a dash.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other => "-",
        }
    }

    /// Safe (§9.2.1): the client asks for no change of state.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back_and_case_matters() {
        for method in Method::ALL {
            assert_eq!(Method::of(method.name().as_bytes()), method);
            assert_eq!(Method::of(method.name().to_lowercase().as_bytes()), Method::Other);
        }
    }
}
