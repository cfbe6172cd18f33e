//! A blocking client for OCI Distribution registries: auth, TLS, redirects, retries, resume, upload.
