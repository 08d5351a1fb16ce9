//! Fuzzes [`barewire::http::fuzz::forms`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::forms(bytes));
