//! The moderation log of an operator: strikes of posts, what lifts them, blocked files, and who may decide.
//!
//! A strike lists a post and not a person. Its author can no longer post in the scopes that take the strike, and the log
//! does not say who that is.
//!
//! ```
//! use quotapass_log::{
//!     CosignerKey, Follower, LogName, MemoryStore, Mirror, Trust,
//!     moderation::{Body, Entry, Journal, LIST_INTERVAL, ListKey, LogPolicy, State, read_index},
//! };
//! use quotapass_circuits::registry_id::RegistryId;
//! use quotapass_protocol::{UnixSeconds, note::NoteKey};
//!
//! let mut rng = rand::rngs::OsRng;
//! let now = UnixSeconds(1_800_000_000);
//! let origin: quotapass_log::Origin = "relay.example/moderation".parse()?;
//! let root = NoteKey::generate("root", &mut rng)?;
//! let working = NoteKey::generate("relay.example/moderation", &mut rng)?;
//! let moderator = NoteKey::generate("alice", &mut rng)?;
//! let name = LogName { origin: origin.clone(), root_key: root.public() };
//!
//! // The root key, which is kept offline, signs the policy: who signs checkpoints, and who decides.
//! let policy = LogPolicy {
//!     working_keys: vec![working.public()],
//!     moderators: vec![moderator.public()],
//!     threshold: 1,
//!     list_interval: LIST_INTERVAL,
//! };
//! let journal = Journal::open(name.clone(), MemoryStore::default())?;
//! let first = Entry::new(Body::Policy(policy), now, &mut rng).sign(&origin, &[&root])?;
//! journal.append(&first.to_bytes()?, now)?;
//! journal.publish(&working, now, &mut rng)?;
//!
//! // Another relay follows every entry, and cosigns.
//! let witness = CosignerKey::from_seed("other.example", &[7; 32])?;
//! let mut mirror = Mirror::open(Trust::of_witness(name.clone()), MemoryStore::default(), State::new(name.clone()))?;
//! mirror.advance(&journal, now)?;
//! journal.add_cosignature(&mirror.cosign(&witness, now, 600)?, &[witness.public()])?;
//!
//! // A wallet reads the list of its room, and trusts the witness from its own settings.
//! let mut follower = Follower::new(Trust::new(name, vec![witness.public()], 1)?);
//! let index = read_index(&mut follower, &journal, now)?;
//! let room = ListKey { registry: RegistryId { chain_id: 1, address: [7; 20] }, scope: "room".into() };
//! assert!(index.list(&journal, &room, 1_024)?.entries.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Entries
//!
//! An entry is a [`SignedLeaf`](crate::SignedLeaf). Its JSON has `id` (UUID of version 7), `at`, `kind`, and the fields of its
//! kind:
//!
//! | kind | signed by | says |
//! |---|---|---|
//! | `strike` | the moderators' threshold | the author of this post can no longer write |
//! | `lift` | the moderators' threshold, or a working key if the strike is over | a strike ends |
//! | `active` | a working key | what is in force: a [list](ListedEntry), or the index of all lists |
//! | `block`, `unblock` | the moderators' threshold | a file or a link is not served, or is again |
//! | `policy` | the root key alone, or the former threshold if the working keys stay | who may sign what |
//!
//! Each entry is judged under the policy before it. The first entry is a policy of the root key.
//!
//! # What is in force
//!
//! [`State`] follows from the entries up to a size, and from no clock: a strike whose time is over holds until the log says
//! so. Before each checkpoint the log states what is in force in each list that changed, and at the end the hash of the index
//! of all lists. Witnesses recompute both. So a wallet reads the last entry, the index and one list, and not the history.

#[cfg(test)]
mod browser;
mod entry;
mod error;
mod formats;
mod journal;
mod listed;
mod policy;
mod reader;
mod salted;
#[cfg(test)]
mod samples;
mod served;
mod state;
#[cfg(test)]
mod tests;

pub use entry::{
    Active, Because, Block, Body, Entry, EntryId, Ground, GroundKind, Lift, NotAnEntryId, Notice, Program, Reason,
    STRIKE_SECONDS, Strike, Until,
};
pub use error::EntryError;
pub use formats::{Digest, NotADigest};
pub use journal::{Journal, JournalError};
pub use listed::{
    IndexedList, ListKey, ListReference, ListRule, ListedEntry, MAX_LIST, MAX_SCOPE, NotAList, NotAPattern,
    ScopePattern, read_list, write_list,
};
pub use policy::{LIST_INTERVAL, LogPolicy, PolicyError};
pub use reader::{Index, ScopeList, read_index};
pub use salted::{NotASaltedText, SaltedText};
pub use served::{ServedLists, StatedList};
pub use state::{InForce, State, write_index};
