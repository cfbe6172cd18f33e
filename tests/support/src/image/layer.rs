//! The contents of layers.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};

/// A tar archive of files with these paths and contents, owned by nobody in particular and without times.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    tar_with_mode(files, 0o644)
}

/// The same, of files with this mode.
pub(super) fn tar_with_mode(files: &[(&str, &[u8])], mode: u32) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive
            .append_data(&mut header, path, *content)
            .unwrap_or_else(|error| panic!("{path:?} doesn't fit into a tar archive: {error}"));
    }
    archive.into_inner().expect("memory takes every byte")
}

/// A static program for Linux on amd64 that prints these bytes and ends with status 0.
///
/// # Panics
/// Where there are 4 GiB of them.
pub fn program_that_prints(text: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    const ADDRESS: u64 = 0x40_0000;
    let length = u32::try_from(text.len()).expect("a short text").to_le_bytes();
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1 (standard output)
    code.extend([0x48, 0x8d, 0x35, 16, 0, 0, 0]); // lea rsi, the byte after the code
    code.push(0xba); // mov edx, the length
    code.extend(length);
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]); // exit(0)
    let size = HEADERS + (code.len() + text.len()) as u64;

    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    program.extend([2, 0, 62, 0, 1, 0, 0, 0]); // an executable for x86-64
    for field in [ADDRESS + HEADERS, 64, 0] {
        program.extend(field.to_le_bytes()); // the entry, the program headers, no section headers
    }
    program.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]); // one program header
    program.extend([1, 0, 0, 0, 5, 0, 0, 0]); // to be loaded, readable and executable
    for field in [0, ADDRESS, ADDRESS, size, size, 0x1000] {
        program.extend(field.to_le_bytes()); // all of the file
    }
    program.extend(code);
    program.extend(text);
    program
}

/// The bytes in gzip, without a name or a time.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}

/// The bytes as a zstd frame of raw blocks (RFC 8878, 3.1.1): valid, though not smaller.
pub fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    const SINGLE_SEGMENT_SIZE_OF_8: u8 = 0b1110_0000;
    const BLOCK: usize = 128 * 1024;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, SINGLE_SEGMENT_SIZE_OF_8];
    frame.extend((bytes.len() as u64).to_le_bytes());
    let blocks: Vec<&[u8]> = match bytes {
        [] => vec![&[]],
        _ => bytes.chunks(BLOCK).collect(),
    };
    for (position, block) in blocks.iter().enumerate() {
        let last = usize::from(position + 1 == blocks.len());
        let header = (block.len() << 3) | last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

/// Bytes that don't compress and differ by seed.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    // splitmix64: good enough to fool gzip, and the same everywhere.
    let mut state = seed;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
