//! A rate of bytes, as people write it.

/// The bytes a second that a text such as `500K` means. K, M and G are powers of 1024, as curl has them, and so are KiB, MiB and GiB; KB, MB and GB
/// are powers of 1000. A small b would be bits, and is refused.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let text = text.strip_suffix("/s").unwrap_or(text);
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (number, (letter, base)) = (number.trim_end(), power(unit));
    let unit = match letter.to_ascii_uppercase().as_str() {
        "" if unit.is_empty() => 1,
        "K" => base,
        "M" => base.pow(2),
        "G" => base.pow(3),
        _ => return Err(expected()),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = match number.parse() {
        Ok(number) if is_number => number,
        _ => return Err(expected()),
    };
    // Numbers beyond what fits become the largest, which limits nothing.
    match (number * unit as f64) as u64 {
        0 => Err("a rate of nothing would never end".to_owned()),
        rate => Ok(rate),
    }
}

/// The letter of a unit, and what it is a power of.
fn power(unit: &str) -> (&str, u64) {
    match (unit.strip_suffix("iB"), unit.strip_suffix('B')) {
        (Some(letter), _) => (letter, 1 << 10),
        (None, Some(letter)) => (letter, 1000),
        (None, None) => (unit, 1 << 10),
    }
}

fn expected() -> String {
    "expected bytes a second, such as 500000, 500K, 20M, 100MB or 1.5G".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, rate) in [
            ("500000", 500_000),
            ("500k", 500 << 10),
            (" 20M ", 20 << 20),
            ("1.5G", 3 << 29),
            ("1", 1),
            ("100MB", 100_000_000),
            ("100 MB/s", 100_000_000),
            ("1.5kB/s", 1500),
            ("20MiB", 20 << 20),
            ("2M/s", 2 << 20),
            ("7/s", 7),
            ("99999999999999999999999G", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(rate), "{text}");
        }
        for text in [
            "", "M", "-1", "1T", "1B", "1iB", "1Mb", "1Mbit/s", "1MBs", "MB", "1e9", "inf", "NaN", "1.2.3",
            "1 0M", "\u{e9}", "0", "0.1", "0K",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
