//! Tries the properties of `transload_fuzz::signature`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::signature::check(input));
