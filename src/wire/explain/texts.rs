//! The texts of the wire view, of `explain` and of `send`: the table `texts.txt`. Notes have a table of their own
//! ([`super::notes`]).
//!
//! ```
//! assert_eq!(barewire::say!("tag/glued", requests = 3), "3 requests in one recv()");
//! ```

use std::sync::LazyLock;

use crate::service::text::grouped;
use crate::service::texts::Texts;

/// The table in English.
pub static TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::new(include_str!("texts.txt")));

/// A value in a text.
pub trait TextValue {
    /// As people read it.
    fn shown(&self) -> String;
}

impl TextValue for u64 {
    /// A number in groups of digits. What is no number for people, such as a status code, comes as text.
    fn shown(&self) -> String {
        grouped(*self)
    }
}

impl TextValue for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl TextValue for &str {
    fn shown(&self) -> String {
        (*self).into()
    }
}

/// The text of this name, with its values: `say!("block/body", bytes = 5)`; `say!("block/body", bytes)` is short for
/// `bytes = bytes`.
#[macro_export]
#[doc(hidden)]
macro_rules! say {
    (@value $key:ident) => { $crate::wire::explain::texts::TextValue::shown(&$key) };
    (@value $key:ident $value:expr) => { $crate::wire::explain::texts::TextValue::shown(&$value) };
    (@$say:ident $name:literal $(, $key:ident $(= $value:expr)?)*) => {
        $crate::wire::explain::texts::TEXTS.$say($name, &[$((stringify!($key), &$crate::say!(@value $key $($value)?))),*])
    };
    ($($all:tt)*) => { $crate::say!(@say $($all)*) };
}

/// The same, as the words in bold and the rest.
macro_rules! say_parts {
    ($($all:tt)*) => { $crate::say!(@parts $($all)*) };
}
pub(crate) use say_parts;
