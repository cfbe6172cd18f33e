//! Tries the properties of `transload_fuzz::challenge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::challenge::check(input));
