//! Whether a text is an image's name.

use transload_transfer::job::ImageEntry;

/// Longer texts are no names (the distribution specification allows 255 characters before the tag, and tags of 128).
const LONGEST: usize = 500;

/// Whether a text, with nothing around it to say so, looks like an image's name: it has a tag or a digest, and a registry, a path or a version.
pub(super) fn looks_like_image(text: &str) -> bool {
    if text.len() > LONGEST || text.contains("://") || text.contains(char::is_whitespace) {
        return false;
    }
    let Ok(ImageEntry::Name(name)) = text.parse::<ImageEntry>() else {
        return false;
    };
    if text.contains('@') {
        return name.reference().digest().is_some();
    }
    let Some((path, tag)) = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) else {
        return false;
    };
    let has_digit = tag.bytes().any(|byte| byte.is_ascii_digit());
    let is_number = tag.bytes().all(|byte| byte.is_ascii_digit());
    match path.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => true,
        Some(_) => has_digit || tag == "latest",
        // Without a path, a number is most likely a port.
        None => !path.contains('.') && ((has_digit && !is_number && tag.contains('.')) || tag == "latest"),
    }
}

/// The parts of a text that look like images' names: values of flags, words of scripts.
pub(super) fn within(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |letter: char| letter.is_whitespace() || "'\"`,;()[]{}<>=|\\".contains(letter);
    let words = text.split(is_end);
    let words = words.map(|word| word.trim_start_matches("docker://").trim_end_matches(['.', ':']));
    words.filter(|word| looks_like_image(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_ports_paths_and_urls() {
        for image in [
            "quay.io/prometheus/node-exporter:v1.8.0",
            "calico/node:v3.28.2",
            "nginx:1.25",
            "busybox:latest",
            "localhost:5000/app:dev",
            "hub.local/app:stable",
            "registry.k8s.io/pause@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097",
        ] {
            assert!(looks_like_image(image), "{image}");
        }
        for text in [
            "nginx",
            "redis:6379",
            "127.0.0.1:8080",
            "localhost:9090",
            "https://quay.io/a/b:v1",
            "/etc/x:ro",
            "quay.io/a/b",
            "example.com:8443",
            "a b:1.2",
            "system:node",
            "10:30",
            "data/volume:rw",
            "",
            ":",
            "{{ .Values.image }}",
        ] {
            assert!(!looks_like_image(text), "{text}");
        }
    }

    #[test]
    fn names_are_found_within_arguments_and_scripts() {
        let found = |text| within(text).collect::<Vec<_>>();
        assert_eq!(found("--reloader=quay.io/a/b:v1"), ["quay.io/a/b:v1"]);
        assert_eq!(
            found("docker run 'a/b:v1', \"c.io/d:e\"."),
            ["a/b:v1", "c.io/d:e"]
        );
        assert_eq!(
            found("skopeo inspect docker://quay.io/a/b:v1"),
            ["quay.io/a/b:v1"]
        );
        assert!(found("--listen=0.0.0.0:8080 --url=http://x.io/a:1").is_empty());
    }
}
