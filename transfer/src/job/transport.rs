//! Names of other tools' forms of images, such as skopeo's `oci:DIR` and `docker-archive:FILE`.

/// The names that stand before one colon.
const SCHEMES: [&str; 13] = [
    "local",
    "dir",
    "file",
    "oci",
    "oci-layout",
    "oci-archive",
    "docker",
    "docker-archive",
    "docker-daemon",
    "containers-storage",
    "ostree",
    "http",
    "https",
];

/// A text that begins with such a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transport<'t> {
    /// The name, without its colon.
    pub scheme: &'t str,
    /// What is behind the colon.
    pub rest: &'t str,
}

impl Transport<'_> {
    /// Whether it is a directory's.
    pub fn is_directory(&self) -> bool {
        ["local", "dir", "file"]
            .iter()
            .any(|known| self.scheme.eq_ignore_ascii_case(known))
    }
}

/// The transport that a place begins with. `docker:5000` is a registry with its port, and `oci://…` is read elsewhere.
pub(super) fn of_place(text: &str) -> Option<Transport<'_>> {
    let (scheme, rest) = text.split_once(':')?;
    let port = rest.split('/').next().unwrap_or_default();
    let is_port = !port.is_empty() && port.bytes().all(|letter| letter.is_ascii_digit());
    let is_known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    (is_known && !is_port && !rest.starts_with("//")).then_some(Transport { scheme, rest })
}

/// The transport that an image begins with. `docker:dind` is an image.
pub(super) fn of_image(text: &str) -> Option<Transport<'_>> {
    of_place(text).filter(|transport| !transport.scheme.eq_ignore_ascii_case("docker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_before_one_colon_are_transports() {
        for (text, place, image) in [
            ("local:/x", true, true),
            ("oci:x", true, true),
            ("OCI:x:1", true, true),
            ("docker-archive:x.tar", true, true),
            ("containers-storage:", true, true),
            ("docker:x", true, false),
            ("http:x", true, true),
            ("docker:5000", false, false),
            ("oci:5000/x", false, false),
            ("local:///x", false, false),
            ("docker://x", false, false),
            ("./oci:x", false, false),
            ("hub.local:5000/x:1", false, false),
            ("alpine:3.19", false, false),
            ("oci", false, false),
        ] {
            assert_eq!(of_place(text).is_some(), place, "{text}");
            assert_eq!(of_image(text).is_some(), image, "{text}");
        }
    }
}
