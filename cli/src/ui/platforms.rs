//! What the platforms that this machine doesn't run cost.

use std::collections::HashSet;

use transload_reference::Platform;
use transload_transfer::ImagePart;

use super::format::bytes;

/// Bytes of all platforms, and of those that this machine's architecture needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    all: u64,
    needed: u64,
}

impl Shares {
    /// Adds up images, each blob once.
    pub fn of<'a>(images: impl Iterator<Item = &'a [ImagePart]> + Clone, own: &Platform) -> Shares {
        let is_needed = |image: &[ImagePart], part: &ImagePart| match &part.platform {
            Some(platform) => platform.os == own.os && platform.architecture == own.architecture,
            // Beside parts with a platform, it is one that a choice of platforms leaves out.
            None => image.iter().all(|part| part.platform.is_none()),
        };
        let sum = |wanted: &dyn Fn(&[ImagePart], &ImagePart) -> bool| {
            let mut seen = HashSet::new();
            images
                .clone()
                .flat_map(|image| image.iter().filter(move |part| wanted(image, part)))
                .flat_map(|part| &part.blobs)
                .filter(|blob| seen.insert(&blob.digest))
                .map(|blob| blob.size)
                .sum()
        };
        Shares {
            all: sum(&|_, _| true),
            needed: sum(&is_needed),
        }
    }

    /// Tells of other platforms; nothing where they cost nothing, or are all that there is.
    pub fn text(&self, own: &Platform) -> Option<String> {
        let others = self.all.saturating_sub(self.needed);
        if others == 0 || self.needed == 0 {
            return None;
        }
        let share = others.saturating_mul(100).checked_div(self.all)?;
        Some(format!(
            "--platform {own} would leave out {share}% of the bytes ({} of {})",
            bytes(others),
            bytes(self.all)
        ))
    }
}

/// The platform of Linux containers on this machine.
pub(super) fn own() -> Option<Platform> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    format!("linux/{architecture}").parse().ok()
}
