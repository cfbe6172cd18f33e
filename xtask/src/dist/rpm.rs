//! A package for the systems that have RPM, in its format of version 4 (which rpm 4.14 and later check, and older ones read).
//!
//! It is written here since the crates that write it draw in sixty others, and a package of plain files needs little of the format:
//! a lead, a header of digests, a header of what is told, and a compressed cpio archive.

use super::tree::{Entry, Tree, sha256};
use super::{Release, pack};

mod cpio;
mod header;

use header::{Header, Value};

/// What the package is published as; a new packing of the same version would be 2.
const RELEASE: &str = "1";

/// `transload-0.1.0-1.x86_64.rpm`
pub fn file_name(release: &Release) -> String {
    format!(
        "transload-{}-{RELEASE}.{}.rpm",
        version(release),
        release.target.rpm
    )
}

/// RPM has no minus sign in a version; a tilde sorts before the release, as it should.
fn version(release: &Release) -> String {
    release.version.replace('-', "~")
}

/// The package. It has no scripts, depends on nothing and starts nothing.
///
/// # Errors
/// Where something can't be packed.
pub fn package(release: &Release, tree: &Tree) -> Result<Vec<u8>, String> {
    let files = files(tree);
    let archive = cpio::archive(&files, release.epoch)?;
    let payload = pack::gzip(&archive)?;
    let told = told(release, &files, &payload)?.bytes(header::IMMUTABLE);
    let mut digests = Header::default();
    digests.add(273, Value::Text(sha256(&told)));
    digests.add(1000, Value::Numbers(vec![size(told.len() + payload.len())?]));
    digests.add(1007, Value::Numbers(vec![size(archive.len())?]));
    let mut package = lead(release);
    package.extend(digests.bytes(header::SIGNATURES));
    package.resize(package.len().next_multiple_of(8), 0);
    package.extend(told);
    package.extend(payload);
    Ok(package)
}

/// Something that the package has.
#[derive(Debug)]
struct File {
    /// Its folder, with a slash at the end.
    folder: String,
    name: String,
    /// With the kind of the file.
    mode: u16,
    bytes: Vec<u8>,
    /// Where a symbolic link leads.
    link: String,
    flags: u32,
}

impl File {
    fn path(&self) -> String {
        format!("{}{}", self.folder, self.name)
    }

    fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// All that is in the tree, below `/usr`, and the folders that are transload's own; by path.
fn files(tree: &Tree) -> Vec<File> {
    const OWN: &str = "share/doc/transload";
    let mut files: Vec<File> = tree
        .folders()
        .into_iter()
        .filter(|path| path.starts_with(OWN))
        .map(|path| file(path, 0o040_755, Vec::new(), String::new()))
        .collect();
    files.extend(tree.entries().map(|(path, entry)| match entry {
        Entry::File { mode, bytes } => {
            let mode = u16::try_from(*mode).unwrap_or(0o644);
            file(path, 0o100_000 | mode, bytes.clone(), String::new())
        }
        Entry::Link(to) => file(path, 0o120_777, Vec::new(), to.clone()),
    }));
    files.sort_by_key(File::path);
    files
}

fn file(path: &str, mode: u16, bytes: Vec<u8>, link: String) -> File {
    const DOCUMENT: u32 = 1 << 1;
    const LICENCE: u32 = 1 << 7;
    let path = format!("/usr/{path}");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let flags = match () {
        () if name.starts_with("LICENSE") || name == "THIRD-PARTY.md" => LICENCE,
        () if folder.starts_with("/usr/share/doc") || folder.starts_with("/usr/share/man") => DOCUMENT,
        () => 0,
    };
    File {
        folder: format!("{folder}/"),
        name: name.to_owned(),
        mode,
        bytes,
        link,
        flags,
    }
}

/// The header of what the package is and has. The tags' numbers are RPM's own.
#[rustfmt::skip]
fn told(release: &Release, files: &[File], payload: &[u8]) -> Result<Header, String> {
    let texts = |of: &dyn Fn(&File) -> String| Value::Texts(files.iter().map(of).collect());
    let numbers = |of: &dyn Fn(&File) -> u32| Value::Numbers(files.iter().map(of).collect());
    let text = |text: &str| Value::Text(text.to_owned());
    let epoch = u32::try_from(release.epoch).map_err(|_| "a time beyond RPM's".to_owned())?;
    let version = version(release);
    let this = format!("{version}-{RELEASE}");
    let mut folders: Vec<String> = files.iter().map(|file| file.folder.clone()).collect();
    folders.sort();
    folders.dedup();
    let mut sizes = Vec::new();
    for file in files {
        sizes.push(match file.is_folder() {
            true => 4096,
            false => size(file.bytes.len().max(file.link.len()))?,
        });
    }
    let sum = size(files.iter().map(|file| file.bytes.len()).sum())?;
    // What it asks of RPM itself: names without their "./" in tables of folders, and digests that aren't MD5.
    let needs = [
        ("rpmlib(CompressedFileNames)", "3.0.4-1"),
        ("rpmlib(FileDigests)", "4.6.0-1"),
        ("rpmlib(PayloadFilesHavePrefix)", "4.0-1"),
    ];
    const LESS: u32 = 1 << 1;
    const EQUAL: u32 = 1 << 3;
    const OF_RPM: u32 = 1 << 24;
    const SHA256: u32 = 8;

    let mut header = Header::default();
    header.add(100,  Value::Texts(vec!["C".to_owned()]));
    header.add(1000, text("transload"));
    header.add(1001, text(&version));
    header.add(1002, text(RELEASE));
    header.add(1004, Value::Translated(super::SUMMARY.to_owned()));
    header.add(1005, Value::Translated(super::DESCRIPTION.join("\n")));
    header.add(1006, Value::Numbers(vec![epoch]));
    header.add(1007, text("localhost"));
    header.add(1009, Value::Numbers(vec![sum]));
    header.add(1014, text("MIT OR Apache-2.0"));
    header.add(1015, text(super::MAINTAINER));
    header.add(1016, Value::Translated("Applications/System".to_owned()));
    header.add(1020, text(super::HOMEPAGE));
    header.add(1021, text("linux"));
    header.add(1022, text(release.target.rpm));
    header.add(1028, Value::Numbers(sizes));
    header.add(1030, Value::Shorts(files.iter().map(|file| file.mode).collect()));
    header.add(1033, Value::Shorts(vec![0; files.len()]));
    header.add(1034, numbers(&|_| epoch));
    header.add(1035, texts(&|file| if file.mode & 0o170_000 == 0o100_000 { sha256(&file.bytes) } else { String::new() }));
    header.add(1036, texts(&|file| file.link.clone()));
    header.add(1037, numbers(&|file| file.flags));
    header.add(1039, texts(&|_| "root".to_owned()));
    header.add(1040, texts(&|_| "root".to_owned()));
    header.add(1044, Value::Text(format!("transload-{this}.src.rpm")));
    header.add(1045, numbers(&|_| u32::MAX));
    header.add(1047, Value::Texts(vec!["transload".to_owned()]));
    header.add(1048, Value::Numbers(vec![LESS | EQUAL | OF_RPM; needs.len()]));
    header.add(1049, Value::Texts(needs.map(|(name, _)| name.to_owned()).to_vec()));
    header.add(1050, Value::Texts(needs.map(|(_, version)| version.to_owned()).to_vec()));
    header.add(1095, numbers(&|_| 1));
    header.add(1096, Value::Numbers((1..).take(files.len()).collect()));
    header.add(1097, texts(&|_| String::new()));
    header.add(1112, Value::Numbers(vec![EQUAL]));
    header.add(1113, Value::Texts(vec![this]));
    header.add(1116, numbers(&|file| folders.binary_search(&file.folder).map_or(0, |index| index as u32)));
    header.add(1117, texts(&|file| file.name.clone()));
    header.add(1118, Value::Texts(folders.clone()));
    header.add(1124, text("cpio"));
    header.add(1125, text("gzip"));
    header.add(1126, text("9"));
    header.add(5011, Value::Numbers(vec![SHA256]));
    header.add(5062, text("utf-8"));
    header.add(5092, Value::Texts(vec![sha256(payload)]));
    header.add(5093, Value::Numbers(vec![SHA256]));
    Ok(header)
}

/// The first 96 bytes, which programs such as `file` look at.
fn lead(release: &Release) -> Vec<u8> {
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1];
    let mut name = format!("transload-{}-{RELEASE}", version(release)).into_bytes();
    name.resize(66, 0);
    lead.extend(name);
    lead.extend([0, 1, 0, 5]);
    lead.resize(96, 0);
    lead
}

fn size(bytes: usize) -> Result<u32, String> {
    u32::try_from(bytes).map_err(|_| "a package of 4 GiB or more".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::tests::release;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.file("bin/transload", 0o755, b"program".to_vec());
        tree.text("share/doc/transload/LICENSE-MIT", "free".to_owned());
        tree.text("share/man/man1/transload.1", "page".to_owned());
        tree
    }

    #[test]
    fn only_its_own_folders_are_in_the_package() {
        let files = files(&tree());
        let shown: Vec<_> = files
            .iter()
            .map(|file| (file.path(), file.mode, file.flags))
            .collect();
        let expected = [
            ("/usr/bin/transload", 0o100_755, 0),
            ("/usr/share/doc/transload", 0o040_755, 2),
            ("/usr/share/doc/transload/LICENSE-MIT", 0o100_644, 128),
            ("/usr/share/man/man1/transload.1", 0o100_644, 2),
        ];
        assert_eq!(
            shown,
            expected.map(|(path, mode, flags)| (path.to_owned(), mode, flags))
        );
    }

    #[test]
    fn a_package_begins_with_its_lead_and_two_headers() {
        let bytes = package(&release(), &tree()).unwrap();
        assert_eq!(&bytes[..4], &[0xed, 0xab, 0xee, 0xdb]);
        assert_eq!(&bytes[10..29], b"transload-0.1.0~rc1");
        assert_eq!(&bytes[96..100], &[0x8e, 0xad, 0xe8, 1]);
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = 96 + 16 + 16 * number(104) + number(108);
        let second = end.next_multiple_of(8);
        assert_eq!(&bytes[second..second + 4], &[0x8e, 0xad, 0xe8, 1]);
        let payload = second + 16 + 16 * number(second + 8) + number(second + 12);
        assert_eq!(&bytes[payload..payload + 2], &[0x1f, 0x8b], "gzip");
        let digest = sha256(&bytes[second..payload]);
        assert!(
            bytes[96..end]
                .windows(64)
                .any(|window| window == digest.as_bytes())
        );
    }
}
