use std::time::Duration;

use transload_reference::{Descriptor, Digest, MediaType};
use transload_transfer::{Event, Fault, ImageOutcome, Route, Scheduled, Status};

use super::*;

const MIB: u64 = 1 << 20;

fn route(image: &str) -> Route {
    Route {
        image: image.to_owned(),
        source: String::new(),
        destination: String::new(),
    }
}

/// Twelve of 40 images under way, one failed, a second after the last byte.
fn busy() -> (Model, Instant) {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let mut model = Model::new(start);
    let images: Vec<Route> = (0..40)
        .map(|number| {
            route(&format!(
                "registry.example.com/kubernetes/component-{number}:v1.34.{number}"
            ))
        })
        .collect();
    let tasks = [Scheduled {
        job: "pull".to_owned(),
        routes: Some(images.clone()),
    }];
    model.update(&Event::RunStarted { tasks: &tasks }, start);
    model.update(
        &Event::TaskReached {
            number: 0,
            routes: &images,
        },
        start,
    );
    let failed = ImageOutcome::blank(images[39].clone(), Status::Failed(Fault::refused(None, "no")));
    model.update(&Event::ImageFinished { outcome: &failed }, start);
    for (number, Route { image, .. }) in images.iter().enumerate().take(12) {
        let size = (number as u64 + 1) * 10 * MIB;
        let blob = Descriptor::new(MediaType::new("layer"), Digest::of(image.as_bytes()), size);
        model.update(
            &Event::ImagePlanned {
                image,
                blobs: 1,
                new_bytes: size,
            },
            start,
        );
        model.update(
            &Event::BlobStarted {
                image,
                blob: &blob,
                offset: 0,
            },
            start,
        );
        for second in 1..=10 {
            let position = second * MIB;
            model.update(
                &Event::BlobProgress {
                    image,
                    digest: &blob.digest,
                    position,
                },
                at(second),
            );
        }
    }
    model.look(at(10));
    (model, at(10))
}

fn seen(columns: usize, rows: usize, colour: bool) -> Vec<String> {
    let (model, now) = busy();
    let size = Size { columns, rows };
    lines(&model, Look { size, colour }, now)
}

#[test]
fn what_there_is_to_see_fits_any_terminal() {
    for columns in 1..200 {
        for rows in [1, 2, 3, 5, 24, 60] {
            let lines = seen(columns, rows, false);
            assert!(
                !lines.is_empty() && lines.len() <= (rows - 1).max(1),
                "{columns}x{rows}: {lines:#?}"
            );
            for line in &lines {
                let width = line.chars().count();
                assert!(width < columns.max(2), "{columns}x{rows}: {width}: {line}");
            }
            if columns < 16 {
                continue;
            }
            let painted = seen(columns, rows, true);
            let plain: Vec<String> = painted
                .iter()
                .map(|line| console::strip_ansi_codes(line).into_owned())
                .collect();
            assert_eq!(plain, lines, "colour changes nothing else");
        }
    }
}

#[test]
fn a_wide_terminal_has_it_all_in_a_line() {
    let lines = seen(110, 24, false);
    assert_eq!(
        lines[0],
        "[                   ]  120.00 MiB of 780.00 MiB+  12.00 MiB/s  3m10s left  1/40 images, 1 failed"
    );
    let digest = Digest::of(b"registry.example.com/kubernetes/component-1:v1.34.1");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        format!(
            "registry.example.com/kubernetes/component-1:v1.34.1 {} 10.00 MiB of 20.00 MiB 50%",
            digest.short()
        )
    );
    assert_eq!(lines.len(), 13);
}

#[test]
fn a_narrow_terminal_has_it_in_several_and_names_lose_their_middle() {
    let lines = seen(40, 9, false);
    assert_eq!(
        lines,
        [
            "[          ]  120.00 MiB of 780.00 MiB+",
            "12.00 MiB/s  3m10s left",
            "1/40 images, 1 failed",
            "  registry.examp…onent-0:v1.34.0   100%",
            "  registry.examp…onent-1:v1.34.1    50%",
            "  registry.examp…onent-2:v1.34.2    33%",
            "  registry.examp…onent-3:v1.34.3    25%",
            "  and 8 more",
        ]
    );
}

#[test]
fn the_bar_is_full_only_at_the_end() {
    let look = Look {
        size: Size {
            columns: 80,
            rows: 24,
        },
        colour: false,
    };
    let cases = [
        (0.0, "[          ]"),
        (0.09, "[          ]"),
        (0.1, "[>         ]"),
        (0.5, "[====>     ]"),
        (0.999, "[========> ]"),
        (1.0, "[==========]"),
    ];
    for (filled, expected) in cases {
        assert_eq!(bar(filled, 12, look), expected, "{filled}");
    }
}
