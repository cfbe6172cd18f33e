//! Pull, push and copy through each shape of registry: by a task whose `auths` say how, and by options that do.

use std::path::Path;

use serde_json::json;
use transload_test_support::Output;
use transload_test_support::image::Image;
use transload_test_support::kubekey::{self, Generation};

use super::help::*;

/// A way for images, which a task and a command can both describe.
struct Way<'a> {
    command: &'a str,
    images: Vec<String>,
    src: Option<String>,
    dest: String,
    registries: &'a [&'a Site],
}

impl Way<'_> {
    fn by_task(&self) -> Output {
        let place = |text: &str| match text.strip_prefix('/') {
            Some(_) => format!("local://{text}"),
            None => text.to_owned(),
        };
        let auths: Vec<_> = self.registries.iter().map(|site| site.entry()).collect();
        let mut image = json!({"dest": place(&self.dest), "auths": auths});
        if !self.images.is_empty() {
            image["manifests"] = json!(self.images);
        }
        if let Some(src) = &self.src {
            image["src"] = json!(place(src));
        }
        task(&image).run()
    }

    fn by_options(&self, folder: &Path) -> Output {
        let auths = folder.join("auths.yaml");
        let mut args = vec![self.command.to_owned()];
        args.extend_from_slice(&self.images);
        args.extend(["--dest".to_owned(), self.dest.clone()]);
        if let Some(src) = &self.src {
            args.extend(["--src".to_owned(), src.clone()]);
        }
        match self.registries {
            [] => {}
            [one] => args.extend(one.options(&auths)),
            several => {
                let entries: Vec<_> = several.iter().map(|site| site.entry()).collect();
                std::fs::write(&auths, json!(entries).to_string()).expect("a writable temporary folder");
                args.extend(["--auths".to_owned(), text(&auths)]);
            }
        }
        transload(args)
    }
}

/// Moves images of both families from a registry to a directory, from there to another registry of the same shape, and from
/// registry to registry.
fn images_go_every_way_through(shape: Shape) {
    let (from, to) = (Site::with_images(shape, "team/app"), Site::start(shape));
    let folder = folder();
    for by in ["task", "options"] {
        let dir = folder.path().join(by);
        let run = |way: Way<'_>| {
            let output = match by {
                "task" => way.by_task(),
                _ => way.by_options(folder.path()),
            };
            let told = told(&output.expect_code(0));
            let name = if by == "task" { "move images" } else { way.command };
            assert!(
                told.starts_with(&format!("{name}: 2 images\n{name}: 2 images: 2 copied\n")),
                "{told}"
            );
        };
        run(Way {
            command: "pull",
            images: from.references("team/app"),
            src: Some(from.host().to_owned()),
            dest: text(&dir),
            registries: &[&from],
        });
        assert_pulled(&dir, &from, "team/app");
        run(Way {
            command: "push",
            images: Vec::new(),
            src: Some(text(&dir)),
            dest: format!("{}/pushed/by-{by}", to.host()),
            registries: &[&to],
        });
        assert_pushed(&to, &format!("pushed/by-{by}/team/app"), &images());
        run(Way {
            command: "copy",
            images: from.references("team/app"),
            src: None,
            dest: format!("{}/copied/by-{by}", to.host()),
            registries: &[&from, &to],
        });
        assert_pushed(&to, &format!("copied/by-{by}/team/app"), &images());
    }
}

#[test]
fn images_go_every_way_through_plain_http() {
    images_go_every_way_through(PLAIN);
}

#[test]
fn images_go_every_way_through_tls_of_a_private_authority() {
    images_go_every_way_through(PRIVATE_CA);
}

#[test]
fn images_go_every_way_through_tls_with_client_certificates() {
    images_go_every_way_through(CLIENT_CERTIFICATE);
}

#[test]
fn images_go_every_way_through_registries_with_passwords() {
    images_go_every_way_through(PASSWORDS);
}

#[test]
fn images_go_every_way_through_registries_with_tokens() {
    images_go_every_way_through(TOKENS);
}

#[test]
fn images_go_from_directory_to_directory_and_stay_when_the_first_is_gone() {
    let folder = folder();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let write = |tag: &str, image: &Image| {
        kubekey::write(&first, "hub.local", "team/app", tag, image, Generation::Third);
    };
    for (tag, image) in &images() {
        write(tag, image);
    }
    for dest in ["second", "third"] {
        let dest = folder.path().join(dest);
        let way = Way {
            command: "copy",
            images: Vec::new(),
            src: Some(text(&first)),
            dest: text(&dest),
            registries: &[],
        };
        let output = match dest == second {
            true => way.by_task(),
            false => way.by_options(folder.path()),
        };
        output.expect_code(0);
    }
    std::fs::remove_dir_all(&first).expect("a removable temporary folder");
    for dir in ["second", "third"] {
        for (tag, image) in &images() {
            assert_stored(
                &folder.path().join(dir),
                &format!("hub.local/team/app:{tag}"),
                image,
            );
        }
    }
}
