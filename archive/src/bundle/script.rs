//! What is in a bundle for a machine without this program.

/// How a bundle is unpacked with a shell.
pub(crate) const IMPORT: &str = include_str!("import.sh");
pub(crate) const IMPORT_NAME: &str = "import.sh";
pub(crate) const README_NAME: &str = "README.txt";

pub(crate) const README: &str = "\
This folder is a bundle of container images, written by transload.

With transload:
  transload verify bundle:.                              check every byte; --trust FILE checks who signed it
  transload list bundle:.                                the images
  transload push --src bundle:. --dest REGISTRY          import them into a registry
  transload copy --src bundle:. --dest oci:FOLDER        import them into a folder
If the volumes are in several folders, add --volumes FOLDER,FOLDER.

Without transload, with nothing but sh, tar, cat and sha256sum (and mkdir and rm):
  sh import.sh LAYOUT [FOLDER ...]
It checks all files, and unpacks the volumes into LAYOUT, an OCI image layout, which skopeo, podman, ctr, crane and oras read. FOLDERs are
further folders of volumes. If the bundle holds only what another side lacked, give the layout that has the rest: import.sh adds to it, keeps its
old index as index.json.old, and tells which blobs are still missing.

Files:
  BUNDLE.json    every image, manifest and blob, with its volume and offset; \"required\" are blobs that the other side has
  SHA256SUMS     sha256sum -c SHA256SUMS
  SHA256SUMS.sig if the bundle is signed: ssh-keygen -Y verify -n transload-bundle -f SIGNERS -I NAME -s SHA256SUMS.sig < SHA256SUMS
  vol-0001.tar   tars of an OCI layout; a blob larger than a volume is in parts, which cat joins
";
