//! Tries the properties of `transload_fuzz::difference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::difference::check(input));
