//! Telling what a file is that is given in a directory's place.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// How a compressed file begins.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];
/// A tar header's length, and where its format's name is.
const HEADER: u64 = 512;
const MAGIC: std::ops::Range<usize> = 257..262;

const IMAGES: &str = "it is an archive of images, as `docker save` and `skopeo copy` write them; copy its images into a directory first";
const TAR: &str = "it is a tar archive; unpack it, and give the directory";
const PACKED: &str =
    "it is a compressed file; if it is a packed directory of images, unpack it, and give the directory";

/// Says what the file at this path is, by its beginning, and what to do about it.
pub(crate) fn described(path: &Path) -> &'static str {
    // A pipe or a device isn't read: that might never end.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut start = Vec::new();
    let has_read =
        is_file && File::open(path).is_ok_and(|file| file.take(HEADER).read_to_end(&mut start).is_ok());
    if !has_read {
        return "it is a file";
    }
    if COMPRESSED.iter().any(|magic| start.starts_with(magic)) {
        return PACKED;
    }
    if start.get(MAGIC) != Some(b"ustar") {
        return "it is a file";
    }
    let name = start.split(|byte| *byte == 0).next().unwrap_or_default();
    let first = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_digest = first.len() >= 64 && first[..64].iter().all(u8::is_ascii_hexdigit);
    let is_of_images = is_digest
        || [
            &b"blobs"[..],
            b"oci-layout",
            b"index.json",
            b"manifest.json",
            b"repositories",
        ]
        .contains(&first);
    if is_of_images { IMAGES } else { TAR }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a tar's first entry.
    fn header(name: &str) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[MAGIC].copy_from_slice(b"ustar");
        header
    }

    #[test]
    fn a_file_is_told_by_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let digest = "0123456789abcdef".repeat(4);
        for (bytes, expected) in [
            (header("blobs/"), IMAGES),
            (header("oci-layout"), IMAGES),
            (header("manifest.json"), IMAGES),
            (header(&format!("{digest}/layer.tar")), IMAGES),
            (header(&format!("{digest}.json")), IMAGES),
            (header("images/blobs/"), TAR),
            (header("./"), TAR),
            (b"\x1f\x8b\x08".to_vec(), PACKED),
            (b"hello".to_vec(), "it is a file"),
            (Vec::new(), "it is a file"),
            (vec![0; 512], "it is a file"),
        ] {
            fs::write(&path, &bytes).unwrap();
            assert_eq!(described(&path), expected, "{bytes:?}");
        }
        assert_eq!(described(Path::new("/dev/zero")), "it is a file");
        assert_eq!(described(&folder.path().join("none")), "it is a file");
    }
}
