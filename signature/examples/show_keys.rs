//! Shows the public keys of PEM files, as messages and reports name them.

use std::process::ExitCode;

use transload_signature::PublicKeys;

fn main() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        let keys = std::fs::read(&path).map_err(|error| error.to_string());
        match keys.and_then(|file| PublicKeys::from_pem(&file).map_err(|error| error.to_string())) {
            Ok(keys) => keys
                .iter()
                .for_each(|key| println!("{path}: {} {}", key.kind(), key.id())),
            Err(error) => {
                eprintln!("{path}: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
