//! OpenSSH's own programs, as the judges of keys and signatures.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Makes a key pair `NAME` and `NAME.pub` in a folder, and returns the private key's path. `how` is what follows `-t`, such as `ecdsa -b 384`.
pub fn make_key(folder: &Path, name: &str, how: &str) -> PathBuf {
    let key = folder.join(name);
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-N", "", "-C", name, "-t"])
        .args(how.split(' '));
    run(command.arg("-f").arg(&key));
    key
}

/// Gives a private key a passphrase.
pub fn seal(key: &Path) {
    let mut command = Command::new("ssh-keygen");
    run(command
        .args(["-q", "-p", "-P", "", "-N", "a passphrase", "-f"])
        .arg(key));
}

/// Signs a file with `ssh-keygen -Y sign`; the signature is beside it, with `.sig` behind its name.
pub fn sign_file(key: &Path, namespace: &str, file: &Path, more: &[&str]) -> PathBuf {
    let mut signature = file.as_os_str().to_owned();
    signature.push(".sig");
    let signature = PathBuf::from(signature);
    // It asks before it replaces one.
    let _ = fs::remove_file(&signature);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", namespace]).args(more);
    run(command.arg("-f").arg(key).arg(file));
    signature
}

/// Whether `ssh-keygen -Y verify` accepts a signature of a file by a principal of a list of signers.
pub fn is_verified(signers: &Path, principal: &str, namespace: &str, file: &Path, signature: &Path) -> bool {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "verify", "-n", namespace, "-I", principal, "-f"]);
    command.arg(signers).arg("-s").arg(signature);
    let input = fs::File::open(file).expect("the file that is signed");
    let status = command
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status
        .expect("ssh-keygen, of Debian's package openssh-client")
        .success()
}

/// The line of a list of signers for the key of a `.pub` file.
pub fn signer_line(principal: &str, options: &str, key: &Path) -> String {
    let public = fs::read_to_string(key.with_extension("pub")).expect("the public key");
    format!("{principal} {options} {public}")
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .expect("ssh-keygen, of Debian's package openssh-client");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// An ssh-agent, which ends with the value.
pub struct SshAgent {
    process: Child,
    socket: PathBuf,
}

impl SshAgent {
    /// Starts one, with a socket in a folder.
    pub fn start(folder: &Path) -> SshAgent {
        let socket = folder.join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .expect("ssh-agent, of Debian's package openssh-client");
        // It says where it listens once it does.
        let mut line = String::new();
        let said = process.stdout.take().expect("a pipe");
        BufReader::new(said)
            .read_line(&mut line)
            .expect("a line of ssh-agent");
        assert!(line.contains("SSH_AUTH_SOCK="), "{line}");
        SshAgent { process, socket }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Gives it a private key that has no passphrase.
    pub fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command
            .args(["-q", "-"])
            .env("SSH_AUTH_SOCK", &self.socket)
            .stdin(Stdio::piped());
        let mut adding = command
            .spawn()
            .expect("ssh-add, of Debian's package openssh-client");
        let mut input = adding.stdin.take().expect("a pipe");
        input
            .write_all(&fs::read(key).expect("the key"))
            .expect("ssh-add reads");
        drop(input);
        assert!(adding.wait().expect("ssh-add").success());
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
