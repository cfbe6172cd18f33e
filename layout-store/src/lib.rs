//! A crash-safe directory store of container images in KubeKey's format.
