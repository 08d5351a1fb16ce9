//! The checks before a request reaches the service. [`super::app`] calls them, in the order that it lists.
//!
//! | file | question | attack that it stops |
//! |---|---|---|
//! | `hosts` | Is the request for a name of this server? | DNS rebinding |
//! | `origins` | Is a write from a page of this server, or from no page? May a page of another origin read? | cross-site request forgery |
//! | `health` | Is this a probe of `/.health` from a program that may have the status? | |
//! | `basic`, `credentials` | Does the client know a password? | use by strangers |
//! | `throttle` | Has the client failed too often? | guessing passwords |
//! | `proxies`, `proxy_header` | Who is the client of a proxy, and is the proxy believed? | clients that pretend to be others |

pub mod basic;
pub mod credentials;
pub mod health;
pub mod hosts;
pub mod origins;
pub mod proxies;
pub(crate) mod proxy_header;
pub(crate) mod throttle;
