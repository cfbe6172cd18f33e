//! Tries the properties of `transload_fuzz::layout`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::layout::check(input));
