//! Fuzzes [`barewire::http::fuzz::chunks`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::chunks(bytes));
