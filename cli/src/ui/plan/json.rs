//! A plan for programs: `docs/plan.schema.json` describes every field.

use serde_json::{Map, Value, json};
use transload_registry_client::CredentialOrigin;
use transload_transfer::job::Target;
use transload_transfer::{Count, Fault, Host, ImagePreview, JobPreview, Login, Preview};

use super::Totals;
use crate::report::{LeftReferrersReport, ProjectReport};
use crate::ui::inventory::referrers_json;

/// The version of the form. It grows when a field goes away or changes its meaning; new fields may come without.
const VERSION: u32 = 1;

/// What the tasks would do.
pub fn plan_json(plans: &[JobPreview]) -> Value {
    json!({
        "version": VERSION,
        "tool": concat!("transload ", env!("CARGO_PKG_VERSION")),
        "tasks": plans.iter().map(task).collect::<Vec<_>>(),
        "totals": totals(&Totals::of(plans)),
    })
}

fn task(plan: &JobPreview) -> Value {
    let disks = plan.disks.iter().map(|disk| {
        json!({
            "directory": disk.folder.display().to_string(),
            "bytes_to_write": disk.to_write,
            "bytes_free": disk.free,
            "bytes_taken": disk.taken,
            "bytes_missing": disk.missing(),
        })
    });
    json!({
        "name": plan.job,
        "comes_later": plan.comes_later,
        "warnings": plan.warnings,
        "images": plan.images.iter().map(image).collect::<Vec<_>>(),
        "hosts": plan.hosts.iter().map(host).collect::<Vec<_>>(),
        "disks": disks.collect::<Vec<_>>(),
        "projects": plan.projects.iter().map(ProjectReport::from).collect::<Vec<_>>(),
        "totals": totals(&Totals::of(std::slice::from_ref(plan))),
    })
}

fn image(image: &ImagePreview) -> Value {
    let missing: Vec<String> = image.missing.iter().map(ToString::to_string).collect();
    let mut fields = json!({
        "image": image.image,
        "source": end(&image.from),
        "destination": end(&image.to),
        "missing_platforms": missing,
    });
    let more = match &image.result {
        Err(fault) => json!({"action": "fail", "error": error(fault)}),
        Ok(Preview::Skipped(reason)) => json!({"action": "skip", "reason": reason}),
        Ok(Preview::Moves {
            source_digest,
            digest,
            platforms,
            referrers,
            left_referrers,
            to_move,
            there,
            warnings,
            verified_by,
            is_there,
            ..
        }) => {
            let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
            json!({
                "action": if *is_there { "none" } else { "move" },
                "source_digest": source_digest.to_string(),
                "digest": digest.to_string(),
                "platforms": platforms,
                "referrers": referrers_json(referrers),
                "left_referrers": LeftReferrersReport::from(*left_referrers),
                "to_move": blobs(*to_move),
                "there": blobs(*there),
                "warnings": warnings,
                "verified_by": verified_by,
            })
        }
    };
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

fn end(end: &Target) -> Value {
    json!({
        "reference": end.reference().to_string(),
        "directory": end.path().map(|path| path.display().to_string()),
    })
}

fn blobs(count: Count) -> Value {
    json!({"blobs": count.blobs, "bytes": count.bytes})
}

fn error(fault: &Fault) -> Value {
    json!({
        "side": fault.side().map(|side| side.to_string()),
        "message": fault.to_string(),
        "hint": fault.hint(),
    })
}

fn host(host: &Host) -> Value {
    let login = match &host.login {
        Login::Works => "works",
        Login::NotNeeded => "not_needed",
        Login::Refused(_) => "refused",
        Login::Unreachable(_) => "unreachable",
        Login::Failed(_) => "failed",
    };
    let access = host.access.as_ref();
    let file = |file: &std::path::PathBuf| file.display().to_string();
    json!({
        "registry": host.registry.to_string(),
        "side": host.side.to_string(),
        "images": host.images,
        "plain_http": access.map(|access| access.plain_http),
        "insecure": access.map(|access| access.insecure),
        "ca_file": access.and_then(|access| access.ca_file.as_ref()).map(file),
        "cert_file": access.and_then(|access| access.cert_file.as_ref()).map(file),
        "proxy": access.and_then(|access| access.proxy.clone()),
        "credential": access.and_then(|access| {
            let mut fields = origin(access.origin.as_ref()?);
            fields.insert("username".to_owned(), access.username.clone().into());
            Some(fields)
        }),
        "login": login,
        "error": host.login.fault().map(error),
    })
}

fn origin(origin: &CredentialOrigin) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: &str| {
        fields.insert(name.to_owned(), value.into());
    };
    match origin {
        CredentialOrigin::Rule(repo) => {
            put("from", "auths");
            put("entry", repo);
        }
        CredentialOrigin::Named(option) => {
            put("from", "option");
            put("option", option);
        }
        CredentialOrigin::File { path, entry } => {
            put("from", "file");
            put("file", &path.display().to_string());
            put("entry", entry);
        }
        CredentialOrigin::Helper(name) => {
            put("from", "helper");
            put("helper", name);
        }
        _ => put("from", "other"),
    }
    fields
}

fn totals(totals: &Totals) -> Value {
    let platforms: Map<String, Value> = totals
        .platforms
        .iter()
        .map(|(platform, images)| (platform.to_string(), (*images).into()))
        .collect();
    json!({
        "images": totals.images,
        "move": totals.to_move,
        "none": totals.there,
        "skip": totals.skipped,
        "fail": totals.fail,
        "to_move": blobs(totals.blobs_to_move),
        "there": blobs(totals.blobs_there),
        "platforms": platforms,
        "missing_platforms": totals.missing,
    })
}
