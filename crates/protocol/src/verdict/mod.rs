//! The verdicts of a relay, and how a gossip node treats the sender after each (protocol, section 7).

mod kind;

use core::fmt;

use quotapass_circuits::{
    formats::{recorded::ListVersion, wire::DecodeError},
    identity::{IdentityCommitment, IdentitySecret},
    membership::Day,
    signal::{Epoch, ZeroSignal},
    time::UnixSeconds,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{Evidence, LogError, Overload, PossessionError};
pub use kind::{Gossip, VerdictKind};

/// The verdict on a pass.
///
/// As JSON: `{"verdict": name, "gossip": "accept" | "ignore" | "reject", "detail": {...}}`, `detail` only for some
/// verdicts. JSON, `Debug` and `Display` never reveal a recovered secret, nor the two shares from which it can be
/// recovered.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Within quota, and recorded.
    Accepted,
    /// The same nullifier and the same message as before: not an offence.
    Replay,
    /// The same nullifier with another message. Both proofs verified, and the member's secret was recovered.
    QuotaExceeded(Box<QuotaExceeded>),
    /// A nullifier or pseudonym of a member whose secret is known.
    SlashedMember {
        /// Whether the first evidence is so recent that the forwarder of the pass may be honest.
        within_grace: bool,
    },
    /// A root that was never seen; this node may be behind.
    UnknownRoot,
    /// A root superseded longer ago than the window.
    StaleRoot {
        /// The time at which it was superseded.
        superseded_at: UnixSeconds,
    },
    /// The epoch is outside the allowed clock difference.
    EpochOutOfRange {
        /// The epoch stated.
        epoch: Epoch,
        /// The verifier's time.
        now: UnixSeconds,
    },
    /// Stated values differ from the scope's values.
    RequirementMismatch {
        /// The first value that differs.
        mismatch: RequirementMismatch,
        /// Whether a policy with the stated values ends or begins so close to now that the forwarder of the pass may be
        /// honest.
        within_grace: bool,
    },
    /// A restriction of this pseudonym is in force.
    Restricted {
        /// The last second at which it is in force; none means without end.
        until: Option<UnixSeconds>,
    },
    /// The proof does not prove the statement.
    InvalidProof,
    /// The bytes are not a pass for the message.
    Malformed(Malformed),
    /// Nothing was decided and nothing was recorded; try again later.
    Overloaded(Overload),
    /// The pass is not about the versions of the scope's lists that are in force.
    ListMismatch(Box<ListMismatch>),
}

/// The versions of a scope's lists that are in force, in the order of its policy. It is empty if the scope has no lists,
/// and the pass has records all the same.
///
/// An author whose list moved on fetches these versions and proves again, for the same message under the same message id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMismatch {
    /// The versions.
    pub expected: Vec<ListVersion>,
}

/// The reason why bytes are not a pass for their message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes do not decode; the error has the reason and the offset.
    #[error(transparent)]
    Pass(#[from] DecodeError),
    /// The message hashes to zero, which does not happen in practice (probability 2^-248).
    #[error(transparent)]
    Signal(#[from] ZeroSignal),
    /// Possession of the badge's chat key was not proved.
    #[error(transparent)]
    Possession(#[from] PossessionError),
    /// The post cannot be read from the request that it came in; the text says why.
    #[error("{0}")]
    Unreadable(&'static str),
}

/// A value of a pass that differs from the scope's value. `expected` is the value of the policy in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequirementMismatch {
    /// This relay has no policy for the scope, so no value can match.
    UnlistedScope,
    /// Length of the epoch.
    EpochSeconds {
        /// Stated by the pass.
        stated: u32,
        /// The scope's value.
        expected: u32,
    },
    /// Least stake.
    MinStake {
        /// Stated by the pass.
        stated: u32,
        /// The scope's value.
        expected: u32,
    },
    /// Latest day of the deposit.
    SinceMax {
        /// Stated by the pass.
        stated: Day,
        /// The scope's value.
        expected: Day,
    },
    /// Cap on messages per epoch.
    LimitCap {
        /// Stated by the pass.
        stated: u16,
        /// The scope's value.
        expected: u16,
    },
}

/// A member's two messages under one nullifier, and the secret recovered from them.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaExceeded {
    /// The recovered secret, for the slash prover.
    pub secret: IdentitySecret,
    /// The evidence from which it was recovered.
    pub evidence: Evidence,
    /// Whether the first evidence is so recent that the forwarder of the pass may be honest. It is if this is itself
    /// the first evidence.
    pub within_grace: bool,
}

impl QuotaExceeded {
    /// Returns the offender's commitment. Both proofs verified against accepted roots, so the offender was a member
    /// under these roots. Only the registry knows whether it still is one.
    pub fn commitment(&self) -> IdentityCommitment {
        self.secret.commitment()
    }
}

impl Verdict {
    /// Returns the verdict without its details.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Accepted => VerdictKind::Accepted,
            Self::Replay => VerdictKind::Replay,
            Self::QuotaExceeded(_) => VerdictKind::QuotaExceeded,
            Self::SlashedMember { .. } => VerdictKind::SlashedMember,
            Self::UnknownRoot => VerdictKind::UnknownRoot,
            Self::StaleRoot { .. } => VerdictKind::StaleRoot,
            Self::EpochOutOfRange { .. } => VerdictKind::EpochOutOfRange,
            Self::RequirementMismatch { .. } => VerdictKind::RequirementMismatch,
            Self::Restricted { .. } => VerdictKind::Restricted,
            Self::InvalidProof => VerdictKind::InvalidProof,
            Self::Malformed(_) => VerdictKind::Malformed,
            Self::Overloaded(_) => VerdictKind::Overloaded,
            Self::ListMismatch(_) => VerdictKind::ListMismatch,
        }
    }

    /// Returns the stable name.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns how a gossip node treats the sender.
    ///
    /// `quota_exceeded` and `slashed_member` are ignored within the grace time of the first evidence. Attack prevented:
    /// one deposit sends one message to one peer and another message to a second peer. Each peer accepts its message
    /// and forwards it, and each is honest. If both were rejected, one deposit would set any two peers against each
    /// other.
    pub const fn gossip(&self) -> Gossip {
        if self.is_within_grace() { Gossip::Ignore } else { self.kind().gossip() }
    }

    const fn is_within_grace(&self) -> bool {
        match self {
            Self::QuotaExceeded(exceeded) => exceeded.within_grace,
            Self::SlashedMember { within_grace } | Self::RequirementMismatch { within_grace, .. } => *within_grace,
            _ => false,
        }
    }

    /// Returns whether the pass was accepted.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted)
    }

    const fn has_detail(&self) -> bool {
        !matches!(
            self,
            Self::Accepted | Self::Replay | Self::SlashedMember { .. } | Self::UnknownRoot | Self::InvalidProof
        )
    }
}

impl From<Malformed> for Verdict {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<DecodeError> for Verdict {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<PossessionError> for Verdict {
    fn from(error: PossessionError) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<ZeroSignal> for Verdict {
    fn from(error: ZeroSignal) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<LogError> for Verdict {
    fn from(error: LogError) -> Self {
        Self::Overloaded(error.into())
    }
}

impl From<RequirementMismatch> for Verdict {
    fn from(mismatch: RequirementMismatch) -> Self {
        Self::RequirementMismatch { mismatch, within_grace: false }
    }
}

impl RequirementMismatch {
    /// Returns the field's stable name.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::UnlistedScope => "scope",
            Self::EpochSeconds { .. } => "epoch_seconds",
            Self::MinStake { .. } => "min_stake",
            Self::SinceMax { .. } => "since_max",
            Self::LimitCap { .. } => "limit_cap",
        }
    }

    /// Returns the stated and the expected value, as plain numbers; none for a scope without a policy.
    pub const fn values(&self) -> Option<(u32, u32)> {
        match *self {
            Self::UnlistedScope => None,
            Self::EpochSeconds { stated, expected } | Self::MinStake { stated, expected } => Some((stated, expected)),
            Self::SinceMax { stated, expected } => Some((stated.0 as u32, expected.0 as u32)),
            Self::LimitCap { stated, expected } => Some((stated as u32, expected as u32)),
        }
    }
}

impl fmt::Display for RequirementMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values() {
            None => f.write_str("this relay does not carry the scope"),
            Some((stated, expected)) => {
                write!(f, "the pass states {} = {stated}, the scope has {expected}", self.field())
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match self {
            Self::Accepted => f.write_str("within quota"),
            Self::Replay => f.write_str("this message was accepted before"),
            Self::QuotaExceeded(_) => f.write_str("a second message under one message id revealed the secret"),
            Self::SlashedMember { .. } => f.write_str("the member's secret is known"),
            Self::UnknownRoot => f.write_str("this relay never saw the root"),
            Self::StaleRoot { superseded_at } => write!(f, "the root was superseded at {superseded_at}"),
            Self::EpochOutOfRange { epoch, now } => {
                write!(f, "the epoch runs from {} to {}, the time is {now}", epoch.begins(), epoch.ends())
            }
            Self::RequirementMismatch { mismatch, .. } => mismatch.fmt(f),
            Self::Restricted { until: None } => f.write_str("the pseudonym is restricted"),
            Self::Restricted { until: Some(until) } => write!(f, "the pseudonym is restricted until {until}"),
            Self::InvalidProof => f.write_str("the proof does not prove the statement"),
            Self::Malformed(reason) => reason.fmt(f),
            Self::Overloaded(reason) => reason.fmt(f),
            Self::ListMismatch(mismatch) if mismatch.expected.is_empty() => {
                f.write_str("the scope has no lists, and takes posts without records only")
            }
            Self::ListMismatch(mismatch) => {
                let lists = mismatch.expected.len();
                write!(f, "the pass is not about the versions in force of the scope's lists ({lists})")
            }
        }
    }
}

impl Serialize for Gossip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let detail = self.has_detail().then_some(Detail(self));
        let mut object = serializer.serialize_struct("Verdict", 2 + usize::from(detail.is_some()))?;
        object.serialize_field("verdict", self.name())?;
        object.serialize_field("gossip", &self.gossip())?;
        match detail {
            Some(detail) => object.serialize_field("detail", &detail)?,
            None => object.skip_field("detail")?,
        }
        object.end()
    }
}

/// The JSON detail of a verdict that has one.
struct Detail<'a>(&'a Verdict);

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match self.0 {
            Verdict::Accepted
            | Verdict::Replay
            | Verdict::SlashedMember { .. }
            | Verdict::UnknownRoot
            | Verdict::InvalidProof => {}
            Verdict::QuotaExceeded(exceeded) => {
                let Evidence { scope, epoch, nullifier, .. } = &exceeded.evidence;
                object.serialize_entry("scope", scope)?;
                object.serialize_entry("epoch_seconds", &epoch.seconds())?;
                object.serialize_entry("epoch", &epoch.number())?;
                object.serialize_entry("nullifier", nullifier)?;
                object.serialize_entry("commitment", &exceeded.commitment())?;
            }
            Verdict::StaleRoot { superseded_at } => object.serialize_entry("superseded_at", superseded_at)?,
            Verdict::EpochOutOfRange { epoch, now } => {
                object.serialize_entry("epoch_seconds", &epoch.seconds())?;
                object.serialize_entry("epoch", &epoch.number())?;
                object.serialize_entry("now", now)?;
            }
            Verdict::RequirementMismatch { mismatch, .. } => {
                object.serialize_entry("field", mismatch.field())?;
                if let Some((stated, expected)) = mismatch.values() {
                    object.serialize_entry("stated", &stated)?;
                    object.serialize_entry("expected", &expected)?;
                }
            }
            Verdict::Restricted { until } => object.serialize_entry("until", until)?,
            Verdict::Malformed(Malformed::Pass(error)) => {
                object.serialize_entry("reason", &error.kind.to_string())?;
                object.serialize_entry("offset", &error.offset)?;
            }
            Verdict::Malformed(Malformed::Possession(error)) => {
                object.serialize_entry("reason", &error.to_string())?;
                object.serialize_entry("possession", error.name())?;
            }
            Verdict::Malformed(reason @ (Malformed::Signal(_) | Malformed::Unreadable(_))) => {
                object.serialize_entry("reason", &reason.to_string())?;
            }
            Verdict::Overloaded(reason) => object.serialize_entry("reason", &reason.to_string())?,
            Verdict::ListMismatch(mismatch) => {
                let expected: Vec<_> = mismatch.expected.iter().map(StatedVersion).collect();
                object.serialize_entry("expected", &expected)?;
            }
        }
        object.end()
    }
}

/// The JSON form of a list's version: digits, and the size as decimal text.
struct StatedVersion<'a>(&'a ListVersion);

impl Serialize for StatedVersion<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ListVersion { log, size, root } = self.0;
        let mut object = serializer.serialize_struct("ListVersion", 3)?;
        object.serialize_field("log", &hex::encode(log))?;
        object.serialize_field("size", &size.to_string())?;
        object.serialize_field("root", &hex::encode(root))?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_stable() {
        let names = [
            "accepted",
            "replay",
            "quota_exceeded",
            "slashed_member",
            "unknown_root",
            "stale_root",
            "epoch_out_of_range",
            "requirement_mismatch",
            "restricted",
            "invalid_proof",
            "malformed",
            "overloaded",
            "list_mismatch",
        ];
        assert_eq!(VerdictKind::ALL.map(VerdictKind::name), names);
        for (number, kind) in (0..).zip(VerdictKind::ALL) {
            assert_eq!(kind.number(), number);
            assert_eq!(VerdictKind::from_number(number), Some(kind));
            assert_eq!(VerdictKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(VerdictKind::from_number(13), None);
        assert_eq!(VerdictKind::from_name("fine"), None);
    }

    #[test]
    fn a_list_mismatch_says_which_versions_are_in_force() {
        let version = ListVersion { log: [0xab; 8], size: u64::MAX, root: [1; 8] };
        let verdict = Verdict::ListMismatch(Box::new(ListMismatch { expected: vec![version] }));
        assert_eq!((verdict.name(), verdict.kind().number(), verdict.gossip()), ("list_mismatch", 12, Gossip::Ignore));
        let expected = serde_json::json!({
            "verdict": "list_mismatch",
            "gossip": "ignore",
            "detail": { "expected": [{ "log": "abababababababab", "size": "18446744073709551615", "root": "0101010101010101" }] },
        });
        assert_eq!(serde_json::to_value(&verdict).unwrap(), expected);
        let none = Verdict::ListMismatch(Box::default());
        assert_eq!(serde_json::to_value(&none).unwrap()["detail"], serde_json::json!({ "expected": [] }));
        assert!(none.to_string().contains("without records"));
    }
}
