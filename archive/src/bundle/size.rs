//! How large a volume may be.

use std::str::FromStr;

/// The least bytes of a volume.
const LEAST: u64 = 64 << 10;

/// The most bytes that a volume may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeSize(u64);

impl VolumeSize {
    /// The largest file of a FAT32: 4 GiB less a byte.
    pub const FAT32: VolumeSize = VolumeSize((4 << 30) - 1);
    /// A single-layer DVD, with room for the bundle's documents.
    pub const DVD: VolumeSize = VolumeSize(4_690_000_000);

    /// A limit in bytes; none where it is too small for a volume.
    pub fn of(bytes: u64) -> Option<VolumeSize> {
        (bytes >= LEAST).then_some(VolumeSize(bytes))
    }

    /// Returns it in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for VolumeSize {
    type Err = String;

    /// Reads `fat32`, `dvd`, or bytes such as `4G`, `700MB` or `4294967295` (K, M, G and T are powers of 1024, KB, MB, GB and TB of 1000).
    fn from_str(text: &str) -> Result<VolumeSize, String> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "fat32" => return Ok(VolumeSize::FAT32),
            "dvd" => return Ok(VolumeSize::DVD),
            _ => {}
        }
        let digits = lower.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: u64 = match &lower[digits.len()..] {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "kb" => 1_000,
            "m" | "mib" => 1 << 20,
            "mb" => 1_000_000,
            "g" | "gib" => 1 << 30,
            "gb" => 1_000_000_000,
            "t" | "tib" => 1 << 40,
            "tb" => 1_000_000_000_000,
            _ => 0,
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let bytes: Option<u64> = digits.parse().ok().filter(|_| is_number && unit > 0);
        let bytes = bytes
            .and_then(|number: u64| number.checked_mul(unit))
            .ok_or("expected 4G, 700MB, fat32, dvd or a number of bytes")?;
        VolumeSize::of(bytes).ok_or_else(|| format!("a volume has at least {} KiB", LEAST >> 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("4G", Some(4 << 30)),
            ("4gb", Some(4_000_000_000)),
            ("FAT32", Some((4_u64 << 30) - 1)),
            ("dvd", Some(4_690_000_000)),
            ("65536", Some(65536)),
            ("65535", None),
            ("4 G", None),
            ("-1", None),
            ("+4G", None),
            ("G", None),
            ("1.5G", None),
            ("99999999999T", None),
            ("", None),
            ("4é", None),
        ] {
            assert_eq!(
                text.parse::<VolumeSize>().ok().map(VolumeSize::bytes),
                bytes,
                "{text}"
            );
        }
    }
}
