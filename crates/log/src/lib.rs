//! Logs that only grow: tiled, signed and cosigned, with canonical JSON in their entries.
//!
//! A log's operator cannot show different things to different readers without being found out: each checkpoint is signed,
//! each reader checks that the log it sees continues the one it saw, and accepts a checkpoint only with cosignatures of
//! witnesses of its own choice.
//!
//! ```
//! use quotapass_log::{
//!     CosignerKey, Follower, Log, LogName, MemoryStore, Origin, POLICY_PATH, Publication, SignedLeaf, Source, SourceError,
//!     Trust, write_policy,
//! };
//! use quotapass_protocol::{UnixSeconds, note::NoteKey};
//!
//! /// What the log serves, here without a network.
//! struct Server<'a>(&'a Log<MemoryStore>, Vec<u8>);
//! impl Source for Server<'_> {
//!     fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
//!         if path == POLICY_PATH { Ok(self.1.clone()) } else { self.0.fetch(path) }
//!     }
//! }
//!
//! // The root key is kept offline. It names a working key, whose name is the origin of the log.
//! let origin: Origin = "relay.example/log".parse()?;
//! let root = NoteKey::from_seed("root", &[1; 32])?;
//! let working = NoteKey::from_seed("relay.example/log", &[2; 32])?;
//! let policy = format!(r#"{{"kind":"policy","working_keys":["{}"]}}"#, working.public());
//! let policy = SignedLeaf::new(&policy)?.signed(&origin, &[&root])?.to_bytes()?;
//!
//! // The log appends, and publishes a checkpoint at most once in ten minutes.
//! let log = Log::open(origin.clone(), MemoryStore::default())?;
//! log.append(vec![policy.clone(), b"an entry".to_vec()])?;
//! let now = UnixSeconds(1_800_000_000);
//! assert!(matches!(log.publish(&working, now, 600)?, Publication::New(_)));
//! let server = Server(&log, write_policy(0, &policy));
//!
//! // A reader knows the root key and a witness. Without a cosignature the checkpoint may be shown to this reader alone.
//! let witness = CosignerKey::from_seed("witness.example", &[3; 32])?;
//! let name = LogName { origin, root_key: root.public() };
//! let mut reader = Follower::new(Trust::new(name, vec![witness.public()], 1)?);
//! let refusal = reader.advance(&server, now).unwrap_err();
//! assert_eq!(refusal.name(), "log_cosignatures");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Types
//!
//! - [`Log`] is the writer's side: it appends, publishes checkpoints, and serves both. [`LogStore`] is where it keeps them:
//!   [`MemoryStore`], or `EmbeddedStore` (feature `embedded`) on this machine's disk.
//! - [`Checkpoint`] and [`SignedCheckpoint`] are what a log has at one size. [`CosignerKey`] is the key of a witness.
//! - [`Follower`] reads checkpoints and single entries, for wallets. [`Mirror`] follows every entry, applies the [`Rules`] of
//!   the log to it, keeps a copy, and cosigns, for relays. Both return a [`Refusal`] with a reason, and both fetch through a
//!   [`Source`]. [`Shelf`] is a source for callers that cannot wait.
//! - [`SignedLeaf`] is an entry of canonical JSON with signatures. The tiled log itself takes any bytes.
//! - [`check_inclusion`] and [`check_consistency`] check the proofs of RFC 6962.
//! - [`moderation`] is the moderation log: its entries, who may make them, and the lists that follow from them.
//!
//! # Formats
//!
//! | what | specification |
//! |---|---|
//! | tiles and bundles of entries | <https://c2sp.org/tlog-tiles> |
//! | checkpoints | <https://c2sp.org/tlog-checkpoint> |
//! | cosignatures | <https://c2sp.org/tlog-cosignature>, `cosignature/v1` with Ed25519 |
//! | signatures | <https://c2sp.org/signed-note> |
//! | canonical JSON | RFC 8785 |
//!
//! # Features
//!
//! - `embedded`: a store on this machine's disk.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod checkpoint;
mod cosignature;
#[cfg(feature = "embedded")]
mod embedded;
mod follower;
mod hash;
mod leaf;
mod log;
mod mirror;
pub mod moderation;
mod name;
mod refusal;
mod root_policy;
mod source;
mod store;
mod tile;
mod tree;
mod trust;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use cosignature::{CosignerKey, CosignerKeyError, CosignerPublicKey};
#[cfg(feature = "embedded")]
pub use embedded::{EmbeddedError, EmbeddedStore, Witness};
pub use follower::{Follower, Memory, MemoryError};
pub use hash::{NotATreeHash, TreeHash};
pub use leaf::{LeafError, MAX_LEAF, SignedLeaf};
pub use log::{CHECKPOINT_PATH, Log, LogError, Publication, Published};
pub use mirror::{CosignError, Mirror, Rules, copied};
pub use name::{LogId, LogName, NotAnOrigin, Origin};
pub use refusal::{Equivocation, Refusal};
pub use root_policy::{MAX_WORKING_KEYS, POLICY_PATH, write_policy};
pub use source::{MAX_RESOURCE, Shelf, Source, SourceError};
pub use store::{Change, LogStore, MemoryStore, PlacedHash, StoreError};
pub use tile::{
    MAX_ENTRY, MAX_SIZE, TILE_WIDTH, TileError, TileId, TileKind, read_entries, read_hashes, write_entries,
    write_hashes,
};
pub use tree::{ProofError, check_consistency, check_inclusion};
use trust::CLOCK_SECONDS;
pub use trust::{FIRST_AGE, LATER_AGE, Trust, TrustError};
