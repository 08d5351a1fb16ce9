//! Fuzzes [`barewire::http::fuzz::receive`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::receive(bytes));
