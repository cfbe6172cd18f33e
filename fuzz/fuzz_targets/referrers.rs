//! Tries the properties of `transload_fuzz::referrers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::referrers::check(input));
