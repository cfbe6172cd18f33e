//! What transload's tests are made with.
//!
//! - [`image`]: images built in memory, the same bytes on every machine.
//! - [`kubekey`]: directories as each generation of KubeKey writes them.
//! - [`scripted`]: a registry in memory that fails as it is told, with a log of what it was asked.
//! - [`link`]: a slow, narrow or breaking link in front of any server.
//! - [`proxy`]: a proxy through which any name leads to a server of the test's.
//! - [`vast`]: an image of gigabytes that fits nowhere, and a registry for it.
//! - [`ExfatImage`]: a disk as people carry it, on Linux.
//! - [`real`]: the distribution registry in several shapes, and skopeo as a judge.
//! - [`zot`]: a registry with the referrers API.
//! - [`go`]: programs of Go, from its module proxy where they aren't installed.
//! - [`ssh`]: OpenSSH's keys, signatures and agent.
//! - [`Transload`]: the program as its users run it, and the examples of the libraries. [`push_plain`] seeds any registry of plain HTTP.
//!
//! Everything here panics where it can't do its work: that is a test's failure.
//!
//! ```
//! use transload_test_support::image::{Family, samples};
//! use transload_test_support::{ScriptedRegistry, push_plain};
//!
//! let image = samples::multi_platform(Family::Oci, 1);
//! let registry = ScriptedRegistry::start();
//! push_plain(registry.host(), "team/app", "v1", &image);
//! assert!(registry.has_image("team/app", "v1", &image));
//! assert!(registry.log().requests().iter().all(|request| request.status.is_some()));
//! ```

mod capture;
mod example;
mod exfat;
pub mod go;
mod http;
pub mod image;
pub mod kubekey;
pub mod link;
mod memory;
mod mount;
mod process;
pub mod proxy;
mod push;
pub mod real;
pub mod scripted;
pub mod sign;
pub mod ssh;
mod tls;
pub mod vast;
pub mod zot;

pub use exfat::ExfatImage;
pub use memory::peak_memory;
pub use mount::may_mount;
pub use process::{Output, Running, Transload};
pub use push::push_plain;
pub use real::RealRegistry;
pub use scripted::ScriptedRegistry;
