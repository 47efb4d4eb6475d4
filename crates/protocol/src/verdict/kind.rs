//! The names and numbers of verdicts.
//!
//! `cargo xtask generate` compiles this file too, and writes its lists to docs/protocol.md and to the npm package.
//! Therefore the file uses no other module.

/// How a gossip node treats the message and its forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gossip {
    /// Forward it.
    Accept,
    /// Drop it, and keep the sender's score.
    Ignore,
    /// Drop it, and lower the sender's score.
    Reject,
}

impl Gossip {
    /// All treatments.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Ignore, Self::Reject];

    /// Returns the stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Ignore => "ignore",
            Self::Reject => "reject",
        }
    }
}

/// Declares [`VerdictKind`]: for each kind its description, number, name and treatment, and the event whose grace time
/// changes the treatment to [`Gossip::Ignore`], if there is one.
macro_rules! verdict_kinds {
    ($($(#[doc = $line:literal])+ $kind:ident = $number:literal, $name:literal, $gossip:ident $(, grace of $event:literal)?;)+) => {
        /// The kind of a verdict, without details.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum VerdictKind {
            $($(#[doc = $line])+ $kind = $number,)+
        }

        impl VerdictKind {
            /// All kinds, each at the index of its [number](Self::number).
            pub const ALL: [Self; 13] = [$(Self::$kind),+];

            const NAMES: [&'static str; Self::ALL.len()] = [$($name),+];

            /// Returns how a gossip node treats the sender outside a grace time.
            pub const fn gossip(self) -> Gossip {
                match self {
                    $(Self::$kind => Gossip::$gossip,)+
                }
            }

            /// Returns the event in whose grace time a gossip node ignores this verdict, if there is one.
            pub const fn grace_event(self) -> Option<&'static str> {
                match self {
                    $($(Self::$kind => Some($event),)?)+
                    _ => None,
                }
            }

            /// Returns when the verdict is given, for documents.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($line),+).trim_ascii(),)+
                }
            }
        }
    };
}

verdict_kinds! {
    /// Within quota, and recorded.
    Accepted = 0, "accepted", Accept;
    /// The nullifier and the `x` of an earlier pass. This is the same message again, and not an offence.
    Replay = 1, "replay", Ignore;
    /// The nullifier of an earlier pass with another `x`. The verdict carries the recovered secret and the evidence (both
    /// shares).
    QuotaExceeded = 2, "quota_exceeded", Reject, grace of "the first evidence";
    /// A nullifier or pseudonym of a member whose secret is known.
    SlashedMember = 3, "slashed_member", Reject, grace of "the first evidence";
    /// A root that was never seen: this node may be behind.
    UnknownRoot = 4, "unknown_root", Ignore;
    /// A root that was superseded longer ago than the window.
    StaleRoot = 5, "stale_root", Ignore;
    /// An epoch outside the allowed clock difference.
    EpochOutOfRange = 6, "epoch_out_of_range", Ignore;
    /// The epoch length, `min_stake`, `since_max` or `limit_cap` are not the scope's own. Lower requirements would admit
    /// too much, and higher ones would mark the sender.
    RequirementMismatch = 7, "requirement_mismatch", Reject, grace of "a change of policy";
    /// A restriction of the pseudonym is in force.
    Restricted = 8, "restricted", Reject;
    /// The proof does not prove the statement.
    InvalidProof = 9, "invalid_proof", Reject;
    /// The bytes are not a pass for the message. The verdict carries the reason, and the offset if there is one.
    Malformed = 10, "malformed", Reject;
    /// Nothing was decided and nothing was recorded.
    Overloaded = 11, "overloaded", Ignore;
    /// A record for a list, size or root that is unknown or was superseded longer ago than the window, or a post without
    /// the records that the scope's lists ask for. The verdict carries the versions in force.
    ListMismatch = 12, "list_mismatch", Ignore;
}

impl VerdictKind {
    /// Returns the stable name.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Returns the stable number: the verdict as one byte.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the kind of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
