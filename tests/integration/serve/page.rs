use std::path::Path;
use std::process::Command;

use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};

use super::raw::Raw;

/// The longest name that an image may have, nearly: no line of it may make a page wider than its window.
fn long_name() -> String {
    format!("team/{}", "a".repeat(200))
}

/// Told by a script that the test adds: the page has none, and its policy allows none.
const MEASURE: &str = "<script>document.title = [document.documentElement.scrollWidth, innerWidth, \
     getComputedStyle(document.documentElement).colorScheme].join(' ')</script>";

/// Loads a file in headless Chromium, and returns the title that a script gave it; none where there is no Chromium.
fn title(file: &Path, width: u32) -> Option<String> {
    let profile = tempfile::tempdir().unwrap();
    let loaded = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},800"))
        .arg(format!("file://{}", file.display()))
        .output();
    let output = match loaded {
        Ok(output) => output,
        Err(error) => {
            eprintln!("not run: no chromium (Debian package chromium): {error}");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let title = text
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    let (title, _) = title.unwrap_or_else(|| panic!("{output:?}"));
    Some(title.to_owned())
}

#[test]
fn the_page_fits_a_phone_and_a_desktop() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("images");
    let image = samples::multi_platform(Family::Oci, 1);
    for repository in ["library/alpine", &long_name()] {
        kubekey::write(&directory, "quay.io", repository, "v1", &image, Generation::Third);
    }
    let served = Raw::start(&directory);
    let page = served.ask("GET /", b"");
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert_eq!(page.status(), 200);
    assert!(text.contains("docker pull hub.local/quay.io/library/alpine:v1") && !text.contains("<script"));
    assert!(
        page.header("Content-Security-Policy")
            .starts_with("default-src 'none'")
    );
    let file = folder.path().join("page.html");
    std::fs::write(&file, text.replace("</body>", &format!("{MEASURE}</body>"))).unwrap();
    // Chromium's windows have 500 pixels at least; a phone has as few in landscape.
    for width in [500, 1280] {
        let Some(title) = title(&file, width) else { return };
        let measured: Vec<&str> = title.splitn(3, ' ').collect();
        let (needed, window): (u32, u32) = (measured[0].parse().unwrap(), measured[1].parse().unwrap());
        assert!(needed <= window, "{needed} pixels in a window of {window}");
        assert_eq!(measured[2], "light dark");
    }
}
