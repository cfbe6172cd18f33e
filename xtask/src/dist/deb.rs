//! A package for Debian and what comes from it.

use std::fmt::Write as _;

use ar::{Builder, Header};

use super::tree::Tree;
use super::{Release, pack};

/// `transload_0.1.0_amd64.deb`
pub fn file_name(release: &Release) -> String {
    format!(
        "transload_{}_{}.deb",
        release.version.replace('-', "~"),
        release.target.deb
    )
}

/// The package. It has no scripts, depends on nothing and starts nothing.
///
/// # Errors
/// Where something can't be packed.
pub fn package(release: &Release, tree: &Tree) -> Result<Vec<u8>, String> {
    let tree = tree.moved(place);
    let mut control = Tree::default();
    control.text("control", control_file(release, &tree));
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        (
            "control.tar.gz",
            pack::gzip(&pack::tar(&control, release.epoch)?)?,
        ),
        ("data.tar.gz", pack::gzip(&pack::tar(&tree, release.epoch)?)?),
    ];
    let mut package = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(release.epoch);
        package
            .append(&header, bytes.as_slice())
            .map_err(|error| format!("packing {name}: {error}"))?;
    }
    package.into_inner().map_err(|error| format!("packing: {error}"))
}

/// Where Debian has it.
fn place(path: &str) -> Option<String> {
    const ZSH: &str = "share/zsh/site-functions/";
    let path = match path.strip_prefix(ZSH) {
        Some(name) => format!("share/zsh/vendor-completions/{name}"),
        None => path.to_owned(),
    };
    Some(format!("usr/{path}"))
}

fn control_file(release: &Release, tree: &Tree) -> String {
    // In units of 1024 bytes, one more for each folder, as dpkg-gencontrol counts.
    let files: usize = tree.files().map(|(_, bytes)| bytes.len().div_ceil(1024)).sum();
    let mut text = String::new();
    let mut line =
        |key: &str, value: &str| writeln!(text, "{key}: {value}").expect("a String takes everything");
    line("Package", "transload");
    line("Version", &release.version.replace('-', "~"));
    line("Architecture", release.target.deb);
    line("Maintainer", super::MAINTAINER);
    line("Installed-Size", &(files + tree.folders().len()).to_string());
    line("Recommends", "ca-certificates");
    line("Section", "admin");
    line("Priority", "optional");
    line("Homepage", super::HOMEPAGE);
    line("Description", super::SUMMARY);
    for paragraph in super::DESCRIPTION {
        line("", paragraph);
    }
    // A line that goes on begins with a space.
    text.replace("\n: ", "\n ")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::dist::tests::release;

    #[test]
    fn a_package_is_three_members_in_their_order() {
        let mut tree = Tree::default();
        tree.file("bin/transload", 0o755, vec![0; 2000]);
        tree.text("share/zsh/site-functions/_transload", String::new());
        let bytes = package(&release(), &tree).unwrap();
        let mut archive = ar::Archive::new(bytes.as_slice());
        let mut members = Vec::new();
        while let Some(member) = archive.next_entry() {
            let mut member = member.unwrap();
            let name = String::from_utf8(member.header().identifier().to_vec()).unwrap();
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            members.push((name, content));
        }
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);
        assert_eq!(members[0].1, b"2.0\n");
        let data = flate2::read::GzDecoder::new(members[2].1.as_slice());
        let mut paths = Vec::new();
        for entry in tar::Archive::new(data).entries().unwrap() {
            paths.push(String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap());
        }
        assert!(paths.contains(&"usr/bin/transload".to_owned()), "{paths:?}");
        assert!(
            paths.contains(&"usr/share/zsh/vendor-completions/_transload".to_owned()),
            "{paths:?}"
        );
    }

    #[test]
    fn the_control_file_depends_on_nothing() {
        let mut tree = Tree::default();
        tree.file("usr/bin/transload", 0o755, vec![0; 2000]);
        let text = control_file(&release(), &tree);
        assert!(
            text.starts_with("Package: transload\nVersion: 0.1.0~rc1\nArchitecture: amd64\n"),
            "{text}"
        );
        assert!(text.contains("\nInstalled-Size: 4\n"), "{text}");
        assert!(!text.contains("\nDepends"), "{text}");
        let description = text.split_once("\nDescription: ").unwrap().1;
        assert!(
            description.lines().skip(1).all(|line| line.starts_with(' ')),
            "{text}"
        );
    }
}
