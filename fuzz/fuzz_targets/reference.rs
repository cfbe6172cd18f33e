//! Tries the properties of `transload_fuzz::reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::reference::check(input));
