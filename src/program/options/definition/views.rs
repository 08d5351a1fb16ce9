//! What can be typed about the views of the wire.
//!
//! Never: a value that is judged; that happens in `view`.
//!
//! The subtle thing: both views are fed by one thread, so what is hidden is hidden in both.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::program::options::definition::Wire;

const STUDY: &str = "Study";

/// The options of the group.
#[derive(Debug, Args)]
pub(crate) struct Views {
    /// Show what the sockets carry, on standard output [default: head]
    ///
    /// line: one line for each exchange. head: what each recv() returned, and the heads, each line
    /// explained the first time it appears. full: bodies too, explained every time. json: one object for
    /// each event. Secrets are hidden. The access log is off, unless --log is given; it then goes to
    /// standard error.
    ///
    /// Example: barewire --wire=full public
    #[arg(long, value_name = "FORM", env = "BAREWIRE_WIRE", help_heading = STUDY, num_args = 0..=1, require_equals = true, default_missing_value = "head")]
    pub(crate) wire: Option<Wire>,

    /// Show what the sockets carry, in a browser
    ///
    /// On a port of its own that only this computer can reach; the start screen has its address, with the
    /// key to it. The server also gets /.try/, addresses to practise with, and gives a request head 120
    /// seconds, so that it can be typed by hand. Secrets are hidden.
    ///
    /// Example: barewire --study
    #[arg(long, env = "BAREWIRE_STUDY", help_heading = STUDY, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) study: bool,

    /// The port of the view in a browser [default: the one behind --port, or the next free one]
    ///
    /// A port that is given must be free. 0 lets the system choose one.
    ///
    /// Example: barewire --study --wire-port 9001
    #[arg(long, value_name = "N", env = "BAREWIRE_WIRE_PORT", help_heading = STUDY, allow_negative_numbers = true)]
    pub(crate) wire_port: Option<String>,

    /// The memory for what the view in a browser can show [default: 16M]
    ///
    /// When it is full, the oldest connection is forgotten. Nothing is ever written to the disk.
    ///
    /// Example: barewire --study --wire-memory 64M
    #[arg(long, value_name = "SIZE", env = "BAREWIRE_WIRE_MEMORY", help_heading = STUDY, allow_negative_numbers = true)]
    pub(crate) wire_memory: Option<String>,

    /// A field whose value is hidden too; may be repeated
    ///
    /// Hidden in any case: Authorization, Cookie, Set-Cookie and their kin, and values in queries and
    /// forms that are named password, token, key and the like, wherever they appear again.
    ///
    /// Example: barewire --wire --wire-hide X-Session
    #[arg(long, value_name = "NAME", env = "BAREWIRE_WIRE_HIDE", help_heading = STUDY)]
    pub(crate) wire_hide: Vec<String>,

    /// Hide no secrets
    ///
    /// Refused together with --lan: the secrets of others are not yours to show.
    ///
    /// Example: barewire --wire --wire-secrets
    #[arg(long, env = "BAREWIRE_WIRE_SECRETS", help_heading = STUDY, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) wire_secrets: bool,

    /// Read files and send them, instead of letting the kernel do it
    ///
    /// With sendfile() the bytes of a file never pass through the program. Without it, every one of them
    /// is seen in the view, and large files cost more.
    ///
    /// Example: barewire --study --no-sendfile
    #[arg(long, env = "BAREWIRE_NO_SENDFILE", help_heading = STUDY, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) no_sendfile: bool,

    /// Draw with ASCII only
    ///
    /// Example: barewire --wire --ascii
    #[arg(long, env = "BAREWIRE_ASCII", help_heading = STUDY, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) ascii: bool,
}
