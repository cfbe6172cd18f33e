//! What a task says of bundles.

use std::path::PathBuf;

use transload_transfer::bundle::VolumeSize;
use transload_transfer::job::{Bundling, Endpoint, Location};
use transload_transfer::place::LocalPlace;

use super::fields::Fields;
use super::places::Place;
use super::reader::Reader;
use super::yaml::Node;

/// The values, not yet looked at.
#[derive(Default)]
pub(super) struct BundleKeys<'n> {
    base: Option<&'n Node>,
    delta: Option<&'n Node>,
    only: Option<&'n Node>,
    volume_size: Option<&'n Node>,
    volume_command: Option<&'n Node>,
    volumes: Option<&'n Node>,
    missing: Option<&'n Node>,
}

impl<'n> BundleKeys<'n> {
    /// Takes those that are there.
    pub fn of(fields: &Fields<'n>) -> BundleKeys<'n> {
        BundleKeys {
            base: fields.get("base"),
            delta: fields.get("delta"),
            only: fields.get("only"),
            volume_size: fields.get("volume_size"),
            volume_command: fields.get("volume_command"),
            volumes: fields.get("volumes"),
            missing: fields.get("missing"),
        }
    }

    /// Reads how the bundle in `dest` is written.
    pub fn bundling(&self, dest: Option<&Place>, reader: &mut Reader<'_>) -> Bundling {
        let keys = [
            ("base", self.base),
            ("delta", self.delta),
            ("only", self.only),
            ("volume_size", self.volume_size),
            ("volume_command", self.volume_command),
        ];
        let is_bundle = dest.is_none_or(|dest| dest.endpoint.local().is_some_and(LocalPlace::is_bundle));
        for (name, node) in keys {
            if let (Some(node), false) = (node, is_bundle) {
                let message = format!("`{name}` is for writing bundles, and `dest` isn't one");
                let note = reader.sink.error(node.id, message);
                note.hint("for a bundle, write `dest: bundle:DIR`");
            }
        }
        let base = self.base.and_then(|node| reader.list("base", node));
        let limit = self.volume_size.and_then(|node| volume_size(node, reader));
        Bundling {
            base: base
                .unwrap_or_default()
                .into_iter()
                .map(|(_, base)| base)
                .collect(),
            delta: self
                .delta
                .and_then(|node| reader.flag("delta", node))
                .unwrap_or(false),
            only: text("only", self.only, reader).map(PathBuf::from),
            limit,
            command: text("volume_command", self.volume_command, reader),
            signer: None,
        }
    }

    /// Reads where to write down what is missing.
    pub fn missing(&self, reader: &mut Reader<'_>) -> Option<PathBuf> {
        text("missing", self.missing, reader).map(PathBuf::from)
    }

    /// Adds the folders that have volumes of the bundle in `src`.
    pub fn with_volumes(&self, src: Option<Place>, reader: &mut Reader<'_>) -> Option<Place> {
        let Some(node) = self.volumes else {
            return src;
        };
        let folders = reader.list("volumes", node).unwrap_or_default();
        let bundle = src.as_ref().and_then(|src| src.endpoint.local());
        let Some(bundle) = bundle.filter(|place| place.is_bundle()).cloned() else {
            let note = reader.sink.error(node.id, "`volumes`: `src` isn't a bundle");
            note.hint("a bundle is read from `src: bundle:DIR`");
            return src;
        };
        let folders = folders.into_iter().map(|(_, folder)| PathBuf::from(folder));
        let bundle = bundle.with_volumes(folders.collect());
        let endpoint = Endpoint::Fixed(Location::Local(bundle));
        let mut src = src?;
        src.endpoint = endpoint;
        Some(src)
    }
}

/// A text; empty is as good as none, as templates give that.
fn text(name: &str, node: Option<&Node>, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(name, node?)?;
    Some(text).filter(|text| !text.trim().is_empty())
}

fn volume_size(node: &Node, reader: &mut Reader<'_>) -> Option<VolumeSize> {
    let text = text("volume_size", Some(node), reader)?;
    match text.trim().parse() {
        Ok(size) => Some(size),
        Err(reason) => {
            reader.sink.error(node.id, format!("`volume_size`: {reason}"));
            None
        }
    }
}
