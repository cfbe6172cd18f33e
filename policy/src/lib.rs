//! Which platforms and images of a list are moved.
//!
//! [`PlatformSet`] says which platforms are wanted, [`select`] which children of an index those are, [`judge`] what becomes of an
//! image that lacks some, and [`filter_index`] cuts an index down without touching a byte of what it keeps. [`ImagePattern`]
//! chooses images by name. Nothing here reads or writes anything.
//!
//! ```
//! use transload_policy::{Decision, Keep, Mode, PlatformSet, filter_index, judge, select};
//! use transload_reference::{Manifest, RawManifest};
//!
//! let text = format!(
//!     r#"{{"schemaVersion":2,"manifests":[
//!   {{"digest":"sha256:{0}","size":2,"platform":{{"os":"linux","architecture":"amd64"}},"x":1}},
//!   {{"digest":"sha256:{0}","size":2,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}
//! ]}}"#,
//!     "0".repeat(64)
//! );
//! let raw = RawManifest::parse(text.into_bytes(), None)?;
//! let Manifest::Index(index) = raw.view() else { unreachable!() };
//!
//! let wanted = PlatformSet::parse(&["linux/amd64", "linux/s390x"])?;
//! let selection = select(index, &wanted);
//! assert_eq!(selection.keep, [0]);
//! let Decision::Warn(shortfall) = judge(&selection, &wanted, Mode::Warn) else { unreachable!() };
//! assert_eq!(shortfall.to_string(), "has no linux/s390x (it has linux/amd64, linux/arm/v7); the others are moved");
//!
//! let filtered = filter_index(&raw, |at| if selection.keep.contains(&at) { Keep::Yes } else { Keep::No })?;
//! assert_eq!(filtered.view().children().len(), 1);
//! assert_ne!(filtered.digest(), raw.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod filter;
mod judge;
mod pattern;
mod platform;
mod select;

pub use filter::{FilterError, Keep, filter_index};
pub use judge::{Decision, Mode, Shortfall, judge, judge_single};
pub use pattern::{ImagePattern, PatternError, Position};
pub use platform::{PlatformPattern, PlatformSet, config_platform};
pub use select::{Selection, select, select_with};
