//! The formats of directories.

/// How a directory keeps images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// KubeKey's image directory, which needs a filesystem that takes colons in names.
    #[default]
    KubeKey,
    /// The OCI image layout, which any filesystem takes.
    Oci,
}
