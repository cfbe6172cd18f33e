//! Users with passwords: an htpasswd file with bcrypt, and the results of its slow comparisons.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use rustls::crypto;
use transload_reference::Digest;

use crate::Error;
use crate::lock::lock;

/// The most passwords that are remembered as right.
const MOST_REMEMBERED: usize = 1024;

/// The longest `Authorization` to look at, in bytes.
const LONGEST_AUTHORIZATION: usize = 4096;

const HTPASSWD: &str = "htpasswd file";

/// Which users may come in.
pub(crate) struct Access {
    path: PathBuf,
    users: Mutex<Arc<Users>>,
    /// Addresses with a password that is being compared: one at a time each, so that no guesser takes the processor from others.
    comparing: Mutex<HashSet<IpAddr>>,
    compared: Condvar,
}

/// The users of one state of the file.
struct Users {
    hashes: HashMap<String, String>,
    /// The hash that takes longest. It is compared for users that don't exist, so that they take as long as others.
    decoy: String,
    /// Keyed digests of users with right passwords.
    right: Mutex<HashSet<Digest>>,
    key: [u8; 32],
}

impl Access {
    pub fn read(path: PathBuf) -> Result<Self, Error> {
        let users = Mutex::new(Arc::new(Users::read(&path)?));
        Ok(Self {
            path,
            users,
            comparing: Mutex::default(),
            compared: Condvar::new(),
        })
    }

    /// Reads the file again. Where that fails, the users stay as they are.
    pub fn reload(&self) -> Result<(), Error> {
        let users = Arc::new(Users::read(&self.path)?);
        *lock(&self.users) = users;
        Ok(())
    }

    /// Returns the user of an `Authorization` header whose password is right.
    pub fn user(&self, authorization: &str, client: IpAddr) -> Option<String> {
        let (user, password) = basic(authorization)?;
        let users = Arc::clone(&lock(&self.users));
        let mark = users.mark(&user, &password);
        let is_right = users.is_known(&mark) || {
            let _turn = Turn::take(self, client);
            // Another connection of the client may have been first.
            users.is_known(&mark) || users.compare(&user, &password, mark)
        };
        is_right.then_some(user)
    }
}

/// Returns the user and password of Basic authentication (RFC 7617).
fn basic(authorization: &str) -> Option<(String, String)> {
    if authorization.len() > LONGEST_AUTHORIZATION {
        return None;
    }
    let (scheme, rest) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl Users {
    fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::of_file(HTPASSWD, path, error))?;
        Self::parse(&text).map_err(|message| Error::of_file(HTPASSWD, path, message))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut hashes = HashMap::new();
        let mut decoy = None;
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((user, hash)) = line.split_once(':').filter(|(user, _)| !user.is_empty()) else {
                return Err(format!("line {number} isn't `user:hash`"));
            };
            let is_bcrypt = ["$2y$", "$2b$", "$2a$"].iter().any(|form| hash.starts_with(form));
            let Some(parts) = hash.parse::<HashParts>().ok().filter(|_| is_bcrypt) else {
                return Err(format!(
                    "line {number}: the password isn't hashed with bcrypt; `htpasswd -nB USER` does it"
                ));
            };
            hashes.insert(user.to_owned(), hash.to_owned());
            decoy = decoy.max(Some((parts.get_cost(), hash)));
        }
        let decoy = decoy.ok_or("there is no user in it")?.1.to_owned();
        let mut key = [0; 32];
        let random = crypto::ring::default_provider().secure_random;
        random
            .fill(&mut key)
            .map_err(|_| "the system gives no random bytes")?;
        Ok(Self {
            hashes,
            decoy,
            right: Mutex::default(),
            key,
        })
    }

    /// A digest of user and password that says nothing to those without the key.
    fn mark(&self, user: &str, password: &str) -> Digest {
        let mut text = self.key.to_vec();
        text.extend_from_slice(&(user.len() as u64).to_le_bytes());
        text.extend_from_slice(user.as_bytes());
        text.extend_from_slice(password.as_bytes());
        Digest::of(&text)
    }

    fn is_known(&self, mark: &Digest) -> bool {
        lock(&self.right).contains(mark)
    }

    /// Compares a password slowly, and remembers it if it is right.
    fn compare(&self, user: &str, password: &str, mark: Digest) -> bool {
        let hash = self.hashes.get(user);
        let matches = bcrypt::verify(password, hash.unwrap_or(&self.decoy)).unwrap_or(false);
        let is_right = hash.is_some() && matches;
        if is_right {
            let mut right = lock(&self.right);
            if right.len() >= MOST_REMEMBERED {
                right.clear();
            }
            right.insert(mark);
        }
        is_right
    }
}

/// The turn of an address to have a password compared, until it is dropped.
struct Turn<'a> {
    access: &'a Access,
    client: IpAddr,
}

impl<'a> Turn<'a> {
    fn take(access: &'a Access, client: IpAddr) -> Self {
        let comparing = lock(&access.comparing);
        let free = access
            .compared
            .wait_while(comparing, |taken| taken.contains(&client));
        free.unwrap_or_else(PoisonError::into_inner).insert(client);
        Self { access, client }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.access.comparing).remove(&self.client);
        self.access.compared.notify_all();
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the users in {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn access(text: &str) -> (tempfile::TempDir, Access) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        std::fs::write(&path, text).unwrap();
        let access = Access::read(path).unwrap();
        (folder, access)
    }

    fn line(user: &str, password: &str) -> String {
        let hash = bcrypt::hash_with_result(password, 4).unwrap();
        format!("{user}:{}\n", hash.format_for_version(bcrypt::Version::TwoY))
    }

    fn header(user: &str, password: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
    }

    #[test]
    fn users_come_in_with_their_own_password() {
        let (_folder, access) = access(&format!(
            "# users\n\n{}{}",
            line("anna", "a:b"),
            line("bert", "b")
        ));
        for _ in ["compared", "remembered"] {
            assert_eq!(
                access.user(&header("anna", "a:b"), CLIENT).as_deref(),
                Some("anna")
            );
            assert_eq!(
                access
                    .user(&header("bert", "b").replace("Basic", "basic"), CLIENT)
                    .as_deref(),
                Some("bert")
            );
            for (user, password) in [
                ("anna", "b"),
                ("bert", "a:b"),
                ("anna", ""),
                ("", "b"),
                ("carl", "b"),
                ("annaa", ":b"),
            ] {
                assert_eq!(access.user(&header(user, password), CLIENT), None, "{user}");
            }
        }
        let right = access.users.lock().unwrap().right.lock().unwrap().len();
        assert_eq!(right, 2, "only right passwords are remembered");
    }

    #[test]
    fn what_is_no_basic_authentication_is_nobody() {
        let (_folder, access) = access(&line("anna", "a"));
        let long = header("anna", &"a".repeat(LONGEST_AUTHORIZATION));
        for text in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic YW5uYQ==",
            "Bearer YW5uYTph",
            "Basic /w==",
            &long,
        ] {
            assert_eq!(access.user(text, CLIENT), None, "{text}");
        }
    }

    #[test]
    fn unknown_users_are_compared_with_the_slowest_hash() {
        let slow = bcrypt::hash("a", 5).unwrap();
        let users = Users::parse(&format!(
            "{}slow:{slow}\n{}",
            line("anna", "a"),
            line("bert", "b")
        ))
        .unwrap();
        assert_eq!(users.decoy, slow);
        assert!(!users.compare("nobody", "a", users.mark("nobody", "a")));
    }

    #[test]
    fn files_that_hold_no_users_are_refused_without_a_word_of_their_hashes() {
        for (text, part) in [
            ("", "no user"),
            ("# none\n", "no user"),
            ("anna\n", "line 1 isn't"),
            (":$2y$05$abc\n", "line 1 isn't"),
            (
                "\nanna:$apr1$secret\n",
                "line 2: the password isn't hashed with bcrypt",
            ),
            ("anna:{SHA}secret", "bcrypt"),
            ("anna:secret", "bcrypt"),
            ("anna:$2y$05$secret", "bcrypt"),
        ] {
            let message = Users::parse(text).err().unwrap();
            assert!(message.contains(part) && !message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_read_again_forgets_who_is_gone() {
        let (folder, access) = access(&line("anna", "a"));
        assert!(access.user(&header("anna", "a"), CLIENT).is_some());
        let path = folder.path().join("htpasswd");
        std::fs::write(&path, "broken").unwrap();
        assert!(
            access
                .reload()
                .unwrap_err()
                .to_string()
                .contains("htpasswd file /")
        );
        assert!(
            access.user(&header("anna", "a"), CLIENT).is_some(),
            "it stays as it was"
        );
        std::fs::write(&path, line("bert", "b")).unwrap();
        access.reload().unwrap();
        assert!(access.user(&header("anna", "a"), CLIENT).is_none());
        assert!(access.user(&header("bert", "b"), CLIENT).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_no_password() {
        let users = Users::parse(&line("anna", "a")).unwrap();
        for number in 0..MOST_REMEMBERED {
            users
                .right
                .lock()
                .unwrap()
                .insert(users.mark("anna", &number.to_string()));
        }
        assert!(users.compare("anna", "a", users.mark("anna", "a")));
        assert_eq!(users.right.lock().unwrap().len(), 1);
        let others = Users::parse(&line("anna", "a")).unwrap();
        assert_ne!(
            users.mark("anna", "a"),
            others.mark("anna", "a"),
            "the key is another each time"
        );
        assert_ne!(users.mark("anna", "a"), users.mark("ann", "aa"));
    }
}
