//! Shows which children of the index on stdin are of the platforms on the command line, and the index's digest after the cut.

use std::io::Read;

use transload_policy::{Keep, PlatformSet, filter_index, select};
use transload_reference::{Manifest, RawManifest};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = PlatformSet::parse(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let raw = RawManifest::parse(bytes, None)?;
    let Manifest::Index(index) = raw.view() else {
        return Err("this is one image, no index".into());
    };
    let selection = select(index, &wanted);
    for (at, child) in index.manifests.iter().enumerate() {
        let mark = if selection.keep.contains(&at) {
            "keep"
        } else {
            "drop"
        };
        let platform = child
            .platform
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        println!("{mark} {} {platform}", child.digest);
    }
    for missing in wanted.missing(&selection.satisfied) {
        println!("missing {missing}");
    }
    let keep = |at: usize| {
        if selection.keep.contains(&at) {
            Keep::Yes
        } else {
            Keep::No
        }
    };
    println!("{} becomes {}", raw.digest(), filter_index(&raw, keep)?.digest());
    Ok(())
}
