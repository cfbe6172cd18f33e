//! Verifies a given server's certificate that is its own authority. webpki refuses every authority as a server's certificate before any other
//! check, so the others are made here ([RFC 5280], section 4.2.1).
//!
//! [RFC 5280]: https://www.rfc-editor.org/rfc/rfc5280

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ExtendedKeyPurpose, OtherError};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, NameConstraints};
use x509_cert::time::Validity;
use x509_cert::{Certificate, TbsCertificate};

const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Checks that the certificate is for this host and this time, and that its usages and name constraints allow it for a server.
pub(crate) fn verify(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    // This also refuses critical extensions that webpki doesn't know.
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    let parsed = Certificate::from_der(certificate).map_err(unreadable)?;
    let body = &parsed.tbs_certificate;
    check_validity(&body.validity, now)?;
    check_usages(body)?;
    check_constraints(body, name)
}

fn unreadable(_: der::Error) -> CertificateError {
    CertificateError::BadEncoding
}

fn check_validity(validity: &Validity, now: UnixTime) -> Result<(), rustls::Error> {
    let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_system_time() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_system_time() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Checks the usages that the certificate limits itself to, if it does.
fn check_usages(body: &TbsCertificate) -> Result<(), rustls::Error> {
    if let Some((_, usage)) = body.get::<KeyUsage>().map_err(unreadable)?
        && !(usage.digital_signature() || usage.key_encipherment() || usage.key_agreement())
    {
        return Err(refused("its key usage doesn't allow it for a TLS server"));
    }
    let Some((_, ExtendedKeyUsage(purposes))) = body.get::<ExtendedKeyUsage>().map_err(unreadable)? else {
        return Ok(());
    };
    if purposes.contains(&SERVER_AUTH) || purposes.contains(&ANY_PURPOSE) {
        return Ok(());
    }
    let presented = purposes.iter().map(|purpose| match *purpose {
        CLIENT_AUTH => ExtendedKeyPurpose::ClientAuth,
        other => ExtendedKeyPurpose::Other(other.arcs().map(|arc| arc as usize).collect()),
    });
    let refusal = CertificateError::InvalidPurposeContext {
        required: ExtendedKeyPurpose::ServerAuth,
        presented: presented.collect(),
    };
    Err(refusal.into())
}

/// Checks the names that the certificate limits its authority to, if it does.
fn check_constraints(body: &TbsCertificate, name: &ServerName<'_>) -> Result<(), rustls::Error> {
    let Some((_, constraints)) = body.get::<NameConstraints>().map_err(unreadable)? else {
        return Ok(());
    };
    let mut bounds = Vec::new();
    for (subtrees, is_permitted) in [
        (constraints.permitted_subtrees, true),
        (constraints.excluded_subtrees, false),
    ] {
        for subtree in subtrees.unwrap_or_default() {
            if let Some(is_within) = is_within(name, &subtree.base)? {
                bounds.push((is_permitted, is_within));
            }
        }
    }
    let is_limited = bounds.iter().any(|(is_permitted, _)| *is_permitted);
    if bounds.contains(&(false, true)) || is_limited && !bounds.contains(&(true, true)) {
        return Err(refused("its name constraints don't allow it for this host"));
    }
    Ok(())
}

/// Returns whether a name is in a subtree, or `None` where the subtree is about another kind of name.
fn is_within(name: &ServerName<'_>, base: &GeneralName) -> Result<Option<bool>, rustls::Error> {
    Ok(match (name, base) {
        (ServerName::DnsName(name), GeneralName::DnsName(base)) => {
            let (name, base) = (
                name.as_ref().to_ascii_lowercase(),
                base.as_str().to_ascii_lowercase(),
            );
            let parent = base.trim_start_matches('.');
            let is_below = name
                .strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.') || parent.is_empty());
            Some(is_below || name == base)
        }
        (ServerName::IpAddress(address), GeneralName::IpAddress(base)) => {
            let octets = match IpAddr::from(*address) {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let base = base.as_bytes();
            if !matches!(base.len(), 8 | 32) {
                return Err(CertificateError::BadEncoding.into());
            }
            let (network, mask) = base.split_at(base.len() / 2);
            let is_within = |((address, network), mask): ((&u8, &u8), &u8)| address & mask == network & mask;
            let is_same_kind = octets.len() == network.len();
            is_same_kind.then(|| octets.iter().zip(network).zip(mask).all(is_within))
        }
        _ => None,
    })
}

#[derive(Debug)]
struct Reason(&'static str);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Reason {}

fn refused(reason: &'static str) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(Reason(reason)))).into()
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CidrSubnet, ExtendedKeyUsagePurpose as Purpose, GeneralSubtree,
        IsCa, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
    };

    use super::*;

    const IN_MARCH: u64 = 1_772_323_200;

    /// Verifies a certificate for `hub.local` and 10.1.2.3, good in 2026, that is its own authority.
    fn verdict(name: &'static str, change: impl FnOnce(&mut CertificateParams)) -> Result<(), String> {
        let mut params = CertificateParams::new(["hub.local".to_owned(), "10.1.2.3".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 12, 31);
        change(&mut params);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(IN_MARCH));
        let name = ServerName::try_from(name).unwrap();
        verify(made.der(), &name, now).map_err(|error| error.to_string())
    }

    #[test]
    fn usages_limit_a_certificate_that_has_some() {
        let table = [
            (vec![], vec![], None),
            (vec![Purpose::ServerAuth], vec![], None),
            (vec![Purpose::ClientAuth, Purpose::Any], vec![], None),
            (
                vec![Purpose::ClientAuth],
                vec![],
                Some("does not allow extended key usage for server authentication, allows client"),
            ),
            (vec![Purpose::CodeSigning], vec![], Some("extended key usage")),
            (
                vec![],
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign],
                None,
            ),
            (vec![], vec![KeyUsagePurpose::KeyEncipherment], None),
            (
                vec![],
                vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
                Some("its key usage doesn't allow"),
            ),
        ];
        for (purposes, usages, refusal) in table {
            let case = format!("{purposes:?} {usages:?}");
            let verdict = verdict("hub.local", |params| {
                params.extended_key_usages = purposes;
                params.key_usages = usages;
            });
            match refusal {
                None => assert_eq!(verdict, Ok(()), "{case}"),
                Some(reason) => assert!(
                    verdict.as_ref().unwrap_err().contains(reason),
                    "{case}: {verdict:?}"
                ),
            }
        }
    }

    #[test]
    fn name_constraints_limit_a_certificate_that_has_some() {
        let dns = |base: &str| GeneralSubtree::DnsName(base.to_owned());
        let net = |a, b, bits| GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([a, b, 0, 0], bits));
        let table = [
            ("hub.local", vec![dns("local")], vec![], true),
            ("hub.local", vec![dns(".local")], vec![], true),
            ("hub.local", vec![dns("HUB.local")], vec![], true),
            ("hub.local", vec![dns("example.com"), dns("local")], vec![], true),
            ("hub.local", vec![net(10, 0, 8)], vec![], true),
            ("hub.local", vec![dns("example.com")], vec![], false),
            ("hub.local", vec![dns("ub.local")], vec![], false),
            ("hub.local", vec![dns("www.hub.local")], vec![], false),
            ("hub.local", vec![], vec![dns("local")], false),
            ("hub.local", vec![dns("local")], vec![dns("hub.local")], false),
            ("hub.local", vec![], vec![dns("example.com")], true),
            ("10.1.2.3", vec![net(10, 1, 16)], vec![], true),
            ("10.1.2.3", vec![net(10, 2, 16)], vec![], false),
            ("10.1.2.3", vec![], vec![net(10, 0, 8)], false),
            ("10.1.2.3", vec![dns("example.com")], vec![], true),
        ];
        for (name, permitted, excluded, is_allowed) in table {
            let case = format!("{name} {permitted:?} {excluded:?}");
            let verdict = verdict(name, |params| {
                params.name_constraints = Some(NameConstraints {
                    permitted_subtrees: permitted,
                    excluded_subtrees: excluded,
                });
            });
            assert_eq!(verdict.is_ok(), is_allowed, "{case}: {verdict:?}");
            assert!(
                verdict
                    .err()
                    .is_none_or(|error| error.contains("name constraints")),
                "{case}"
            );
        }
    }
}
