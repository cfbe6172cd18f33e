//! RPM's structure of tags and values.

/// The tag of the region that a header of digests is.
pub const SIGNATURES: u32 = 62;
/// The tag of the region that a header of what is told is.
pub const IMMUTABLE: u32 = 63;

/// What a tag can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Numbers of 16 bits.
    Shorts(Vec<u16>),
    /// Numbers of 32 bits.
    Numbers(Vec<u32>),
    /// One text.
    Text(String),
    /// Any number of texts.
    Texts(Vec<String>),
    /// One text that could be there in several languages.
    Translated(String),
}

impl Value {
    /// The type's number, how its values are aligned, how many there are, and their bytes.
    fn parts(&self) -> (u32, usize, usize, Vec<u8>) {
        let text = |text: &String| [text.as_bytes(), &[0]].concat();
        match self {
            Value::Shorts(values) => (
                3,
                2,
                values.len(),
                values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            ),
            Value::Numbers(values) => (
                4,
                4,
                values.len(),
                values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            ),
            Value::Text(value) => (6, 1, 1, text(value)),
            Value::Texts(values) => (8, 1, values.len(), values.iter().flat_map(text).collect()),
            Value::Translated(value) => (9, 1, 1, text(value)),
        }
    }
}

/// Tags and their values.
#[derive(Debug, Default)]
pub struct Header(Vec<(u32, Value)>);

impl Header {
    /// Adds a tag. They come in rising order.
    pub fn add(&mut self, tag: u32, value: Value) {
        self.0.push((tag, value));
    }

    /// The header's bytes, all of it in one region with this tag, which tells that nothing was added later.
    pub fn bytes(&self, region: u32) -> Vec<u8> {
        const BINARY: u32 = 7;
        const ENTRY: usize = 16;
        let mut index = Vec::new();
        let mut store = Vec::new();
        for (tag, value) in &self.0 {
            let (kind, alignment, count, bytes) = value.parts();
            store.resize(store.len().next_multiple_of(alignment), 0);
            index.extend(entry(*tag, kind, store.len() as i32, count));
            store.extend(bytes);
        }
        let count = self.0.len() + 1;
        // The region's value is one more entry at the end, which says how far back the region reaches.
        let trailer = entry(region, BINARY, -((count * ENTRY) as i32), ENTRY);
        let first = entry(region, BINARY, store.len() as i32, ENTRY);
        store.extend(trailer);
        let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
        bytes.extend((count as u32).to_be_bytes());
        bytes.extend((store.len() as u32).to_be_bytes());
        bytes.extend(first);
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }
}

fn entry(tag: u32, kind: u32, offset: i32, count: usize) -> Vec<u8> {
    [
        tag.to_be_bytes(),
        kind.to_be_bytes(),
        offset.to_be_bytes(),
        (count as u32).to_be_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_the_region_is_closed() {
        let mut header = Header::default();
        header.add(1000, Value::Text("ab".to_owned()));
        header.add(1009, Value::Numbers(vec![7]));
        let bytes = header.bytes(IMMUTABLE);
        let number = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(
            (number(8), number(12)),
            (3, 24),
            "three entries, a store of 24 bytes"
        );
        assert_eq!(
            (number(16), number(24)),
            (63, 8),
            "the region's value is behind the others"
        );
        assert_eq!(
            (number(48), number(56)),
            (1009, 4),
            "a number begins at a multiple of four"
        );
        let store = &bytes[64..];
        assert_eq!(&store[..8], &[b'a', b'b', 0, 0, 0, 0, 0, 7]);
        assert_eq!(
            number(64 + 8 + 8),
            -48,
            "the region reaches back over three entries"
        );
    }
}
