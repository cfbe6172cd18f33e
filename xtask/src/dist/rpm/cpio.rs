//! The archive in an RPM: cpio in its "new ASCII" form.

use super::File;

/// The archive of the files, in their order.
///
/// # Errors
/// Where a file is too large for the format.
pub fn archive(files: &[File], epoch: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let content = match file.link.as_str() {
            "" => file.bytes.as_slice(),
            link => link.as_bytes(),
        };
        let links = if file.is_folder() { 2 } else { 1 };
        let path = format!(".{}", file.path());
        add(
            &mut bytes,
            &path,
            index as u64 + 1,
            u64::from(file.mode),
            links,
            epoch,
            content,
        )?;
    }
    add(&mut bytes, "TRAILER!!!", 0, 0, 1, 0, &[])?;
    Ok(bytes)
}

fn add(
    bytes: &mut Vec<u8>,
    path: &str,
    inode: u64,
    mode: u64,
    links: u64,
    time: u64,
    content: &[u8],
) -> Result<(), String> {
    let name = path.len() as u64 + 1;
    let length = content.len() as u64;
    bytes.extend(b"070701");
    // Owner and group are root's, and so are the numbers of devices.
    for field in [inode, mode, 0, 0, links, time, length, 0, 0, 0, 0, name, 0] {
        let field = u32::try_from(field).map_err(|_| format!("{path} is too large for an RPM"))?;
        bytes.extend(format!("{field:08x}").into_bytes());
    }
    bytes.extend(path.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn members_begin_at_multiples_of_four() {
        let files = [
            file("bin/x", 0o100_755, b"12345".to_vec(), String::new()),
            file("bin/y", 0o120_777, Vec::new(), "x".to_owned()),
        ];
        let bytes = archive(&files, 9).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(starts.len(), 3);
        assert!(
            starts.iter().all(|start| start.is_multiple_of(4)) && bytes.len().is_multiple_of(4),
            "{starts:?}"
        );
        assert!(
            text.starts_with("0707010000000100 0081ed".replace(' ', "").as_str()),
            "{text}"
        );
        assert!(
            text.contains("./usr/bin/x\0") && text.contains("12345\0\0\0"),
            "{text}"
        );
        assert!(text.contains("./usr/bin/y\0\0\0x\0\0\0"), "{text:?}");
        assert!(text.contains("TRAILER!!!"), "{text}");
    }
}
