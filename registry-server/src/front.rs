//! What stands before the registry: passwords, and the server's own pages.

use std::sync::Arc;

use serde_json::json;

use crate::access::Access;
use crate::http::{Connections, Counters, Method, Payload, Request, Response, Service};

/// Answers the server's own pages, and leaves the rest to a registry.
pub(crate) struct Front<S> {
    pub access: Option<Arc<Access>>,
    pub counters: Arc<Counters>,
    pub connections: Arc<Connections>,
    pub registry: S,
}

impl<S: Service> Service for Front<S> {
    fn answer(&self, request: &mut Request<'_>) -> Response {
        let reads = matches!(request.method, Method::Get | Method::Head);
        if reads && request.path == "/healthz" {
            return text("text/plain; charset=utf-8", "ok\n".to_owned());
        }
        if let Some(access) = &self.access {
            let authorization = request.header("authorization").unwrap_or_default();
            match access.user(authorization, request.peer.ip()) {
                None => return unauthorized(),
                user => request.user = user,
            }
        }
        if reads && request.path == "/metrics" {
            let metrics = self.counters.text(self.connections.count());
            return text("text/plain; version=0.0.4; charset=utf-8", metrics);
        }
        self.registry.answer(request)
    }
}

fn text(kind: &str, text: String) -> Response {
    Response {
        status: 200,
        headers: vec![("Content-Type", kind.to_owned())],
        body: Payload::Bytes(text.into_bytes()),
    }
}

/// Asks for a user, in the form of the OCI distribution specification.
fn unauthorized() -> Response {
    let error = json!({"errors": [{"code": "UNAUTHORIZED", "message": "a user and password are needed"}]});
    Response {
        status: 401,
        headers: vec![
            (
                "WWW-Authenticate",
                "Basic realm=\"transload\", charset=\"UTF-8\"".to_owned(),
            ),
            ("Docker-Distribution-Api-Version", "registry/2.0".to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ],
        body: Payload::Bytes(error.to_string().into_bytes()),
    }
}
