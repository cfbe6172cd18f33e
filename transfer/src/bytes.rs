//! Numbers of bytes in messages.

use std::fmt;

/// A number of bytes, displayed in the largest binary unit of which there is at least one: `512 B`, `1.50 GiB`.
///
/// ```
/// # use transload_transfer::Bytes;
/// assert_eq!(Bytes(1536 << 20).to_string(), "1.50 GiB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let power = self.0.ilog2() / 10;
        let number = self.0 as f64 / 1024_f64.powi(power as i32);
        write!(f, "{number:.2} {}", UNITS[power as usize - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit_that_people_know() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (3 << 29, "1.50 GiB"),
            (5 << 40, "5.00 TiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), expected);
        }
    }
}
