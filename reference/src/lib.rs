//! Names and identities of container images: references, digests, descriptors, platforms, raw manifests.
