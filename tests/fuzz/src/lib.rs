//! What the fuzz targets check beyond `src/http/fuzz.rs`. `tests/it/fuzzed.rs` calls the same functions.

pub mod annotations;
pub mod serving;
