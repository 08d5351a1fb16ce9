//! How the wire is shown, as it was typed.
//!
//! Never: a secret of somebody else. Where others can connect, secrets stay hidden.
//!
//! The subtle thing: the field names of `--wire-hide` are asked for before anything is recorded; a name
//! that is none would hide nothing, silently.

use std::ops::RangeInclusive;

use barewire::wire::ViewFormat;

use crate::program::error::{Exit, StartError};
use crate::program::options::definition::{Views, Wire};
use crate::program::options::value;
use crate::program::options::{Bind, Port, Reader};

/// The history of the view in a browser: less holds too little to be worth a window, more is not read.
const MEMORY: RangeInclusive<u64> = 1 << 20..=1 << 30;

/// The view in a browser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Study {
    /// The port that was given; 0 is any.
    pub(crate) port: Option<u16>,
    /// Bytes of history.
    pub(crate) memory: usize,
}

/// The views of the wire.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// On standard output.
    pub(crate) terminal: Option<ViewFormat>,
    pub(crate) study: Option<Study>,
    pub(crate) hide: Vec<String>,
    pub(crate) secrets: bool,
    pub(crate) ascii: bool,
}

impl View {
    /// Whether there is anybody to look.
    pub(crate) fn is_on(&self) -> bool {
        self.terminal.is_some() || self.study.is_some()
    }
}

impl Reader<'_> {
    pub(crate) fn view(&self, typed: &Views, bind: &Bind, port: Port) -> Result<View, StartError> {
        if typed.wire.is_some() {
            can_record("--wire")?;
        }
        if typed.study {
            can_record("--study")?;
        }
        let alone = match bind {
            Bind::Loopback => true,
            Bind::Lan => false,
            Bind::Addresses(addresses) => addresses.iter().all(|address| address.is_loopback()),
        };
        if typed.wire_secrets && !alone {
            let what = "--wire-secrets would show the secrets of others: not where others can connect.";
            return Err(StartError::new(Exit::Usage, what).advising("Leave it out:  barewire --lan --wire"));
        }
        let hide = self.each("wire_hide", &typed.wire_hide, value::field_name)?;
        Ok(View {
            terminal: typed.wire.map(|form| match form {
                Wire::Line => ViewFormat::Line,
                Wire::Head => ViewFormat::Head,
                Wire::Full => ViewFormat::Full,
                Wire::Json => ViewFormat::Json,
            }),
            study: self.study(typed, port)?,
            hide,
            secrets: typed.wire_secrets,
            ascii: typed.ascii,
        })
    }

    fn study(&self, typed: &Views, main: Port) -> Result<Option<Study>, StartError> {
        let ports = 0..=u64::from(u16::MAX);
        let port = typed.wire_port.as_ref().map(|text| self.judge("wire_port", text, |t| value::number(t, ports)));
        let port = port.transpose()?.map(|port| port as u16);
        let memory = typed.wire_memory.as_ref().map(|text| self.judge("wire_memory", text, |t| value::size(t, MEMORY)));
        let memory = memory.transpose()?;
        if typed.study {
            if let (Some(port @ 1..), Port::Given(main)) = (port, main)
                && port == main
            {
                let what = format!("{} is the port of the server itself.", self.source("wire_port"));
                return Err(StartError::new(Exit::Usage, what)
                    .advising(format!("Give it another one:  barewire -p {main} --study --wire-port 0")));
            }
            return Ok(Some(Study { port, memory: memory.map_or(USUAL_MEMORY, |bytes| bytes as usize) }));
        }
        for (id, is_given) in [("wire_port", port.is_some()), ("wire_memory", memory.is_some())] {
            if is_given {
                let what = format!("{} belongs to the view in a browser, which is off.", self.source(id));
                return Err(StartError::new(Exit::Usage, what).advising("Switch it on:  barewire --study"));
            }
        }
        Ok(None)
    }
}

/// Whether this program can show what its sockets carry.
pub(crate) fn can_record(option: &str) -> Result<(), StartError> {
    if cfg!(feature = "wire") {
        return Ok(());
    }
    let what = format!("{option}: this barewire was built without the wire view.");
    Err(StartError::new(Exit::Usage, what).advising("Build it with the view:  cargo install barewire"))
}

/// Some thousand exchanges.
const USUAL_MEMORY: usize = 16 << 20;
