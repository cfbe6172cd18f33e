//! Tries the properties of `transload_fuzz::public_keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::public_keys::check(input));
