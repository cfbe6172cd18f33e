//! Reads certificates to describe them. rustls alone decides whether to trust them.

use std::time::{Duration, SystemTime};

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// How many names of a certificate to show.
const MOST_NAMES: usize = 5;

/// A certificate's properties, to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub subject: String,
    pub issuer: String,
    /// The hosts that it names.
    pub names: Vec<String>,
    /// The first and the last day, as in `2027-01-31`.
    pub from: String,
    pub until: String,
    /// The days until it expires; 0 if it has.
    pub days_left: u64,
}

impl Summary {
    /// Parses a certificate. `None` if the bytes are none.
    pub fn of(der: &[u8], now: SystemTime) -> Option<Summary> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = &certificate.tbs_certificate;
        let names = match body.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0.iter().filter_map(host).collect(),
            _ => Vec::new(),
        };
        let last = body.validity.not_after.to_system_time();
        let left = last.duration_since(now).unwrap_or(Duration::ZERO);
        Some(Summary {
            subject: body.subject.to_string(),
            issuer: body.issuer.to_string(),
            names,
            from: day(body.validity.not_before),
            until: day(body.validity.not_after),
            days_left: left.as_secs() / (24 * 3600),
        })
    }

    /// Returns the hosts that it names, or else its subject.
    pub fn whose(&self) -> String {
        if self.names.is_empty() {
            return self.subject.clone();
        }
        let mut names = self.names[..self.names.len().min(MOST_NAMES)].join(", ");
        if self.names.len() > MOST_NAMES {
            names.push_str(&format!(" and {} more", self.names.len() - MOST_NAMES));
        }
        names
    }

    /// Returns whether it is self-signed.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

fn day(time: x509_cert::time::Time) -> String {
    let text = time.to_date_time().to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => match *address.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => {
                let bytes: [u8; 16] = bytes.try_into().ok()?;
                Some(std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_certificate_is_described() {
        let names = ["hub.local", "10.0.0.5", "::1", "a.b", "c.d", "e.f", "g.h"].map(str::to_owned);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "the registry");
        let made = params.self_signed(&key).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_927_756_800);
        let told = Summary::of(made.der(), now).unwrap();
        assert_eq!(told.whose(), "hub.local, 10.0.0.5, ::1, a.b, c.d and 2 more");
        assert_eq!((told.until.as_str(), told.days_left), ("2031-02-03", 1));
        assert!(told.subject.contains("CN=the registry") && told.is_self_signed());
        let later = now + Duration::from_secs(3 * 24 * 3600);
        assert_eq!(Summary::of(made.der(), later).unwrap().days_left, 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..500, byte in any::<u8>()) {
            let _ = Summary::of(&bytes, SystemTime::UNIX_EPOCH);
            let made = rcgen::generate_simple_self_signed(["hub.local".to_owned()]).unwrap();
            let mut der = made.cert.der().to_vec();
            if let Some(changed) = der.get_mut(at) {
                *changed = byte;
            }
            let _ = Summary::of(&der, SystemTime::UNIX_EPOCH);
        }
    }
}
