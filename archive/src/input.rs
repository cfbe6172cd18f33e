//! From a file or a pipe to a plain tar that is read at offsets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tar::Header;

use crate::entries::{BLOCK, Extent, check_sum};
use crate::sieve::{Sieve, Taken};
use crate::{Compression, Error, OpenOptions, TakeBlobs, zstd};

/// How many bytes are unpacked at a time.
const CHUNK: usize = 256 * 1024;
/// How many bytes any archive may unpack to, however small it is.
const ALWAYS_ALLOWED: u64 = 4 << 30;
/// How many times its size an archive may unpack to beyond that. gzip packs zeros to a thousandth, images to a third.
const MOST_RATIO: u64 = 100;

/// A plain tar, and what it was.
#[derive(Debug)]
pub(crate) struct Input {
    pub tar: File,
    pub length: u64,
    pub compression: Compression,
    /// The blobs that a taker wrote elsewhere meanwhile: the tar has holes there.
    pub taken: HashMap<Extent, Taken>,
}

/// Opens a file: a tar as it is, a compressed one unpacked.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Input, Error> {
    let metadata = std::fs::metadata(path).map_err(Error::io("opening", path))?;
    if metadata.is_dir() {
        return Err(not_an_archive(path, "a directory"));
    }
    let mut file = File::open(path).map_err(Error::io("opening", path))?;
    if !metadata.is_file() {
        return from_reader(file, path, options, None);
    }
    let start = read_start(&file).map_err(Error::io("reading", path))?;
    match recognise(&start).map_err(|found| not_an_archive(path, found))? {
        Compression::None => Ok(Input {
            tar: file,
            length: metadata.len(),
            compression: Compression::None,
            taken: HashMap::new(),
        }),
        compression => {
            file.rewind().map_err(Error::io("reading", path))?;
            unpack(file, compression, path, options, None)
        }
    }
}

/// Takes what a pipe gives, without the blobs that `taker` takes.
pub(crate) fn from_reader<'a>(
    mut reader: impl Read,
    name: &'a Path,
    options: &'a OpenOptions,
    taker: Option<&'a mut dyn TakeBlobs>,
) -> Result<Input, Error> {
    let start = read_start(&mut reader).map_err(Error::io("reading", name))?;
    let compression = recognise(&start).map_err(|found| not_an_archive(name, found))?;
    unpack(start.as_slice().chain(reader), compression, name, options, taker)
}

fn unpack<'a>(
    reader: impl Read,
    compression: Compression,
    name: &'a Path,
    options: &'a OpenOptions,
    taker: Option<&'a mut dyn TakeBlobs>,
) -> Result<Input, Error> {
    let mut packed = BufReader::with_capacity(CHUNK, Counted { reader, count: 0 });
    let file = tempfile::tempfile_in(&options.spool_folder)
        .map_err(Error::io("making a temporary file in", &options.spool_folder))?;
    let mut spool = Spool {
        sieve: Sieve::new(file, taker, name, &options.spool_folder),
        name,
        options,
    };
    match compression {
        Compression::None => spool.fill(&mut packed, |packed| packed.get_ref().count)?,
        Compression::Gzip => {
            let mut plain = MultiGzDecoder::new(packed);
            spool.fill_with_tar(&mut plain, "a gzip file that holds no tar", |plain| {
                plain.get_ref().get_ref().count
            })?;
        }
        Compression::Zstd => {
            let mut plain = zstd::Decoder::new(packed);
            spool.fill_with_tar(&mut plain, "a zstd file that holds no tar", |plain| {
                plain.get_ref().get_ref().count
            })?;
        }
    }
    let length = spool.sieve.length();
    let (tar, taken) = spool.sieve.finish()?;
    Ok(Input {
        tar,
        length,
        compression,
        taken,
    })
}

/// A temporary file without a name, which is gone with the process.
struct Spool<'a> {
    sieve: Sieve<'a>,
    name: &'a Path,
    options: &'a OpenOptions,
}

impl Spool<'_> {
    /// Takes all that a decoder gives, if it begins as a tar does.
    fn fill_with_tar<R: Read>(
        &mut self,
        reader: &mut R,
        otherwise: &str,
        packed: fn(&R) -> u64,
    ) -> Result<(), Error> {
        let start = read_start(&mut *reader).map_err(Error::io("unpacking", self.name))?;
        if !is_tar(&start) {
            return Err(not_an_archive(self.name, otherwise));
        }
        self.write(&start, packed(reader))?;
        self.fill(reader, packed)
    }

    /// Takes all that a reader gives; `packed` tells how many packed bytes those were so far.
    fn fill<R: Read>(&mut self, reader: &mut R, packed: impl Fn(&R) -> u64) -> Result<(), Error> {
        let mut chunk = vec![0; CHUNK];
        loop {
            self.options.check_stop(self.name)?;
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => self.write(&chunk[..count], packed(reader))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("unpacking", self.name)(error)),
            }
        }
    }

    fn write(&mut self, bytes: &[u8], packed: u64) -> Result<(), Error> {
        let length = self.sieve.length() + bytes.len() as u64;
        let allowed = self
            .options
            .most_unpacked
            .min(packed.saturating_mul(MOST_RATIO).max(ALWAYS_ALLOWED));
        if length > allowed {
            return Err(Error::TooLarge {
                path: self.name.to_owned(),
                unpacked: allowed,
                packed,
            });
        }
        self.sieve.pass(bytes)
    }
}

/// Counts the bytes that a reader gives.
struct Counted<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

fn not_an_archive(path: &Path, found: &str) -> Error {
    Error::NotAnArchive {
        path: path.to_owned(),
        found: found.to_owned(),
    }
}

/// The first block, or what there is of it.
fn read_start(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(BLOCK).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a tar begins so. An empty one begins with the mark of its end.
fn is_tar(start: &[u8]) -> bool {
    start.len() as u64 == BLOCK
        && (start.iter().all(|byte| *byte == 0) || check_sum(Header::from_byte_slice(start)).is_ok())
}

/// Tells by its first block how a file is compressed, or what it is if it is no tar.
fn recognise(start: &[u8]) -> Result<Compression, &'static str> {
    if is_tar(start) {
        return Ok(Compression::None);
    }
    if start.starts_with(b"\x1f\x8b") {
        return Ok(Compression::Gzip);
    }
    if zstd::begins(start) {
        return Ok(Compression::Zstd);
    }
    const KNOWN: [(&[u8], &str); 9] = [
        (b"PK", "a zip file"),
        (b"\xfd7zXZ\0", "an xz file: unpack it"),
        (b"BZh", "a bzip2 file: unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (b"\x7fELF", "a program"),
        (b"!<arch>\n", "a Debian package or a library"),
        (b"\xed\xab\xee\xdb", "an rpm package"),
        (b"hsqs", "a squashfs image"),
        (b"%PDF", "a PDF file"),
    ];
    if start.is_empty() {
        return Err("an empty file");
    }
    if let Some((_, found)) = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(found);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Err("a JSON file"),
        Some(b'<') => Err("an HTML or XML page"),
        _ if text
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')) =>
        {
            Err("a text file")
        }
        _ => Err("neither a tar nor a gzip or zstd file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_beginning() {
        for (start, found) in [
            (&b"PK\x03\x04"[..], "a zip file"),
            (b"", "an empty file"),
            (b"{\"a\":1}", "a JSON file"),
            (b"\n<!DOCTYPE html>", "an HTML or XML page"),
            (b"hello\n", "a text file"),
            (b"\x00\x01", "neither a tar nor a gzip or zstd file"),
            (b"\xfd7zXZ\0", "an xz file: unpack it"),
        ] {
            assert_eq!(recognise(start), Err(found), "{}", start.escape_ascii());
        }
        assert_eq!(recognise(b"\x1f\x8b\x08"), Ok(Compression::Gzip));
        assert_eq!(recognise(b"\x28\xb5\x2f\xfd"), Ok(Compression::Zstd));
        assert_eq!(recognise(&[0; 512]), Ok(Compression::None));
        let mut header = Header::new_old();
        header.set_size(0);
        header.set_cksum();
        assert_eq!(recognise(header.as_bytes()), Ok(Compression::None));
    }
}
