//! Fuzzes [`barewire::http::fuzz::targets`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::targets(bytes));
