//! The rules that relays, wallets and apps must agree on: scopes and policies, roots in time, verdicts, and evidence.
//!
//! This crate has no clock, file, socket or chain: time is an argument, in [`UnixSeconds`].
//!
//! # What a scope asks, and the verdict
//!
//! ```
//! use quotapass_circuits::{membership::{Levels, MemberTree}, registry_id::RegistryId};
//! use quotapass_protocol::{Gossip, Policy, PolicyTable, RootHistory, StatedTerms, UnixSeconds};
//!
//! // A room asks for a stake of 10 that was deposited a week ago, and takes five messages in ten minutes.
//! let policy = Policy {
//!     name: "lobby".into(),
//!     epoch_seconds: 600.try_into()?,
//!     limit_cap: 5.try_into()?,
//!     min_stake: 10,
//!     min_age_days: 7,
//!     root_window: 3_600,
//!     max_clock_skew: 20,
//!     stake_levels: Vec::new(),
//!     moderation: None,
//! };
//! let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! let policies = PolicyTable::new(registry, [policy.clone()])?;
//!
//! // The root of the member tree, from the registry.
//! let root = MemberTree::new(Levels::STANDARD).root();
//! let roots = RootHistory::starting_at(root);
//!
//! // The values that a pass states. They are checked before its proof, because this is cheap.
//! let now = UnixSeconds(1_800_000_000);
//! let epoch = policy.epoch_at(now);
//! let stated = StatedTerms { epoch, requirement: policy.requirement(epoch), limit_cap: policy.limit_cap };
//! let lobby = policies.get("lobby")?.history();
//! let check = |now| lobby.check_post(&stated, now, |window| roots.status(root, now, window).check());
//! assert_eq!(check(now), Ok(()));
//!
//! // An hour later the epoch is over. A late pass does not count against its sender.
//! let verdict = check(now + 3_600).unwrap_err();
//! assert_eq!((verdict.name(), verdict.gossip()), ("epoch_out_of_range", Gossip::Ignore));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Types
//!
//! - [`Policy`] is what a scope asks of its posters. [`PolicyHistory`] decides which policies of a scope hold at a moment,
//!   and [`PolicyTable`] holds the scopes of one relay.
//! - [`RootHistory`] decides which roots of the member tree are accepted at a moment.
//! - [`Verdict`] is the answer to a pass, with its JSON form and effect on gossip. [`VerdictKind`] has the names and
//!   numbers of all verdicts, and [`ErrorCode`] the names of the errors that bindings give to apps.
//! - [`Evidence`] is two shares of one nullifier, which give away the member's secret.
//! - [`BadgeChallenge`] is what the owner of a badge's chat key signs.
//! - [`ReportScope`] is the scope of the reports of one post. [`moderation`] has the bodies of requests about moderation.
//! - `note` (feature `notes`) signs statements, such as a relay's policies.
//!
//! # Features
//!
//! - `notes`: signed notes, and the hash of a policy.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod challenge;
mod error_code;
mod evidence;
pub mod formats;
pub mod moderation;
#[cfg(feature = "notes")]
pub mod note;
mod overload;
mod policy;
mod roots;
#[cfg(test)]
mod samples;
mod verdict;

pub use challenge::{BadgeChallenge, Possession, PossessionError};
pub use error_code::ErrorCode;
pub use evidence::{Evidence, EvidenceRecord};
pub use overload::{LogError, Overload};
pub use policy::{
    DatedPolicy, HEAD_SECONDS, LogIdentity, ModerationPolicy, NotALogIdentity, NotAReportScope, Policy, PolicyError,
    PolicyHistory, PolicyList, PolicyTable, REPORT_EPOCH, ReportScope, SLASH_SECONDS, ScopePolicy, ScopeView,
    StatedTerms, UnlistedScope, UnlistedVerdict,
};
#[cfg(feature = "notes")]
pub use policy::{
    NotAPolicyHash, POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement, PolicyHash, PolicyStatement, RegistryStatement,
    StatedPoliciesError,
};
pub use quotapass_circuits::time::UnixSeconds;
pub use roots::{Horizon, RootHistory, RootStatus};
pub use verdict::{Gossip, ListMismatch, Malformed, QuotaExceeded, RequirementMismatch, Verdict, VerdictKind};
