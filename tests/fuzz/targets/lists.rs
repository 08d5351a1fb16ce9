//! Fuzzes [`barewire::http::fuzz::lists`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::lists(bytes));
