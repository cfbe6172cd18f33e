//! Where a `dest` template sends images.
//!
//! ```text
//! cargo run -p transload-template --example destinations -- 'hub.kubekey/{{ .repository | base }}:{{ .reference }}' \
//!     docker.io/library/alpine:3.19 registry.k8s.io/pause:3.9
//! ```
//!
//! The template sees `.registry`, `.repository` and `.reference`, and the same below `.module.image.reference` and
//! `.module.image.src.reference`.

use std::process::ExitCode;

use serde_json::{Value, json};
use transload_template::Template;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(text) = args.next() else {
        eprintln!("usage: destinations TEMPLATE REGISTRY/REPOSITORY:TAG…");
        return ExitCode::from(2);
    };
    let template = match Template::parse(&text) {
        Ok(template) => template,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut status = ExitCode::SUCCESS;
    for image in args {
        match template.render(&variables(&image)) {
            Ok(destination) => println!("{image} -> {destination}"),
            Err(error) => {
                eprintln!("{image}: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// The image's names. `transload-reference` reads names as registries do; this is enough to try a template.
fn variables(image: &str) -> Value {
    let (registry, rest) = image.split_once('/').unwrap_or(("docker.io", image));
    let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
    let names = json!({"registry": registry, "repository": repository, "reference": tag});
    let mut variables = names.clone();
    variables["module"] = json!({"image": {"reference": names, "src": {"reference": names}}});
    variables
}
