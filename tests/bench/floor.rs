//! What the machine allows at best.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use transload_reference::Digest;
use transload_test_support::link::{Link, LinkConditions};

use crate::course::remove;
use crate::micro::CHUNK;
use crate::report::{median, table};
use crate::set::Set;
use crate::told::{Result, Told};

/// What the machine allows at best: every blob of a set fetched to nowhere, and every file copied; a table and its JSON.
pub fn run(host: &str, set: &Set, folder: &Path) -> Result<(String, Value)> {
    let mut wanted: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for image in &set.images {
        for child in &image.children {
            for blob in child.layers.iter().chain([&child.config]) {
                if seen.insert(&blob.digest) {
                    wanted.push(format!("/v2/{}/blobs/{}", image.repository, blob.digest));
                }
            }
        }
    }
    let link = Link::start(host, LinkConditions::default());
    let mut receive = Vec::new();
    let mut linked = Vec::new();
    let mut copy = Vec::new();
    for _ in 0..3 {
        receive.push(seconds(|| receive_all(host, &wanted))?);
        linked.push(seconds(|| receive_all(link.host(), &wanted))?);
        let target = folder.join("copied");
        remove(&target)?;
        fs::create_dir_all(&target).told(target.display())?;
        copy.push(seconds(|| {
            let copy = |digest: &&Digest| fs::copy(set.file(digest), target.join(digest.hex())).map(drop);
            set.blobs().keys().try_for_each(copy).told(target.display())
        })?);
        remove(&target)?;
    }
    let [receive, linked, copy] = [receive, linked, copy].map(|values| median(values).unwrap_or(0.0));
    let lines = [
        ("fetch every blob to nowhere, 8 connections", receive),
        ("the same through the link simulator, without limits", linked),
        ("copy every blob, file by file", copy),
    ]
    .map(|(what, seconds)| {
        let rate = set.bytes() as f64 / 1e6 / seconds;
        vec![
            what.to_owned(),
            format!("{seconds:.2} s"),
            format!("{rate:.0} MB/s"),
        ]
    });
    let value = json!({
        "receive_seconds": receive,
        "link_seconds": linked,
        "copy_seconds": copy,
        "bytes": set.bytes(),
    });
    Ok((
        table(&["least possible for the release", "time", "rate"], &lines),
        value,
    ))
}

fn seconds(run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed().as_secs_f64())
}

fn receive_all(host: &str, wanted: &[String]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        let mut socket = TcpStream::connect(host)?;
        let mut buffer = vec![0; CHUNK];
        while let Some(target) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            // In one piece: the second of several waits until the server has acknowledged the first.
            socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
            skip_answer(&mut socket, &mut buffer)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().try_for_each(join).told(host)
    })
}

/// Reads an answer that tells its length, and forgets it.
fn skip_answer(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    let mut left = read_head(from, buffer)?;
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..most])? {
            0 => return Err(broken()),
            count => left -= count as u64,
        }
    }
    Ok(())
}

/// Reads the head of an answer that tells its length, and what came of the body with it. Returns how many bytes are still to come.
pub fn read_head(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<u64> {
    let mut have = 0;
    let (head, end) = loop {
        let count = from.read(&mut buffer[have..])?;
        have += count;
        if let Some(end) = buffer[..have].windows(4).position(|window| window == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&buffer[..end]).to_lowercase(), end + 4);
        }
        if count == 0 || have == buffer.len() {
            return Err(broken());
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: u64 = length
        .and_then(|length| length.trim().parse().ok())
        .ok_or_else(broken)?;
    if !head.starts_with("http/1.1 200") {
        return Err(io::Error::other(head));
    }
    Ok(length.saturating_sub((have - end) as u64))
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no answer of a registry")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_skipped_to_its_end_and_no_further() {
        let mut stream: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        skip_answer(&mut stream, &mut [0; 64]).unwrap();
        assert_eq!(stream, b"");
        for wrong in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        ] {
            assert!(
                skip_answer(&mut wrong.as_bytes(), &mut [0; 64]).is_err(),
                "{wrong}"
            );
        }
    }
}
