//! What the workspace's packages may depend on. Both tables say what ARCHITECTURE.md says; a change belongs in both places.

/// A package of the workspace and the other packages of the workspace that it may depend on.
#[derive(Debug)]
pub struct Directions {
    /// The package's name.
    pub package: &'static str,
    /// What it may depend on.
    pub uses: &'static [&'static str],
    /// What its tests may depend on besides.
    pub tests_use: &'static [&'static str],
}

/// Who may depend directly on a crate from outside the workspace.
#[derive(Debug, PartialEq, Eq)]
pub enum Users {
    /// Every package.
    All,
    /// The tests of every package, and the packages that serve only tests.
    Tests,
    /// These packages alone, and tests.
    Only(&'static [&'static str]),
}

const REFERENCE: &str = "transload-reference";
const CLIENT: &str = "transload-registry-client";
const SERVER: &str = "transload-registry-server";
const STORE: &str = "transload-layout-store";
const ARCHIVE: &str = "transload-archive";
const SIGNATURE: &str = "transload-signature";
const TEMPLATE: &str = "transload-template";
const POLICY: &str = "transload-policy";
const TRANSFER: &str = "transload-transfer";
const CLI: &str = "transload";
const SUPPORT: &str = "transload-test-support";
const TESTS: &str = "transload-tests";
const FUZZ: &str = "transload-fuzz";
const XTASK: &str = "xtask";

/// Packages that serve only tests: they are published nowhere.
pub const ONLY_FOR_TESTS: &[&str] = &[SUPPORT, TESTS, FUZZ];

/// Every package of the workspace, and where its dependencies in the workspace may point.
#[rustfmt::skip]
pub const DIRECTIONS: &[Directions] = &[
    Directions { package: REFERENCE, uses: &[],          tests_use: &[] },
    Directions { package: TEMPLATE,  uses: &[],          tests_use: &[REFERENCE] },
    Directions { package: POLICY,    uses: &[REFERENCE], tests_use: &[] },
    Directions { package: CLIENT,    uses: &[REFERENCE], tests_use: &[POLICY, SUPPORT] },
    Directions { package: STORE,     uses: &[REFERENCE], tests_use: &[SUPPORT] },
    Directions { package: ARCHIVE,   uses: &[REFERENCE], tests_use: &[] },
    Directions { package: SIGNATURE, uses: &[REFERENCE], tests_use: &[SUPPORT] },
    Directions { package: SERVER,    uses: &[REFERENCE, STORE, ARCHIVE], tests_use: &[CLIENT, SUPPORT] },
    Directions { package: TRANSFER,  uses: &[REFERENCE, CLIENT, STORE, ARCHIVE, POLICY, SIGNATURE], tests_use: &[SUPPORT] },
    Directions { package: CLI,       uses: &[REFERENCE, CLIENT, SERVER, STORE, SIGNATURE, TEMPLATE, POLICY, TRANSFER], tests_use: &[SUPPORT] },
    Directions { package: SUPPORT,   uses: &[REFERENCE], tests_use: &[] },
    Directions { package: TESTS,     uses: &[REFERENCE, CLIENT, STORE, TEMPLATE, POLICY, SUPPORT], tests_use: &[] },
    Directions { package: FUZZ,      uses: &[REFERENCE, CLIENT, SERVER, STORE, ARCHIVE, SIGNATURE, TEMPLATE, POLICY, CLI], tests_use: &[] },
    Directions { package: XTASK,     uses: &[],          tests_use: &[] },
];

/// Every crate from outside that a package may depend on directly. A new one needs a line here, and with it a thought about who
/// keeps it, what it draws in, and whether it would show in a library's public signatures.
#[rustfmt::skip]
pub const AGREED: &[(&str, Users)] = &[
    ("ar",                 Users::Only(&[XTASK])),
    ("base64",             Users::Only(&[REFERENCE, CLIENT, SERVER, SIGNATURE, TEMPLATE])),
    ("bcrypt",             Users::Only(&[SERVER])),
    ("cargo_metadata",     Users::Only(&[XTASK])),
    ("clap",               Users::Only(&[CLI])),
    ("clap_complete",      Users::Only(&[CLI])),
    ("clap_mangen",        Users::Only(&[CLI])),
    ("console",            Users::Only(&[CLI])),
    ("env_logger",         Users::Only(&[CLI])),
    ("flate2",             Users::Only(&[ARCHIVE, XTASK])),
    ("httparse",           Users::Only(&[SERVER])),
    ("httpdate",           Users::Only(&[CLIENT, SERVER])),
    ("insta",              Users::Tests),
    ("jiff",               Users::Only(&[CLI])),
    ("jsonschema",         Users::Tests),
    ("libfuzzer-sys",      Users::Only(&[FUZZ])),
    ("log",                Users::All),
    ("oci-spec",           Users::Tests),
    ("proptest",           Users::Tests),
    ("public-api",         Users::Only(&[XTASK])),
    ("rayon",              Users::Only(&[TRANSFER, CLI])),
    ("rcgen",              Users::Tests),
    ("regex",              Users::Only(&[POLICY, TEMPLATE])),
    ("regex-syntax",       Users::Only(&[POLICY])),
    ("ring",               Users::Only(&[SIGNATURE])),
    ("ruzstd",             Users::Only(&[ARCHIVE])),
    ("rustix",             Users::Only(&[STORE, CLIENT, SERVER, CLI])),
    ("rustls",             Users::Only(&[CLIENT, SERVER])),
    ("rustls-native-certs", Users::Only(&[CLIENT])),
    ("serde",              Users::All),
    ("serde_json",         Users::All),
    ("serde_yaml",         Users::Only(&[CLI, TEMPLATE])),
    ("sha2",               Users::Only(&[REFERENCE, XTASK])),
    ("signal-hook",        Users::Only(&[CLI])),
    ("strsim",             Users::Only(&[TEMPLATE])),
    ("tar",                Users::Only(&[ARCHIVE, XTASK])),
    ("tempfile",           Users::Only(&[STORE, ARCHIVE, TRANSFER, CLI, XTASK])),
    ("thiserror",          Users::All),
    ("tinytemplate",       Users::Only(&[CLI, SERVER, TEMPLATE])),
    ("ureq",               Users::Only(&[CLIENT])),
    ("vt100",              Users::Tests),
    ("x509-cert",          Users::Only(&[CLIENT])),
];
