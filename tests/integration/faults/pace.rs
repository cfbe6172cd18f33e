//! The pace that a registry is spoken to at: it falls where the registry is overloaded, for everybody, and recovers.

use std::time::{Duration, Instant};

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, ImageBuilder, noise};
use transload_test_support::scripted::{Action, Fault, Reply, Request};

use super::{all_at_once, assert_pulled, folder, transload, within};

const LAYERS: u64 = 90;
const SIZE: usize = 600;

/// Each layer comes in four pieces with pauses between them.
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn everyone_waits_where_a_registry_asks_for_it_and_fewer_go_on_until_it_is_well() {
    all_at_once(&[429, 503], |&status| {
        let registry = ScriptedRegistry::start();
        let image = (0..LAYERS).fold(ImageBuilder::new(Family::Oci), |builder, seed| {
            builder.blob_layer("application/vnd.oci.image.layer.v1.tar", &noise(seed, SIZE))
        });
        let image = image.build();
        registry.put_image("app", "v1", &image);
        let busy = Reply::status(status).header("Retry-After", "2");
        registry.fault(Fault::new("GET", "/blobs/", Action::Answer(busy)).nth(20));
        let slow = Action::Trickle {
            piece: SIZE / 4,
            pause: PAUSE,
        };
        registry.fault(Fault::new("GET", "/blobs/", slow).every());
        let dirs = folder();
        let (dir, name) = (within(&dirs, "images"), format!("{}/app:v1", registry.host()));
        transload(["pull", &name, "--dest", &dir, "--jobs", "16"], 0);
        assert_pulled(&dir, registry.host(), "app", &image);

        let blobs: Vec<Request> = registry
            .log()
            .requests()
            .into_iter()
            .filter(|request| request.is("GET", "/blobs/"))
            .collect();
        let refused = blobs.iter().position(|request| request.status == Some(status));
        let refused_at = blobs[refused.expect("the registry refused one")].began;
        let since = |request: &Request| request.began.saturating_duration_since(refused_at);
        // Those that were on their way already have half a second to arrive.
        let asked_meanwhile = blobs
            .iter()
            .filter(|request| (0.5..1.9).contains(&since(request).as_secs_f64()))
            .count();
        assert_eq!(
            asked_meanwhile, 0,
            "{status}: nobody asks while the registry wants to be left alone"
        );
        // How many were under way when one began: those that began so little before that they can't have ended.
        let pause_ends = blobs.partition_point(|request| since(request) < Duration::from_millis(1900));
        let (before, after) = blobs.split_at(pause_ends);
        let at_once = |requests: &[Request]| -> Vec<usize> {
            let began = requests.iter().map(|request| request.began);
            let count = |at: Instant| {
                began
                    .clone()
                    .filter(move |other| *other <= at && at - *other < PAUSE * 3)
            };
            requests
                .iter()
                .map(|request| count(request.began).count())
                .collect()
        };
        let most = |counts: &[usize]| counts.iter().copied().max().unwrap_or(0);
        assert!(
            most(&at_once(before)) > 12,
            "{status}: {:?} before",
            at_once(before)
        );
        // Sixteen would all begin at once; eight may, and one more for each eight that went well.
        let after = at_once(after);
        assert!(most(&after[..16]) <= 11, "{status}: {after:?} after");
        assert!(
            most(&after) > most(&after[..16]),
            "{status}: {after:?}: it doesn't recover"
        );
    });
}
