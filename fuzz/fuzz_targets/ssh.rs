//! Tries the properties of `transload_fuzz::ssh`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::ssh::check(input));
