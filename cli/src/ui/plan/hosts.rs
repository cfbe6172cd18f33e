//! How registries would be reached, in words.

use std::fmt::Write as _;

use transload_registry_client::{Access, CredentialOrigin};
use transload_transfer::{Host, ImagePreview, Login};

use crate::ui::format::{count, path};

/// A line for a registry: as whom, how, and what it says to that; and what to do about it, unless `images` say that already.
/// `of_arguments` tells whether rules are from `--auths`.
pub(super) fn print_host(text: &mut String, host: &Host, images: &[ImagePreview], of_arguments: bool) {
    let _ = write!(
        text,
        "  host: {}, {} of {}: ",
        host.registry,
        host.side,
        count(host.images, "image")
    );
    if let Some(access) = &host.access {
        let _ = write!(
            text,
            "{}; {}; {}; ",
            credentials(access, of_arguments),
            transport(access),
            proxy(access)
        );
    }
    let has_credentials = host.access.as_ref().is_some_and(|access| access.origin.is_some());
    text.push_str(match &host.login {
        Login::Works => "login works",
        Login::NotNeeded if has_credentials => "it asks for no login",
        Login::NotNeeded => "no login needed",
        Login::Refused(_) if has_credentials => "LOGIN REFUSED",
        Login::Refused(_) => "A LOGIN IS NEEDED",
        Login::Unreachable(_) => "CAN'T BE REACHED",
        Login::Failed(_) => "FAILS",
    });
    let Some(fault) = host.login.fault() else {
        text.push('\n');
        return;
    };
    let said = fault.to_string();
    let mut failures = images.iter().filter_map(|image| image.result.as_ref().err());
    if failures.clone().any(|other| other.to_string() == said) {
        text.push_str(", see above\n");
        return;
    }
    let _ = writeln!(text, "\n    {said}");
    if let Some(hint) = fault.hint()
        && !failures.any(|other| other.hint() == Some(hint))
    {
        let _ = writeln!(text, "    hint: {hint}");
    }
}

fn credentials(access: &Access, of_arguments: bool) -> String {
    let Some(origin) = &access.origin else {
        return "no credentials".to_owned();
    };
    let who = match &access.username {
        Some(name) => format!("user {}", transload_reference::printable(name, 100)),
        None => "a token".to_owned(),
    };
    let dashes = match origin {
        CredentialOrigin::Rule(_) if of_arguments => "--",
        _ => "",
    };
    let origin = origin.to_string();
    let origin = transload_reference::printable(&origin, usize::MAX);
    format!("{who} from {dashes}{origin}")
}

fn transport(access: &Access) -> String {
    if access.plain_http {
        return "plain HTTP".to_owned();
    }
    let mut said = match &access.ca_file {
        _ if access.insecure => "HTTPS, CERTIFICATE UNCHECKED".to_owned(),
        Some(file) => format!("HTTPS, CA {}", path(file)),
        None => "HTTPS".to_owned(),
    };
    if let Some(file) = &access.cert_file {
        let _ = write!(said, ", client certificate {}", path(file));
    }
    said
}

fn proxy(access: &Access) -> String {
    match &access.proxy {
        Some(proxy) => format!("proxy {proxy}"),
        None => "no proxy".to_owned(),
    }
}
