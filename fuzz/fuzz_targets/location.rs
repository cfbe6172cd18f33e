//! Tries the properties of `transload_fuzz::location`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::location::check(input));
