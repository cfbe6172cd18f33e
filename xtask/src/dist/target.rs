//! A target, and what each packing calls it.

use std::process::Command;

use crate::command::output;

/// What the parts of a release call one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The compiler's name, such as `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// Debian's name.
    pub deb: &'static str,
    /// RPM's name.
    pub rpm: &'static str,
    /// OCI's name and variant.
    pub oci: (&'static str, Option<&'static str>),
}

/// The machine in a target's name; Debian, RPM, OCI, OCI's variant.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

#[rustfmt::skip]
const MACHINES: [Row; 6] = [
    ("x86_64",      "amd64",   "x86_64",  "amd64",   None),
    ("aarch64",     "arm64",   "aarch64", "arm64",   None),
    ("armv7",       "armhf",   "armv7hl", "arm",     Some("v7")),
    ("powerpc64le", "ppc64el", "ppc64le", "ppc64le", None),
    ("riscv64gc",   "riscv64", "riscv64", "riscv64", None),
    ("s390x",       "s390x",   "s390x",   "s390x",   None),
];

impl Target {
    /// The target of this name, or this machine's own.
    ///
    /// # Errors
    /// Where it is none that the packings have a name for.
    pub fn named(triple: Option<&str>) -> Result<Target, String> {
        let triple = match triple {
            Some(triple) => triple.to_owned(),
            None => host()?,
        };
        let machine = triple.split('-').next().unwrap_or_default();
        let is_linux = triple.contains("-linux-");
        let Some(row) = MACHINES.into_iter().find(|row| is_linux && row.0 == machine) else {
            let known: Vec<&str> = MACHINES.iter().map(|row| row.0).collect();
            return Err(format!(
                "no bundle is made for {triple}: it is for Linux on {}",
                known.join(", ")
            ));
        };
        let (_, deb, rpm, oci, variant) = row;
        Ok(Target {
            triple,
            deb,
            rpm,
            oci: (oci, variant),
        })
    }

    /// Whether the C library is GNU's.
    pub fn is_gnu(&self) -> bool {
        self.triple.contains("-gnu")
    }

    /// The name as it stands in names of environment variables.
    pub fn variable(&self) -> String {
        self.triple.replace('-', "_")
    }
}

/// This machine's own target.
pub fn host() -> Result<String, String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV doesn't tell the host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packing_has_its_own_name_for_a_machine() {
        let arm = Target::named(Some("aarch64-unknown-linux-musl")).unwrap();
        assert_eq!((arm.deb, arm.rpm, arm.oci), ("arm64", "aarch64", ("arm64", None)));
        assert!(!arm.is_gnu());
        let old = Target::named(Some("armv7-unknown-linux-gnueabihf")).unwrap();
        assert_eq!(old.oci, ("arm", Some("v7")));
        assert!(old.is_gnu());
    }

    #[test]
    fn what_no_bundle_is_made_for_is_named() {
        for triple in [
            "x86_64-pc-windows-gnu",
            "mips-unknown-linux-gnu",
            "wasm32-wasip1",
            "",
        ] {
            let message = Target::named(Some(triple)).unwrap_err();
            assert!(message.contains(triple), "{message}");
        }
    }
}
