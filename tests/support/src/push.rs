//! A pusher that seeds registries: it knows nothing of retries, mounts or resuming.

use transload_reference::Descriptor;

use crate::http::{Endpoint, Response};
use crate::image::Image;

/// Pushes an image to a registry that speaks plain HTTP and lets everybody push. `host` is host and port.
///
/// # Panics
/// Where the registry refuses any part of it.
pub fn push_plain(host: &str, repository: &str, tag: &str, image: &Image) {
    push(&Endpoint::plain(host), repository, tag, image);
}

pub(crate) fn push(endpoint: &Endpoint, repository: &str, tag: &str, image: &Image) {
    for (descriptor, bytes) in &image.blobs {
        push_blob(endpoint, repository, descriptor, bytes);
    }
    for document in &image.manifests {
        let is_root = document.digest == image.root.digest;
        let name = if is_root { tag } else { document.digest.as_str() };
        let target = format!("/v2/{repository}/manifests/{name}");
        let headers = [("Content-Type", document.media_type.as_str())];
        let answer = endpoint.request("PUT", &target, &headers, &document.bytes);
        expect(answer, &[201], "PUT", &target);
    }
}

fn push_blob(endpoint: &Endpoint, repository: &str, descriptor: &Descriptor, bytes: &[u8]) {
    let digest = &descriptor.digest;
    let target = format!("/v2/{repository}/blobs/{digest}");
    let known = expect(
        endpoint.request("HEAD", &target, &[], b""),
        &[200, 404],
        "HEAD",
        &target,
    );
    if known.status == 200 {
        return;
    }
    let target = format!("/v2/{repository}/blobs/uploads/");
    let session = expect(
        endpoint.request("POST", &target, &[], b""),
        &[202],
        "POST",
        &target,
    );
    let location = session.head.header("location").unwrap_or(&target);
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => location,
    };
    let separator = if path.contains('?') { '&' } else { '?' };
    let target = format!("{path}{separator}digest={digest}");
    let headers = [("Content-Type", "application/octet-stream")];
    expect(
        endpoint.request("PUT", &target, &headers, bytes),
        &[201],
        "PUT",
        &target,
    );
}

fn expect(answer: std::io::Result<Response>, statuses: &[u16], method: &str, target: &str) -> Response {
    let answer = answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"));
    assert!(
        statuses.contains(&answer.status),
        "{method} {target}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    answer
}
