use std::sync::Arc;
use std::time::Duration;

use transload_reference::{Descriptor, Digest, MediaType};
use transload_transfer::{Event, Fault, ImageOutcome, ImagePart, PartBlob, Route, Scheduled, Status};

use super::*;

const MIB: u64 = 1 << 20;

fn route(image: &str) -> Route {
    Route {
        image: image.to_owned(),
        label: image.to_owned(),
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
                parts: &Arc::default(),
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

fn seen(columns: usize, rows: usize, is_painted: bool) -> Vec<String> {
    let (model, now) = busy();
    let look = Look {
        size: Size { columns, rows },
        most: 8,
        painter: Painter(is_painted),
    };
    lines(&model, look, now)
}

#[test]
fn what_there_is_to_see_fits_any_terminal_and_takes_eight_lines_at_most() {
    for columns in 1..200 {
        for rows in [1, 2, 3, 5, 24, 60] {
            let lines = seen(columns, rows, false);
            assert!(
                !lines.is_empty() && lines.len() <= (rows - 1).clamp(1, 8),
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
fn the_whole_comes_first_then_the_images_the_slowest_first() {
    assert_eq!(
        seen(80, 24, false),
        [
            "[==>                                                                    ]    5%",
            "120.00 MiB of 780.00 MiB+  12.00 MiB/s  1/40 images, 1 failed",
            "  ! failed: no",
            "  …/kubernetes/component-11:v1.34.11               10.00 MiB of 120.00 MiB   8%",
            "  …/kubernetes/component-10:v1.34.10               10.00 MiB of 110.00 MiB   9%",
            "  …/kubernetes/component-9:v1.34.9                 10.00 MiB of 100.00 MiB  10%",
            "  …/kubernetes/component-8:v1.34.8                 10.00 MiB of  90.00 MiB  11%",
            "  and 8 more",
        ]
    );
}

#[test]
fn a_narrow_terminal_has_figures_in_several_lines_and_names_keep_their_tags() {
    assert_eq!(
        seen(40, 9, false),
        [
            "[>                              ]    5%",
            "120.00 MiB of 780.00 MiB+  12.00 MiB/s",
            "1/40 images, 1 failed",
            "  ! failed: no",
            "  …/component-11:v1.34.11            8%",
            "  …/component-10:v1.34.10            9%",
            "  …/component-9:v1.34.9             10%",
            "  and 9 more",
        ]
    );
}

#[test]
fn an_images_layers_are_summed_and_its_platforms_told_apart() {
    let start = Instant::now();
    let mut model = Model::new(start);
    let image = "hub.example.com/team/app:v1";
    let part = |platform: &str| {
        let blob = |name: &str| PartBlob {
            digest: Digest::of(format!("{platform} {name}").as_bytes()),
            size: 10 * MIB,
        };
        ImagePart {
            platform: platform.parse().ok(),
            digest: Digest::of(platform.as_bytes()),
            size: 400,
            blobs: vec![blob("one"), blob("two")],
        }
    };
    let parts = Arc::from([part("linux/amd64"), part("linux/arm64"), part("linux/s390x")]);
    let planned = Event::ImagePlanned {
        image,
        blobs: 6,
        new_bytes: 60 * MIB,
        parts: &parts,
    };
    model.update(&planned, start);
    let mut shown = Vec::new();
    for (begun, blob) in parts.iter().flat_map(|part| &part.blobs).enumerate() {
        let descriptor = Descriptor::new(MediaType::new("layer"), blob.digest.clone(), blob.size);
        let (blob, offset) = (&descriptor, 5 * MIB);
        model.update(&Event::BlobStarted { image, blob, offset }, start);
        if begun % 2 == 1 {
            shown.extend(model.moving(start).iter().map(|image| image_line(image, 79)));
        }
    }
    assert_eq!(
        shown,
        [
            "  hub.example.com/team/app:v1 linux/amd64          10.00 MiB of  60.00 MiB  16%",
            "  hub.example.com/team/app:v1 linux/amd64 +1       20.00 MiB of  60.00 MiB  33%",
            "  hub.example.com/team/app:v1 linux/amd64 +2       30.00 MiB of  60.00 MiB  50%",
        ]
    );
}

#[test]
fn a_wait_for_another_process_is_one_line_that_changes() {
    let start = Instant::now();
    let mut model = Model::new(start);
    let thread = std::thread::current().id();
    let text = "waiting for ./images (process 4711): images are being removed";
    model.wait_began(thread, text.to_owned(), start);
    let look = Look {
        size: Size {
            columns: 80,
            rows: 24,
        },
        most: 8,
        painter: Painter(false),
    };
    let waits = |model: &Model, seconds| {
        let lines = lines(model, look, start + Duration::from_secs(seconds));
        let waits = lines.into_iter().filter(|line| line.contains("waiting"));
        waits.collect::<Vec<_>>()
    };
    assert_eq!(waits(&model, 1), [format!("  ! {text} (1s)")]);
    assert_eq!(waits(&model, 70), [format!("  ! {text} (1m10s)")]);
    model.wait_ended(thread, start);
    assert_eq!(waits(&model, 71), [] as [String; 0]);
}

#[test]
fn the_bar_is_full_only_at_the_end() {
    let look = Look {
        size: Size {
            columns: 80,
            rows: 24,
        },
        most: 8,
        painter: Painter(false),
    };
    let cases = [
        (0.0, "[          ]    0%"),
        (0.09, "[          ]    9%"),
        (0.1, "[>         ]   10%"),
        (0.5, "[====>     ]   50%"),
        (0.999, "[========> ]   99%"),
        (1.0, "[==========]  100%"),
    ];
    for (filled, expected) in cases {
        assert_eq!(bar(filled, 18, look), expected, "{filled}");
    }
}
