//! Fuzzes [`barewire::http::fuzz::dates`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire::http::fuzz::dates(bytes));
