//! The token endpoint that a registry with token authentication sends its clients to
//! ([distribution, "Token Authentication Specification"]).
//!
//! [distribution, "Token Authentication Specification"]: https://distribution.github.io/distribution/spec/auth/token/

use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::{PASSWORD, USER};
use crate::http::{Head, basic, percent_decode, read_head};
use crate::tls::{new_key, params};

pub(crate) const SERVICE: &str = "transload-test-registry";
pub(crate) const ISSUER: &str = "transload-test-issuer";

/// What the registry adds to a token's end before it refuses it.
const LEEWAY: i64 = 60;

/// One request that reached a token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The scopes, as asked for, such as `repository:team/app:pull,push`.
    pub scopes: Vec<String>,
    /// The service.
    pub service: Option<String>,
    /// The user of the Basic credentials; `None` for an anonymous request.
    pub user: Option<String>,
    /// Whether a token was given.
    pub granted: bool,
}

/// A running endpoint. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct TokenServer {
    address: SocketAddr,
    signer: Arc<Signer>,
    requests: Arc<Mutex<Vec<TokenRequest>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TokenServer {
    /// Starts one whose tokens a registry honours for `lifetime`. Without credentials it grants `pull` alone.
    pub(crate) fn start(lifetime: Duration) -> TokenServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let signer = Arc::new(Signer::new(lifetime));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let worker = (Arc::clone(&signer), Arc::clone(&requests), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let (signer, requests, stopped) = worker;
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                // A client that goes away in the middle is its own test's concern.
                serve(stream, &signer, &requests).ok();
            }
        });
        TokenServer {
            address,
            signer,
            requests,
            stopped,
            thread: Some(thread),
        }
    }

    pub(crate) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.signer.certificate_pem
    }

    pub(crate) fn requests(&self) -> Vec<TokenRequest> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A token that allows everything in a repository, for as long as any test takes.
    pub(crate) fn issue(&self, repository: &str) -> String {
        let scope = format!("repository:{repository}:pull,push,delete");
        self.signer.token(USER, &[scope], true, Duration::from_secs(3600))
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The listener waits for a connection: this one shows it the flag.
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(stream: TcpStream, signer: &Signer, requests: &Mutex<Vec<TokenRequest>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(&stream);
    let Some(head) = read_head(&mut reader)? else {
        return Ok(());
    };
    let (status, body) = answer(&head, signer, requests);
    write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.to_string().len()
    )
}

fn answer(head: &Head, signer: &Signer, requests: &Mutex<Vec<TokenRequest>>) -> (&'static str, Value) {
    let mut words = head.first_line.split(' ');
    if words.next() != Some("GET") {
        return (
            "405 Method Not Allowed",
            json!({"errors": [{"code": "UNSUPPORTED"}]}),
        );
    }
    let target = words.next().unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let values = |name: &str| -> Vec<String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| percent_decode(value))
            .collect()
    };
    let credentials = head.header("authorization").map(basic);
    let known = match &credentials {
        Some(Some((user, password))) => user == USER && password == PASSWORD,
        Some(None) => false,
        None => true,
    };
    let scopes = values("scope");
    let request = TokenRequest {
        scopes: scopes.clone(),
        service: values("service").pop(),
        user: credentials.clone().flatten().map(|(user, _)| user),
        granted: known,
    };
    requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    if !known {
        return ("401 Unauthorized", json!({"errors": [{"code": "UNAUTHORIZED"}]}));
    }
    let user = if credentials.is_some() { USER } else { "" };
    let token = signer.token(user, &scopes, credentials.is_some(), signer.lifetime);
    (
        "200 OK",
        json!({"token": token, "expires_in": signer.lifetime.as_secs()}),
    )
}

/// Signs JSON web tokens with ES256 and names its key by its certificate (`x5c`).
#[derive(Debug)]
struct Signer {
    key: KeyPair,
    certificate_pem: String,
    certificate_der: Vec<u8>,
    lifetime: Duration,
}

impl Signer {
    fn new(lifetime: Duration) -> Signer {
        let key = new_key();
        let certificate = params(ISSUER, &[])
            .self_signed(&key)
            .expect("a valid certificate");
        Signer {
            key,
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            lifetime,
        }
    }

    fn token(&self, user: &str, scopes: &[String], may_push: bool, lifetime: Duration) -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since_epoch.map_or(0, |time| time.as_secs().cast_signed());
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&self.certificate_der)]});
        let access: Vec<Value> = scopes.iter().filter_map(|scope| grant(scope, may_push)).collect();
        let claims = json!({
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "iat": now,
            "nbf": now,
            "exp": now - LEEWAY + lifetime.as_secs().cast_signed(),
            "jti": format!("{now}-{}", scopes.len()),
            "access": access,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(message.as_bytes()).expect("a key can sign");
        let signature = fixed_size(&signature).expect("an ECDSA signature of P-256 in DER");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The part of a scope that is granted.
fn grant(scope: &str, may_push: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions
        .split(',')
        .filter(|&action| may_push || action == "pull")
        .collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

/// Turns `SEQUENCE { INTEGER r, INTEGER s }` into the 64 bytes that JSON web signatures have (RFC 7518, 3.4).
fn fixed_size(der: &[u8]) -> Option<[u8; 64]> {
    let mut fixed = [0; 64];
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    for half in fixed.chunks_mut(32) {
        let (&length, value) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (value, after) = value.split_at_checked(usize::from(length))?;
        // A leading zero only keeps the number positive.
        let value = value.strip_prefix(&[0]).unwrap_or(value);
        half.get_mut(32_usize.checked_sub(value.len())?..)?
            .copy_from_slice(value);
        rest = after;
    }
    Some(fixed)
}
