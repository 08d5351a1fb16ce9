//! Fuzzes [`barewire::http::fuzz::lists`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| barewire::http::fuzz::lists(octets));
