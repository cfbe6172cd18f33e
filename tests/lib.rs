//! Integration tests of transload; they live in `integration/`.
