//! The options of the group "Where", and the checks of them that only make sense together.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::program::error::StartError;
use crate::program::options::value::{self, Bind, Lines, lines};
use crate::program::options::{Origins, wrong_usage};

/// The addresses and the port of the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct ListenOptions {
    /// The port [default: 8080, or the next free one up to 8099]
    #[arg(short, long, value_name = "N", value_parser = value::port)]
    pub(crate) port: Option<u16>,
    /// An address to listen on, or unix:PATH; may be repeated [default: 127.0.0.1 and ::1]
    #[arg(short, long, value_name = "ADDR", value_parser = lines(value::bind))]
    pub(crate) bind: Vec<Lines<Bind>>,
    /// The rights of the socket of --bind unix:PATH, as chmod takes them [default: 660]
    #[arg(long, value_name = "MODE", value_parser = value::mode)]
    pub(crate) socket_mode: Option<u32>,
    /// Listen on all addresses: everyone on your network can connect
    #[arg(long)]
    pub(crate) lan: bool,
}

impl ListenOptions {
    /// The paths of the Unix sockets.
    pub(crate) fn unix(&self) -> Vec<PathBuf> {
        let path = |bind| if let Bind::Unix(path) = bind { Some(path) } else { None };
        self.bind.concat().into_iter().filter_map(path).collect()
    }

    /// The addresses that were named.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.bind.iter().flatten().filter_map(Bind::address).collect()
    }
}

impl Origins<'_> {
    /// `--lan` and `--bind`.
    pub(super) fn check_listen(&self, listen: &mut ListenOptions) -> Result<(), StartError> {
        if listen.socket_mode.is_some() && listen.unix().is_empty() {
            return Err(wrong_usage("no socket mode", &[("name", &self.name("socket_mode"))]));
        }
        if !listen.lan || listen.bind.concat().is_empty() {
            return Ok(());
        }
        // Typed options win over variables.
        match (self.is_typed("lan"), self.is_typed("bind")) {
            (true, false) => listen.bind.clear(),
            (false, true) => listen.lan = false,
            _ => return Err(wrong_usage("lan and bind", &[])),
        }
        Ok(())
    }
}
