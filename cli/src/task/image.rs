//! The `image` module: its keys as a [`Job`].

pub(super) mod values;

use std::borrow::Cow;
use std::sync::Arc;

use transload_policy::{Mode, PlatformSet, Single};
use transload_registry_client::Visibility;
use transload_template::Value;
use transload_transfer::job::{Endpoint, ImageEntry, IndexMode, Job, LINK_HINT, NO_LINK};

use super::bundle::BundleKeys;
use super::fields::Fields;
use super::files::Files;
use super::keys::{AUTH, IMAGE};
use super::places::{self, Place};
use super::reader::Reader;
use super::yaml::{Id, Node};
use super::{auths, deprecated, playbook, verify};
use values::{choice, images, is_written_empty, pattern, platforms, referrers, renaming};

/// What the task around the module says.
pub(super) struct Surroundings {
    pub name: String,
    pub retries: u32,
    pub ignore_errors: bool,
}

/// Where a job was written.
#[derive(Debug)]
pub(super) struct Places {
    pub task: Id,
    pub src: Option<Id>,
    pub dest: Id,
    /// Of each of the job's globs.
    pub globs: Vec<Id>,
    /// The loop's item that it is for.
    pub item: Option<Value>,
}

impl Places {
    /// Tells the globs of a job where they were written.
    pub fn mark_globs(&self, job: &mut Job, files: &Files) {
        for (glob, at) in job.globs.iter_mut().zip(&self.globs) {
            glob.set_place(files.place(*at));
        }
    }
}

/// What a module's mapping came to.
pub(super) enum Outcome {
    Job(Box<Job>, Places),
    /// Its list of images is empty.
    NoImages,
}

/// The module's values, not yet looked at, whichever of its forms they came in.
#[derive(Default)]
pub(super) struct Request<'n> {
    /// The mapping that the values are in.
    pub at: Id,
    pub manifests: Option<&'n Node>,
    pub platform: Option<&'n Node>,
    /// Whether a platform may be an architecture alone, which is Linux's, or `*`.
    pub platforms_of_old: bool,
    pub policy: Option<&'n Node>,
    pub single: Option<&'n Node>,
    pub pattern: Option<&'n Node>,
    pub auths: Vec<Cow<'n, Node>>,
    pub src: Option<Place>,
    pub dest: Option<Place>,
    /// The destinations behind the first.
    pub also_to: Vec<Place>,
    pub skip_tls_verify: Option<&'n Node>,
    /// Whether `skip_tls_verify` is also the default for the entries of `auths`.
    pub skip_for_auths: bool,
    pub index: Option<&'n Node>,
    pub referrers: Option<&'n Node>,
    pub verify: Option<&'n Node>,
    pub trust: Option<&'n Node>,
    pub link: Option<&'n Node>,
    pub untagged: Option<&'n Node>,
    pub check_existing: Option<&'n Node>,
    pub create_projects: Option<&'n Node>,
    pub rename: Option<&'n Node>,
    pub strip_registry: Option<&'n Node>,
    pub prefix: Option<&'n Node>,
    pub bundle: BundleKeys<'n>,
}

/// Whether the module has this key.
pub(super) fn has_key(name: &str) -> bool {
    IMAGE.has(name)
}

/// Checks the keys alone: for tasks that don't run.
pub(super) fn check_keys(node: &Node, reader: &mut Reader<'_>) {
    if let Some(fields) = Fields::of("`image`", node, reader.sink) {
        check_fields(&fields, reader);
    }
}

fn check_fields(fields: &Fields<'_>, reader: &mut Reader<'_>) {
    let elsewhere = |name: &str| {
        if AUTH.has(name) {
            Some(format!("`{name}` stands in an entry of `auths`"))
        } else {
            playbook::is_honoured(name).then(|| format!("`{name}` stands beside `image`, not under it"))
        }
    };
    fields.check_with(&IMAGE.names(), elsewhere, reader.sink);
}

/// Reads the module's mapping.
pub(super) fn read(node: &Node, around: Surroundings, reader: &mut Reader<'_>) -> Option<Outcome> {
    let errors = reader.sink.error_count();
    let fields = Fields::of("`image`", node, reader.sink)?;
    check_fields(&fields, reader);
    let form = fields
        .iter()
        .find(|(key, _)| deprecated::FORMS.contains(&key.name.as_str()));
    let request = match form {
        Some((form, value)) => {
            for (key, _) in fields
                .iter()
                .filter(|(key, _)| key.id != form.id && IMAGE.has(&key.name))
            {
                let message = format!(
                    "`{}` can't stand beside `{}`, which is a whole task by itself",
                    key.name, form.name
                );
                reader.sink.error(key.id, message);
            }
            deprecated::read(form, value, reader)?
        }
        None => of_today(&fields, reader),
    };
    build(&request, around, errors, reader)
}

fn of_today<'n>(fields: &Fields<'n>, reader: &mut Reader<'_>) -> Request<'n> {
    let dest = fields.get("dest");
    if dest.is_none() {
        let note = reader
            .sink
            .error(fields.at, "`image` needs `dest`, the place where the images go");
        note.hint("give `dest: local:///a/directory` or a registry");
    }
    let bundle = BundleKeys::of(fields);
    let src = fields.get("src");
    let src = src.and_then(|node| Place::read("src", "", node, reader));
    let mut dests = dest.map_or_else(Vec::new, |node| Place::read_list("dest", node, reader));
    let also_to = dests.split_off(dests.len().min(1));
    Request {
        at: fields.at,
        manifests: fields.get("manifests"),
        platform: fields.get("platform"),
        platforms_of_old: false,
        policy: fields.get("policy"),
        single: fields.get("single"),
        pattern: fields.get("pattern"),
        auths: fields.get("auths").map(Cow::Borrowed).into_iter().collect(),
        src: bundle.with_volumes(src, reader),
        dest: dests.pop(),
        also_to,
        skip_tls_verify: fields.get("skip_tls_verify"),
        skip_for_auths: false,
        index: fields.get("index"),
        referrers: fields.get("referrers"),
        verify: fields.get("verify"),
        trust: fields.get("trust"),
        link: fields.get("link"),
        untagged: fields.get("untagged"),
        check_existing: fields.get("check_existing"),
        create_projects: fields.get("create_projects"),
        rename: fields.get("rename"),
        strip_registry: fields.get("strip_registry"),
        prefix: fields.get("prefix"),
        bundle,
    }
}

/// `errors` is how many there were before this task: with any more of them it has no job.
fn build(
    request: &Request<'_>,
    around: Surroundings,
    errors: usize,
    reader: &mut Reader<'_>,
) -> Option<Outcome> {
    let (images, globs_at) = match request.manifests {
        None => (None, Vec::new()),
        Some(node) => {
            let (images, globs_at) = images(node, reader);
            (Some((node, images)), globs_at)
        }
    };
    let platforms = request
        .platform
        .and_then(|node| platforms(node, request.platforms_of_old, reader))
        .unwrap_or(PlatformSet::All);
    let mode = request.policy.and_then(|node| {
        choice(
            "policy",
            node,
            &[("strict", Mode::Strict), ("warn", Mode::Warn)],
            reader,
        )
    });
    let single = request.single.and_then(|node| {
        choice(
            "single",
            node,
            &[("refuse", Single::Refuse), ("accept", Single::Accept)],
            reader,
        )
    });
    let index = request.index.and_then(|node| {
        choice(
            "index",
            node,
            &[
                ("filtered", IndexMode::Filtered),
                ("original", IndexMode::Original),
            ],
            reader,
        )
    });
    let referrers = request.referrers.and_then(|node| referrers(node, reader));
    let trust = request.verify.and_then(|node| verify::read(node, reader));
    let source = request.src.as_ref().map(|src| src.endpoint.clone());
    let source = match request.trust {
        Some(node) => verify::with_signers(source, node, reader),
        None => source,
    };
    let pattern = request.pattern.and_then(|node| pattern(node, reader));
    let mut flag = |name, node: Option<&Node>| node.and_then(|node| reader.flag(name, node)).unwrap_or(false);
    let skip_tls_verify = flag("skip_tls_verify", request.skip_tls_verify);
    let link = flag("link", request.link);
    let untagged = flag("untagged", request.untagged);
    let check_existing = flag("check_existing", request.check_existing);
    let create_projects = request.create_projects.and_then(|node| {
        let words = [
            ("true", Some(Visibility::Private)),
            ("false", None),
            ("private", Some(Visibility::Private)),
            ("public", Some(Visibility::Public)),
        ];
        reader.flag_or("create_projects", node, &words).flatten()
    });
    let bundling = request.bundle.bundling(request.dest.as_ref(), reader);
    let missing = request.bundle.missing(reader);
    let renaming = renaming(request, reader);
    let entries: Vec<_> = request
        .auths
        .iter()
        .flat_map(|node| auths::read(node, reader))
        .collect();

    let (wanted, globs) = match &images {
        Some((_, images)) => ImageEntry::divide(images.iter().cloned()),
        None => (places::only_image_of(request.src.as_ref()), Vec::new()),
    };
    // What follows would tell the same mistakes in other words.
    if reader.sink.error_count() > errors {
        return None;
    }
    let ends = request.src.iter().chain(&request.dest).chain(&request.also_to);
    let named = ends.fold(Vec::new(), |named, place| {
        places::add_registry(named, &place.endpoint, &wanted)
    });
    let insecure = request.skip_for_auths && skip_tls_verify;
    let hosts = entries
        .into_iter()
        .filter_map(|entry| entry.into_rule(&named, insecure, reader))
        .collect();

    let dest = request.dest.as_ref()?;
    if images.is_none() {
        places::check_source_without_list(request.src.as_ref(), request.at, reader);
    }
    if reader.sink.error_count() > errors {
        return None;
    }
    if let Some((node, [])) = images.as_ref().map(|(node, images)| (node, images.as_slice())) {
        if is_written_empty(node) {
            let hint = match request.src.as_ref().and_then(|src| src.endpoint.local()) {
                Some(_) => "list the images, or leave `manifests` out to take all that `src` has",
                None => "list the images",
            };
            reader.sink.error(node.id, "`manifests` is empty").hint(hint);
            return None;
        }
        reader
            .sink
            .warn(node.id, "`manifests` is empty: the task has nothing to do");
        return Some(Outcome::NoImages);
    }
    let chosen: Vec<_> = match &pattern {
        Some(pattern) => wanted
            .into_iter()
            .filter(|image| pattern.matches(image.written(), image.reference()))
            .collect(),
        None => wanted,
    };
    let dests = || std::iter::once(dest).chain(&request.also_to);
    for dest in dests() {
        places::check_ways(request.src.as_ref(), dest, &chosen, &renaming, reader);
    }
    if let Some(node) = request.link.filter(|_| link) {
        let source = request.src.as_ref().map(|src| &src.endpoint);
        if !dests().all(|dest| Endpoint::may_be_linked(source, &dest.endpoint)) {
            reader.sink.error(node.id, NO_LINK).hint(LINK_HINT);
        }
    }
    if let (Some(node), Some(_), Some(_)) = (
        request.create_projects,
        create_projects,
        dests().find_map(|dest| dest.endpoint.local()),
    ) {
        let note = reader
            .sink
            .error(node.id, "a directory has no projects to create");
        note.hint("leave `create_projects` out, or give a registry as `dest`");
    }
    if reader.sink.error_count() > errors {
        return None;
    }
    let images = images.into_iter().flat_map(|(_, images)| images);
    let job = Job {
        images: ImageEntry::divide(images).0,
        globs,
        pattern,
        platforms,
        mode: mode.unwrap_or_default(),
        single: single.unwrap_or_default(),
        index: index.unwrap_or_default(),
        referrers: referrers.unwrap_or_default(),
        trust: trust.map(Arc::new).into_iter().collect(),
        link,
        untagged,
        check_existing,
        create_projects,
        source,
        renaming,
        bundling,
        missing,
        hosts,
        skip_tls_verify,
        retries: around.retries,
        ignore_errors: around.ignore_errors,
        also_to: request.also_to.iter().map(|dest| dest.endpoint.clone()).collect(),
        ..Job::new(around.name, dest.endpoint.clone())
    };
    let places = Places {
        task: request.at,
        src: request.src.as_ref().map(|src| src.at),
        dest: dest.at,
        globs: globs_at,
        item: None,
    };
    Some(Outcome::Job(Box::new(job), places))
}
