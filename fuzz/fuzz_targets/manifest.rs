//! Tries the properties of `transload_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::manifest::check(input));
