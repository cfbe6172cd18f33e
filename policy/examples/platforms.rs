//! Shows which children of the index on stdin are of the platforms on the command line, what is said of missing ones, and the
//! index's digest after the cut.

use std::io::Read;

use transload_policy::{Decision, Keep, Mode, PlatformSet, filter_index, judge, select};
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
    let is_kept = |at: &usize| selection.keep.contains(at);
    for (at, child) in index.manifests.iter().enumerate() {
        let mark = if is_kept(&at) { "keep" } else { "drop" };
        let platform = child.platform.as_ref().map(ToString::to_string);
        println!("{mark} {} {}", child.digest, platform.unwrap_or_default());
    }
    match judge(&selection, &wanted, Mode::Warn) {
        Decision::Take => {}
        Decision::Warn(shortfall) | Decision::Skip(shortfall) | Decision::Refuse(shortfall) => {
            println!("the index {shortfall}");
        }
    }
    let keep = |at: usize| if is_kept(&at) { Keep::Yes } else { Keep::No };
    println!("{} becomes {}", raw.digest(), filter_index(&raw, keep)?.digest());
    Ok(())
}
