//! The checks before a request reaches the service: host names, origins, CORS, passwords, and the throttle of
//! guesses. [`super::app`] calls them, in the order that it lists.

pub mod basic;
pub mod cors;
pub mod credentials;
pub mod hosts;
pub mod htpasswd;
pub mod origin;
pub(crate) mod throttle;
