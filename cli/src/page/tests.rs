use crate::report::{
    BlobReport, ErrorReport, ImageReport, ImageStatus, LeftReferrersReport, PartBlobReport, PartReport,
    Recorder, Report, RunStatus, TaskReport, TaskStatus, Totals,
};

use super::html;

const EVIL: &str = "<script>alert(1)</script>\"'&";

fn digest(number: u64) -> String {
    format!("sha256:{number:064x}")
}

fn image(number: u64, status: ImageStatus) -> ImageReport {
    let part = |platform: &str, at: u64| PartReport {
        platform: Some(platform.to_owned()),
        digest: digest(number * 100 + at),
        size: 400,
        blobs: [
            (digest(1), 3 << 20),
            (digest(number * 100 + at + 50), (1 + number) << 20),
        ]
        .map(|(digest, size)| PartBlobReport { digest, size })
        .to_vec(),
    };
    let source = format!("hub.example.com/team/app-{number}:v1");
    ImageReport {
        image: source.clone(),
        destination: format!("{source} in ./images"),
        source,
        status,
        source_digest: Some(digest(number * 1000)),
        digest: Some(digest(number * 1000 + number % 2)),
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        parts: vec![part("linux/amd64", 1), part("linux/arm64", 2)],
        referrers: Vec::new(),
        left_referrers: LeftReferrersReport::default(),
        verified_by: Vec::new(),
        blobs: BlobReport::default(),
        attempts: 1,
        retries: 0,
        retry_causes: Vec::new(),
        began: None,
        ended: None,
        seconds: 1.24,
        warnings: Vec::new(),
        reason: None,
        error: None,
    }
}

fn report(images: Vec<ImageReport>) -> Report {
    let mut totals = Totals::default();
    for image in &images {
        totals.images.count(image.status);
    }
    Report {
        status: RunStatus::Failed,
        totals,
        tasks: vec![TaskReport {
            name: "pull".to_owned(),
            status: TaskStatus::Done,
            seconds: 12.0,
            ignore_errors: false,
            follows_a_task: false,
            reason: None,
            warnings: Vec::new(),
            errors: Vec::new(),
            projects: Vec::new(),
            origins: Vec::new(),
            bundles: Vec::new(),
            token_requests: Vec::new(),
            totals,
            images,
        }],
        ..Recorder::new([]).report(false)
    }
}

fn failed(number: u64) -> ImageReport {
    ImageReport {
        error: Some(ErrorReport {
            message: format!("source: hub.example.com/team/app-{number}: {EVIL}"),
            cause: "hub.example.com refused admin's password".to_owned(),
            side: Some("source".to_owned()),
            chain: vec![EVIL.to_owned()],
            hint: Some("log in again".to_owned()),
            retryable: false,
        }),
        parts: Vec::new(),
        ..image(number, ImageStatus::Failed)
    }
}

#[test]
fn a_page_has_what_moved_what_failed_sizes_digests_and_lineage() {
    let page = html(&report(vec![
        image(1, ImageStatus::Copied),
        image(2, ImageStatus::There),
        failed(3),
        failed(4),
    ]))
    .unwrap();
    for part in [
        "<h3>2 images: hub.example.com refused admin&#39;s password</h3>",
        "<li>hub.example.com/team/app-3:v1</li><li>hub.example.com/team/app-4:v1</li>",
        "Hint: log in again",
        "<b>hub.example.com/team/app-1:v1</b>",
        // Of its two platforms' layers and the one that all share.
        "<td class=\"number\">7.00 MiB</td>",
        "linux/amd64, linux/arm64",
        "<rect class=\"own\"",
        "<rect class=\"shared\"",
        "shared with 1 other image</title>",
        &format!("<code>filtered to these platforms from {}</code>", digest(1000)),
        &format!("<code>linux/arm64: {}</code>", digest(102)),
        "1.2 s",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert_eq!(page.matches("log in again").count(), 1);
}

#[test]
fn nothing_that_a_report_says_becomes_markup_and_nothing_is_fetched() {
    let mut evil = image(1, ImageStatus::Copied);
    evil.source = EVIL.to_owned();
    evil.destination = EVIL.to_owned();
    evil.warnings = vec![EVIL.to_owned()];
    evil.reason = Some(EVIL.to_owned());
    evil.platforms = vec![EVIL.to_owned()];
    evil.parts[0].platform = Some(EVIL.to_owned());
    evil.parts[0].digest = EVIL.to_owned();
    evil.parts[0].blobs[0].digest = EVIL.to_owned();
    evil.digest = Some(EVIL.to_owned());
    let mut evil = report(vec![evil, failed(2)]);
    evil.transload = EVIL.to_owned();
    evil.began = EVIL.to_owned();
    evil.tasks[0].name = EVIL.to_owned();
    evil.tasks[0].warnings = vec![EVIL.to_owned()];
    let page = html(&evil).unwrap();
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("alert(1)</script>"), "{page}");
    let attributes = page.split("aria-label=\"").skip(1);
    for attribute in attributes {
        let value = attribute.split('"').next().unwrap_or_default();
        assert!(!value.contains('<'), "{value}");
    }
    for fetched in [
        "http://", "https://", "url(", "@import", "<img", "<link", "<iframe",
    ] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn a_page_of_a_thousand_images_stays_small() {
    let images: Vec<ImageReport> = (1..=1000)
        .map(|number| image(number, ImageStatus::Copied))
        .collect();
    let page = html(&report(images)).unwrap();
    assert!(page.len() < 2 << 20, "{}", page.len());
    assert!(
        page.contains("960 images are smaller and have no bar here."),
        "no note"
    );
}

#[test]
fn a_report_without_images_is_a_page_too() {
    let page = html(&report(Vec::new())).unwrap();
    assert!(
        page.contains("<h1>pull: 0 images</h1>") && !page.contains("<h2>Sizes"),
        "{page}"
    );
}
