//! Fuzzes [`barewire_fuzz::annotations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barewire_fuzz::annotations::check(bytes));
