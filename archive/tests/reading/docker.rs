//! Archives of `docker save`.

use super::*;

/// What `docker save` of before version 25 writes, with a link for the layer that a second image shares.
fn docker_save(config: &[u8], layer: &[u8], listed: &serde_json::Value) -> Tar {
    let id = Digest::of(config);
    Tar::new()
        .file(&format!("{}.json", id.hex()), config)
        .folder("0a/")
        .file("0a/VERSION", "1.0")
        .file("0a/json", "{}")
        .file("0a/layer.tar", layer)
        .folder("0b/")
        .symlink("0b/layer.tar", "../0a/layer.tar")
        .hard_link("0c/layer.tar", "0b/layer.tar")
        .file("manifest.json", listed.to_string())
        .file("repositories", r#"{"app":{"1":"0a"}}"#)
}

#[test]
fn a_docker_archive_keeps_its_layers_and_gets_a_manifest_that_says_what_it_is_of() {
    let image = Image::new("amd64", &[b"layer", b"layer", b"layer"], MediaType::OCI_LAYER);
    let id = Digest::of(&image.config);
    let listed = json!([{
        "Config": format!("{}.json", id.hex()),
        "RepoTags": ["app:1", "hub.local:5000/team/app:2"],
        "Layers": ["0a/layer.tar", "0b/layer.tar", "0c/layer.tar"],
    }]);
    let archive = open(docker_save(&image.config, b"layer", &listed)).unwrap();
    assert_eq!(archive.form().to_string(), "a Docker archive");
    let full = |name: &str| Some(name.to_owned());
    assert_eq!(
        names(&archive),
        [full("docker.io/library/app:1"), full("hub.local:5000/team/app:2")]
    );
    assert_eq!(archive.images()[0].made_from, Some(id.clone()));
    let manifest = archive
        .manifest(&archive.images()[0].root.digest)
        .unwrap()
        .unwrap();
    assert_eq!(
        manifest.bytes(),
        image.manifest.bytes(),
        "it has the layers as they are"
    );
    let Manifest::Image(read) = manifest.view() else {
        panic!("it is an image")
    };
    assert_eq!(read.config.digest, id);
    assert_eq!(blob(&archive, &id), image.config);
    assert_eq!(blob(&archive, &read.layers[1].digest), b"layer");
}

/// A layer as `docker save` wrote it before Docker 1.10.
fn v1_layer(tar: Tar, id: &str, parent: &str, layer: &[u8]) -> Tar {
    let parent = if parent.is_empty() {
        String::new()
    } else {
        format!(r#""parent":"{parent}","#)
    };
    let text = format!(
        r#"{{"id":"{id}",{parent}"created":"2015-06-01T00:00:00Z","container_config":{{"Cmd":["/bin/sh","-c","{}"]}},"architecture":"amd64","os":"linux","config":{{"Cmd":["/x"]}},"Size":{}}}"#,
        &id[..1],
        layer.len()
    );
    tar.file(&format!("{id}/VERSION"), "1.0")
        .file(&format!("{id}/json"), text)
        .file(&format!("{id}/layer.tar"), layer)
}

#[test]
fn an_archive_of_before_docker_1_10_gets_configs_and_manifests() {
    let id = |letter: &str| letter.repeat(64);
    let (a, b, c) = (id("a"), id("b"), id("c"));
    let layers = |tar: Tar| {
        let tar = v1_layer(tar, &a, "", b"base");
        v1_layer(v1_layer(tar, &b, &a, b"app"), &c, &a, b"tool")
    };
    let named = format!(r#"{{"app":{{"1":"{b}"}},"hub.local/base":{{"2":"{a}"}}}}"#);
    let archive = open(layers(Tar::new()).file("repositories", named)).unwrap();
    assert_eq!(archive.form().to_string(), "a Docker archive");
    let full = |name: &str| Some(name.to_owned());
    assert_eq!(
        names(&archive),
        [full("hub.local/base:2"), full("docker.io/library/app:1"), None]
    );
    let app = &archive.images()[1];
    let manifest = archive.manifest(&app.root.digest).unwrap().unwrap();
    let Manifest::Image(manifest) = manifest.view() else {
        panic!("it is an image")
    };
    let layers_read: Vec<Vec<u8>> = manifest
        .layers
        .iter()
        .map(|layer| blob(&archive, &layer.digest))
        .collect();
    assert_eq!(layers_read, [b"base".to_vec(), b"app".to_vec()]);
    assert_eq!(app.made_from.as_ref(), Some(&manifest.config.digest));
    assert_eq!(
        archive.blob_size(&manifest.config.digest).unwrap(),
        Some(manifest.config.size)
    );
    let mut part = String::new();
    archive
        .open_blob(&manifest.config.digest, 1..10)
        .unwrap()
        .unwrap()
        .read_to_string(&mut part)
        .unwrap();
    assert_eq!(part, "\"architec");
    assert_eq!(
        manifest.config.digest.short(),
        "e75ce94964f1",
        "the same bytes from every build"
    );
    let config: Value = serde_json::from_slice(&blob(&archive, &manifest.config.digest)).unwrap();
    let diff_ids = json!([Digest::of(b"base"), Digest::of(b"app")]);
    assert_eq!(
        config,
        json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "created": "2015-06-01T00:00:00Z",
            "container_config": {"Cmd": ["/bin/sh", "-c", "b"]},
            "history": [
                {"created": "2015-06-01T00:00:00Z", "created_by": "/bin/sh -c a"},
                {"created": "2015-06-01T00:00:00Z", "created_by": "/bin/sh -c b"},
            ],
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
    );
    // Saved by their IDs, images have no names.
    assert_eq!(names(&open(layers(Tar::new())).unwrap()), [None, None]);

    let missing = "isn't there, and another layer or a name needs it";
    for (tar, expected) in [
        (v1_layer(Tar::new(), &a, &b, b"x"), missing),
        (
            layers(Tar::new()).file("repositories", r#"{"app":{"1":"../x"}}"#),
            missing,
        ),
        (
            v1_layer(v1_layer(Tar::new(), &a, &b, b"x"), &b, &a, b"y")
                .file("repositories", format!(r#"{{"x":{{"1":"{a}"}}}}"#)),
            "is a layer of too many, or its own parent",
        ),
        (
            v1_layer(Tar::new(), &a, "", b"\x1f\x8b\x08packed"),
            "is compressed, which no layer of this form is",
        ),
        (
            Tar::new().file(&format!("{a}/json"), "{}"),
            "layer.tar\" is missing",
        ),
        (Tar::new().file(&format!("{a}/json"), "what"), "can't be read"),
        (
            layers(Tar::new()).file("repositories", "[]"),
            "\"repositories\" can't be read",
        ),
    ] {
        let error = open(tar).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// What `docker save` of version 25 and later writes: both lists, of which the index may be wrong.
fn docker_25_save(image: &Image, roots: &[(&RawManifest, &[(&str, &str)])], tags: &Value) -> Tar {
    let paths: Vec<String> = image
        .layers
        .iter()
        .map(|layer| common::blob_name(&Digest::of(layer)))
        .collect();
    let config = common::blob_name(&Digest::of(&image.config));
    let listed = json!([{"Config": config, "RepoTags": tags, "Layers": paths}]);
    let tar = layout(&index_json(roots)).file("manifest.json", listed.to_string());
    let mut tar = roots.iter().fold(tar, |tar, (root, _)| tar.blob(root.bytes()));
    for blob in image.blobs() {
        tar = tar.blob(blob);
    }
    tar
}

fn with_layers(image: &Image, layers: Value) -> RawManifest {
    let mut text: Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
    text["layers"] = layers;
    RawManifest::parse(text.to_string().into_bytes(), None).unwrap()
}

#[test]
fn manifests_that_docker_25_saved_without_layers_or_in_a_wrong_order_are_made_anew() {
    let image = Image::new("amd64", &[b"first", b"second"], MediaType::OCI_LAYER);
    let written: Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
    let turned = json!([written["layers"][1], written["layers"][0]]);
    let name: &[(&str, &str)] = &[(FULL, "docker.io/library/app:1"), (TAG, "1")];
    for wrong in [json!([]), json!(null), turned] {
        let wrong = with_layers(&image, wrong);
        let archive = open(docker_25_save(&image, &[(&wrong, name)], &json!(["app:1"]))).unwrap();
        let [found] = archive.images() else {
            panic!("there is one image")
        };
        assert_eq!(
            found.reference.as_ref().unwrap().to_string(),
            "docker.io/library/app:1"
        );
        assert_eq!(found.root.digest, *image.manifest.digest());
        assert_eq!(found.made_from, Some(Digest::of(&image.config)));
        let made = archive.manifest(&found.root.digest).unwrap().unwrap();
        assert_eq!(made.bytes(), image.manifest.bytes());
    }
    let right = open(docker_25_save(
        &image,
        &[(&image.manifest, name)],
        &json!(["app:1"]),
    ))
    .unwrap();
    let [found] = right.images() else {
        panic!("there is one image")
    };
    assert_eq!(
        (&found.root.digest, &found.made_from),
        (image.manifest.digest(), &None)
    );
}

#[test]
fn an_image_that_dockers_list_has_and_its_index_lacks_is_listed() {
    let image = Image::of(b"layer");
    for tags in [json!(null), json!(["app:1"])] {
        let archive = open(docker_25_save(&image, &[], &tags)).unwrap();
        let [found] = archive.images() else {
            panic!("there is one image")
        };
        assert_eq!(found.made_from, Some(Digest::of(&image.config)));
        assert_eq!(found.reference.is_some(), tags.is_array());
        assert!(archive.manifest(&found.root.digest).unwrap().is_some());
    }
    // What an index of several platforms leads to isn't lacking.
    let other = Image::new("arm64", &[b"arm"], MediaType::OCI_LAYER);
    let both = index(&[("amd64", &image), ("arm64", &other)]);
    let tar = docker_25_save(
        &image,
        &[(&both, &[(FULL, "docker.io/library/app:1")])],
        &json!(["app:1"]),
    );
    let archive = open(tar.blob(image.manifest.bytes())).unwrap();
    assert_eq!(archive.images().len(), 1);
    assert_eq!(archive.images()[0].made_from, None);
}

#[test]
fn a_docker_archives_image_without_a_name_is_listed() {
    let image = Image::of(b"layer");
    let config = format!("{}.json", Digest::of(&image.config).hex());
    for tags in [json!(null), json!([])] {
        let listed = json!([{"Config": config, "RepoTags": tags, "Layers": ["0a/layer.tar"]}]);
        let archive = open(docker_save(&image.config, b"layer", &listed)).unwrap();
        assert_eq!(names(&archive), [None]);
    }
}

#[test]
fn images_of_a_docker_archive_share_layers_and_each_gets_its_media_type() {
    let gzip = [&b"\x1f\x8b\x08"[..], b"packed"].concat();
    let zstd = [&b"\x28\xb5\x2f\xfd"[..], b"packed"].concat();
    let layers: [&[u8]; 3] = [b"plain", &gzip, &zstd];
    let image = Image::new("amd64", &layers, MediaType::OCI_LAYER);
    let other = Image::of(b"plain");
    let listed = json!([
        {"Config": "sha256:".to_owned() + Digest::of(&image.config).hex(), "RepoTags": ["app:1"], "Layers": ["a.tar", "b.tar.gz", "c.tar.zst"]},
        {"Config": "other.json", "RepoTags": ["app:2"], "Layers": ["a.tar"]},
    ]);
    let tar = Tar::new()
        .file("manifest.json", listed.to_string())
        .file(
            &format!("sha256:{}", Digest::of(&image.config).hex()),
            &image.config,
        )
        .file("other.json", &other.config)
        .file("a.tar", layers[0])
        .file("b.tar.gz", layers[1])
        .file("c.tar.zst", layers[2]);
    let archive = open(tar).unwrap();
    let manifest = archive
        .manifest(&archive.images()[0].root.digest)
        .unwrap()
        .unwrap();
    let Manifest::Image(read) = manifest.view() else {
        panic!("it is an image")
    };
    let types: Vec<&MediaType> = read.layers.iter().map(|layer| &layer.media_type).collect();
    assert_eq!(
        types,
        [
            &MediaType::OCI_LAYER,
            &MediaType::OCI_LAYER_GZIP,
            &MediaType::OCI_LAYER_ZSTD
        ]
    );
    for (layer, bytes) in read.layers.iter().zip(layers) {
        assert_eq!(blob(&archive, &layer.digest), bytes);
    }
    assert_eq!(archive.images()[1].root.digest, *other.manifest.digest());
}

#[test]
fn a_docker_archive_that_contradicts_itself_is_refused_by_name() {
    let image = Image::of(b"layer");
    let config = format!("{}.json", Digest::of(&image.config).hex());
    let list =
        |config: &str, layers: &[&str]| json!([{"Config": config, "RepoTags": ["app:1"], "Layers": layers}]);
    let good = list(&config, &["0a/layer.tar"]);
    assert!(open(docker_save(&image.config, b"layer", &good)).is_ok());
    let table = [
        (
            docker_save(&image.config, b"other", &good),
            "entry \"0a/layer.tar\" isn't the layer that config",
        ),
        (
            docker_save(&image.config, b"layer", &list(&config, &["0d/layer.tar"])),
            "entry \"0d/layer.tar\" is missing, and the archive's list names it",
        ),
        (
            docker_save(&image.config, b"layer", &list(&config, &[])),
            "is a config of 1 layers, and manifest.json lists 0",
        ),
        (
            docker_save(&image.config, b"layer", &list("none.json", &["0a/layer.tar"])),
            "entry \"none.json\" is missing",
        ),
        (
            docker_save(&image.config, b"layer", &list("../x", &["0a/layer.tar"])),
            "entry \"../x\" has a path that may lead out",
        ),
        (
            docker_save(&image.config, b"layer", &list(&config, &["/etc/passwd"])),
            "entry \"/etc/passwd\" has an absolute path",
        ),
        (
            docker_save(&image.config, b"layer", &json!({"a": 1})),
            "entry \"manifest.json\" can't be read",
        ),
        (
            docker_save(
                b"{}",
                b"layer",
                &list(&format!("{}.json", Digest::of(b"{}").hex()), &[]),
            ),
            "is no config of an image",
        ),
    ];
    for (tar, expected) in table {
        let error = open(tar).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let renamed = Tar::new()
        .file(
            "manifest.json",
            list(&format!("{}.json", Digest::of(b"x").hex()), &["a"]).to_string(),
        )
        .file(&format!("{}.json", Digest::of(b"x").hex()), &image.config)
        .file("a", "layer");
    let error = open(renamed).unwrap_err().to_string();
    assert!(
        error.contains("isn't the config that it is named after"),
        "{error}"
    );
}
