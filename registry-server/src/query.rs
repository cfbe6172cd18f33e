//! Targets of requests: percent-encoding and queries.

/// Decodes percent-encoding ([RFC 3986, section 2.1]); none where it is broken, or what it says is no text without control characters.
///
/// [RFC 3986, section 2.1]: https://www.rfc-editor.org/rfc/rfc3986#section-2.1
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// Encodes a text as a value of a query.
pub(crate) fn encode(text: &str) -> String {
    const KEPT: &[u8] = b"-._~/:@";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || KEPT.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The parameters of a query.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query. A parameter that can't be decoded isn't there. A `+` is itself: some clients don't encode those of media types, and no
    /// value has a blank.
    pub fn parse(text: Option<&str>) -> Query {
        let parameters = text.unwrap_or_default().split('&');
        Query(
            parameters
                .filter_map(|parameter| {
                    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                    Some((decode(name)?, decode(value)?))
                })
                .collect(),
        )
    }

    /// Returns a parameter's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let named = move |(given, _): &&(String, String)| given == name;
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_read_as_clients_write_it() {
        let query = Query::parse(Some("ns=docker.io&n=5&last=a%2Fb+c%2Bd&tag=a&tag=b&bad=%zz&flag"));
        assert_eq!(query.get("ns"), Some("docker.io"));
        assert_eq!(query.get("last"), Some("a/b+c+d"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.get("bad"), None);
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(Query::parse(None).get("ns"), None);
    }

    #[test]
    fn what_is_no_text_is_not_decoded() {
        for text in ["%", "%2", "%g0", "%ff", "%00", "%0a", "a%1bb"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("sha256%3Aab").as_deref(), Some("sha256:ab"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(text in "\\PC{0,40}") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic() && !b"&#?+\"<>".contains(&byte)));
            prop_assert_eq!(decode(&encoded), Some(text));
        }
    }
}
