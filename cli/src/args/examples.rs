//! The texts below a command's options: examples and exit statuses, and in `--help` the notes before them.

use std::fmt::Write as _;

use transload_transfer::place::schemes;

/// The first two examples, for a help that fits a screen.
pub(super) fn short(examples: &str) -> String {
    const HEADING: usize = 1;
    let lines: Vec<&str> = examples.lines().take(HEADING + 2).collect();
    lines.join("\n")
}

/// Examples, behind notes that only `--help` shows.
pub(super) fn long_with(notes: &str, examples: &str) -> String {
    format!("{notes}\n\n{examples}")
}

/// Examples, behind the forms of places on disks.
pub(super) fn with_places(examples: &str) -> String {
    let mut text = "Places on disks:\n".to_owned();
    for scheme in schemes() {
        let _ = writeln!(text, "  {}\n      {}", scheme.form, scheme.about);
    }
    text + "\n" + examples + EXIT_STATUS
}

/// Examples, and the exit status of the commands that copy images.
pub(super) fn long(examples: &str) -> String {
    examples.to_owned() + EXIT_STATUS
}

const EXIT_STATUS: &str = "\n
Exit status:
  0 done, 1 an image failed, 2 usage error or configuration (nothing was copied), 130 interrupted";

pub(super) const PROGRAM: &str = "\
Examples:
  transload pull alpine:3.19 registry.k8s.io/pause:3.10 --dest ./images
  transload push --src ./images --dest hub.local/mirror
  transload run tasks.yaml --dry-run

`transload COMMAND -h` shows usual options, `transload COMMAND --help` all.";

pub(super) const RUN: &str = "\
Examples:
  transload init tasks.yaml
  transload run tasks.yaml --dry-run
  transload run tasks.yaml --tags push --set registry=hub.local --vars secrets.yaml
  transload run tasks.yaml --report report.json
  transload run tasks.yaml --only-failed report.json";

pub(super) const PULL: &str = "\
Examples:
  transload pull alpine:3.20 'quay.io/cilium/cilium:v1.17.*' --dest ./images
  transload pull --images-file images.txt --dest ./images --dry-run
  transload pull alpine:3.20 --dest ./images --src mirror.example.com/hub --lock images.lock";

pub(super) const PUSH: &str = "\
Examples:
  transload push --src ./images --dest hub.local/mirror --ca-file ca.pem
  transload push --src ./images --dest hub.local/mirror --pattern 'calico|dns'
  transload push --src ./images --dest harbor.example.com --create-projects --dry-run
  transload push alpine:3.20 --src ./images --dest hub.local/team/base:stable";

pub(super) const COPY: &str = "\
Examples:
  transload copy --src ./images --dest /mnt/usb/images
  transload copy --src ./images --dest /media/usb/images.tar
  transload copy --src ./images --dest ./calico --pattern '/calico/' --link
  transload copy alpine:3.20 --platform linux/amd64 --dest - | docker load
  transload copy alpine:3.20 --dest hub.local/mirror
  transload copy --images-file images.txt --src hub.local/staging --dest hub.local/production";
