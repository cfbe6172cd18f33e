//! The program where there is nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use transload_test_support::RealRegistry;
use transload_test_support::real::{Auth, Tls, skopeo};

use crate::names::NameServer;
use crate::{Bundle, Outcome, ended, is_root, listed, run};

/// Names that the tests' certificates are for: one that /etc/hosts tells, and one that only the name server knows.
const IN_HOSTS: &str = "hosts.registry.test";
const IN_DNS: &str = "dns.registry.test";

/// A folder with the program, the authority's certificate and the two files of the resolver, and nothing else.
fn empty_root(bundle: &Bundle, name: &str, registry: &RealRegistry, names: &NameServer) -> PathBuf {
    let root = bundle.folder(name);
    fs::create_dir_all(root.join("etc/ssl/certs")).expect("a writable folder");
    let copy = |from: &Path, to: &str| fs::copy(from, root.join(to)).expect("a writable folder");
    copy(&bundle.program(), "transload");
    copy(&registry.ca_file(), "etc/ssl/certs/ca-certificates.crt");
    fs::write(
        root.join("etc/hosts"),
        format!("127.0.0.1 localhost {IN_HOSTS}\n"),
    )
    .expect("a writable folder");
    fs::write(
        root.join("etc/resolv.conf"),
        format!("nameserver {}\n", names.address()),
    )
    .expect("a writable folder");
    root
}

fn port(registry: &RealRegistry) -> &str {
    registry.host().rsplit_once(':').expect("a host has a port").1
}

fn inside(root: &Path) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).arg("/transload");
    command
}

pub fn tls(bundle: &Bundle) -> Outcome {
    if !is_root() {
        return Outcome::NotRun("chroot takes root".to_owned());
    }
    let registry = RealRegistry::start(Tls::Server, Auth::Off);
    let names = NameServer::start(IN_DNS);
    let port = port(&registry);
    let root = empty_root(bundle, "empty-root", &registry, &names);
    assert_eq!(
        listed(&root),
        [
            "etc/hosts",
            "etc/resolv.conf",
            "etc/ssl/certs/ca-certificates.crt",
            "transload"
        ]
    );
    // What is pulled was pushed from outside.
    let store = bundle.unpacked.join("share/doc/transload/examples/store");
    run(Command::new(bundle.program())
        .args(["push", "--quiet", "--dest"])
        .arg(format!("{}/first", registry.host()))
        .arg("--src")
        .arg(store)
        .arg("--ca-file")
        .arg(registry.ca_file()));
    run(inside(&root).args([
        "pull",
        &format!("{IN_HOSTS}:{port}/first/demo/hello:1.0"),
        "--dest",
        "/images",
    ]));
    run(inside(&root).args(["verify", "/images"]));
    run(inside(&root).args([
        "push",
        "--src",
        "/images",
        "--dest",
        &format!("{IN_DNS}:{port}/second"),
    ]));
    assert!(names.answered() > 0, "the name server was asked");
    let manifest = |name: &str| {
        skopeo::inspect_raw(
            &format!("docker://{}/{name}", registry.host()),
            &registry.access(),
        )
    };
    let first = manifest("first/demo/hello:1.0");
    assert_eq!(first, manifest("second/first/demo/hello:1.0"));
    // Without the authority nobody is trusted.
    fs::remove_file(root.join("etc/ssl/certs/ca-certificates.crt")).expect("a file that can be removed");
    let (code, _, stderr) = ended(inside(&root).args([
        "pull",
        &format!("{IN_HOSTS}:{port}/first/demo/hello:1.0"),
        "--dest",
        "/other",
    ]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("certificate"), "{stderr}");
    Outcome::Holds(format!(
        "names of /etc/hosts and of DNS ({} questions)",
        names.answered()
    ))
}

/// A library of the system for the lookup of hosts. It ends the process that loads it.
const TRAP: &str = "__attribute__((constructor)) static void trap(void) { __builtin_trap(); }\n";

pub fn no_library(bundle: &Bundle) -> Outcome {
    if !is_root() {
        return Outcome::NotRun("chroot takes root".to_owned());
    }
    let registry = RealRegistry::start(Tls::Server, Auth::Off);
    let names = NameServer::start(IN_DNS);
    let root = empty_root(bundle, "trapped-root", &registry, &names);
    let source = root.join("trap.c");
    fs::write(&source, TRAP).expect("a writable folder");
    let library = root.join("libnss_trap.so.2");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-nostdlib", "-o"])
        .arg(&library)
        .arg(&source));
    // Where loaders look on one system or another.
    let machine = bundle.name.split('-').nth(2).expect("a machine in the name");
    for folder in [
        "lib",
        "usr/lib",
        "lib64",
        "usr/lib64",
        &format!("lib/{machine}-linux-gnu"),
        &format!("usr/lib/{machine}-linux-gnu"),
    ] {
        fs::create_dir_all(root.join(folder)).expect("a writable folder");
        fs::copy(&library, root.join(folder).join("libnss_trap.so.2")).expect("a writable folder");
    }
    fs::write(
        root.join("etc/nsswitch.conf"),
        "hosts: trap [!UNAVAIL=return] files dns\n",
    )
    .expect("a writable folder");
    for (name, tag) in [(IN_HOSTS, "1"), (IN_DNS, "2")] {
        let image = format!("{name}:{}/none:{tag}", port(&registry));
        let (code, _, stderr) = ended(inside(&root).args(["pull", &image, "--dest", "/images"]));
        // The registry was reached, and has no such image.
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains("404") || stderr.contains("isn't there") || stderr.contains("not found"),
            "{stderr}"
        );
    }
    Outcome::Holds("files and dns are asked, the system's other services are passed over".to_owned())
}
