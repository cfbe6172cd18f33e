//! Upload sessions and mounts.

use transload_reference::Digest;

use super::State;
use super::api::{Call, with_digest};
use super::fault::Reply;
use super::store::{SessionError, Store};

/// Obeys a request of `/v2/<repository>/blobs/uploads/<session>`; the session is empty in the request that begins one.
pub(super) fn answer(
    state: &State,
    store: &mut Store,
    repository: &str,
    session: &str,
    call: &Call<'_>,
) -> Reply {
    match (call.method, session) {
        ("POST", "") => begin(state, store, repository, call),
        (_, "") => Reply::status(405),
        ("PATCH", _) => match append_chunk(state, store, repository, session, call) {
            Ok(()) => progress(state, store, repository, session, 202),
            Err(refusal) => refusal,
        },
        ("PUT", _) => {
            if let Err(refusal) = append(store, repository, session, call) {
                return refusal;
            }
            let bytes = store.close(repository, session).unwrap_or_default();
            finish(state, store, repository, bytes, call)
        }
        ("GET", _) if store.offset(repository, session).is_some() => {
            progress(state, store, repository, session, 204)
        }
        ("DELETE", _) if store.close(repository, session).is_some() => Reply::status(204),
        ("GET" | "DELETE", _) => unknown(),
        _ => Reply::status(405),
    }
}

/// Forgets the session that a request is about.
pub(super) fn lose(state: &State, call: &Call<'_>) {
    if let Some((repository, session)) = session(call.path) {
        state.store().close(repository, session);
    }
}

/// Repository and session of a path.
pub(super) fn session(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/v2/")?.rsplit_once("/blobs/uploads/")
}

/// Keeps the bytes of a request whose connection was cut.
pub(super) fn keep_part(state: &State, call: &Call<'_>) {
    let Some((repository, session)) = session(call.path) else {
        return;
    };
    // A request that would be refused leaves nothing, cut or not.
    append(&mut state.store(), repository, session, call).ok();
}

fn begin(state: &State, store: &mut Store, repository: &str, call: &Call<'_>) -> Reply {
    let mounted = call
        .parameter("mount")
        .and_then(|digest| digest.parse::<Digest>().ok());
    if let (Some(digest), false) = (mounted, state.options.refuse_mount) {
        let from = call.parameter("from").unwrap_or_default();
        if let Some(bytes) = store.blob(&from, &digest) {
            store.put_blob(repository, digest.clone(), bytes);
            return created(state, repository, &digest);
        }
    }
    if call.parameter("digest").is_some() {
        return finish(state, store, repository, call.body.to_vec(), call);
    }
    let session = store.open(repository);
    progress(state, store, repository, &session, 202)
}

/// A chunk of a client that goes on in chunks. All but the last have to be large enough.
fn append_chunk(
    state: &State,
    store: &mut Store,
    repository: &str,
    session: &str,
    call: &Call<'_>,
) -> Result<(), Reply> {
    if store.had_small_chunk(session) {
        return Err(Reply::status(400).error("BLOB_UPLOAD_INVALID", "the chunk before was too small"));
    }
    append(store, repository, session, call)?;
    let least = state.options.chunk_min_length.unwrap_or(0);
    if (call.body.len() as u64) < least {
        store.note_small_chunk(session);
    }
    Ok(())
}

fn append(store: &mut Store, repository: &str, session: &str, call: &Call<'_>) -> Result<(), Reply> {
    let start = match call.header("content-range") {
        None => None,
        Some(range) => match range.split_once('-').map(|(start, _)| start.parse::<u64>()) {
            Some(Ok(start)) => Some(start),
            _ => return Err(Reply::status(400).error("BLOB_UPLOAD_INVALID", "Content-Range is not a-b")),
        },
    };
    match store.append(repository, session, call.query, start, call.body) {
        Ok(()) => Ok(()),
        Err(SessionError::Unknown) => Err(unknown()),
        Err(SessionError::Stale) => {
            Err(Reply::status(400).error("BLOB_UPLOAD_INVALID", "not the newest Location"))
        }
        Err(SessionError::OutOfOrder) => {
            let offset = store.offset(repository, session).unwrap_or_default();
            Err(Reply::status(416).header("Range", &format!("0-{}", offset.saturating_sub(1))))
        }
    }
}

fn finish(state: &State, store: &mut Store, repository: &str, bytes: Vec<u8>, call: &Call<'_>) -> Reply {
    let named = call
        .parameter("digest")
        .and_then(|digest| digest.parse::<Digest>().ok());
    match named {
        Some(digest) if Digest::with(digest.algorithm(), &bytes) == digest => {
            store.put_blob(repository, digest.clone(), bytes.into());
            created(state, repository, &digest)
        }
        _ => Reply::status(400).error("DIGEST_INVALID", "provided digest did not match uploaded content"),
    }
}

fn created(state: &State, repository: &str, digest: &Digest) -> Reply {
    let location = state.location(&format!("/v2/{repository}/blobs/{digest}"));
    with_digest(state, Reply::status(201).header("Location", &location), digest)
}

fn progress(state: &State, store: &Store, repository: &str, session: &str, status: u16) -> Reply {
    let query = store.state(session).unwrap_or_default();
    let location = state.upload_location(&format!("/v2/{repository}/blobs/uploads/{session}?{query}"));
    let offset = store.offset(repository, session).unwrap_or_default();
    let reply = Reply::status(status)
        .header("Location", &location)
        .header("Range", &format!("0-{}", offset.saturating_sub(1)))
        .header("Docker-Upload-UUID", session);
    match state.options.chunk_min_length {
        Some(length) => reply.header("OCI-Chunk-Min-Length", &length.to_string()),
        None => reply,
    }
}

fn unknown() -> Reply {
    Reply::status(404).error("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
}
