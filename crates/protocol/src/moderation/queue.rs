//! What moderators and adapters of networks read from a relay, and what moderators decide.

use core::num::NonZeroU32;

use quotapass_circuits::{
    share::{Nullifier, ShareValue},
    signal::SignalHash,
    time::UnixSeconds,
};
use serde::{Deserialize, Serialize};

use super::Reason;
use crate::formats::{base64url, decimal, digits, moment};

/// Whether readers should see a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostState {
    /// They should.
    Visible,
    /// Not until a moderator decides: enough members reported it.
    Held,
    /// A moderator hid it.
    Hidden,
    /// Its author deleted it.
    Deleted,
}

/// A post that waits for a moderator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueItem {
    /// The post's nullifier.
    #[serde(with = "digits")]
    pub nullifier: Nullifier,
    /// The name of the post's scope.
    pub scope: String,
    /// Length of its epoch in seconds.
    pub epoch_seconds: NonZeroU32,
    /// Number of its epoch.
    #[serde(with = "decimal")]
    pub epoch: u64,
    /// The signal hash, with which a moderator checks that a shown message is the post's.
    #[serde(with = "digits")]
    pub x: SignalHash,
    /// The ordinate of the share.
    #[serde(with = "digits")]
    pub y: ShareValue,
    /// The pass.
    #[serde(with = "base64url")]
    pub pass: Vec<u8>,
    /// The time at which the relay accepted it.
    #[serde(with = "moment")]
    pub accepted_at: UnixSeconds,
    /// Whether readers should see it.
    pub state: PostState,
    /// The reports, earliest first.
    pub reports: Vec<QueuedReport>,
    /// The strike of the post, if it has one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<String>,
    /// The open appeal against the strike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<QueuedAppeal>,
}

/// A report of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuedReport {
    /// The time at which the relay accepted it.
    #[serde(with = "moment")]
    pub at: UnixSeconds,
    /// The body as it was sent, which may be encrypted.
    #[serde(with = "base64url")]
    pub body: Vec<u8>,
    /// The reason, if the body is in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// An appeal against a strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuedAppeal {
    /// The time at which the relay accepted it.
    #[serde(with = "moment")]
    pub at: UnixSeconds,
    /// The author's words.
    pub text: String,
}

/// The answer to `GET /v1/moderation/<log>/queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueAnswer {
    /// The posts.
    pub items: Vec<QueueItem>,
    /// The value of `after` with which the next ones are read; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a moderator decides about a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The post stays, a held one is visible again, and its reports are closed.
    Keep,
    /// The post is hidden.
    Hide,
}

/// The body of `POST /v1/moderation/<log>/decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// The post's nullifier.
    #[serde(with = "digits")]
    pub nullifier: Nullifier,
    /// The decision.
    pub decision: Decision,
}

/// The body of `POST /v1/moderation/<log>/answers`: a moderator refuses an appeal. An appeal is granted by an entry `lift`
/// of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalRequest {
    /// The strike.
    pub strike: String,
    /// Why it stays.
    pub text: String,
}

/// What became of an appeal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppealState {
    /// It waits for a moderator.
    Open,
    /// The strike stays.
    Refused,
    /// The strike was lifted.
    Granted,
}

/// The answer to `GET /v1/moderation/<log>/appeals/<strike>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppealAnswer {
    /// What became of the appeal.
    pub state: AppealState,
    /// The time of that.
    #[serde(with = "moment")]
    pub at: UnixSeconds,
    /// The moderators' words to a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Enough members reported the post.
    Held,
    /// A moderator kept a held or hidden post.
    Released,
    /// A moderator hid the post.
    Hidden,
    /// The author deleted the post.
    Deleted,
    /// A log listed the post.
    Struck,
    /// A log lifted the strike.
    Lifted,
    /// The author appealed.
    Appealed,
    /// A moderator answered the appeal.
    Answered,
}

/// Something that happened to a post. Adapters of networks pass it on to readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationEvent {
    /// The number: one more than that of the event before.
    #[serde(with = "decimal")]
    pub number: u64,
    /// The time.
    #[serde(with = "moment")]
    pub at: UnixSeconds,
    /// What happened.
    pub kind: EventKind,
    /// The name of the post's scope.
    pub scope: String,
    /// The post's nullifier.
    #[serde(with = "digits")]
    pub nullifier: Nullifier,
    /// The strike, for events about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<String>,
}

/// The answer to `GET /v1/moderation/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsAnswer {
    /// The events, in the order of their numbers.
    pub events: Vec<ModerationEvent>,
    /// The value of `since` with which the next ones are read.
    #[serde(with = "decimal")]
    pub next: u64,
}
