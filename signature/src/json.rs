//! JSON that everybody reads in one way.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads a document in which no mapping has a name twice, however it is written: Go's parser takes the last of two such names,
/// capital letters or not, and others the first.
///
/// # Errors
/// Other documents, those that `T` isn't, and those nested more than 128 deep.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    OnceEach.deserialize(&mut deserializer)?;
    deserializer.end()?;
    serde_json::from_slice(bytes)
}

/// Goes through a document.
struct OnceEach;

impl<'de> DeserializeSeed<'de> for OnceEach {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OnceEach {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(OnceEach)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(Name(name)) = entries.next_key()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name is there twice"));
            }
            entries.next_value_seed(OnceEach)?;
        }
        Ok(())
    }
}

/// A name without the difference of small and capital letters. Two of them are others' `k` and `s`: U+212A and U+017F.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Name(name.to_uppercase().to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::Value;

    #[test]
    fn a_name_twice_is_refused_however_it_is_written() {
        let table = [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"A":2}"#,
            r#"{"type":1,"typ\u0065":2}"#,
            "{\"subject\":1,\"\u{17f}ubject\":2}",
            "{\"key\":1,\"\u{212a}ey\":2}",
            r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#,
        ];
        for text in table {
            let error = read::<Value>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a name is there twice"), "{text}: {error}");
        }
    }

    #[test]
    fn a_document_ends_where_it_ends_and_is_not_nested_for_ever() {
        assert!(read::<Value>(br#"{"a":[1,-2,2.5,true,null,"x"],"b":{}}"#).is_ok());
        assert!(read::<Value>(b"{} {}").is_err());
        assert!(read::<Value>(b"{\"a\":1").is_err());
        assert!(read::<Value>("[".repeat(100_000).as_bytes()).is_err());
    }
}
