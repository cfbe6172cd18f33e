//! Referrers in a layout.

use super::*;

#[test]
fn referrers_are_listed_and_stay_with_their_subject() {
    let (folder, store) = new();
    let app = repository("hub.local/app");
    let subject = publish(&store, "hub.local/app:v1", "one");
    let other = publish(&store, "hub.local/app:v2", "two");
    let mut signatures = Vec::new();
    for of in [&subject, &other] {
        let signature = about(of, &put(&store, b"{}"), &[]);
        store.put_manifest(&app, &signature).unwrap();
        store.keep(&app, signature.digest()).unwrap();
        signatures.push(signature);
    }
    assert_eq!(store.images().unwrap().len(), 4);
    let referrers = store.referrers(&app, subject.digest()).unwrap();
    assert_eq!(referrers, [signatures[0].referrer().unwrap()]);
    assert_eq!(store.all_referrers(&app).unwrap().len(), 2);
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path().join("app")).unwrap();
    let garbage = exclusive
        .garbage(|image| image.to_string() == "hub.local/app:v1")
        .unwrap();
    exclusive.remove(&garbage).unwrap();
    let signature = format!("hub.local/app@{}", signatures[0].digest());
    assert_eq!(
        names(exclusive.store()),
        [signature, "hub.local/app:v1".to_owned()]
    );
    assert!(
        exclusive
            .store()
            .manifest(&app, subject.digest())
            .unwrap()
            .is_some()
    );
}

#[test]
fn referrers_are_found_in_the_index_under_the_referrers_tag() {
    let (_folder, store) = new();
    let app = repository("hub.local/app");
    let subject = publish(&store, "hub.local/app:v1", "one");
    let signature = about(&subject, &put(&store, b"{}"), &[]);
    store.put_manifest(&app, &signature).unwrap();
    assert_eq!(store.referrers(&app, subject.digest()).unwrap(), []);
    let referrer = signature.referrer().unwrap();
    let list: ReferrersIndex = [referrer.clone()].into_iter().collect();
    let list = list.to_manifest().unwrap();
    store.put_manifest(&app, &list).unwrap();
    let tag = ReferrerTag::Index.of(subject.digest());
    store.tag(&app, &tag, list.digest()).unwrap();
    assert_eq!(store.referrers(&app, subject.digest()).unwrap(), [referrer]);
}
