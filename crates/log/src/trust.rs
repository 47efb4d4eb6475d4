//! Whom a reader trusts: its own witnesses, and how old their cosignatures may be.

use quotapass_protocol::{UnixSeconds, note::NotePublicKey};

use crate::{CosignerPublicKey, LogName, Refusal, SignedCheckpoint, name::ed25519_of};

/// The greatest age of a checkpoint at first contact, in seconds: a day. At first contact a reader cannot know that it is
/// shown an old state.
pub const FIRST_AGE: u64 = 86_400;
/// The greatest age of a checkpoint later, in seconds: 30 days. A log whose witnesses are silent for longer is dead.
pub const LATER_AGE: u64 = 30 * 86_400;
/// How far the clocks of witnesses and moderators may be ahead, in seconds.
pub(crate) const CLOCK_SECONDS: u64 = 300;

/// Errors of a reader's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No witness is required.
    #[error(
        "the settings require no witness of the log; require one at least, or its operator can show you another log"
    )]
    None,
    /// More witnesses are required than are named.
    #[error("the settings require {required} witnesses and name {named}; name more, or require fewer")]
    TooFew {
        /// The number that is required.
        required: usize,
        /// The number of keys.
        named: usize,
    },
    /// One key is named twice.
    #[error("the witness `{0}` is named twice; name each key once")]
    Twice(String),
    /// A key of the log's operator is named as a witness.
    #[error("the witness `{0}` is a key of the log itself; name keys of others")]
    Own(String),
}

/// A reader's settings for one log. They are the reader's own, or come with the address of a room; never from the log's
/// server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    name: LogName,
    witnesses: Vec<CosignerPublicKey>,
    required: usize,
    /// The greatest age of a checkpoint at first contact, in seconds.
    first_age: u64,
    /// The greatest age of a checkpoint later, in seconds.
    later_age: u64,
}

impl Trust {
    /// Returns the settings of a reader that accepts a checkpoint which at least `required` of these witnesses cosigned,
    /// with the ages [`FIRST_AGE`] and [`LATER_AGE`].
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(name: LogName, witnesses: Vec<CosignerPublicKey>, required: usize) -> Result<Self, TrustError> {
        if required == 0 {
            return Err(TrustError::None);
        }
        if required > witnesses.len() {
            return Err(TrustError::TooFew { required, named: witnesses.len() });
        }
        let root = ed25519_of(&name.root_key);
        for (place, witness) in witnesses.iter().enumerate() {
            if witnesses[..place].iter().any(|other| other.ed25519() == witness.ed25519()) {
                return Err(TrustError::Twice(witness.to_string()));
            }
            if witness.ed25519()[..] == root {
                return Err(TrustError::Own(witness.to_string()));
            }
        }
        Ok(Self { name, witnesses, required, first_age: FIRST_AGE, later_age: LATER_AGE })
    }

    /// Returns the settings of a witness, which needs no other witness because it follows every entry itself.
    pub fn of_witness(name: LogName) -> Self {
        Self { name, witnesses: Vec::new(), required: 0, first_age: FIRST_AGE, later_age: LATER_AGE }
    }

    /// Changes the greatest age of a checkpoint, in seconds, at first contact and later.
    #[must_use]
    pub fn with_ages(mut self, first: u64, later: u64) -> Self {
        (self.first_age, self.later_age) = (first, later);
        self
    }

    /// The log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[CosignerPublicKey] {
        &self.witnesses
    }

    /// Checks that enough witnesses cosigned a checkpoint lately. Keys of the log's operator do not count, whatever the
    /// settings say.
    pub(crate) fn check(
        &self,
        shown: &SignedCheckpoint,
        operator: &[NotePublicKey],
        now: UnixSeconds,
        is_first: bool,
    ) -> Result<(), Refusal> {
        let operator: Vec<_> = operator.iter().map(ed25519_of).collect();
        let foreign = self.witnesses.iter().filter(|key| !operator.iter().any(|own| key.ed25519()[..] == own[..]));
        let mut times: Vec<_> =
            foreign.filter_map(|key| shown.cosigned_at(key)).filter(|at| *at <= now + CLOCK_SECONDS).collect();
        if times.len() < self.required {
            return Err(Refusal::Cosignatures { found: times.len(), required: self.required });
        }
        times.sort_unstable_by(|one, other| other.cmp(one));
        // The time at which the last of the required witnesses saw it.
        let Some(at) = self.required.checked_sub(1).and_then(|last| times.get(last)).copied() else { return Ok(()) };
        let limit = if is_first { self.first_age } else { self.later_age };
        if now.since(at) > limit { Err(Refusal::Stale { at, limit }) } else { Ok(()) }
    }

    /// Checks the origin of a checkpoint.
    pub(crate) fn check_origin(&self, shown: &SignedCheckpoint) -> Result<(), Refusal> {
        let (expected, found) = (&self.name.origin, &shown.checkpoint().origin);
        if expected == found {
            return Ok(());
        }
        Err(Refusal::OtherLog { expected: expected.to_string(), found: found.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::note::NoteKey;

    use super::*;
    use crate::{Checkpoint, CosignerKey, TreeHash};

    fn witness(seed: u8) -> CosignerKey {
        CosignerKey::from_seed(&format!("w{seed}"), &[seed; 32]).unwrap()
    }

    fn name() -> LogName {
        LogName {
            origin: "relay.example/log".parse().unwrap(),
            root_key: NoteKey::from_seed("root", &[1; 32]).unwrap().public(),
        }
    }

    fn trust(seeds: &[u8], required: usize) -> Result<Trust, TrustError> {
        Trust::new(name(), seeds.iter().map(|seed| witness(*seed).public()).collect(), required)
    }

    #[test]
    fn settings_that_protect_no_reader_are_refused() {
        assert_eq!(trust(&[2], 0), Err(TrustError::None));
        assert_eq!(trust(&[2], 2), Err(TrustError::TooFew { required: 2, named: 1 }));
        assert!(matches!(trust(&[2, 3, 2], 2), Err(TrustError::Twice(_))));
        let renamed = CosignerKey::from_seed("other", &[2; 32]).unwrap().public();
        assert!(matches!(Trust::new(name(), vec![witness(2).public(), renamed], 2), Err(TrustError::Twice(_))));
        assert!(matches!(trust(&[1], 1), Err(TrustError::Own(_))));
    }

    #[test]
    fn enough_witnesses_that_are_not_the_operators_must_have_seen_it_lately() {
        let working = NoteKey::from_seed("relay.example/log", &[9; 32]).unwrap();
        let made = Checkpoint { origin: name().origin, size: 1, root: TreeHash::of_entry(b"") };
        let mut signed = SignedCheckpoint::sign(made, &working).unwrap();
        let now = UnixSeconds(1_800_000_000);
        let all: Vec<_> = [2, 3, 4, 9].map(|seed| witness(seed).public()).to_vec();
        for (seed, at) in [(2, now - 10), (3, now - 90_000), (4, now + 301), (9, now)] {
            let line = signed.cosign(&witness(seed), at);
            signed.add_cosignature(&line, &all).unwrap();
        }
        let check = |seeds: &[u8], required, is_first| {
            let trust = trust(seeds, required).unwrap();
            trust.check(&signed, &[working.public()], now, is_first)
        };
        assert!(check(&[2], 1, true).is_ok());
        assert!(matches!(check(&[2, 3], 2, true), Err(Refusal::Stale { at, limit: FIRST_AGE }) if at == now - 90_000));
        assert!(check(&[2, 3], 2, false).is_ok());
        // The fourth is from the future, and the ninth is the working key under another name.
        assert!(matches!(check(&[2, 4, 9], 2, true), Err(Refusal::Cosignatures { found: 1, required: 2 })));
        let late = trust(&[2], 1).unwrap().check(&signed, &[], now + LATER_AGE, false);
        assert!(matches!(late, Err(Refusal::Stale { limit: LATER_AGE, .. })));
    }
}
