//! The example programs of the libraries.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::Transload;
use crate::process::build;

impl Transload {
    /// An example program of one of the workspace's crates in place of `transload`, run in the same way.
    ///
    /// It is in the folder that `TRANSLOAD_EXAMPLES` names, else what `cargo build` makes of this workspace (once a process).
    ///
    /// # Panics
    /// Where it can't be built, or there is no such example.
    pub fn example(name: &str) -> Transload {
        static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
        let program = match std::env::var_os("TRANSLOAD_EXAMPLES") {
            Some(folder) => PathBuf::from(folder).join(name),
            None => {
                let built = BUILT.get_or_init(|| build(&["--workspace", "--examples"]));
                let found = built.get(name).cloned();
                found.unwrap_or_else(|| panic!("no crate has the example {name}"))
            }
        };
        Transload::of(&program)
    }
}
