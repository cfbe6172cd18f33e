//! Tries the properties of `transload_fuzz::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::request::check(input));
