//! The checks before a request reaches the service. [`super::app`] calls them, in the order that it lists.
//!
//! | file | question | attack that it stops |
//! |---|---|---|
//! | `hosts` | Is the request for a name of this server? | DNS rebinding |
//! | `origin` | Is a write from a page of this server, or from no page? | cross-site request forgery |
//! | `cors` | May a page of another origin read the response? | (opens what browsers close) |
//! | `basic`, `credentials`, `htpasswd` | Does the client know a password? | use by strangers |
//! | `throttle` | Has the client failed too often? | guessing passwords |

pub mod basic;
pub mod cors;
pub mod credentials;
pub mod hosts;
pub mod htpasswd;
pub mod origin;
pub(crate) mod throttle;
