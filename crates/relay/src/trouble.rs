//! Problem states, in which a relay accepts fewer passes than normal, or soon will.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use quotapass_protocol::UnixSeconds;
use tracing::warn;

/// A kind of trouble. Its [code](Self::code) is stable: `/readyz` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TroubleKind {
    /// The nullifier log cannot record.
    LogFailing,
    /// The nullifier log is closed for epochs that have not ended.
    LogClosedAhead,
    /// The chain's newest block is old, and scopes will soon accept nothing.
    ChainAging,
    /// The chain's newest block is so old that a scope accepts nothing.
    ChainStale,
    /// The chain was reorganised deeper than the relay may undo.
    ChainReorganised,
}

impl TroubleKind {
    /// Returns the stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LogFailing => "log_failing",
            Self::LogClosedAhead => "log_closed_ahead",
            Self::ChainAging => "chain_aging",
            Self::ChainStale => "chain_stale",
            Self::ChainReorganised => "chain_reorganised",
        }
    }

    /// Returns a description of the trouble.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::LogFailing => "the nullifier log cannot record, so no pass is accepted",
            Self::LogClosedAhead => {
                "the nullifier log is closed for epochs that have not ended; posts in these epochs are refused"
            }
            Self::ChainAging => {
                "the chain's newest block is old; without a newer one, posts will soon get `unknown_root`"
            }
            Self::ChainStale => {
                "the chain's newest block is so old that members may have left with their deposits; posts get \
                 `unknown_root`"
            }
            Self::ChainReorganised => {
                "the chain was reorganised deeper than the relay may undo; the relay judges posts by the roots from \
                 before"
            }
        }
    }
}

/// A trouble that a relay has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The cause, without addresses, users or secrets: it is public.
    pub cause: String,
    /// The beginning of the trouble.
    pub since: UnixSeconds,
    /// The time at which the trouble gets worse, if known.
    pub worse_at: Option<UnixSeconds>,
}

impl Trouble {
    /// Creates a trouble that begins at `now`.
    pub fn new(cause: impl Into<String>, now: UnixSeconds) -> Self {
        Self { cause: cause.into(), since: now, worse_at: None }
    }
}

/// The current troubles of a relay. Each one logs a line when it begins, and another when it ends.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<TroubleKind, Trouble>>);

impl Troubles {
    /// Records that a trouble began or continues, perhaps for another cause.
    pub fn begin(&self, kind: TroubleKind, trouble: Trouble) {
        let mut troubles = self.0.lock();
        match troubles.get_mut(&kind) {
            Some(known) => *known = Trouble { since: known.since, ..trouble },
            None => {
                warn!(code = kind.code(), cause = trouble.cause, "{}", kind.detail());
                troubles.insert(kind, trouble);
            }
        }
    }

    /// Records that a trouble ended at `now`, if there was one.
    pub fn end(&self, kind: TroubleKind, now: UnixSeconds) {
        if let Some(trouble) = self.0.lock().remove(&kind) {
            warn!(code = kind.code(), seconds = now.since(trouble.since), "this trouble is over");
        }
    }

    /// Begins, updates or ends a trouble.
    pub fn set(&self, kind: TroubleKind, trouble: Option<Trouble>, now: UnixSeconds) {
        match trouble {
            Some(trouble) => self.begin(kind, trouble),
            None => self.end(kind, now),
        }
    }

    /// Returns the trouble of a kind.
    pub fn get(&self, kind: TroubleKind) -> Option<Trouble> {
        self.0.lock().get(&kind).cloned()
    }

    /// Returns all troubles.
    pub fn all(&self) -> Vec<(TroubleKind, Trouble)> {
        self.0.lock().iter().map(|(kind, trouble)| (*kind, trouble.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_keeps_its_beginning_until_it_ends() {
        let troubles = Troubles::default();
        let kind = TroubleKind::LogFailing;
        troubles.begin(kind, Trouble::new("disk full", UnixSeconds(100)));
        troubles.begin(kind, Trouble::new("damaged", UnixSeconds(108)));
        assert_eq!(
            troubles.get(kind),
            Some(Trouble { since: UnixSeconds(100), ..Trouble::new("damaged", UnixSeconds(108)) })
        );
        troubles.begin(TroubleKind::ChainStale, Trouble::new("old", UnixSeconds(110)));
        assert_eq!(troubles.all().len(), 2);
        troubles.end(kind, UnixSeconds(120));
        assert_eq!(troubles.get(kind), None);
        troubles.set(kind, Some(Trouble::new("disk full", UnixSeconds(130))), UnixSeconds(130));
        assert_eq!(troubles.get(kind).map(|trouble| trouble.since), Some(UnixSeconds(130)));
    }
}
