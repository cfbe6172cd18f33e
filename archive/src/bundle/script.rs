//! What is in a bundle for a machine without this program.

/// How a bundle is unpacked with a shell.
const IMPORT: &str = include_str!("import.sh");
pub(crate) const IMPORT_NAME: &str = "import.sh";
pub(crate) const README_NAME: &str = "README.txt";

/// Returns the files by their names. What travels as differences is unpacked by this program alone.
pub(crate) fn files(has_differences: bool) -> [(&'static str, &'static str); 2] {
    let (readme, import) = match has_differences {
        true => (README_WITH_DIFFERENCES, IMPORT_WITH_DIFFERENCES),
        false => (README, IMPORT),
    };
    [(README_NAME, readme), (IMPORT_NAME, import)]
}

const IMPORT_WITH_DIFFERENCES: &str = "\
#!/bin/sh
echo 'Some layers of this bundle are differences to layers of the other side: transload is needed to rebuild them.' >&2
echo 'Nothing was written. Make the bundle without --delta, or see README.txt.' >&2
exit 1
";

const README_WITH_DIFFERENCES: &str = "\
This folder is a bundle of container images, written by transload with --delta: some layers are differences to layers that the other side has.
It is imported by transload alone. import.sh ends without doing anything.

  transload verify bundle:. --against REGISTRY           check every byte, and that the other side has the layers
  transload list bundle:.                                the images
  transload push --src bundle:. --dest REGISTRY          import them into a registry that has the layers
  transload copy --src bundle:. --dest oci:FOLDER        import them into a folder that has the layers
If the volumes are in several folders, add --volumes FOLDER,FOLDER.

Files:
  BUNDLE.json    every image, manifest and blob, with its volume and offset; \"required\" are blobs that the other side has,
                 \"differences\" are layers with the layers that they are rebuilt from
  SHA256SUMS     sha256sum -c SHA256SUMS
  SHA256SUMS.sig if the bundle is signed: ssh-keygen -Y verify -n transload-bundle -f SIGNERS -I NAME -s SHA256SUMS.sig < SHA256SUMS
  vol-0001.tar   tars of an OCI layout; a blob larger than a volume is in parts, which cat joins
";

const README: &str = "\
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
