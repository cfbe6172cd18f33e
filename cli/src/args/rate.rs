//! A rate of bytes, as people write it.

/// The bytes a second that a text such as `500K` means. K, M and G are powers of 1024, as curl has them.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, unit) = match text.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => {
            let unit = match letter.to_ascii_uppercase() {
                'K' => 1u64 << 10,
                'M' => 1 << 20,
                'G' => 1 << 30,
                _ => return Err(expected()),
            };
            (&text[..at], unit)
        }
        _ => (text, 1),
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

fn expected() -> String {
    "expected bytes a second, such as 500000, 500K, 20M or 1.5G".to_owned()
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
            ("99999999999999999999999G", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(rate), "{text}");
        }
        for text in [
            "", "M", "-1", "1T", "1MB", "1e9", "inf", "NaN", "1.2.3", "1 0M", "\u{e9}", "0", "0.1", "0K",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
