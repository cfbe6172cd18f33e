//! The keys of a task file: what the reader knows, and what the schema and the reference tell.

mod bundle;
mod deprecated;
mod playbook;

use bundle::{BASE, DELTA, MISSING, ONLY, VOLUME_COMMAND, VOLUME_SIZE, VOLUMES};
pub(super) use deprecated::{COPY, FROM, PULL, PUSH, TO};
pub(super) use playbook::{ACCEPTED, BLOCK, IGNORED, INCLUDE, PLAY, ROLE, TASK, TASK_LISTS};

/// A mapping with known keys.
pub(super) struct Table {
    /// What the schema and the reference call it.
    pub name: &'static str,
    pub keys: &'static [Key],
    /// What holds between the keys, as JSON Schema.
    pub rules: &'static str,
}

/// A key.
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// What goes without it, as YAML or in words; empty where it can't be left out.
    pub default: &'static str,
    /// A value, as YAML.
    pub example: &'static str,
    /// What it does, in Markdown.
    pub about: &'static str,
}

/// What a value may be. Every text may be a template.
pub(super) enum Kind {
    /// A text.
    Text,
    /// A text or nothing.
    Name,
    /// A list of texts, or one text.
    Texts,
    /// The same, with something in it.
    Images,
    /// True or false.
    Flag,
    /// True or false, or one of these words.
    FlagOr(&'static [&'static str]),
    /// A whole number from 0 up.
    Count,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A condition, or a list of them.
    Condition,
    /// Names with values of any kind.
    Variables,
    /// A list of anything.
    Items,
    /// A list of mappings, which may come from a template.
    Entries(&'static Table),
    /// The same, with something in it.
    Rules(&'static Table),
    /// A mapping.
    Map(&'static Table),
    /// A list of names, or of mappings.
    Names(&'static Table),
    /// A list of tasks.
    Tasks,
    /// Anything.
    Any,
}

impl Table {
    /// The names of the keys.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// Whether it has a key of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        example,
        about,
    }
}

/// The module.
pub(super) static IMAGE: Table = Table {
    name: "image",
    keys: &[
        key(
            "manifests",
            Kind::Images,
            "all images that `src` holds, where it is a directory or one image",
            r#"["docker.io/library/alpine:3.20", "registry.k8s.io/pause:3.*"]"#,
            "The images. A name without tag or digest means `latest`. A tag may be a glob (`*` any letters, `?` one, `[a-c]` one of these, `[!a-c]` another): all tags that the source has and that match.",
        ),
        key(
            "platform",
            Kind::Texts,
            "all",
            "[linux/amd64, linux/arm64]",
            "The platforms to copy, as `os/architecture` or `os/architecture/variant`; `all` means all. `windows(10.0.20348)/amd64` means every version of Windows that begins so.",
        ),
        key(
            "policy",
            Kind::Choice(&["strict", "warn"]),
            "strict",
            "warn",
            "What to do if an image lacks a platform: `strict` fails the image, `warn` copies what it has and warns.",
        ),
        key(
            "single",
            Kind::Choice(&["refuse", "accept"]),
            "refuse",
            "accept",
            "How to treat an image of a single platform, without an index, if its platform is one of several that are asked for: `refuse` treats the others as missing, `accept` doesn't (as in KubeKey's code).",
        ),
        key(
            "pattern",
            Kind::Text,
            "all of the images",
            r#"".*calico.*""#,
            "A regular expression. Only images with a match in their name are copied, in the name as written or in full (`docker.io/calico/apiserver:v3.28.2`).",
        ),
        key(
            "auths",
            Kind::Entries(&AUTH),
            "the logins of docker and podman, and credential helpers",
            "[{repo: hub.kubekey, username: admin, password: '{{ .hub_password }}'}]",
            "Credentials and transport settings by registry.",
        ),
        key(
            "src",
            Kind::Text,
            "each image's own registry",
            "local:///var/lib/images",
            "Where the images come from.",
        ),
        key(
            "dest",
            Kind::Images,
            "",
            "hub.kubekey/mirror",
            "Where the images go. With a list, every image goes to each of its places, and a registry as the source is read once for all of them.",
        ),
        key(
            "skip_tls_verify",
            Kind::Flag,
            "false",
            "true",
            "Whether to skip the check of certificates, for registries that no entry of `auths` covers.",
        ),
        key(
            "index",
            Kind::Choice(&["filtered", "original"]),
            "filtered",
            "original",
            "How to write an index if only some of its platforms are copied: `filtered` names only those, which changes its digest; `original` keeps the index and its digest.",
        ),
        key(
            "referrers",
            Kind::Text,
            "none",
            "all",
            "Which referrers of the images to copy with them, such as signatures, SBOMs and attestations: `none`, `all`, or artifact types, and `sig`, `att` and `sbom` for what cosign keeps under tags, separated by commas. Registries are asked for them only if some are wanted.",
        ),
        key(
            "link",
            Kind::Flag,
            "false",
            "true",
            "Between directories: whether to make hard links instead of copies of blobs. Writing to such a file in place changes both directories. Only files that belong to the same user and that nobody else may write are linked; others are copied.",
        ),
        key(
            "untagged",
            Kind::Flag,
            "false",
            "true",
            "Whether to copy untagged images as well that stayed in a repository when its tags moved on. Without `manifests`, transload copies the tagged images of the directory in `src`, and the untagged ones of repositories without tags.",
        ),
        key(
            "rename",
            Kind::Texts,
            "names stay",
            r#"["^docker.io/library/=docker.io/base/"]"#,
            "Rules `FROM=TO` that change names at the destination. `FROM` is a regular expression, matched against the full name (`docker.io/library/alpine:3.19`); each match becomes `TO`, where `$1` and `${name}` are groups of `FROM`. Rules apply in their order.",
        ),
        key(
            "strip_registry",
            Kind::Flag,
            "false",
            "true",
            "Whether names written to a directory or an archive lose their registry, and so become Docker Hub's: `hub.local/calico/node:v3` becomes `calico/node:v3`. At a registry, names never have the source's registry. Applies after `rename`.",
        ),
        key(
            "prefix",
            Kind::Text,
            "none",
            "team",
            "A path to put before each image's repository. A registry and a path replace the image's registry as well. Applies last.",
        ),
        key(
            "check_existing",
            Kind::Flag,
            "false",
            "true",
            "Whether to check blobs that the destination has already. In a directory, they are hashed, and damaged ones are replaced. In a registry, every blob of the images that it lists is looked up, and missing ones are sent.",
        ),
        key(
            "verify",
            Kind::Rules(&VERIFY),
            "nothing is checked",
            "[{pattern: '^hub.kubekey/', keys: cosign.pub}]",
            "What each image must fulfil before any of it is copied. The first entry whose `pattern` matches the image's name decides; an image without a matching entry fails.",
        ),
        key(
            "trust",
            Kind::Text,
            "nothing is checked",
            "allowed_signers",
            "Where `src` is a bundle: a file of allowed signers, as ssh-keygen reads it. A bundle that none of them has signed is refused before anything else of \
             it is read.",
        ),
        key(
            "create_projects",
            Kind::FlagOr(&["private", "public"]),
            "false",
            "public",
            "Whether to create projects that the destination, a Harbor, lacks. `true` means `private`. The user needs the right to create projects there.",
        ),
        BASE,
        DELTA,
        ONLY,
        VOLUME_SIZE,
        VOLUME_COMMAND,
        VOLUMES,
        MISSING,
        key(
            "pull",
            Kind::Map(&PULL),
            "none",
            "",
            "Deprecated: KubeKey's earlier form of a pull. It stands alone under `image`.",
        ),
        key(
            "push",
            Kind::Map(&PUSH),
            "none",
            "",
            "Deprecated: KubeKey's earlier form of a push. It stands alone under `image`.",
        ),
        key(
            "copy",
            Kind::Map(&COPY),
            "none",
            "",
            "Deprecated: KubeKey's earlier form of a copy. It stands alone under `image`.",
        ),
    ],
    rules: r#"{
        "if": {"anyOf": [{"required": ["pull"]}, {"required": ["push"]}, {"required": ["copy"]}]},
        "then": {"maxProperties": 1},
        "else": {"required": ["dest"], "anyOf": [{"required": ["manifests"]}, {"required": ["src"]}]}
    }"#,
};

/// An entry of `auths`.
pub(super) static AUTH: Table = Table {
    name: "auth",
    keys: &[
        key(
            "repo",
            Kind::Text,
            "the one registry that `src` and `dest` name",
            "hub.kubekey/team",
            "The registry, or a registry and the beginning of a repository's path. The longest match applies.",
        ),
        key(
            "registry",
            Kind::Text,
            "as `repo`",
            "hub.kubekey",
            "Another name for `repo`, for the whole registry: a path behind it is ignored, as in KubeKey.",
        ),
        key(
            "username",
            Kind::Text,
            "nobody",
            "admin",
            "The user. It needs `password`.",
        ),
        key(
            "password",
            Kind::Text,
            "nobody",
            "'{{ .hub_password }}'",
            "The password or token. It needs `username`. Keep it in a file of `--vars` that is yours alone (`chmod 600`).",
        ),
        key(
            "insecure",
            Kind::Flag,
            "the task's `skip_tls_verify`, in `push` and `pull`; else false",
            "true",
            "Whether to skip the check of the certificate.",
        ),
        key(
            "skip_tls_verify",
            Kind::Flag,
            "as `insecure`",
            "true",
            "Another name for `insecure`.",
        ),
        key(
            "plain_http",
            Kind::Flag,
            "false",
            "true",
            "Whether to use plain HTTP instead of HTTPS.",
        ),
        key(
            "ca_file",
            Kind::Text,
            "the system's authorities",
            "/etc/ssl/hub-ca.pem",
            "A PEM file of certificate authorities to trust.",
        ),
        key(
            "cert_file",
            Kind::Text,
            "none",
            "/etc/ssl/client.pem",
            "A PEM file with a client certificate. It needs `key_file`.",
        ),
        key(
            "key_file",
            Kind::Text,
            "none",
            "/etc/ssl/client.key",
            "A PEM file with the private key of that certificate.",
        ),
    ],
    rules: r#"{
        "dependentRequired": {
            "username": ["password"], "password": ["username"],
            "cert_file": ["key_file"], "key_file": ["cert_file"]
        },
        "allOf": [
            {"not": {"required": ["repo", "registry"]}},
            {"not": {"required": ["insecure", "skip_tls_verify"]}}
        ]
    }"#,
};

/// An entry of `verify`.
pub(super) static VERIFY: Table = Table {
    name: "verify",
    keys: &[
        key(
            "pattern",
            Kind::Text,
            "all images",
            "'^hub.kubekey/'",
            "A regular expression for image names, as `image.pattern`.",
        ),
        key(
            "keys",
            Kind::Images,
            "none",
            "[cosign.pub, /etc/keys/vendor.pub]",
            "PEM files of public keys. One of them must have signed the image with cosign, and the signature must be at the image's source. Transparency logs and certificates (keyless signatures) aren't checked.",
        ),
        key(
            "with",
            Kind::Images,
            "none",
            "[/usr/local/bin/admit, --strict]",
            "A program and its arguments, run without a shell. It gets the image's reference and digest as two more arguments, and in `TRANSLOAD_REFERENCE` and `TRANSLOAD_DIGEST`, and accepts the image with the exit status 0 within two minutes.",
        ),
    ],
    rules: r#"{"anyOf": [{"required": ["keys"]}, {"required": ["with"]}]}"#,
};
