//! The keys of KubeKey's earlier forms.

use super::{AUTH, Key, Kind, Table, key};

const MANIFESTS: Key = key(
    "manifests",
    Kind::Images,
    "",
    "[alpine:3.20]",
    "As `image.manifests`.",
);
const PLATFORM: Key = key(
    "platform",
    Kind::Texts,
    "all",
    "linux/amd64",
    "As `image.platform`. Here an architecture alone, such as `amd64`, is Linux's, and `*` is all.",
);
const AUTHS: Key = key(
    "auths",
    Kind::Entries(&AUTH),
    "none",
    "[{repo: hub.kubekey, plain_http: true}]",
    "As `image.auths`.",
);
const SKIP: Key = key(
    "skip_tls_verify",
    Kind::Flag,
    "false",
    "true",
    "As `image.skip_tls_verify`, and the default of `auths` entries, too.",
);
const SKIP_AS_IN_GO: Key = key(
    "skipTLSVerify",
    Kind::Flag,
    "as `skip_tls_verify`",
    "true",
    "Another name for `skip_tls_verify`.",
);
const SKIP_OF_SIDE: Key = key(
    "skip_tls_verify",
    Kind::Flag,
    "false",
    "true",
    "As `image.skip_tls_verify`, where this side is a registry.",
);
const IMAGES_DIR: Key = key(
    "images_dir",
    Kind::Text,
    "",
    "/var/lib/images",
    "The directory, with or without `local://`.",
);
const TYPE: Key = key(
    "type",
    Kind::Choice(&["file", "hub"]),
    "file",
    "hub",
    "Whether this side is a directory (`file`) or a registry (`hub`).",
);
const PATH: Key = key(
    "path",
    Kind::Text,
    "each image's own registry, for a `from` of the type `hub`",
    "/var/lib/images",
    "The directory or the registry.",
);
const PATH_AS_DIR: Key = key(
    "images_dir",
    Kind::Text,
    "as `path`",
    "/var/lib/images",
    "Another name for `path`.",
);

/// KubeKey's earlier form of a pull.
pub(in crate::task) static PULL: Table = Table {
    name: "pull",
    keys: &[IMAGES_DIR, MANIFESTS, AUTHS, PLATFORM, SKIP, SKIP_AS_IN_GO],
    rules: r#"{"required": ["images_dir", "manifests"], "not": {"required": ["skip_tls_verify", "skipTLSVerify"]}}"#,
};

/// KubeKey's earlier form of a push.
pub(in crate::task) static PUSH: Table = Table {
    name: "push",
    keys: &[
        IMAGES_DIR,
        key(
            "src_pattern",
            Kind::Text,
            "all of the images",
            "calico",
            "As `image.pattern`.",
        ),
        key("dest", Kind::Text, "", "hub.kubekey/mirror", "As `image.dest`."),
        key(
            "username",
            Kind::Text,
            "nobody",
            "admin",
            "The user at the registry of `dest`. It needs `password`.",
        ),
        key(
            "password",
            Kind::Text,
            "nobody",
            "'{{ .hub_password }}'",
            "That user's password. It needs `username`.",
        ),
        AUTHS,
        SKIP,
        SKIP_AS_IN_GO,
    ],
    rules: r#"{
        "required": ["images_dir", "dest"], "not": {"required": ["skip_tls_verify", "skipTLSVerify"]},
        "dependentRequired": {"username": ["password"], "password": ["username"]}
    }"#,
};

/// KubeKey's earlier form of a copy.
pub(in crate::task) static COPY: Table = Table {
    name: "copy",
    keys: &[
        PLATFORM,
        key("from", Kind::Map(&FROM), "", "", "Where the images come from."),
        key("to", Kind::Map(&TO), "", "", "Where they go."),
    ],
    rules: r#"{"required": ["from", "to"]}"#,
};

/// The source of a copy.
pub(in crate::task) static FROM: Table = Table {
    name: "copy.from",
    keys: &[
        TYPE,
        PATH,
        PATH_AS_DIR,
        key(
            "manifests",
            Kind::Images,
            "all images of the directory",
            "[alpine:3.20]",
            "As `image.manifests`.",
        ),
        AUTHS,
        SKIP_OF_SIDE,
    ],
    rules: r#"{
        "not": {"required": ["path", "images_dir"]},
        "anyOf": [
            {"required": ["path"]}, {"required": ["images_dir"]},
            {"required": ["type", "manifests"], "properties": {"type": {"not": {"const": "file"}}}}
        ]
    }"#,
};

/// The destination of a copy.
pub(in crate::task) static TO: Table = Table {
    name: "copy.to",
    keys: &[
        TYPE,
        PATH,
        PATH_AS_DIR,
        key(
            "pattern",
            Kind::Text,
            "all of the images",
            "calico",
            "As `image.pattern`.",
        ),
        key(
            "src_pattern",
            Kind::Text,
            "as `pattern`",
            "calico",
            "Another name for `pattern`.",
        ),
        AUTHS,
        SKIP_OF_SIDE,
    ],
    rules: r#"{
        "oneOf": [{"required": ["path"]}, {"required": ["images_dir"]}],
        "not": {"required": ["pattern", "src_pattern"]}
    }"#,
};
