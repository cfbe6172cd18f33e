//! Archives with the same bytes each time: sorted, owned by root, of one time.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::Release;
use super::tree::{self, Entry, Tree};

/// The bundle: a folder of its own name, with the installer and the sums of all that is in it.
///
/// # Errors
/// Where a name can't be packed.
pub fn bundle(release: &Release, tree: &Tree, installer: &[u8]) -> Result<Vec<u8>, String> {
    let mut whole = tree.clone();
    whole.file("install.sh", 0o755, installer.to_vec());
    whole.text("SHA256SUMS", tree::sums(whole.files()));
    let name = release.name();
    let placed = whole.moved(|path| Some(format!("{name}/{path}")));
    gzip(&tar(&placed, release.epoch)?)
}

/// A tar of the tree with its folders.
///
/// # Errors
/// Where a name can't be packed.
pub fn tar(tree: &Tree, epoch: u64) -> Result<Vec<u8>, String> {
    let pack = || -> io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        // By name, so that a folder comes before what is in it.
        let mut names: Vec<(&str, Option<&Entry>)> =
            tree.entries().map(|(path, entry)| (path, Some(entry))).collect();
        names.extend(tree.folders().into_iter().map(|path| (path, None)));
        names.sort_by_key(|(path, _)| *path);
        for (path, entry) in names {
            match entry {
                None => append(
                    &mut archive,
                    &format!("{path}/"),
                    EntryType::Directory,
                    0o755,
                    epoch,
                    &[],
                )?,
                Some(Entry::File { mode, bytes }) => {
                    append(&mut archive, path, EntryType::Regular, *mode, epoch, bytes)?
                }
                Some(Entry::Link(to)) => append_link(&mut archive, path, EntryType::Symlink, to, epoch)?,
            }
        }
        archive.into_inner()
    };
    pack().map_err(|error| format!("packing: {error}"))
}

/// Adds a file or a folder.
pub fn append(
    archive: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    mode: u32,
    epoch: u64,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = header(kind, mode, epoch);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes)
}

/// Adds a link, symbolic or hard.
pub fn append_link(
    archive: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    to: &str,
    epoch: u64,
) -> io::Result<()> {
    archive.append_link(&mut header(kind, 0o777, epoch), path, to)
}

fn header(kind: EntryType, mode: u32, epoch: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(epoch);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Compresses, without a name or a time.
///
/// # Errors
/// Never, in memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| format!("compressing: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn an_archive_has_folders_owners_and_times_of_its_own() {
        let long = format!("b/{}", "n".repeat(150));
        let mut tree = Tree::default();
        tree.file(&long, 0o755, b"text".to_vec());
        tree.text("a", String::new());
        let bytes = tar(&tree, 1_700_000_000).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            found.push((path, header.mode().unwrap(), text));
        }
        let expected = [
            ("a".to_owned(), 0o644, String::new()),
            ("b/".to_owned(), 0o755, String::new()),
            (long, 0o755, "text".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn compressed_bytes_tell_no_time_and_no_name() {
        let bytes = gzip(b"text").unwrap();
        assert_eq!(&bytes[3..8], &[0; 5], "no flags and no time");
        let mut text = String::new();
        GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text");
    }
}
