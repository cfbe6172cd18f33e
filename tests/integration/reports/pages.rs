//! Pages and bills of materials that are made of reports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};

use super::{Desk, name, refuse};

/// Three images, of which one fails: its report as JSON in `r.json`, and a page that the run itself wrote in `r.html`.
fn desk() -> (Desk, ScriptedRegistry) {
    let registry = ScriptedRegistry::start();
    for (repository, seed) in [("app", 1), ("web", 2), ("gone", 3)] {
        registry.put_image(
            &format!("team/{repository}"),
            "v1",
            &samples::multi_platform(Family::Oci, seed),
        );
    }
    refuse(&registry, "gone");
    let desk = Desk::new();
    let images = ["app", "web", "gone"].map(|image| name(&registry, image));
    for report in ["r.json", "r.html"] {
        let args = [
            "pull",
            "--dest",
            "out",
            "--plain-http",
            "--platform",
            "linux/amd64,linux/arm64",
        ];
        let more = ["--report", report, "--retries", "0"];
        let images = images.each_ref().map(String::as_str);
        desk.run(&[&args[..], &images, &more].concat(), 1);
    }
    (desk, registry)
}

#[test]
fn a_report_is_a_page_by_its_name_or_later() {
    let (desk, registry) = desk();
    desk.run(&["report", "r.json", "-o", "later.html"], 0);
    let later = fs::read_to_string(desk.path("later.html")).expect("a page");
    let own = fs::read_to_string(desk.path("r.html")).expect("a page");
    for page in [&own, &later] {
        assert!(
            page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"),
            "{page}"
        );
        assert!(
            page.contains(&format!("<b>{}</b>", name(&registry, "app"))),
            "{page}"
        );
        assert!(
            page.contains("<h2>What failed</h2>") && page.contains("<h2>Sizes</h2>"),
            "{page}"
        );
        assert!(
            page.contains("<code>filtered to these platforms from sha256:"),
            "{page}"
        );
    }
    let shown = desk.run(&["report", "r.json"], 0).stdout;
    assert_eq!(shown, later, "stdout gets the same");
    let wrong = desk.run(&["report", "r.html"], 2);
    assert!(wrong.stderr.contains("this isn't a report"), "{}", wrong.stderr);
    let nowhere = desk.run(&["report", "r.json", "-o", "no/such/folder.html"], 2);
    assert!(nowhere.stderr.contains("mkdir -p"), "{}", nowhere.stderr);
}

#[test]
fn a_bill_of_materials_has_what_arrived_with_platforms_and_layers() {
    let (desk, registry) = desk();
    let bill = |path: &str| -> Value {
        desk.run(&["report", "r.json", "--format", "cyclonedx", "-o", path], 0);
        serde_json::from_str(&fs::read_to_string(desk.path(path)).expect("a bill")).expect("JSON")
    };
    let bom = bill("bom.cdx.json");
    assert_eq!(
        (&bom["bomFormat"], &bom["specVersion"]),
        (&"CycloneDX".into(), &"1.6".into())
    );
    assert_eq!(bom, bill("again.cdx.json"), "the same report gives the same bill");
    let rules: Value = serde_json::from_str(include_str!("cyclonedx-1.6.json")).expect("rules in JSON");
    let rules = jsonschema::draft7::options()
        .should_validate_formats(true)
        .build(&rules)
        .expect("a schema of draft 7");
    let flaws: Vec<String> = rules.iter_errors(&bom).map(|error| error.to_string()).collect();
    assert_eq!(flaws, [""; 0]);
    let report = desk.report("r.json");
    let images = bom["components"].as_array().expect("components");
    assert_eq!(images.len(), 2, "what failed isn't there");
    let mut references = BTreeSet::new();
    for (image, reported) in images
        .iter()
        .zip(report["tasks"][0]["images"].as_array().expect("images"))
    {
        assert_eq!(image["type"], "container");
        let digest = reported["digest"].as_str().expect("a digest");
        let hex = digest.strip_prefix("sha256:").expect("SHA-256");
        assert_eq!(image["hashes"][0]["content"], hex);
        assert_eq!(image["hashes"][0]["alg"], "SHA-256");
        let purl = image["purl"].as_str().expect("a purl");
        assert!(
            purl.starts_with("pkg:oci/") && purl.contains(hex) && purl.ends_with("&tag=v1"),
            "{purl}"
        );
        assert!(
            image["name"]
                .as_str()
                .expect("a name")
                .starts_with(registry.host())
        );
        let parts = image["components"].as_array().expect("platforms");
        assert_eq!(parts.len(), 2);
        let layers = parts
            .iter()
            .flat_map(|part| part["components"].as_array().expect("layers"));
        let mut all = vec![image];
        all.extend(parts.iter().chain(layers));
        for component in all {
            let reference = component["bom-ref"].as_str().expect("a reference");
            assert!(
                references.insert(reference.to_owned()),
                "{reference} stands twice"
            );
        }
    }
}

/// A browser that draws pages without a screen.
fn chromium() -> Command {
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_ok());
    let program = found
        .unwrap_or_else(|| panic!("no Chromium: `apt-get install chromium`, or skip this test by its name"));
    let mut command = Command::new(program);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Opens a page in a browser of this width, and returns what its scripts and styles made of it.
fn drawn(desk: &Desk, page: &str, columns: u32) -> String {
    // The page's own policy allows no script; this copy asks how wide it is.
    let text = fs::read_to_string(desk.path(page)).expect("a page");
    let probe = "<script>document.title = document.documentElement.scrollWidth + ' of ' + window.innerWidth;</script></body>";
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    assert!(text.contains(policy), "{text}");
    desk.write("probe.html", &text.replace(policy, "").replace("</body>", probe));
    let output = chromium()
        .arg(format!("--window-size={columns},900"))
        .arg(format!("--user-data-dir={}", desk.path("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", desk.path("probe.html").display()))
        .output()
        .expect("a browser that runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_browser_shows_a_page_on_a_desktop_and_a_phone_without_scrolling_sideways() {
    let (desk, _registry) = desk();
    for columns in [1280, 500] {
        let dom = drawn(&desk, "r.html", columns);
        let title = dom
            .split("<title>")
            .nth(1)
            .and_then(|rest| rest.split("</title>").next());
        let title = title.unwrap_or_else(|| panic!("no title: {dom}"));
        let (needs, has) = title.split_once(" of ").unwrap_or_else(|| panic!("{title}"));
        let number = |text: &str| text.parse::<u32>().expect("a width");
        assert!(number(needs) <= number(has), "{title} at {columns}");
        assert!(dom.matches("<rect").count() >= 4, "{dom}");
    }
    let pdf = desk.path("page.pdf");
    let printed = chromium()
        .arg(format!("--user-data-dir={}", desk.path("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", desk.path("r.html").display()))
        .status()
        .expect("a browser that runs");
    assert!(printed.success());
    let bytes = fs::read(Path::new(&pdf)).expect("a printed page");
    assert!(bytes.starts_with(b"%PDF-"), "no PDF");
}
