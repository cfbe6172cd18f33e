//! What one place has and another lacks, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use transload_transfer::inventory::{Comparison, Differing, Gap, Lack};

use super::format::{bytes, count, short_digest};

/// Two places that were compared.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The first, as it was written.
    pub a: &'a str,
    /// The second, as it was written.
    pub b: &'a str,
    /// What was found.
    pub comparison: &'a Comparison,
}

/// What differs, grouped, then totals.
pub fn comparison_text(compared: &Compared<'_>) -> String {
    let Compared { a, b, comparison, .. } = compared;
    let mut text = String::new();
    gaps(&mut text, a, b, &comparison.only_in_a);
    gaps(&mut text, b, a, &comparison.only_in_b);
    if !comparison.differing.is_empty() {
        let _ = writeln!(text, "Another image under the same name:");
        for one in &comparison.differing {
            let _ = writeln!(text, "  {}", pair(one));
            let _ = writeln!(
                text,
                "    {} in {a}, {} in {b}",
                short_digest(&one.digest_a),
                short_digest(&one.digest_b)
            );
            lacks(&mut text, one, a, b);
        }
        text.push('\n');
    }
    if !comparison.incomplete.is_empty() {
        let _ = writeln!(text, "Incomplete:");
        for one in &comparison.incomplete {
            let _ = writeln!(text, "  {}", pair(one));
            lacks(&mut text, one, a, b);
        }
        text.push('\n');
    }
    let mut numbers = vec![format!("{} alike", count(comparison.alike, "image"))];
    for (list, what) in [
        (comparison.only_in_a.len(), format!("only in {a}")),
        (comparison.only_in_b.len(), format!("only in {b}")),
        (comparison.differing.len(), "with another digest".to_owned()),
        (comparison.incomplete.len(), "incomplete".to_owned()),
        (comparison.troubles.len(), "not compared".to_owned()),
    ] {
        if list > 0 {
            numbers.push(format!("{list} {what}"));
        }
    }
    let _ = writeln!(text, "diff: {}", numbers.join(", "));
    for (place, lack) in [(a, comparison.a_lacks), (b, comparison.b_lacks)] {
        if lack != Lack::default() {
            let _ = writeln!(text, "  {place} lacks {}", amount(lack));
        }
    }
    text
}

fn gaps(text: &mut String, here: &str, there: &str, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    let _ = writeln!(text, "Only in {here}:");
    for gap in gaps {
        let _ = write!(text, "  {}", gap.image);
        if gap.other != gap.image {
            let _ = write!(text, " ({} there)", gap.other);
        }
        let _ = match gap.lacks.blobs {
            0 => writeln!(
                text,
                "\n    {}, all blobs are in {there}",
                short_digest(&gap.digest)
            ),
            _ => writeln!(
                text,
                "\n    {}, {there} lacks {}",
                short_digest(&gap.digest),
                amount(gap.lacks)
            ),
        };
    }
    text.push('\n');
}

fn pair(one: &Differing) -> String {
    if one.a == one.b {
        return one.a.clone();
    }
    format!("{} and {}", one.a, one.b)
}

fn lacks(text: &mut String, one: &Differing, a: &str, b: &str) {
    for (place, lack) in [(a, one.a_lacks), (b, one.b_lacks)] {
        if lack != Lack::default() {
            let _ = writeln!(text, "    {place} lacks {}", amount(lack));
        }
    }
}

fn amount(lack: Lack) -> String {
    let blobs = format!("{} in {}", bytes(lack.bytes), count(lack.blobs, "blob"));
    let mut parts = Vec::new();
    if lack.blobs > 0 || (lack.manifests, lack.referrers) == (0, 0) {
        parts.push(blobs);
    }
    for (number, what) in [(lack.manifests, "manifest"), (lack.referrers, "referrer")] {
        if number > 0 {
            parts.push(count(number, what));
        }
    }
    parts.join(", and ")
}

/// What couldn't be compared; empty where all could.
pub fn comparison_troubles(comparison: &Comparison) -> String {
    let mut text = String::new();
    for trouble in &comparison.troubles {
        let _ = writeln!(text, "error: {}: {}", trouble.image, trouble.message);
        if let Some(hint) = &trouble.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}

/// The same for programs:
///
/// ```json
/// {
///   "a": "./images", "b": "hub.local/mirror",
///   "same": false,
///   "alike": 3,                                       // images
///   "only_in_a": [{"image": "alpine:3.19", "other": "hub.local/mirror/library/alpine:3.19", "digest": "sha256:…",
///                  "lacks": {"blobs": 3, "bytes": 4711, "manifests": 0, "referrers": 0}}],    // what of it the other place lacks
///   "only_in_b": [],                                  // of the same shape
///   "differing": [{"a": "…", "b": "…", "digest_a": "sha256:…", "digest_b": "sha256:…",
///                  "a_lacks": {…}, "b_lacks": {…}}],           // of the same shape as lacks
///   "incomplete": [],                                 // of the same shape: one digest, and parts are missing
///   "a_lacks": {…}, "b_lacks": {…},                   // in all, each blob once
///   "troubles": [{"image": "…", "message": "…", "hint": null}]
/// }
/// ```
pub fn comparison_json(compared: &Compared<'_>) -> Value {
    let comparison = compared.comparison;
    let lack = |lack: Lack| {
        json!({
            "blobs": lack.blobs,
            "bytes": lack.bytes,
            "manifests": lack.manifests,
            "referrers": lack.referrers,
        })
    };
    let gaps = |gaps: &[Gap]| -> Vec<Value> {
        let gap = |gap: &Gap| {
            json!({
                "image": gap.image,
                "other": gap.other,
                "digest": gap.digest.to_string(),
                "lacks": lack(gap.lacks),
            })
        };
        gaps.iter().map(gap).collect()
    };
    let pairs = |pairs: &[Differing]| -> Vec<Value> {
        let pair = |one: &Differing| {
            json!({
                "a": one.a,
                "b": one.b,
                "digest_a": one.digest_a.to_string(),
                "digest_b": one.digest_b.to_string(),
                "a_lacks": lack(one.a_lacks),
                "b_lacks": lack(one.b_lacks),
            })
        };
        pairs.iter().map(pair).collect()
    };
    let troubles = comparison.troubles.iter();
    let troubles = troubles
        .map(|trouble| json!({"image": trouble.image, "message": trouble.message, "hint": trouble.hint}));
    json!({
        "a": compared.a,
        "b": compared.b,
        "same": comparison.is_same() && comparison.troubles.is_empty(),
        "alike": comparison.alike,
        "only_in_a": gaps(&comparison.only_in_a),
        "only_in_b": gaps(&comparison.only_in_b),
        "differing": pairs(&comparison.differing),
        "incomplete": pairs(&comparison.incomplete),
        "a_lacks": lack(comparison.a_lacks),
        "b_lacks": lack(comparison.b_lacks),
        "troubles": troubles.collect::<Vec<_>>(),
    })
}
