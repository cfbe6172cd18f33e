//! Arguments of `images`.

use std::path::PathBuf;

use clap::Args;

use super::{OUTPUT, Output, examples};

/// Arguments of `images`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct ImagesArgs {
    /// File, or directory of YAML, JSON and .txt files; - reads stdin
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,

    /// Output format: an images file (text), or JSON
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,
}

const NOTES: &str = "\
    It reads Kubernetes manifests and lists (pod specs of every kind, custom resources, image volumes), rendered charts, \
    Kustomizations, values files, Compose files, lists of images such as kubeadm's, manifests of hauler, KubeKey and zarf, \
    and transload's own task files.\n\n\
    The result is an images file: each image with the files and lines that name it. Texts that may or may not name an image \
    (arguments, environment, ConfigMaps) follow as comments: uncomment those that do.\n\n\
    A chart's templates are not YAML: render the chart with `helm template`.";

const EXAMPLES: &str = "\
Examples:
  transload images ./manifests > images.txt
  helm template my-release ./chart | transload images -
  kubeadm config images list | transload images - compose.yaml
  transload images ./manifests | transload pull --images-file - --dest ./images

Exit status:
  0 done, 1 something couldn't be read, or an image's name is invalid, 2 usage error";
