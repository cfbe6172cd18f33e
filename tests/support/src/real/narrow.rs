//! A network of its own behind a narrow link, which all connections share: a network namespace, a pair of interfaces, and a token bucket
//! (tc-tbf(8)) in each direction. Needs root, `ip` and `tc`.

use std::process::Command;

use crate::tls::Tls;

/// The namespace's name, and that of each end of the link.
const NAMES: [&str; 3] = ["transload-narrow", "tl-narrow-near", "tl-narrow-far"];

/// The addresses of the ends, in the network for measurements (RFC 2544).
const ADDRESSES: [&str; 2] = ["198.18.0.1", "198.18.0.2"];

/// A full packet's bytes on the wire, and those of them that TCP carries.
const PACKET: [u64; 2] = [1514, 1448];

/// How many bytes the bucket holds, and how long a packet waits at most before it is dropped.
const BURST: &str = "64kb";
const LONGEST_WAIT: &str = "50ms";

/// The network; it is removed when this is dropped. There is one at a time on a machine.
#[derive(Debug)]
pub struct Narrow(());

impl Narrow {
    /// TLS with a certificate for a server in the network, and for the loopback, which a link may listen on.
    pub const TLS: Tls = Tls::Named(&[ADDRESSES[1]]);

    /// A network that so many bytes of content a second reach, and as many leave. The heads of packets come on top.
    ///
    /// # Errors
    /// Says what the system refuses.
    pub fn create(bytes_per_second: u64) -> Result<Narrow, String> {
        let ([space, near, far], [near_address, far_address]) = (NAMES, ADDRESSES);
        // What a run left that was killed.
        run(&["ip", "netns", "del", space]).ok();
        run(&["ip", "link", "del", near]).ok();
        run(&["ip", "netns", "add", space])?;
        // From here on, it is removed if anything fails.
        let narrow = Narrow(());
        let rate = format!("{}bit", 8 * bytes_per_second * PACKET[0] / PACKET[1]);
        let inside = ["ip", "netns", "exec", space];
        let bucket = [
            "root",
            "tbf",
            "rate",
            &rate,
            "burst",
            BURST,
            "latency",
            LONGEST_WAIT,
        ];
        let ends: [(&[&str], &str, &str); 2] = [(&[], near, near_address), (&inside, far, far_address)];
        run(&[
            "ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", space,
        ])?;
        for (prefix, end, address) in ends {
            let address = format!("{address}/30");
            run(&[prefix, &["ip", "address", "add", &address, "dev", end]].concat())?;
            run(&[prefix, &["ip", "link", "set", end, "up"]].concat())?;
            run(&[prefix, &["tc", "qdisc", "add", "dev", end], &bucket].concat())?;
        }
        Ok(narrow)
    }

    /// The address of the far end, where a server in the network is reached.
    pub(super) fn address(&self) -> &'static str {
        ADDRESSES[1]
    }

    /// A command that runs in the network.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", NAMES[0], program]);
        command
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        // The interfaces go with it.
        run(&["ip", "netns", "del", NAMES[0]]).ok();
    }
}

fn run(line: &[&str]) -> Result<(), String> {
    let output = Command::new(line[0]).args(&line[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", line[0]))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{}: {}",
            line.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
