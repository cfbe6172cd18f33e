//! Random images, workers and troubles: whatever happens, what is told is so, and a rerun completes.

use proptest::prelude::*;
use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Call::*;
use crate::memory::Kind::{Registry, Store};
use crate::memory::Trouble::{Cancel, Cut, Damage, Fail, Panic, Refuse};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_is_so_whatever_happens(
        is_store: bool,
        workers in 1usize..6,
        retries in 0u32..3,
        images in proptest::collection::vec((0usize..4, 0u64..4), 1..8),
        troubles in proptest::collection::vec((0usize..11, 0usize..6, 1usize..4), 0..6),
    ) {
        let mut engine = Engine::to(if is_store { Store } else { Registry });
        engine.workers = workers;
        engine.job.retries = retries;
        for (number, (kind, seed)) in images.into_iter().enumerate() {
            let image = match kind {
                0 => samples::single(Family::Oci, "linux/amd64", seed),
                1 => samples::multi_platform(Family::Docker, seed),
                2 => samples::nested(seed),
                _ => samples::attested(seed),
            };
            engine.add(&format!("team/{}:v{number}", number % 3), &image);
        }
        for (call, trouble, times) in troubles {
            let calls = [
                Resolve, Root, Manifest, OpenBlob, Published, Presence, BringBlob, SyncBlobs, PutManifest, Publish, WriteTags,
            ];
            let trouble = [Refuse, Fail, Panic, Cut, Damage, Cancel][trouble];
            let place = if call < 4 { &engine.from } else { &engine.to };
            place.trouble(calls[call], None, trouble, times);
        }
        let told = engine.run();
        for (told, (_, to, image)) in told.iter().zip(&engine.images) {
            if told == "copied" || told == "there" || engine.to.digest(to).as_ref() == Some(image.digest()) {
                prop_assert_eq!(engine.to.lacks(to, image), [""; 0], "{}", told);
            }
        }
        engine.assert_a_rerun_completes();
    }
}
