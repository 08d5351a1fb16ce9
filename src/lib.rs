//! barewire
pub mod files;
pub mod http;
pub mod net;
pub mod service;
pub mod wire;
