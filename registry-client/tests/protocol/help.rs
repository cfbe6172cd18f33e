//! Helpers of these tests.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transload_reference::{Descriptor, Digest, Identifier, MediaType, Repository};
use transload_registry_client::{
    Client, ClientBuilder, Credential, CredentialSource, HostRule, Notice, NoticeKind, RetryPolicy, Timeouts,
};
use transload_test_support::ScriptedRegistry;
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Action, Fault};

/// Waits that are long enough to be real and short enough for a test.
pub fn policy() -> RetryPolicy {
    RetryPolicy::attempts(4).waits(Duration::from_millis(5), Duration::from_millis(20))
}

/// A builder whose client speaks plain HTTP and is quick to try again.
pub fn builder() -> ClientBuilder {
    let mut timeouts = Timeouts::default();
    timeouts.idle = Duration::from_secs(10);
    Client::builder()
        .plain_http(Some(true))
        .retry(policy())
        .timeouts(timeouts)
        .proxies_from_env(false)
}

pub fn client() -> Client {
    builder().build().unwrap()
}

/// A client that knows the scripted registry's user.
pub fn client_of(credential: Credential, registry: &ScriptedRegistry) -> Client {
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(credential);
    builder().hosts(vec![rule]).build().unwrap()
}

pub fn user() -> Credential {
    Credential::new(USER, PASSWORD)
}

pub fn repository(registry: &ScriptedRegistry, path: &str) -> Repository {
    format!("{}/{path}", registry.host()).parse().unwrap()
}

pub fn tag(name: &str) -> Identifier {
    Identifier::Tag(name.parse().unwrap())
}

/// So many bytes that no part of them is like another.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(bytes), bytes.len() as u64)
}

/// Puts a blob in and describes it.
pub fn put(registry: &ScriptedRegistry, path: &str, bytes: &[u8]) -> Descriptor {
    let blob = descriptor(bytes);
    registry.put_blob(path, &blob.digest, bytes);
    blob
}

pub fn read(client: &Client, repository: &Repository, blob: &Descriptor, offset: u64) -> io::Result<Vec<u8>> {
    let mut reader = client
        .open_blob(repository, blob, offset)
        .map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An opener over bytes in memory that notes the offsets it was asked for.
pub fn opener<'a>(
    bytes: &'a [u8],
    offsets: &'a mut Vec<u64>,
) -> impl FnMut(u64) -> io::Result<Box<dyn Read + Send + 'a>> {
    move |offset| {
        offsets.push(offset);
        let start = usize::try_from(offset).unwrap();
        Ok(Box::new(&bytes[start..]))
    }
}

/// The notices that a client gave.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<Vec<Notice>>>);

impl Notices {
    pub fn of(builder: ClientBuilder) -> (Client, Notices) {
        let notices = Notices::default();
        let heard = notices.clone();
        let listen = move |notice: &Notice| heard.0.lock().unwrap().push(notice.clone());
        (builder.on_notice(listen).build().unwrap(), notices)
    }

    pub fn kinds(&self) -> Vec<NoticeKind> {
        self.0.lock().unwrap().iter().map(|notice| notice.kind).collect()
    }

    pub fn all(&self) -> Vec<Notice> {
        self.0.lock().unwrap().clone()
    }
}

/// Everybody's credentials, and how often they were asked for.
pub struct Counting(pub Credential, pub Mutex<u32>);

impl CredentialSource for Counting {
    fn credential(
        &self,
        _: &transload_reference::Registry,
        _: &str,
    ) -> Result<Option<Credential>, transload_registry_client::CredentialError> {
        *self.1.lock().unwrap() += 1;
        Ok(Some(self.0.clone()))
    }
}

/// More bytes than any buffer holds.
pub const VAST: u64 = 256 << 20;

/// Pushes so many bytes to a registry that stops reading.
pub fn push_and_stall(
    registry: &ScriptedRegistry,
    client: &Client,
    open: &mut dyn FnMut(u64) -> io::Result<Box<dyn Read + Send>>,
) -> transload_registry_client::Error {
    let mut blob = descriptor(b"");
    blob.size = VAST;
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::StallUpload { after: 1000 }).every());
    client
        .push_blob(&repository(registry, "a"), &blob, open)
        .unwrap_err()
}
