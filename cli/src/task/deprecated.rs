//! KubeKey's earlier forms of the module, `pull:`, `push:` and `copy:`, as the form of today.

use std::borrow::Cow;

use super::fields::Fields;
use super::image::Request;
use super::keys::{COPY, FROM, PULL, PUSH, TO};
use super::places::Place;
use super::reader::{Reader, describe};
use super::yaml::{Key, Node, Yaml};

/// The keys that stand for a whole form.
pub(super) const FORMS: [&str; 3] = ["pull", "push", "copy"];

/// What `pull:`, `push:` or `copy:` asks for.
pub(super) fn read<'n>(key: &Key, node: &'n Node, reader: &mut Reader<'_>) -> Option<Request<'n>> {
    let mut request = Request {
        at: node.id,
        platforms_of_old: true,
        ..Request::default()
    };
    let today = match key.name.as_str() {
        "pull" => pull(node, &mut request, reader)?,
        "push" => push(node, &mut request, reader)?,
        _ => copy(node, &mut request, reader)?,
    };
    let message = format!("`{}` is deprecated", key.name);
    reader.sink.warn(key.id, message).hint(today);
    Some(request)
}

fn pull<'n>(node: &'n Node, request: &mut Request<'n>, reader: &mut Reader<'_>) -> Option<&'static str> {
    let fields = Fields::of("`pull`", node, reader.sink)?;
    fields.check(&PULL.names(), reader.sink);
    request.manifests = fields.get("manifests");
    request.platform = fields.get("platform");
    request.auths.extend(fields.get("auths").map(Cow::Borrowed));
    request.skip_tls_verify = fields.either("skip_tls_verify", "skipTLSVerify", reader.sink);
    if request.manifests.is_none() {
        reader
            .sink
            .error(node.id, "`pull` needs `manifests`, the images to pull");
    }
    request.dest = directory("pull", "images_dir", fields.get("images_dir"), node, reader);
    Some("write manifests, platform, auths and `dest: local://…` right under `image`")
}

fn push<'n>(node: &'n Node, request: &mut Request<'n>, reader: &mut Reader<'_>) -> Option<&'static str> {
    let fields = Fields::of("`push`", node, reader.sink)?;
    fields.check(&PUSH.names(), reader.sink);
    request.pattern = fields.get("src_pattern");
    request.auths.extend(credential(&fields, node));
    request.auths.extend(fields.get("auths").map(Cow::Borrowed));
    request.skip_tls_verify = fields.either("skip_tls_verify", "skipTLSVerify", reader.sink);
    // Here it wins over what the entries of `auths` don't say, too.
    request.skip_for_auths = true;
    request.src = directory("push", "images_dir", fields.get("images_dir"), node, reader);
    request.dest = match fields.get("dest") {
        Some(dest) => Place::read("dest", "", dest, reader),
        None => {
            reader
                .sink
                .error(node.id, "`push` needs `dest`, the registry to push to");
            None
        }
    };
    Some("write `src: local://…`, dest, pattern and auths right under `image`")
}

/// `username` and `password` beside `dest`, as KubeKey had them up to v4.0.2: an entry of `auths` for the registry of `dest`.
fn credential<'n>(fields: &Fields<'n>, of: &Node) -> Option<Cow<'n, Node>> {
    let named = |(key, _): &&(Key, Node)| matches!(key.name.as_str(), "username" | "password");
    let given: Vec<(Key, Node)> = fields.iter().filter(named).cloned().collect();
    let node = |value| Node {
        id: of.id,
        literal: false,
        value,
    };
    (!given.is_empty()).then(|| Cow::Owned(node(Yaml::List(vec![node(Yaml::Map(given))]))))
}

fn copy<'n>(node: &'n Node, request: &mut Request<'n>, reader: &mut Reader<'_>) -> Option<&'static str> {
    let fields = Fields::of("`copy`", node, reader.sink)?;
    fields.check(&COPY.names(), reader.sink);
    request.platform = fields.get("platform");
    let side = |name, what, reader: &mut Reader<'_>| match fields.get(name) {
        Some(side) => Fields::of(what, side, reader.sink).map(|fields| (side, fields)),
        None => {
            reader.sink.error(node.id, format!("`copy` needs `{name}`"));
            None
        }
    };
    let from = side("from", "`copy.from`", reader);
    let to = side("to", "`copy.to`", reader);
    let ((from_node, from), (to_node, to)) = (from?, to?);
    from.check(&FROM.names(), reader.sink);
    to.check(&TO.names(), reader.sink);
    request.manifests = from.get("manifests");
    request.pattern = to.either("pattern", "src_pattern", reader.sink);
    request.auths.extend(
        [from.get("auths"), to.get("auths")]
            .into_iter()
            .flatten()
            .map(Cow::Borrowed),
    );

    let from_hub = is_hub(&from, reader)?;
    let to_hub = is_hub(&to, reader)?;
    let path = from.either("path", "images_dir", reader.sink);
    request.src = match (from_hub, path) {
        // Each image comes from its own registry.
        (true, None) => None,
        (true, Some(path)) => Place::read("path", "", path, reader),
        (false, path) => directory("copy.from", "path", path, from_node, reader),
    };
    let path = to.either("path", "images_dir", reader.sink);
    request.dest = match (to_hub, path) {
        (true, Some(path)) => Place::read("path", "", path, reader),
        (_, path) => directory("copy.to", "path", path, to_node, reader),
    };
    for given in [&from, &to].iter().filter_map(|side| side.get("skip_tls_verify")) {
        // Also where it has no meaning: a slip is one all the same.
        reader.flag("skip_tls_verify", given);
    }
    let of_from = from.get("skip_tls_verify").filter(|_| from_hub);
    let of_to = to.get("skip_tls_verify").filter(|_| to_hub);
    request.skip_tls_verify = of_to.or(of_from);
    if let (true, true, Some(given)) = (from_hub, to_hub, of_to.or(of_from)) {
        // One setting for both registries would leave unchecked the certificate of one that wasn't meant.
        let note = reader.sink.error(
            given.id,
            "`skip_tls_verify` of one side can't be kept apart from the other side's",
        );
        note.hint("give each registry that needs it an entry in `auths` with `insecure: true`");
    }
    Some("write manifests, platform, pattern, auths, src and dest right under `image`")
}

/// Whether a side is a registry (`type: hub`) and not a directory (`type: file`, the default).
fn is_hub(side: &Fields<'_>, reader: &mut Reader<'_>) -> Option<bool> {
    let Some(node) = side.get("type") else {
        return Some(false);
    };
    match reader.text("type", node)?.as_str() {
        "hub" => Some(true),
        "file" | "" => Some(false),
        _ => {
            let message = format!("`type` must be file or hub, not {}", describe(node));
            reader.sink.error(node.id, message);
            None
        }
    }
}

fn directory(
    owner: &str,
    name: &str,
    node: Option<&Node>,
    of: &Node,
    reader: &mut Reader<'_>,
) -> Option<Place> {
    match node {
        Some(Node {
            value: Yaml::Text(text),
            id,
            ..
        }) if text.trim().is_empty() => {
            reader.sink.error(*id, format!("`{owner}.{name}` is empty"));
            None
        }
        Some(node) => Place::read(name, "local://", node, reader),
        None => {
            reader.sink.error(
                of.id,
                format!("`{owner}` needs `{name}`, the directory of images"),
            );
            None
        }
    }
}
