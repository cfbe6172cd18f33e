use transload_test_support::image::{Family, samples};

use super::*;

#[test]
fn the_page_names_images_with_platforms_sizes_and_commands() {
    let (many, one) = (
        samples::multi_platform(Family::Oci, 1),
        samples::single(Family::Docker, "linux/arm64", 2),
    );
    for format in FORMATS {
        let (_folder, registry) = serving(
            format,
            &[
                ("docker.io/library/alpine:3", &many),
                ("hub.local:8443/team/app:v1", &one),
                ("node1:5000/own:v1", &one),
            ],
        );
        let page = get(&registry, "/");
        assert_eq!(page.header("Content-Type"), "text/html; charset=utf-8");
        let text = page.text();
        for expected in [
            "<h2>docker.io/library/alpine:3</h2>",
            "<p class=\"soft\">linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8; ",
            "<code>docker pull node1:5000/docker.io/library/alpine:3</code>",
            "<code>docker pull node1:5000/team/app:v1</code>",
            "<code>docker pull node1:5000/own:v1</code>",
            "<p class=\"soft\">linux/arm64; ",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("<script"));
    }
}

#[test]
fn the_page_of_thousands_of_images_comes_in_parts_and_is_searched() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let names: Vec<String> = (0..120)
        .map(|tag| format!("quay.io/team/app{}:v{tag:03}", tag % 3))
        .collect();
    let images: Vec<(&str, &Image)> = names.iter().map(|name| (name.as_str(), &image)).collect();
    let (_folder, registry) = serving(Format::Oci, &images);
    let (mut target, mut seen) = ("/".to_owned(), Vec::new());
    loop {
        let text = get(&registry, &target).text();
        let shown = text
            .split("<h2>")
            .skip(1)
            .map(|rest| rest.split("</h2>").next().unwrap().to_owned());
        let shown: Vec<String> = shown.collect();
        assert!(shown.len() <= 50);
        seen.extend(shown);
        let Some((_, rest)) = text.split_once("<a href=\"") else {
            break;
        };
        target = rest.split('"').next().unwrap().replace("&amp;", "&");
    }
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(seen, expected);
    let found = get(&registry, "/?q=app1").text();
    assert!(found.contains("app1:v001") && !found.contains("app2:v002"));
    assert!(found.contains("value=\"app1\""));
}

#[test]
fn what_a_request_says_is_escaped() {
    let (_folder, registry) = serving(Format::KubeKey, &[]);
    let page = get(&registry, "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text();
    assert!(
        !page.contains("<script") && page.contains("&lt;script&gt;"),
        "{page}"
    );
    assert!(page.contains("There are no images here."));
    let host = get_with(&registry, "/", &[("Host", "<script>")]).text();
    assert!(!host.contains("<script"));
}

#[test]
fn a_damaged_image_spoils_no_page() {
    let (good, bad) = (
        samples::single(Family::Oci, "linux/amd64", 1),
        samples::single(Family::Oci, "linux/amd64", 2),
    );
    let (folder, registry) = serving(
        Format::Oci,
        &[("quay.io/bad:v1", &bad), ("quay.io/good:v1", &good)],
    );
    std::fs::write(folder.path().join("blobs/sha256").join(bad.digest().hex()), b"{}").unwrap();
    let text = get(&registry, "/").text();
    assert!(
        text.contains("It can&#x27;t be read") || text.contains("It can&#39;t be read"),
        "{text}"
    );
    assert!(text.contains("quay.io/good:v1"));
}
