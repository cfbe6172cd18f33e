//! Zstandard streams of any number of frames ([RFC 8878, section 3.1]).
//!
//! [RFC 8878, section 3.1]: https://www.rfc-editor.org/rfc/rfc8878#section-3.1

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The header of an empty frame.
const EMPTY_FRAME: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0];
/// How many bytes are decoded at a time, beyond the window.
const STEP: usize = 256 * 1024;

/// Whether a zstd stream begins so.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.starts_with(&FRAME) || is_skippable(start)
}

fn is_skippable(start: &[u8]) -> bool {
    start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18]
}

/// Decodes one frame after another, in at most some 100 MiB of memory.
pub(crate) struct Decoder<R> {
    source: R,
    frame: FrameDecoder,
    is_in_frame: bool,
}

impl<R: BufRead> Decoder<R> {
    pub fn new(source: R) -> Decoder<R> {
        let mut frame = FrameDecoder::new();
        // ruzstd limits the window only where a decoder is used again.
        let primed = frame.reset(EMPTY_FRAME.as_slice());
        debug_assert!(primed.is_ok(), "the empty frame's header is whole");
        Decoder {
            source,
            frame,
            is_in_frame: false,
        }
    }

    pub fn get_ref(&self) -> &R {
        &self.source
    }

    /// Begins the next frame, over those that hold no content. False at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut magic = [0; 4];
            self.source.read_exact(&mut magic)?;
            if is_skippable(&magic) {
                let mut length = [0; 4];
                self.source.read_exact(&mut length)?;
                let length = u64::from(u32::from_le_bytes(length));
                let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
                if skipped < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            let header = magic.as_slice().chain(&mut self.source);
            self.frame.reset(header).map_err(invalid)?;
            return Ok(true);
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || (!self.is_in_frame && !self.next_frame()?) {
                return Ok(0);
            }
            self.is_in_frame = true;
            if !self.frame.is_finished() && self.frame.can_collect() == 0 {
                let step = BlockDecodingStrategy::UptoBytes(STEP);
                self.frame
                    .decode_blocks(&mut self.source, step)
                    .map_err(invalid)?;
            }
            let count = self.frame.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.is_in_frame = !self.frame.is_finished();
        }
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: [u8; 14] = [
        0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, b'h', b'e', b'l', b'l', b'o',
    ];

    fn decode(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Decoder::new(bytes).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn frames_follow_each_other_and_skippable_ones_are_passed_over() {
        let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let stream = [&skippable[..], &HELLO, &skippable, &HELLO].concat();
        assert!(begins(&stream) && begins(&HELLO));
        assert_eq!(decode(&stream).unwrap(), b"hellohello");
        assert_eq!(decode(&[]).unwrap(), b"");
    }

    #[test]
    fn a_stream_that_is_cut_off_or_followed_by_something_else_is_refused() {
        for end in 1..HELLO.len() {
            assert!(decode(&HELLO[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(&[&HELLO[..], b"garbage"].concat()).is_err());
        assert!(decode(&[0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]).is_err());
    }

    #[test]
    fn a_window_of_terabytes_is_refused_in_the_first_frame_too() {
        let vast = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0];
        assert!(decode(&vast).unwrap_err().to_string().contains("window"));
    }
}
