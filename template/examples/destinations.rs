//! Where a `dest` template sends images:
//! `cargo run -p transload-template --example destinations -- 'hub.kubekey/{{ .repository | base }}:{{ .reference }}' alpine:3.19 quay.io/app`
//!
//! The template sees `.registry`, `.repository` and `.reference` (the tag, else the digest), and the same below
//! `.module.image.reference` and `.module.image.src.reference`, as transload's task files have it.
//!
//! Exit status: 0 all images have a destination, 1 some haven't, 2 the template or an image's name is none.

use std::error::Error;
use std::process::ExitCode;

use serde_json::json;
use transload_reference::Reference;
use transload_template::{Template, Value};

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let template = args.next().ok_or("usage: destinations TEMPLATE IMAGE…")?;
    let template = Template::parse(&template)?;
    let images = args
        .map(|name| name.parse())
        .collect::<Result<Vec<Reference>, _>>()?;
    let mut status = ExitCode::SUCCESS;
    for image in images.into_iter().map(Reference::or_latest) {
        match template.render(&variables(&image)) {
            Ok(destination) => println!("{image} -> {destination}"),
            Err(error) => {
                eprintln!("{image}: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

fn variables(image: &Reference) -> Value {
    let names = json!({
        "registry": image.registry().as_str(),
        "repository": image.repository().path(),
        "reference": image.identifier().as_str(),
    });
    let mut variables = names.clone();
    variables["module"] = json!({"image": {"reference": names, "src": {"reference": names}}});
    variables.into()
}
