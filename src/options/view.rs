//! How the wire is shown, as it was typed.
//!
//! Never: a secret of somebody else. Where others can connect, secrets stay hidden.
//!
//! The subtle thing: the field names of `--wire-hide` are asked for before anything is recorded; a name
//! that is none would hide nothing, silently.

use barewire::wire::Form;

use super::typed::{Typed, Wire};
use super::value::Unfit;
use super::{Bind, Reader};
use crate::complaint::{Complaint, Exit};

/// The view of the wire.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) form: Form,
    pub(crate) hide: Vec<String>,
    pub(crate) secrets: bool,
    pub(crate) ascii: bool,
}

impl Reader<'_> {
    pub(super) fn view(&self, typed: &Typed, bind: &Bind) -> Result<Option<View>, Complaint> {
        if typed.wire.is_some() {
            can_record("--wire")?;
        }
        let alone = match bind {
            Bind::Loopback => true,
            Bind::Lan => false,
            Bind::Addresses(addresses) => addresses.iter().all(|address| address.is_loopback()),
        };
        if typed.wire_secrets && !alone {
            let what = "--wire-secrets would show the secrets of others: not where others can connect.";
            return Err(Complaint::new(Exit::Usage, what).advising("Leave it out:  barewire --lan --wire"));
        }
        let hide = self.each("wire_hide", &typed.wire_hide, field_name)?;
        Ok(typed.wire.map(|form| View {
            form: match form {
                Wire::Line => Form::Line,
                Wire::Head => Form::Head,
                Wire::Full => Form::Full,
                Wire::Json => Form::Json,
            },
            hide,
            secrets: typed.wire_secrets,
            ascii: typed.ascii,
        }))
    }
}

/// Whether this program can show what its sockets carry.
pub(super) fn can_record(option: &str) -> Result<(), Complaint> {
    if cfg!(feature = "wire") {
        return Ok(());
    }
    let what = format!("{option}: this barewire was built without the wire view.");
    Err(Complaint::new(Exit::Usage, what).advising("Build it with the view:  cargo install barewire"))
}

fn field_name(text: &str) -> Result<String, Unfit> {
    match barewire::http::octet::is_token(text.as_bytes()) {
        true => Ok(text.to_string()),
        false => Err(Unfit::Takes("the name of a field, such as X-Session".into())),
    }
}
