//! Tries the properties of `transload_fuzz::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::template::check(input));
