//! Hints: what to do about an error, for a tired reader without the internet.

use std::time::Duration;

use transload_reference::ManifestError;

use crate::error::{Cause, Error, ErrorKind};
use crate::network::Network;
use crate::operation::Operation;
use crate::origin::Purpose;
use crate::projects;
use crate::reason::{Reason, lacks_right};
use crate::refusal::Refusal;

/// The hint for too many open files.
const NO_FILES: &str = "raise the limit on open files (ulimit -n shows it), or use fewer --jobs";

pub(crate) fn of(error: &Error) -> Option<String> {
    let place = &error.inner().place;
    let host = place
        .registry
        .as_ref()
        .map_or_else(|| "the registry".to_owned(), ToString::to_string);
    if let Some(hint) = projects::hint_of_refusal(error) {
        return Some(hint);
    }
    let cause = error.inner().cause;
    match error.kind() {
        ErrorKind::Status(refusal) => status(error, refusal, &host),
        ErrorKind::Token(refusal) => token(error, refusal, &host),
        ErrorKind::Network { network, .. } => match error.inner().named_for {
            Some(purpose) if !matches!(network, Network::Proxy | Network::ProxyLogin) => named_hint(error, purpose, *network, &host),
            _ => network_hint(error, *network, &host),
        },
        ErrorKind::Manifest(ManifestError::Json(_)) => Some(format!(
            "{host} may not be a registry, or a proxy answered in its place: look at the URL in a browser"
        )),
        ErrorKind::Manifest(ManifestError::Schema1 { .. }) => {
            Some("pull and push the image with a current docker, podman or skopeo, then try again".to_owned())
        }
        ErrorKind::Size { .. } => Some(
            "the manifest and the blob disagree: the registry's storage is damaged or the image was pushed wrongly; push it again"
                .to_owned(),
        ),
        ErrorKind::Content(_) => Some(format!(
            "{host} holds damaged content, or something on the way changes it: push the image again"
        )),
        ErrorKind::Source(inner) => inner
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>())
            .and_then(Error::hint),
        ErrorKind::Protocol(_) if cause == Some(Cause::LeavesHttps) => Some(format!(
            "{host} believes that it is reached by http: set its external address to https (Harbor: external_url; behind a proxy: \
             X-Forwarded-Proto); if it really speaks plain HTTP, set plain_http: true for it (or --plain-http)"
        )),
        ErrorKind::Protocol(_) if cause == Some(Cause::TokenTooLarge) => Some(format!(
            "the token lists too many rights: give this user fewer of them or fewer groups, or use a robot account for {host}"
        )),
        ErrorKind::Manifest(_) | ErrorKind::Protocol(_) | ErrorKind::Config(_) | ErrorKind::Cancelled => None,
    }
}

fn status(error: &Error, refusal: &Refusal, host: &str) -> Option<String> {
    let place = &error.inner().place;
    let path = place
        .repository
        .as_ref()
        .map_or("the repository", |repository| repository.path());
    let project = path.split('/').next().unwrap_or(path);
    let code = refusal.code.as_deref().unwrap_or_default();
    if refusal.quota.is_some() {
        return Some(quota_hint(refusal, place.has_credential));
    }
    if refusal.is_elsewhere && !refusal.is_html && matches!(refusal.status, 400 | 401 | 403 | 404 | 410) {
        return Some(format!(
            "{host} sends us to a storage that refuses the address it signed: check its storage, its clock and this machine's, and \
             whether a proxy changes addresses"
        ));
    }
    // Servers of HTTPS answer plain HTTP like this, some with a web page.
    if refusal.status == 400 && is_plain_http(error) && refusal.code.is_none() {
        return Some(may_speak_https(host));
    }
    if refusal.is_html && refusal.status != 413 && (refusal.status < 500 || refusal.proxy.is_some()) {
        return Some(web_page(error, refusal, host));
    }
    if refusal.status == 415 || refusal.status == 400 && code == "MANIFEST_INVALID" && names_docker(refusal) {
        return Some(no_such_manifests(refusal, host));
    }
    if error.inner().cause == Some(Cause::OtherAlgorithm) {
        return Some(format!(
            "{host} may support sha256 only: push an image with sha256 digests, or use a registry that takes others"
        ));
    }
    if let Some(reason) = error.reason() {
        return Some(of_reason(error, reason, path, project, host));
    }
    if error.is_blob_unknown() {
        return Some(format!(
            "{host} lacks a blob that it accepted or claimed to have: look at its log and its storage, restart it if it keeps its list of blobs in memory, \
             and run the same command again"
        ));
    }
    Some(match refusal.status {
        401 if place.has_credential && !lacks_right(refusal) => wrong_password(host),
        401 if !place.has_credential => no_credential(host),
        401 | 403 if place.has_credential => no_right(error, path, project, host),
        403 => format!(
            "{}; if it has credentials, the repository may be blocked for this network",
            no_credential(host)
        ),
        404 if error.is_push() => no_project(error, project, host),
        404 if code == "NAME_UNKNOWN" => {
            format!("{host} has no repository {path}, or hides it from this user: check the name")
        }
        404 if place.operation.is_of_manifest() => {
            format!(
                "check the name and the tag: {host} has no such image in {path}, or hides it from this user"
            )
        }
        404 if matches!(place.operation, Operation::ReadBlob(_)) => format!(
            "{host} has the image's manifest and lacks this part of it: the image was pushed in part, or the storage is damaged; push it \
             again"
        ),
        404 => format!("{host} doesn't have it: check the name, and that {host} is a registry"),
        413 => format!(
            "a proxy in front of {host} limits the size of requests: raise it there (nginx: client_max_body_size 0)"
        ),
        431 => format!(
            "a proxy in front of {host} refuses request headers as large as this token: raise its limit (nginx: \
             large_client_header_buffers)"
        ),
        429 => too_many_requests(refusal, host),
        507 => format!("the disk of {host} is full: free space there"),
        500..=599 => format!(
            "{host} has an internal problem: look at its log, and at its disk and storage; run the same command again later"
        ),
        _ => return None,
    })
}

fn web_page(error: &Error, refusal: &Refusal, host: &str) -> String {
    // The registry may have redirected us.
    let from = error.url().and_then(|url| url.split('/').nth(2)).unwrap_or(host);
    match &refusal.proxy {
        Some(proxy) => format!(
            "the page may be the proxy's own: open {from} in a browser through {proxy}, ask for access to {from} there, or add {from} to \
             NO_PROXY"
        ),
        None => format!(
            "a web page came instead of a registry's answer: check that {from} is the registry itself and not a login page, a portal or a \
             proxy (HTTPS_PROXY and NO_PROXY decide which proxy is used)"
        ),
    }
}

fn names_docker(refusal: &Refusal) -> bool {
    let message = refusal.message.as_deref().unwrap_or_default();
    message.contains("application/vnd.docker.")
}

fn no_such_manifests(refusal: &Refusal, host: &str) -> String {
    if names_docker(refusal) {
        format!(
            "{host} takes no Docker manifests: allow them there (zot: \"compat\": [\"docker2s2\"] under \"http\"), or push an image that was \
             converted to OCI (skopeo copy --format oci)"
        )
    } else {
        format!(
            "{host} takes no manifests of this type: check which types it allows, or use another registry"
        )
    }
}

fn is_plain_http(error: &Error) -> bool {
    error.url().is_some_and(|url| url.starts_with("http://"))
}

fn may_speak_https(host: &str) -> String {
    format!("{host} may speak HTTPS: leave out plain_http (--plain-http) for it")
}

/// Returns the hint for a reason that the registry tells.
fn of_reason(error: &Error, reason: Reason, path: &str, project: &str, host: &str) -> String {
    match reason {
        Reason::MissingProject => no_project(error, project, host),
        Reason::NoProjectInName => format!(
            "{host} keeps images in projects, and the name has none: give one in dest, as in {host}/PROJECT"
        ),
        Reason::NoRightToPush | Reason::RobotWithoutPush if !error.inner().place.has_credential => {
            no_credential(host)
        }
        Reason::NoRightToPush => format!(
            "the user may log in, but not push to the project {project} on {host}: ask for the role Developer there (Harbor: Projects, \
             {project}, Members), or use another user"
        ),
        Reason::RobotWithoutPush => format!(
            "the robot account may not push to the project {project} on {host}: give it \"Push Repository\" for this project (Harbor: \
             Robot Accounts), or use another account"
        ),
        Reason::ProxyCacheProject => format!(
            "the project {project} on {host} is a proxy cache, which takes no pushes: choose another project as dest"
        ),
        Reason::QuotaExceeded => format!(
            "the storage quota of the project {project} on {host} is used up: raise it (Harbor: Administration, Project Quotas), or delete \
             images there and clean up (Garbage Collection); then run the same command again"
        ),
        Reason::ReadOnly => format!(
            "{host} is in read-only mode: run the same command again once its administrator ends that (Harbor: Administration, \
             Configuration, System Settings, Repository Read Only)"
        ),
        Reason::ImmutableTag => format!(
            "the tag is immutable in {path}, and exists there: push under another tag, or change the rule (Harbor: Projects, {project}, \
             Policy, Tag Immutability)"
        ),
        Reason::PullPolicy => format!(
            "the project {project} on {host} blocks pulls of this image: sign, scan or fix the image, or relax the project's rules \
             (Harbor: Projects, {project}, Configuration, Deployment Security)"
        ),
    }
}

fn no_project(error: &Error, project: &str, host: &str) -> String {
    if error.is_push() {
        projects::hint(project, host)
    } else {
        format!("{host} has no project {project}, or hides it from this user: check the name")
    }
}

fn no_right(error: &Error, path: &str, project: &str, host: &str) -> String {
    if error.is_push() {
        format!(
            "the user may log in, but not push to {path}: ask for the right to push there (Harbor: role Developer in the project \
             {project}; a robot account: \"Push Repository\"); some registries answer the same for a missing project: create \
             {project} on {host} first"
        )
    } else {
        format!(
            "the user may log in, but not pull {path}: check the name, or ask for the right to pull in {project}; some registries answer the \
             same for a missing image"
        )
    }
}

fn wrong_password(host: &str) -> String {
    format!(
        "{host} refused the user name or the password: check them in auths, or log in again; --dry-run tells which credentials are used \
         and where they come from"
    )
}

fn no_credential(host: &str) -> String {
    format!(
        "no credentials for {host} were found: give them in auths (repo: {host}), or log in: `transload login {host}`"
    )
}

fn too_many_requests(refusal: &Refusal, host: &str) -> String {
    match refusal.retry_after {
        Some(wait) if !wait.is_zero() => format!(
            "{host} limits requests, and asks to wait {}: run the same command again then, with fewer --jobs",
            span(wait)
        ),
        _ => format!("{host} limits requests: wait, use fewer --jobs, or log in for a higher limit"),
    }
}

fn quota_hint(refusal: &Refusal, has_credential: bool) -> String {
    let quota = refusal.quota.clone().unwrap_or_default();
    let number = quota.limit.map_or(String::new(), |limit| format!("{limit} "));
    let period = quota.window.map_or("a period".to_owned(), span);
    let wait = match (refusal.retry_after, quota.window) {
        (Some(wait), _) if !wait.is_zero() => format!("wait {}", span(wait)),
        (_, Some(window)) => format!("wait, at most {}", span(window)),
        _ => "wait for the next period".to_owned(),
    };
    let advice = if has_credential {
        "use a mirror as src, or an account with more pulls"
    } else {
        "log in for more (auths with repo: docker.io), or use a mirror as src"
    };
    format!(
        "the {number}pulls that the registry allows in {period} are used up: {wait}, and run the same command again; or {advice}"
    )
}

/// Formats a time in a natural unit, rounded up: `40 seconds`, `3 minutes`, `6 hours`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{ending}")
}

fn token(error: &Error, refusal: &Refusal, host: &str) -> Option<String> {
    let place = &error.inner().place;
    let has_credential = place.has_credential;
    Some(match refusal.status {
        401 | 403 if has_credential && refusal.lacks_right => {
            let path = place
                .repository
                .as_ref()
                .map_or("the repository", |repository| repository.path());
            no_right(error, path, path.split('/').next().unwrap_or(path), host)
        }
        400 | 401 | 403 if has_credential => wrong_password(host),
        401 | 403 => no_credential(host),
        429 => too_many_requests(refusal, host),
        500..=599 => {
            format!("the token server of {host} has an internal problem: look at its log, try again later")
        }
        _ => return None,
    })
}

/// Returns the hint for a failure of another origin, which the registry's settings name.
fn named_hint(error: &Error, purpose: Purpose, network: Network, host: &str) -> Option<String> {
    let address = origin_of(error.url().unwrap_or_default());
    let subject = match purpose {
        Purpose::Content => format!("{address}, where {host} sent us for the content,"),
        Purpose::Upload => format!("{address}, where {host} sent us with the upload,"),
        Purpose::Tokens => format!("{address}, which {host} named as its token server,"),
    };
    let settings = format!(
        "check the address that {host} is configured to give (Harbor: external_url; behind a proxy: the headers Host, X-Forwarded-Host and \
         X-Forwarded-Proto that it passes on)"
    );
    let trouble = match network {
        Network::NoSuchHost => "has a name that isn't known here",
        Network::Dns => "couldn't be looked up: the DNS server didn't answer",
        Network::Refused => "refuses connections",
        Network::Unreachable | Network::ConnectTimeout => "can't be reached from here",
        Network::Stalled => "stopped answering",
        Network::Reset => "cuts the connection",
        Network::NotTls => "speaks plain HTTP, and was named with https",
        Network::UnknownIssuer => {
            return Some(format!(
                "{subject} has a certificate from an authority that this machine doesn't know: give that authority's certificate (PEM) as \
                 ca_file (--ca-file) of {host}"
            ));
        }
        Network::CertificateName => "has a certificate for another name",
        Network::CertificateTime => "has a certificate that is out of date, or this machine's clock is wrong",
        Network::Certificate => "has a broken certificate",
        Network::ClientCertificate => {
            "wants a client certificate, and transload shows one to the registry only"
        }
        Network::Http if is_plain_http(error) => "may speak HTTPS, and was named with http",
        Network::Tls | Network::Http | Network::Proxy | Network::ProxyLogin => "gives an invalid answer",
        Network::NoFiles => return Some(NO_FILES.to_owned()),
        Network::Other => return None,
    };
    Some(format!("{subject} {trouble}: {settings}"))
}

/// Returns scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

fn network_hint(error: &Error, network: Network, host: &str) -> Option<String> {
    Some(match network {
        Network::NoSuchHost => format!(
            "there is no host of this name: check the spelling of {host}; a name that only this site knows needs its DNS server \
             (/etc/resolv.conf) or a line in /etc/hosts"
        ),
        Network::Dns => format!(
            "the DNS server didn't answer: check this machine's DNS (/etc/resolv.conf), or give {host} a line in /etc/hosts"
        ),
        Network::Refused => {
            format!(
                "nothing listens there: check the port of {host} and the firewall, and that the registry is running"
            )
        }
        Network::Unreachable | Network::ConnectTimeout => format!(
            "{host} can't be reached from here: check the network, the firewall and the proxy (HTTPS_PROXY, \
             NO_PROXY); a host that waits for plain HTTP needs plain_http: true"
        ),
        Network::Stalled => {
            format!("{host} stopped answering: check the network; run the same command again to continue")
        }
        Network::Reset => {
            let is_loopback = error.registry().is_some_and(|registry| registry.is_loopback());
            let plain = match is_loopback && !is_plain_http(error) {
                true => {
                    format!("; if {host} speaks plain HTTP, set plain_http: true for it (or --plain-http)")
                }
                false => String::new(),
            };
            format!(
                "the connection keeps being cut: run the same command again to continue; fewer --jobs may help{plain}"
            )
        }
        Network::NotTls => format!("{host} speaks plain HTTP: set plain_http: true for it (or --plain-http)"),
        Network::UnknownIssuer => format!(
            "the certificate of {host} comes from an authority that this machine doesn't know: give that authority's certificate (PEM) as \
             ca_file (--ca-file), or set insecure: true (--insecure) to trust any"
        ),
        Network::CertificateName => format!(
            "the certificate isn't for {host}: use a name that is in it, or set insecure: true to trust any"
        ),
        Network::CertificateTime => {
            format!("the certificate of {host} is out of date, or this machine's clock is wrong")
        }
        Network::Certificate => {
            format!(
                "the certificate of {host} is broken or isn't for a server: replace it, or set insecure: true to trust any"
            )
        }
        Network::ClientCertificate => {
            format!("{host} wants a client certificate: give cert_file and key_file")
        }
        Network::ProxyLogin => {
            "the proxy wants a user: put name and password into its address (http://name:password@proxy:3128)"
                .to_owned()
        }
        Network::Proxy => {
            let name = error.registry().map_or(host, |registry| registry.host());
            format!(
                "check that proxy and the variable that names it; where {host} can be reached without it, add {name} to NO_PROXY"
            )
        }
        Network::Http if is_plain_http(error) => may_speak_https(host),
        Network::Tls | Network::Http => {
            format!("{host} doesn't seem to be a registry: check host, port and proxy")
        }
        Network::NoFiles => NO_FILES.to_owned(),
        Network::Other => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_shown_in_a_natural_unit() {
        for (seconds, text) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (150, "3 minutes"),
            (3600, "60 minutes"),
            (21600, "6 hours"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(1500)), "2 seconds");
    }
}
