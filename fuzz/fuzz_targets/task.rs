//! Tries the properties of `transload_fuzz::task`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::task::check(input));
