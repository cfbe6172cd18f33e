//! Names: references and all that they are made of.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use transload_policy::{ImagePattern, PlatformPattern};
use transload_reference::{Digest, MediaType, ParseError, Platform, Reference, Registry, Repository, Tag};

/// A name reads back from what it is written as, and is safe as a path and in a URL.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Some(reference) = round_trip::<Reference>(text) {
        is_safe(reference.repository());
        assert_eq!(reference.clone().or_latest().identifier(), reference.identifier());
        if let Ok(pattern) = ImagePattern::new(text) {
            let _ = pattern.matches(text, &reference);
        }
    }
    if let Some(repository) = round_trip::<Repository>(text) {
        is_safe(&repository);
    }
    if let Some(tag) = round_trip::<Tag>(text) {
        is_plain_name(tag.as_str());
        assert!(tag.as_str().len() <= 128);
    }
    if let Some(digest) = round_trip::<Digest>(text) {
        assert_eq!(digest.as_str(), text, "a digest has one form");
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    if let Some(registry) = round_trip::<Registry>(text) {
        is_host(&registry);
    }
    if let Some(platform) = round_trip::<Platform>(text) {
        let normalised = platform.normalised();
        assert_eq!(normalised.normalised(), normalised);
        if let Some(pattern) = round_trip::<PlatformPattern>(text) {
            assert!(pattern.matches(&platform), "{pattern} is {platform}");
        }
    }
    let media_type = MediaType::new(text);
    assert_eq!(MediaType::new(media_type.as_str()), media_type);
}

fn round_trip<T: FromStr<Err = ParseError> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(read) => {
            let written = read.to_string();
            assert_eq!(
                written.parse().as_ref(),
                Ok(&read),
                "{text:?} is written as {written}"
            );
            Some(read)
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
            assert!(message.len() < 4096, "a long name makes no long message");
            None
        }
    }
}

fn is_safe(repository: &Repository) {
    is_host(repository.registry());
    assert!(repository.path().len() <= 255);
    repository.path().split('/').for_each(is_plain_name);
}

/// Whether it is the name of one file, and goes into a URL as it is.
fn is_plain_name(name: &str) {
    assert!(name != "." && name != ".." && !name.is_empty());
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
        "{name:?}"
    );
}

fn is_host(registry: &Registry) {
    let (name, host) = (registry.as_str(), registry.host());
    assert!(!name.starts_with('.') && !host.is_empty());
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)),
        "{name:?}"
    );
    match registry.port() {
        Some(port) => assert!(port > 0 && name.len() > host.len()),
        None => assert_eq!(host, name),
    }
}
