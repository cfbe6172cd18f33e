//! Clients with different settings in one program.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use transload_registry_client::{Client, Credential, HostRule};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Options, Reply, Request};

use crate::help::*;

#[test]
fn clients_alongside_each_other_keep_one_pace() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let busy = Reply::status(503);
    registry.fault(Fault::new("GET", "/manifests/", Action::Answer(busy)));
    let host = repository(&registry, "a").registry().clone();
    let first = builder().jobs(8).build().unwrap();
    let second = builder().jobs(8).alongside(&first).build().unwrap();
    let stranger = builder().jobs(8).build().unwrap();
    let before = first.permits(&host);
    first.manifest(&repository(&registry, "a"), &tag("v1")).unwrap();
    assert!(first.permits(&host) < before);
    assert_eq!(second.permits(&host), first.permits(&host));
    assert_eq!(stranger.permits(&host), before);
}

#[test]
fn clients_alongside_each_other_share_no_token() {
    let registry = ScriptedRegistry::with(Options::bearer(false));
    registry.put_image("a", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let first = client_of(user(), &registry);
    let fetch = |client: &Client| client.manifest(&repository(&registry, "a"), &tag("v1"));
    fetch(&first).unwrap();
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(Credential::new("somebody", "else"));
    let second = builder().hosts(vec![rule]).alongside(&first).build().unwrap();
    assert!(fetch(&second).unwrap_err().is_denied());
    fetch(&first).unwrap();
}

#[test]
fn each_of_them_is_stopped_by_its_own_flag() {
    let flags: [Arc<AtomicBool>; 2] = Default::default();
    let first = builder().cancel(Arc::clone(&flags[0])).build().unwrap();
    let second = builder()
        .cancel(Arc::clone(&flags[1]))
        .alongside(&first)
        .build()
        .unwrap();
    for (client, flag) in [first, second].iter().zip(&flags) {
        let registry = ScriptedRegistry::start();
        thread::scope(|scope| {
            // The client hangs in a write.
            let push = scope.spawn(|| {
                push_and_stall(&registry, client, &mut |_| {
                    Ok(Box::new(std::io::repeat(7).take(VAST)))
                })
            });
            let is_stalled = |requests: &[Request]| requests.iter().any(|request| request.stalled);
            assert!(registry.log().wait_for(is_stalled, Duration::from_secs(30)));
            flag.store(true, Ordering::Relaxed);
            assert!(push.join().unwrap().is_cancelled());
        });
    }
}
