//! Fuzzes [`barewire::http::fuzz::targets`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| barewire::http::fuzz::targets(octets));
