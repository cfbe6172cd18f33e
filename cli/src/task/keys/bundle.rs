//! The keys of `image` that are about bundles.

use super::{Key, Kind, key};

pub(super) const BASE: Key = key(
    "base",
    Kind::Texts,
    "nothing is left out",
    "[have.tli, 2026-11/BUNDLE.json]",
    "What the other side has, which a bundle in `dest` leaves out: inventories, earlier bundles (their `BUNDLE.json`), directories, archives or \
     registries. Several add up. They are read before the first task begins.",
);
pub(super) const DELTA: Key = key(
    "delta",
    Kind::Flag,
    "false",
    "true",
    "Whether changed layers travel as differences to those of `base`, which must have the layers: directories, archives, registries or earlier \
     bundles' folders. Only transload imports such a bundle.",
);
pub(super) const ONLY: Key = key(
    "only",
    Kind::Text,
    "all that `base` lacks",
    "want.tli",
    "A file with an inventory, as `missing` writes it on the other side: the bundle in `dest` carries only what it names.",
);
pub(super) const VOLUME_SIZE: Key = key(
    "volume_size",
    Kind::Text,
    "one volume",
    "fat32",
    "The largest size of a volume of the bundle in `dest`: `4G`, `700MB`, `fat32` (4 GiB less a byte), `dvd`, or bytes.",
);
pub(super) const VOLUME_COMMAND: Key = key(
    "volume_command",
    Kind::Text,
    "none",
    "'mv \"$1\" /mnt/usb/'",
    "A shell command that is run for each volume of the bundle in `dest` once it is whole, with its path as `$1`. It may carry the volume off.",
);
pub(super) const VOLUMES: Key = key(
    "volumes",
    Kind::Texts,
    "none",
    "[/mnt/a, /mnt/b]",
    "More directories with volumes of the bundle in `src`, or other bundles with what it lacks.",
);
pub(super) const MISSING: Key = key(
    "missing",
    Kind::Text,
    "none",
    "want.tli",
    "The file to write an inventory to of what is neither in the bundle in `src` nor at `dest`.",
);
