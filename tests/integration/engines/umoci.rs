//! umoci, which keeps images in OCI layouts. It knows no image of several platforms.

use std::fs;
use std::process::Command;

use super::sandbox::{Sandbox, named, succeed};
use super::saved::{Expected, assert_read};
use super::text;
use super::written::{GREETING, Written};

#[test]
fn umoci_unpacks_layouts_and_what_it_adds_to_one_is_read() {
    let Some(sandbox) = Sandbox::for_programs(&["umoci"]) else {
        return;
    };
    let written = Written::new();
    for case in written.cases.iter().filter(|case| !case.is_multi_platform()) {
        let layout = written.layout(case);
        let image = named("", &layout, ":v1");
        let bundle = sandbox.path(case.digest().hex());
        succeed(
            sandbox
                .command("umoci")
                .args(["unpack", "--image", &image])
                .arg(&bundle),
        );
        let greeting = succeed(&mut Command::new(bundle.join("rootfs/hello")));
        assert_eq!(greeting, GREETING);
    }

    let case = &written.cases[0];
    let layout = written.layout(case);
    let file = sandbox.path("file");
    fs::write(&file, "more\n").expect("a writable temporary folder");
    let image = named("", &layout, ":v1");
    let insert = ["insert", "--image", &image, "--tag", "v2", &text(&file), "/more"];
    succeed(sandbox.command("umoci").args(insert));
    let listed = super::transload(&["list", &text(&layout), "--output", "names"]).stdout;
    let listed: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, [case.name.as_str(), &case.name.replace(":v1", ":v2")]);
    let copied = sandbox.path("copied");
    let from = named("oci:", &layout, "");
    super::transload(&[
        "copy",
        &case.name,
        "--src",
        &from,
        "--dest",
        &named("oci:", &copied, ""),
    ]);
    assert_read(&copied, &case.name, Expected::Same(&case.image));
}
