//! What an archive lists for programs that read it.

use super::*;

#[test]
fn an_archive_lists_its_images_for_oci_and_for_docker_and_has_each_blob_once() {
    let (images, blobs) = two_images();
    let plan = Plan::new(images.clone()).unwrap();
    let bytes = streamed(&plan, &blobs);
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut names = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.mode().unwrap(),
                header.mtime().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap()
            ),
            (0o644, 0, 0, 0)
        );
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name.starts_with("blobs/") {
            assert_eq!(name, blob_name(&Digest::of(&content)));
        }
        names.push(name);
    }
    assert_eq!(names[..3], ["oci-layout", "index.json", "manifest.json"]);
    assert!(
        names[3..].windows(2).all(|pair| pair[0] < pair[1]),
        "sorted, each once: {names:?}"
    );
    assert_eq!(names.len(), 3 + 4 + blobs.len(), "three manifests and an index");

    let index = json(&bytes, "index.json");
    let annotations = |at: usize| index["manifests"][at]["annotations"].clone();
    assert_eq!(
        annotations(0)["io.containerd.image.name"],
        "docker.io/library/alpine:latest"
    );
    assert_eq!(annotations(0)["org.opencontainers.image.ref.name"], "latest");
    assert_eq!(annotations(1)["io.containerd.image.name"], "quay.io/team/app:v1");
    assert_eq!(index["manifests"][0]["digest"], images[1].root.digest().as_str());

    let docker = json(&bytes, "manifest.json");
    assert_eq!(
        docker.as_array().unwrap().len(),
        2,
        "one for each image: amd64 of two platforms"
    );
    assert_eq!(
        docker[0]["RepoTags"],
        serde_json::json!(["docker.io/library/alpine:latest"])
    );
    assert_eq!(
        docker[0]["Layers"],
        serde_json::json!([blob_name(&Digest::of(b"base")), blob_name(&Digest::of(b"tool"))])
    );
    assert!(names.contains(&docker[1]["Config"].as_str().unwrap().to_owned()));
}

#[test]
fn names_of_one_image_share_an_entry_of_docker_and_a_name_by_digest_is_for_oci_alone() {
    let image = Image::of(b"layer");
    let digest = image.manifest.digest();
    let by_digest = format!("hub.local/app@{digest}");
    let both = format!("hub.local/app:3@{digest}");
    let names = ["hub.local/app:1", "other.local/app:1", &by_digest, &both];
    let plan = Plan::new(names.iter().map(|name| planned(name, &image)).collect()).unwrap();
    assert_eq!(
        plan.warnings(),
        [Warning::NamelessInDocker {
            image: reference(&by_digest)
        }]
    );
    let bytes = streamed(&plan, &blobs_of(&[&image]));
    let docker = json(&bytes, "manifest.json");
    assert_eq!(docker.as_array().unwrap().len(), 1);
    assert_eq!(
        docker[0]["RepoTags"],
        serde_json::json!(["hub.local/app:1", "hub.local/app:3", "other.local/app:1"])
    );
    let archive = OpenOptions::default().from_reader(bytes.as_slice()).unwrap();
    let read: Vec<String> = archive
        .images()
        .iter()
        .map(|image| image.reference.clone().unwrap().to_string())
        .collect();
    assert_eq!(
        read,
        [
            "hub.local/app:1",
            "hub.local/app:3",
            &by_digest,
            "other.local/app:1"
        ]
    );
}

#[test]
fn what_a_program_cannot_do_with_an_archive_is_told() {
    let (amd, arm) = (
        Image::of(b"amd"),
        Image::new("arm64", &[b"arm"], MediaType::OCI_LAYER_ZSTD),
    );
    let windows = Image::of(b"windows");
    let artifact = RawManifest::parse(
        format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
            serde_json::to_string(&Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2)).unwrap()
        )
        .into_bytes(),
        Some("application/vnd.oci.image.manifest.v1+json"),
    )
    .unwrap();
    let warnings = |image: PlannedImage| -> Vec<String> {
        Plan::new(vec![image])
            .unwrap()
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let name = || reference("hub.local/x:1");
    let both = index(&[("arm64", &arm), ("amd64", &amd)]);
    let all = vec![arm.manifest.clone(), amd.manifest.clone()];
    assert_eq!(warnings(planned("x:1", &amd)), [""; 0]);
    assert_eq!(
        warnings(PlannedImage::new(name(), both.clone(), all)),
        ["hub.local/x:1: docker load takes linux/amd64 alone, not linux/arm64"]
    );
    assert_eq!(
        warnings(PlannedImage::new(
            name(),
            both.clone(),
            vec![arm.manifest.clone()]
        )),
        [
            "hub.local/x:1: the archive lacks 1 of the manifests that its index names; older containerd refuses such an index",
            "hub.local/x:1: its layers are packed with zstd, which Docker loads from version 23 on",
        ]
    );
    let not_for_docker = ["hub.local/x:1: docker load skips it, since Docker on Linux can't run it"];
    assert_eq!(
        warnings(PlannedImage::new(name(), artifact, Vec::new())),
        not_for_docker
    );
    let text = String::from_utf8(index(&[("amd64", &windows)]).bytes().to_vec())
        .unwrap()
        .replace("linux", "windows");
    let only_windows = RawManifest::parse(text.into_bytes(), None).unwrap();
    assert_eq!(
        warnings(PlannedImage::new(
            name(),
            only_windows,
            vec![windows.manifest.clone()]
        )),
        not_for_docker
    );
    let foreign = serde_json::json!({"mediaType": MediaType::DOCKER_FOREIGN_LAYER.as_str(), "digest": Digest::of(b"far"), "size": 3, "urls": ["https://far.example/x"]});
    let mut text: Value = serde_json::from_slice(amd.manifest.bytes()).unwrap();
    text["layers"].as_array_mut().unwrap().push(foreign);
    let with_foreign = RawManifest::parse(text.to_string().into_bytes(), None).unwrap();
    let plan = Plan::new(vec![PlannedImage::new(name(), with_foreign, Vec::new())]).unwrap();
    assert_eq!(plan.blobs().count(), 2, "a foreign layer isn't brought");
    assert_eq!(plan.warnings(), [Warning::NotForDocker { image: name() }]);
}

#[test]
fn a_list_that_is_longer_than_podman_reads_is_told() {
    let layers: Vec<Vec<u8>> = (0..14_000_u32).map(|at| at.to_be_bytes().to_vec()).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let plan = Plan::new(vec![planned(
        "app:1",
        &Image::new("amd64", &layers, MediaType::OCI_LAYER),
    )])
    .unwrap();
    let [warning @ Warning::LongList { .. }] = plan.warnings() else {
        panic!("{:?}", plan.warnings())
    };
    assert!(
        warning
            .to_string()
            .ends_with("podman and skopeo read at most 1048576: write the images into several archives")
    );
}

#[test]
fn a_signature_that_is_below_no_root_is_listed_without_a_name() {
    let image = Image::of(b"layer");
    let mut text: Value = serde_json::from_slice(Image::of(b"signature").manifest.bytes()).unwrap();
    text["subject"] = serde_json::to_value(image.manifest.descriptor()).unwrap();
    text["artifactType"] = "application/x.signature".into();
    let signature = RawManifest::parse(text.to_string().into_bytes(), None).unwrap();
    let plan = Plan::new(vec![PlannedImage::new(
        reference("hub.local/app:1"),
        image.manifest.clone(),
        vec![signature.clone()],
    )])
    .unwrap();
    let bytes = streamed(&plan, &blobs_of(&[&image, &Image::of(b"signature")]));
    let index = json(&bytes, "index.json");
    assert_eq!(index["manifests"][1]["digest"], signature.digest().as_str());
    assert_eq!(index["manifests"][1]["artifactType"], "application/x.signature");
    assert_eq!(index["manifests"][1]["annotations"], Value::Null);
    let archive = OpenOptions::default().from_reader(bytes.as_slice()).unwrap();
    assert_eq!(
        archive.manifest(signature.digest()).unwrap().unwrap().bytes(),
        signature.bytes()
    );
    let referrers = archive.referrers(image.manifest.digest());
    assert_eq!(referrers, [signature.referrer().unwrap()]);
    assert_eq!(archive.referrers(signature.digest()), []);
}
