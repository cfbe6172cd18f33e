//! Tries the properties of `transload_fuzz::archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::archive::check(input));
