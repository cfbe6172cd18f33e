//! A lock file's text.

use std::fmt::{self, Write as _};

use super::{Entry, Lock};

const HEAD: &str = "\
# What each image's tag stood for when transload moved it, and what was written.
# --lock keeps this file, --locked moves exactly what it has or fails. Keep it with the list of images, and review what changes.
version: 1
images:";

/// The text of the file: the same for the same content, with a block for each image, sorted.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        if self.entries.is_empty() {
            return f.write_str(" []\n");
        }
        f.write_char('\n')?;
        let mut is_first = true;
        for (image, entry) in self
            .entries
            .iter()
            .flat_map(|(image, entries)| entries.iter().map(move |entry| (image, entry)))
        {
            if !is_first {
                f.write_char('\n')?;
            }
            is_first = false;
            writeln!(f, "  - image: {}", scalar(&image.to_string()))?;
            block(f, entry)?;
        }
        Ok(())
    }
}

fn block(f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
    writeln!(f, "    digest: {}", entry.digest)?;
    writeln!(f, "    written: {}", entry.written)?;
    writeln!(f, "    locked: {}", scalar(&entry.locked))?;
    if entry.platforms.is_empty() {
        writeln!(f, "    platforms: []")?;
    } else {
        writeln!(f, "    platforms:")?;
    }
    for (platform, digest) in &entry.platforms {
        writeln!(f, "      - {{platform: {}, digest: {digest}}}", scalar(platform))?;
    }
    if entry.referrers.is_empty() {
        return Ok(());
    }
    writeln!(f, "    referrers:")?;
    for digest in &entry.referrers {
        writeln!(f, "      - {digest}")?;
    }
    Ok(())
}

/// A text as YAML: bare where every reader takes it for that text, else in quotes.
fn scalar(text: &str) -> String {
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._/:@-".contains(c))
        && text.contains(['/', '-']);
    if is_bare {
        text.to_owned()
    } else {
        // JSON's strings are YAML's.
        serde_json::Value::from(text).to_string()
    }
}
