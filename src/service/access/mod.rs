//! Who may ask: host names, origins, CORS, passwords.

pub mod basic;
pub mod cors;
pub mod credentials;
pub(crate) mod htpasswd;
pub mod origin;
pub(crate) mod throttle;
pub mod unfit;
