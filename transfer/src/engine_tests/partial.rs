//! Sources that lack blobs which the destination has.

use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Call::Root;
use crate::memory::Kind::Registry;
use crate::memory::Trouble::Fail;

#[test]
fn an_image_that_is_tried_again_finds_what_its_source_lacks_in_another_repository() {
    let mut engine = Engine::to(Registry);
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    engine.add("team/old:v1", &image);
    assert_eq!(engine.run(), ["copied"]);
    engine.add("team/app:v1", &image);
    let repository = "from.example/team/app".parse().unwrap();
    for (blob, _) in &image.blobs {
        engine.from.leave_out(&repository, &blob.digest, "team/old");
    }
    engine.job.retries = 1;
    engine.from.trouble(Root, Some("team/app"), Fail, 1);
    assert_eq!(engine.run(), ["there", "copied"]);
    assert_eq!(engine.from.troubles_left(), 0);
    assert_eq!(engine.lacks(), [""; 0]);
}
