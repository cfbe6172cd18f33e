//! Tries the properties of `transload_fuzz::oci_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transload_fuzz::oci_index::check(input));
