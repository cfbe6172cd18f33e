//! Prints what each name on the command line stands for, or why it stands for nothing.

use transload_reference::Reference;

fn main() {
    for name in std::env::args().skip(1) {
        match name.parse::<Reference>() {
            Ok(reference) => println!("{name} -> {}", reference.or_latest()),
            Err(error) => println!("{name}: {error}"),
        }
    }
}
