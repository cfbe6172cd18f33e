//! Where a registry may send us: by a redirect, a Location, or as the address of its token server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use transload_reference::Registry;

use crate::url::{Scheme, Url};

/// Whether this is what is said where a registry, or its token server, would lead out of HTTPS.
pub(crate) fn is_way_out_of_https(message: &str) -> bool {
    message.contains("plain HTTP") && message.ends_with(": refused")
}

/// Where a redirect's `Location` leads, if one may go there.
pub(crate) fn follow(from: &Url, location: &str) -> Result<Url, String> {
    let to = from
        .join(location)
        .map_err(|error| format!("a redirect can't be followed: {error}"))?;
    check_target(from, &to)?;
    Ok(to)
}

/// Whether an answer from one URL may send us to another: not out of HTTPS, and not to this machine or its surroundings from
/// outside.
pub(crate) fn check_target(from: &Url, to: &Url) -> Result<(), String> {
    if from.scheme() == Scheme::Https && to.scheme() == Scheme::Http {
        return Err(format!(
            "the registry sends us from HTTPS to plain HTTP ({to}): refused"
        ));
    }
    // What is on this machine may send about on it, and any registry to itself.
    if is_this_machine(from.host()) || from.host().host() == to.host().host() {
        return Ok(());
    }
    if is_local(to.host()) {
        return Err(format!(
            "the registry sends us to an address of this machine ({to}): refused"
        ));
    }
    if is_odd_number(to.host()) {
        return Err(format!(
            "the registry sends us to an address in an odd notation ({to}): refused"
        ));
    }
    Ok(())
}

fn is_this_machine(host: &Registry) -> bool {
    host.is_loopback() || host.host().ends_with(".localhost")
}

fn is_local(host: &Registry) -> bool {
    let address = host.host().trim_start_matches('[').trim_end_matches(']');
    let is_local_v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_unspecified() || ip.is_link_local();
    let is_local_address = match address.parse() {
        Ok(IpAddr::V4(ip)) => is_local_v4(ip),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
                || embedded(ip).is_some_and(is_local_v4)
        }
        Err(_) => false,
    };
    let is_local_name = matches!(
        address,
        "localhost.localdomain" | "localhost6" | "ip6-localhost" | "ip6-loopback"
    );
    is_this_machine(host) || is_local_address || is_local_name
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible (RFC 4291, section 2.5.5) or translated (RFC 6052).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = ip.octets();
    let is_translated = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    ip.to_ipv4().or(is_translated.then(|| Ipv4Addr::new(a, b, c, d)))
}

/// Whether it is an IPv4 address as only old programs write it: `2130706433`, `127.1`, `0x7f.0.0.1`. Name resolution takes those
/// for addresses; no host's name ends in a number.
fn is_odd_number(host: &Registry) -> bool {
    let host = host.host();
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_number && host.parse::<Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_lead_astray_are_refused() {
        let url = |text: &str| Url::parse(text).unwrap();
        let table = [
            ("https://hub.example/", "https://cdn.example/x?sig=1", true),
            ("https://hub.example/", "http://cdn.example/x", false),
            ("http://hub.example/", "http://10.0.0.5/x", true),
            ("https://hub.example/", "https://localhost/x", false),
            ("https://hub.example/", "https://127.0.0.1:1/x", false),
            ("http://hub.example/", "http://169.254.169.254/latest", false),
            ("https://hub.example/", "https://[::1]/x", false),
            ("https://hub.example/", "https://[::ffff:127.0.0.1]/x", false),
            ("https://hub.example/", "https://[::127.0.0.1]/x", false),
            ("https://hub.example/", "https://[64:ff9b::a9fe:a9fe]/x", false),
            ("https://hub.example/", "https://[fe80::1]/x", false),
            ("https://hub.example/", "https://[2001:db8::1]/x", true),
            ("https://hub.example/", "https://0.0.0.0/x", false),
            ("https://hub.example/", "https://2130706433/x", false),
            ("https://hub.example/", "https://127.1/x", false),
            ("https://hub.example/", "https://0x7f.0.0.0x1/x", false),
            ("https://hub.example/", "https://0177.0.0.1/x", false),
            ("https://hub.example/", "https://a.localhost/x", false),
            ("https://hub.example/", "https://ip6-localhost/x", false),
            ("https://hub.example/", "https://192.0.2.1/x", true),
            ("https://hub.example/", "https://4.example/x", true),
            ("https://hub.example/", "https://3.cdn.0xample/x", true),
            ("https://hub.example/", "https://[::ffff:0.0.0.0]/x", false),
            ("https://app.localhost/", "https://127.0.0.1/x", true),
            ("http://app.localhost/", "http://app.localhost:5000/x", true),
            ("http://169.254.1.2/", "http://169.254.1.2/x", true),
            ("http://169.254.1.2/", "http://127.0.0.1/x", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/x", true),
            ("http://127.0.0.1:5000/", "https://127.0.0.1:5001/x", true),
        ];
        for (from, to, allowed) in table {
            assert_eq!(
                check_target(&url(from), &url(to)).is_ok(),
                allowed,
                "{from} -> {to}"
            );
        }
    }
}
