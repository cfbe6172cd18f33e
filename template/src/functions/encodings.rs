//! JSON, YAML and base64.

use super::Arguments;
use crate::error::Fault;
use crate::value::{Json, Value, from_json, to_json, write_json};

type Given = Result<Value, Fault>;

pub(super) fn json(args: &Arguments<'_>) -> Given {
    Ok(to_json(&args.values[0]).into())
}

pub(super) fn pretty_json(args: &Arguments<'_>) -> Given {
    Ok(write_json(&args.values[0], Json::PRETTY).into())
}

/// Without escapes for HTML.
pub(super) fn raw_json(args: &Arguments<'_>) -> Given {
    Ok(write_json(&args.values[0], Json::RAW).into())
}

pub(super) fn of_json(args: &Arguments<'_>) -> Given {
    let value = from_json(args.text(0)?);
    value.map_err(|cause| {
        args.refused(
            0,
            format!("`{}` can't read this text: {cause}", args.function.name),
        )
    })
}

pub(super) fn yaml(args: &Arguments<'_>) -> Given {
    Ok(crate::yaml::write(&args.values[0]).into())
}

pub(super) fn of_yaml(args: &Arguments<'_>) -> Given {
    let value = crate::yaml::read(args.text(0)?);
    value.map_err(|cause| args.refused(0, format!("`fromYaml` can't read this text: {cause}")))
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(args: &Arguments<'_>) -> Given {
    let mut encoded = String::new();
    for bytes in args.text(0)?.as_bytes().chunks(3) {
        let group = bytes
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0, |group, byte| group << 8 | usize::from(*byte));
        for at in 0..4 {
            encoded.push(if at <= bytes.len() {
                char::from(LETTERS[group >> (18 - 6 * at) & 63])
            } else {
                '='
            });
        }
    }
    Ok(encoded.into())
}

pub(super) fn of_base64(args: &Arguments<'_>) -> Given {
    let text = decoded(args.text(0)?).and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Value::String)
        .ok_or_else(|| args.refused(0, "this isn't text in base64"))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text
        .bytes()
        .filter(|letter| !matches!(letter, b'\r' | b'\n'))
        .collect();
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    let groups = letters.len().div_ceil(4);
    for (number, letters) in letters.chunks(4).enumerate() {
        let padding = letters.iter().rev().take_while(|letter| **letter == b'=').count();
        if letters.len() < 4 || padding > 2 || (padding > 0 && number + 1 < groups) {
            return None;
        }
        let mut group = 0;
        for letter in &letters[..4 - padding] {
            let value = LETTERS.iter().position(|known| known == letter)?;
            group = group << 6 | value;
        }
        group <<= 6 * padding;
        let all = [(group >> 16) as u8, (group >> 8) as u8, group as u8];
        bytes.extend_from_slice(&all[..3 - padding]);
    }
    Some(bytes)
}
