//! What to do about an error: written for someone who is tired and can't search the internet.

use std::time::Duration;

use transload_reference::ManifestError;

use crate::error::{Error, ErrorKind, Network, Refusal};

pub(crate) fn of(error: &Error) -> Option<String> {
    let place = &error.inner().place;
    let host = place
        .registry
        .as_ref()
        .map_or_else(|| "the registry".to_owned(), ToString::to_string);
    match error.kind() {
        ErrorKind::Status(refusal) => status(error, refusal, &host),
        ErrorKind::Token(refusal) => token(refusal, &host, place.has_credential),
        ErrorKind::Network { network, .. } => network_hint(*network, &host),
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
            "{host} holds damaged content, or something between changes what it says: push the image again"
        )),
        ErrorKind::Source(inner) => inner
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>())
            .and_then(Error::hint),
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
    if let Some(quota) = &refusal.quota {
        return Some(quota_hint(quota.window, place.has_credential));
    }
    if refusal.is_elsewhere && matches!(refusal.status, 400 | 401 | 403 | 404 | 410) {
        return Some(format!(
            "{host} sends us to a storage that refuses the address it signed: check its storage, its clock and this machine's, and \
             whether a proxy changes addresses"
        ));
    }
    if refusal.is_html && refusal.status != 413 && refusal.status < 500 {
        return Some(format!(
            "a web page came instead of a registry's answer: check that {host} is the registry itself and not a login page, a portal or a \
             proxy (HTTPS_PROXY and NO_PROXY decide which proxy is used)"
        ));
    }
    if refusal.status == 400
        && error.url().is_some_and(|url| url.starts_with("http://"))
        && refusal.code.is_none()
    {
        return Some(format!("{host} may speak HTTPS: don't set plain_http for it"));
    }
    Some(match refusal.status {
        401 if place.has_credential && !refusal.lacks_right => {
            format!(
                "{host} refused the credentials: check the user name and password in auths, or log in again"
            )
        }
        401 if !place.has_credential => no_credential(host),
        401 | 403 if place.has_credential => format!(
            "the user may not do this in {path}: ask for the right to pull or push there; if the project {project} doesn't exist, create it"
        ),
        403 => format!(
            "{}; if it has credentials, the repository may be blocked for this network",
            no_credential(host)
        ),
        404 if code == "NAME_UNKNOWN" || error.operation().starts_with("uploading") => {
            format!(
                "{host} has no repository {path}: check the name; a Harbor registry needs the project {project} to be created first"
            )
        }
        404 if error.operation().contains("manifest") => {
            format!(
                "check the name and the tag: {host} has no such image in {path}, or hides it from this user"
            )
        }
        404 if error.operation().starts_with("reading the blob") => format!(
            "{host} has the image's manifest and lacks this part of it: the image was pushed in part, or the storage is damaged; push it \
             again"
        ),
        404 => format!("{host} doesn't have it: check the name, and that {host} is a registry"),
        413 => format!(
            "a proxy in front of {host} limits the size of requests: raise it there (nginx: client_max_body_size 0)"
        ),
        429 => format!(
            "{host} limits how many requests it takes: wait, use fewer --jobs, or log in for a higher limit"
        ),
        507 => format!("the disk of {host} is full: free space there"),
        500..=599 => format!(
            "{host} has trouble of its own: look at its log, and at its disk and storage; run the same command again later"
        ),
        _ => return None,
    })
}

fn no_credential(host: &str) -> String {
    format!(
        "no credentials for {host} were found: give them in auths (repo: {host}), or log in with docker or podman"
    )
}

fn quota_hint(window: Option<Duration>, has_credential: bool) -> String {
    let period = match window.map(|window| window.as_secs()) {
        Some(seconds) if seconds >= 3600 => format!(" of {} hours", seconds / 3600),
        Some(seconds) => format!(" of {seconds} seconds"),
        None => String::new(),
    };
    let advice = if has_credential {
        "wait for the next period, use a mirror as src, or an account with more pulls"
    } else {
        "log in (auths with repo: docker.io), use a mirror as src, or wait for the next period"
    };
    format!("the pulls that the registry allows in a period{period} are used up: {advice}")
}

fn token(refusal: &Refusal, host: &str, has_credential: bool) -> Option<String> {
    Some(match refusal.status {
        400 | 401 | 403 if has_credential => {
            format!(
                "the credentials for {host} were refused: check the user name and password in auths, or log in again"
            )
        }
        401 | 403 => no_credential(host),
        429 => format!("{host} limits logins: wait, or use fewer --jobs"),
        500..=599 => {
            format!("the token server of {host} has trouble of its own: look at its log, try again later")
        }
        _ => return None,
    })
}

fn network_hint(network: Network, host: &str) -> Option<String> {
    Some(match network {
        Network::Dns => {
            format!("check the spelling of {host} and this machine's DNS (/etc/hosts, /etc/resolv.conf)")
        }
        Network::Refused => {
            format!("nothing listens there: check the port of {host} and that the registry runs")
        }
        Network::Unreachable | Network::ConnectTimeout => format!(
            "{host} can't be reached from here: check the network, the firewall and the proxy (HTTPS_PROXY, \
             NO_PROXY); a host that waits for plain HTTP needs plain_http: true"
        ),
        Network::Stalled => {
            format!("{host} stopped answering: check the network; run the same command again to go on")
        }
        Network::Reset => {
            "the connection keeps being cut: run the same command again to go on; fewer --jobs may help"
                .to_owned()
        }
        Network::NotTls => format!("{host} speaks plain HTTP: set plain_http: true for it (or --plain-http)"),
        Network::UnknownIssuer => format!(
            "the certificate of {host} comes from an authority that this machine doesn't know: give its certificate as ca_file \
             (--ca-file), or set insecure: true to trust any"
        ),
        Network::CertificateName => format!(
            "the certificate isn't for {host}: use a name that is in it, or set insecure: true to trust any"
        ),
        Network::CertificateTime => {
            format!("the certificate of {host} is out of date, or this machine's clock is wrong")
        }
        Network::Certificate => {
            format!("the certificate of {host} is broken: renew it, or set insecure: true to trust any")
        }
        Network::ClientCertificate => {
            format!("{host} wants a client certificate: give cert_file and key_file")
        }
        Network::Proxy => {
            "check the proxy in HTTPS_PROXY or HTTP_PROXY, or except the host with NO_PROXY".to_owned()
        }
        Network::Tls | Network::Http => {
            format!("something that is no registry seems to answer at {host}: check host, port and proxy")
        }
        Network::Other => return None,
    })
}
