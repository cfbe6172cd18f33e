//! Where an answer sends the client. The input is the URL of the answer and, on further lines, what its headers say.

use std::net::{IpAddr, Ipv4Addr};

use transload_registry_client::fuzzing::{next_page, redirect, upload, url};

/// Wherever it leads: over HTTP, never out of HTTPS, not to this machine from elsewhere, and for lists never to another host.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n');
    let Some(from) = lines.next().and_then(|line| url(line).ok()) else {
        return;
    };
    assert_eq!(url(&from).as_ref(), Ok(&from), "it reads back");
    let from = Parts::of(&from);
    let said: Vec<&str> = lines.collect();
    for location in &said {
        for led in [redirect(from.whole, location), upload(from.whole, location)] {
            match led {
                Ok(to) => may_go(&from, location, &to),
                Err(message) => is_printable(&message),
            }
        }
    }
    match next_page(from.whole, &said) {
        Ok(None) => {}
        Ok(Some(to)) => {
            assert_ne!(to, from.whole, "the same page for ever");
            let to = Parts::of(&to);
            assert_eq!((to.scheme, to.host, to.port), (from.scheme, from.host, from.port));
        }
        Err(message) => is_printable(&message),
    }
}

fn may_go(from: &Parts<'_>, location: &str, to: &str) {
    assert_eq!(url(to).as_deref(), Ok(to), "it reads back");
    let to = Parts::of(to);
    assert!(
        from.scheme == "http" || to.scheme == "https",
        "{to:?} leaves HTTPS"
    );
    if to.host != from.host && !from.is_here() {
        assert!(!to.is_here(), "{to:?} is this machine");
    }
    if location.starts_with('/') && !location.starts_with("//") {
        assert_eq!((to.scheme, to.host, to.port), (from.scheme, from.host, from.port));
        let written = location
            .trim()
            .split('#')
            .next()
            .and_then(|all| all.split_once('?'));
        if let Some((_, query)) = written
            && query
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%&=+/?:".contains(&byte))
        {
            assert!(
                to.whole.ends_with(&format!("?{query}")),
                "{to:?} has another query"
            );
        }
    }
}

/// A URL taken apart in the plainest way.
#[derive(Debug)]
struct Parts<'a> {
    whole: &'a str,
    scheme: &'a str,
    host: &'a str,
    port: u16,
}

impl Parts<'_> {
    fn of(whole: &str) -> Parts<'_> {
        assert!(
            whole.bytes().all(|byte| byte.is_ascii_graphic()),
            "{whole:?} can't be sent"
        );
        let (scheme, rest) = whole.split_once("://").expect("an absolute URL");
        let (authority, _) = rest.split_once('/').expect("a path");
        assert!(
            !authority.contains(['@', '?', '#', '\\']),
            "{whole:?} isn't where it seems to lead"
        );
        let default = if scheme == "https" { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().expect("a port")),
            _ => (authority, default),
        };
        assert!(
            ["http", "https"].contains(&scheme) && !host.is_empty(),
            "{whole:?}"
        );
        Parts {
            whole,
            scheme,
            host,
            port,
        }
    }

    /// Whether it is this machine, or what only this machine reaches, as far as the text tells.
    fn is_here(&self) -> bool {
        let here = |ip: Ipv4Addr| ip.is_loopback() || ip.is_unspecified() || ip.is_link_local();
        let address = self.host.trim_matches(['[', ']']);
        match address.parse() {
            Ok(IpAddr::V4(ip)) => here(ip),
            Ok(IpAddr::V6(ip)) => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_unicast_link_local()
                    || ip.to_ipv4_mapped().is_some_and(here)
            }
            // The system's resolver reads `127.1`, `0x7f.1` and `2130706433` as addresses, too.
            Err(_) => {
                let last = address.rsplit('.').next().unwrap_or_default();
                let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
                    || last
                        .strip_prefix("0x")
                        .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                is_number || address == "localhost" || address.ends_with(".localhost")
            }
        }
    }
}

fn is_printable(message: &str) {
    assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
}
