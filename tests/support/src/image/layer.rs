//! The contents of layers.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};

/// A tar archive of files with these paths and contents, owned by nobody in particular and without times.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive
            .append_data(&mut header, path, *content)
            .unwrap_or_else(|error| panic!("{path:?} doesn't fit into a tar archive: {error}"));
    }
    archive.into_inner().expect("memory takes every byte")
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
