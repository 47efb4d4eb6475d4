//! Who may sign what in a moderation log.

use core::num::NonZeroU32;

use quotapass_protocol::note::NotePublicKey;
use serde::{Deserialize, Serialize};

use super::formats::texts;
use crate::{LogName, MAX_WORKING_KEYS, name::ed25519_of};

/// The time between two checkpoints unless stated, in seconds.
pub const LIST_INTERVAL: NonZeroU32 = match NonZeroU32::new(600) {
    Some(seconds) => seconds,
    None => NonZeroU32::MIN,
};
/// The longest time between two checkpoints, in seconds: a day.
const MAX_INTERVAL: u32 = 86_400;
/// The most moderators.
const MAX_MODERATORS: usize = 64;

/// Errors of policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Too few or too many working keys.
    #[error("a log has 1 to 8 working keys; this policy names {0}")]
    WorkingKeys(usize),
    /// The name of a working key is not the log's origin.
    #[error(
        "the working key `{0}` does not have the log's origin as its name; checkpoints are signed under the origin"
    )]
    KeyName(String),
    /// Too few or too many moderators.
    #[error("a log has 1 to 64 moderators; this policy names {0}")]
    Moderators(usize),
    /// The threshold cannot be reached, or is zero.
    #[error("the threshold is {threshold}, and the policy names {moderators} moderators; state 1 to {moderators}")]
    Threshold {
        /// The threshold.
        threshold: u16,
        /// The number of moderators.
        moderators: usize,
    },
    /// One key has two places.
    #[error("the key `{0}` has two places; root key, working keys and moderators are all different keys")]
    Twice(String),
    /// The time between two checkpoints is too long.
    #[error("the time between two checkpoints is {0} s; state at most 86,400")]
    Interval(u32),
}

/// The whole policy of a log. Each policy replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPolicy {
    /// The keys that sign checkpoints, expiries and what is in force. Their name is the log's origin.
    #[serde(with = "texts")]
    pub working_keys: Vec<NotePublicKey>,
    /// The keys of the moderators.
    #[serde(with = "texts")]
    pub moderators: Vec<NotePublicKey>,
    /// The number of moderators that must sign an entry.
    pub threshold: u16,
    /// The least time between two checkpoints, in seconds.
    pub list_interval: NonZeroU32,
}

impl LogPolicy {
    /// Returns the moderator with this Ed25519 key.
    pub fn moderator(&self, key: &[u8; 32]) -> Option<&NotePublicKey> {
        self.moderators.iter().find(|moderator| ed25519_of(moderator) == key)
    }

    /// Checks the policy by itself.
    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let Self { working_keys, moderators, threshold, list_interval } = self;
        if !(1..=MAX_WORKING_KEYS).contains(&working_keys.len()) {
            return Err(PolicyError::WorkingKeys(working_keys.len()));
        }
        if !(1..=MAX_MODERATORS).contains(&moderators.len()) {
            return Err(PolicyError::Moderators(moderators.len()));
        }
        if !(1..=moderators.len()).contains(&usize::from(*threshold)) {
            return Err(PolicyError::Threshold { threshold: *threshold, moderators: moderators.len() });
        }
        if list_interval.get() > MAX_INTERVAL {
            return Err(PolicyError::Interval(list_interval.get()));
        }
        check_different(working_keys.iter().chain(moderators))
    }

    /// Checks the policy as one of this log.
    pub(super) fn check_for(&self, name: &LogName) -> Result<(), PolicyError> {
        if let Some(other) = self.working_keys.iter().find(|key| key.name() != name.origin.as_str()) {
            return Err(PolicyError::KeyName(other.to_string()));
        }
        check_different(self.working_keys.iter().chain(&self.moderators).chain([&name.root_key]))
    }
}

/// Checks that no Ed25519 key is there twice, under whatever names: one moderator would count as two.
fn check_different<'a>(keys: impl Iterator<Item = &'a NotePublicKey>) -> Result<(), PolicyError> {
    let mut known = Vec::new();
    for key in keys {
        let bytes = ed25519_of(key);
        if known.contains(&bytes) {
            return Err(PolicyError::Twice(key.to_string()));
        }
        known.push(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::note::NoteKey;

    use super::*;

    fn key(name: &str, seed: u8) -> NotePublicKey {
        NoteKey::from_seed(name, &[seed; 32]).unwrap().public()
    }

    fn policy() -> LogPolicy {
        LogPolicy {
            working_keys: vec![key("relay.example/log", 2)],
            moderators: vec![key("alice", 3), key("bob", 4)],
            threshold: 2,
            list_interval: LIST_INTERVAL,
        }
    }

    #[test]
    fn a_moderator_is_found_by_the_key_alone() {
        let known: [u8; 32] = ed25519_of(&key("alice", 3)).try_into().unwrap();
        assert_eq!(policy().moderator(&known).map(NotePublicKey::name), Some("alice"));
        let working: [u8; 32] = ed25519_of(&key("relay.example/log", 2)).try_into().unwrap();
        assert_eq!((policy().moderator(&working), policy().moderator(&[0; 32])), (None, None));
    }

    #[test]
    fn policies_that_cannot_work_are_refused() {
        let name = LogName { origin: "relay.example/log".parse().unwrap(), root_key: key("root", 1) };
        let check = |change: &dyn Fn(&mut LogPolicy)| {
            let mut changed = policy();
            change(&mut changed);
            changed.check().and_then(|()| changed.check_for(&name))
        };
        assert_eq!(check(&|_| ()), Ok(()));
        assert_eq!(check(&|it| it.working_keys.clear()), Err(PolicyError::WorkingKeys(0)));
        assert_eq!(check(&|it| it.moderators.clear()), Err(PolicyError::Moderators(0)));
        for threshold in [0, 3] {
            let error = PolicyError::Threshold { threshold, moderators: 2 };
            assert_eq!(check(&|it| it.threshold = threshold), Err(error));
        }
        assert!(matches!(check(&|it| it.working_keys.push(key("other", 9))), Err(PolicyError::KeyName(_))));
        // One moderator under two names, a moderator with the working key, and one with the root key.
        for twice in [key("carol", 3), key("carol", 2), key("carol", 1)] {
            assert!(matches!(check(&|it| it.moderators.push(twice.clone())), Err(PolicyError::Twice(_))));
        }
        assert_eq!(check(&|it| it.list_interval = NonZeroU32::MAX), Err(PolicyError::Interval(u32::MAX)));
    }
}
