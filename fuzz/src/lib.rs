//! What must hold of everything that comes from outside, whatever it is: for each fuzz target a module with a function `check`
//! that panics where it doesn't. libFuzzer calls it with inputs that it makes up (`cargo xtask fuzz`), the tests with those of
//! `corpus`, which it found to be worth keeping.

pub mod archive;
pub mod archive_index;
pub mod bundle;
pub mod challenge;
pub mod difference;
pub mod layout;
pub mod location;
pub mod manifest;
pub mod oci_index;
pub mod public_keys;
pub mod reference;
pub mod referrers;
pub mod request;
pub mod signature;
pub mod ssh;
pub mod task;
pub mod template;

/// A target's name and what it calls.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 17] = [
    ("archive", archive::check),
    ("archive_index", archive_index::check),
    ("bundle", bundle::check),
    ("challenge", challenge::check),
    ("difference", difference::check),
    ("layout", layout::check),
    ("location", location::check),
    ("manifest", manifest::check),
    ("oci_index", oci_index::check),
    ("public_keys", public_keys::check),
    ("reference", reference::check),
    ("referrers", referrers::check),
    ("request", request::check),
    ("signature", signature::check),
    ("ssh", ssh::check),
    ("task", task::check),
    ("template", template::check),
];
