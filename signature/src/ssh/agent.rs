//! Signing through ssh-agent (draft-ietf-sshm-ssh-agent).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::key::Kind;
use super::wire::{Reader, put};
use super::{SshError, SshPublicKey};

const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// An RSA key is to sign with SHA-512.
const RSA_SHA2_512: u32 = 4;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u32 = 16 << 10;

/// How long an agent has, which may ask its user first.
const PATIENCE: Duration = Duration::from_secs(120);

/// Has the agent at a socket sign a message.
pub(super) fn sign(socket: &Path, key: &SshPublicKey, message: &[u8]) -> Result<Vec<u8>, SshError> {
    let failed = |error: io::Error| SshError::Agent(error.to_string());
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    ask(&mut stream, key, message)
}

fn ask(stream: &mut (impl Read + Write), key: &SshPublicKey, message: &[u8]) -> Result<Vec<u8>, SshError> {
    let failed = |error: io::Error| SshError::Agent(error.to_string());
    let flags = if key.kind == Kind::Rsa { RSA_SHA2_512 } else { 0 };
    let mut request = vec![SIGN_REQUEST];
    put(&mut request, &key.blob);
    put(&mut request, message);
    request.extend_from_slice(&flags.to_be_bytes());
    let mut framed = Vec::new();
    put(&mut framed, &request);
    stream.write_all(&framed).map_err(failed)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(failed)?;
    let length = u32::from_be_bytes(length);
    let unclear = || SshError::Agent("its answer can't be read".to_owned());
    if length > MAX_ANSWER {
        return Err(unclear());
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).map_err(failed)?;
    match answer.split_first() {
        Some((&SIGN_RESPONSE, signature)) => {
            let mut reader = Reader::new(signature);
            let signature = reader.string().map_err(|_| unclear())?.to_vec();
            reader.end().map_err(|_| unclear())?;
            Ok(signature)
        }
        _ => Err(SshError::Agent(format!(
            "it doesn't have {key}, or may not use it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent that says one thing.
    struct Agent {
        answer: io::Cursor<Vec<u8>>,
    }

    impl Read for Agent {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answer.read(buffer)
        }
    }

    impl Write for Agent {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_agent_that_answers_otherwise_is_told_of() {
        let mut blob = Vec::new();
        put(&mut blob, b"ssh-ed25519");
        put(&mut blob, &[7; 32]);
        let key = SshPublicKey::from_blob(&blob).unwrap();
        let table: [(&[u8], &str); 6] = [
            (&[0, 0, 0, 1, 5], "doesn't have ssh-ed25519 SHA256:"),
            (&[0, 0, 0, 0], "doesn't have ssh-ed25519 SHA256:"),
            (&[0xff; 8], "can't be read"),
            (&[0, 0, 0, 3, SIGN_RESPONSE, 0, 0], "can't be read"),
            (&[0, 0, 0, 6, SIGN_RESPONSE, 0, 0, 0, 0, 9], "can't be read"),
            (&[0, 0], "failed to fill whole buffer"),
        ];
        for (answer, expected) in table {
            let answer = io::Cursor::new(answer.to_vec());
            let error = ask(&mut Agent { answer }, &key, b"message")
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
