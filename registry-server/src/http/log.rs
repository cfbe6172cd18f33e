//! The access log, in the common log format.

use std::net::SocketAddr;
use std::time::SystemTime;

/// The target of the access log's lines, at the level `info`.
pub(crate) const TARGET: &str = "transload_registry_server::access";

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub peer: SocketAddr,
    pub user: Option<&'a str>,
    /// The request line.
    pub line: &'a str,
    pub status: u16,
    /// Bytes of the body that were sent.
    pub sent: u64,
}

/// Writes a line.
pub(crate) fn write(entry: &Entry<'_>) {
    log::info!(target: TARGET, "{}", line(entry, SystemTime::now()));
}

fn line(entry: &Entry<'_>, time: SystemTime) -> String {
    let time = time_of(&httpdate::fmt_http_date(time)).unwrap_or_default();
    let Entry {
        peer,
        user,
        line,
        status,
        sent,
    } = entry;
    let (ip, line) = (peer.ip().to_canonical(), line.escape_default());
    let user = user.unwrap_or("-").escape_default();
    format!("{ip} - {user} [{time}] \"{line}\" {status} {sent}")
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as `06/Nov/1994:08:49:37 +0000`.
fn time_of(date: &str) -> Option<String> {
    let mut parts = date.split(' ').skip(1);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{day}/{month}/{year}:{time} +0000"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_line_has_the_common_form_and_nothing_leaves_its_quotes() {
        let mut entry = Entry {
            peer: "[::ffff:10.0.0.7]:4000".parse().unwrap(),
            user: None,
            line: "GET /v2/ HTTP/1.1",
            status: 200,
            sent: 2,
        };
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(
            line(&entry, time),
            "10.0.0.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /v2/ HTTP/1.1\" 200 2"
        );
        entry.user = Some("a\nb");
        entry.line = "GET /\" HTTP/1.1";
        assert_eq!(
            line(&entry, time),
            "10.0.0.7 - a\\nb [06/Nov/1994:08:49:37 +0000] \"GET /\\\" HTTP/1.1\" 200 2"
        );
    }
}
