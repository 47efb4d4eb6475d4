//! Which nullifiers were used: one atomic operation a pass. And who was caught by it.

use std::{
    collections::{HashMap, HashSet, hash_map},
    sync::{Arc, Mutex},
};

use quotapass_circuits::{
    identity::IdentityCommitment,
    share::{Nullifier, Share},
    signal::{Epoch, ExternalNullifier, Scope},
};

use super::{Conviction, badges::MemoryBook, claims::Cases, lock, log::Fields};

/// The part of a log that one epoch of one scope fills, and that goes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogEpoch {
    external_nullifier: ExternalNullifier,
    keep_until: u64,
}

impl LogEpoch {
    /// That of an epoch in a scope.
    pub fn new(scope: Scope, epoch: Epoch) -> Self {
        Self::with(ExternalNullifier::new(scope, epoch), epoch)
    }

    /// As [`new`](Self::new), where the epoch's external nullifier is at hand.
    pub(super) fn with(external_nullifier: ExternalNullifier, epoch: Epoch) -> Self {
        Self {
            external_nullifier,
            // No policy allows a clock difference above one epoch, so this holds whatever the policy becomes.
            keep_until: epoch.ends().saturating_add(epoch.seconds().get().into()),
        }
    }

    /// The external nullifier.
    pub const fn external_nullifier(&self) -> ExternalNullifier {
        self.external_nullifier
    }

    /// The Unix second from which on no policy lets the epoch in, so that its nullifiers may go: one epoch length after
    /// its end.
    ///
    /// A post is accepted only if *one* policy accepts it whole ([`PolicyHistory`](super::PolicyHistory)), so that its
    /// epoch has the length of a policy that holds and lies within the clock difference of the same policy. A valid
    /// policy allows no clock difference above its own epoch. An epoch is therefore out of range for all policies of its
    /// length from this second on, and for policies of other lengths always, whatever changes come. Were the range
    /// judged by another policy's clock difference, a log would forget nullifiers of epochs that are still accepted.
    pub const fn keep_until(&self) -> u64 {
        self.keep_until
    }
}

/// What a log keeps for a nullifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The share of the message.
    pub share: Share,
    /// Optional fields, which the log keeps as they are.
    pub fields: Fields,
}

impl From<Share> for Recorded {
    fn from(share: Share) -> Self {
        Self { share, fields: Fields::new() }
    }
}

/// One nullifier to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs.
    pub epoch: LogEpoch,
    /// The nullifier.
    pub nullifier: Nullifier,
    /// The share of the message.
    pub share: Share,
    /// Optional fields of the record.
    pub fields: Fields,
}

impl Entry {
    /// An entry without optional fields.
    pub fn new(epoch: LogEpoch, nullifier: Nullifier, share: Share) -> Self {
        Self { epoch, nullifier, share, fields: Fields::new() }
    }

    /// What is kept for the nullifier if it is new.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded { share: self.share, fields: self.fields.clone() }
    }
}

/// What a log knew of a nullifier before it was recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; it is recorded now.
    New,
    /// It was recorded with the same x.
    Replay,
    /// It was recorded with another x, in this share, which stays.
    Conflict(Share),
}

impl core::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::Replay => "Replay",
            Self::Conflict(_) => "Conflict(..)",
        })
    }
}

impl Outcome {
    /// The outcome of an entry whose nullifier is recorded.
    pub fn of(recorded: &Recorded, entry: &Entry) -> Self {
        if recorded.share.x == entry.share.x { Self::Replay } else { Self::Conflict(recorded.share) }
    }
}

/// A log that could not do what was asked; nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log cannot be reached or written. Posters may read why, so it names no servers and no paths.
    #[error("the nullifier log does not answer ({0}); nothing was recorded, try again")]
    Unavailable(String),
    /// The log could be written, and would not keep what it is given. It names no servers either.
    #[error("the nullifier log cannot be relied on: {0}")]
    Unfit(String),
    /// It is not the log that this relay knows, or not all of it, so that what was recorded may be accepted again.
    #[error(
        "the nullifier log was {0}, and what was recorded in it could be posted again; restore it, or begin a new one with \
             --new-log when the running epochs are over"
    )]
    Lost(&'static str),
    /// The epoch was expired before. A clock that went back asks for it.
    #[error("the epoch's nullifiers were expired already; check the clock")]
    Expired,
    /// The log does not hold what was recorded: bytes that do not decode, or a share that lies on no proved line.
    #[error("the nullifier log is damaged: it does not hold what was recorded; restore it")]
    Damaged,
    /// The log holds a record of another version.
    #[error(
        "the nullifier log holds a record of version {0}, which this program does not read; use the program that wrote it"
    )]
    Version(u8),
}

/// How much a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatistics {
    /// Nullifiers, those of expired epochs among them as long as they take up room.
    pub nullifiers: u64,
    /// Parts that expire as a whole: epochs, or groups of those that end at about the same time. None if the log keeps
    /// nullifiers one by one.
    pub epochs: Option<u64>,
    /// Members that evidence is kept against.
    pub convictions: u64,
    /// Bytes on disk, or in the memory of a server; none if nobody counts them.
    pub bytes: Option<u64>,
    /// The Unix second until which epochs are [expired](NullifierLog::expire), by whichever relay.
    pub closed_until: u64,
    /// The Unix second that a server's clock shows; none if the log has no clock of its own.
    pub time: Option<u64>,
}

/// The nullifiers of the epochs in range.
///
/// [`record`](Self::record) is one atomic operation: of any number of callers, on any number of machines, that record
/// one nullifier, exactly one gets [`Outcome::New`], and all others meet that caller's share. Only entries whose proof
/// verified may be recorded.
pub trait NullifierLog: Send + Sync {
    /// Records a nullifier unless it is recorded already.
    ///
    /// # Errors
    /// [`LogError`]; the nullifier is then not recorded.
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError>;

    /// Records many, as [`record`](Self::record) in this order would. A log with a disk or a network makes one write of
    /// it.
    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        entries.iter().map(|entry| self.record(entry)).collect()
    }

    /// What is recorded for a nullifier.
    ///
    /// # Errors
    /// [`LogError`].
    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError>;

    /// Looks up many. A log with a network makes one round trip of it.
    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        nullifiers.iter().map(|(epoch, nullifier)| self.lookup(epoch, *nullifier)).collect()
    }

    /// Keeps the evidence of a double post, before anything follows from it: for the relays that share the log, and for
    /// the slash to come. Returns whether it is the first against its member; later evidence against a member is not
    /// kept.
    ///
    /// # Errors
    /// [`LogError`]; nothing is then kept.
    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError>;

    /// Keeps the evidence of many, as [`convict`](Self::convict) in this order would. A log with a disk or a network
    /// makes one write of it.
    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        convictions.iter().map(|conviction| self.convict(conviction)).collect()
    }

    /// The evidence kept, from this position on, in the order in which it came. Positions count from zero and do not
    /// change; evidence does not expire with its epoch. What one relay has kept, all that share the log find from then
    /// on.
    ///
    /// # Errors
    /// [`LogError`].
    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError>;

    /// Drops every epoch whose [`keep_until`](LogEpoch::keep_until) is `now` or before, and refuses it from then on; and
    /// restrictions of pseudonyms that ended before `now`, some at a time.
    ///
    /// # Errors
    /// [`LogError`].
    fn expire(&self, now: u64) -> Result<(), LogError>;

    /// Opens epochs again that were expired ahead of their time, by a clock that was wrong: all whose
    /// [`keep_until`](LogEpoch::keep_until) is after `now`. Those of which nullifiers may have been dropped stay closed, so
    /// that nothing that was recorded can be recorded once more. Returns until when epochs stay expired.
    ///
    /// # Errors
    /// [`LogError`].
    fn reopen(&self, now: u64) -> Result<u64, LogError>;

    /// How much it holds, for metrics; cheap enough to ask every few seconds.
    ///
    /// # Errors
    /// [`LogError`].
    fn statistics(&self) -> Result<LogStatistics, LogError>;

    /// Whether all that comes could be recorded now. Asked each second, so that a log that fails, or is unfit, is known
    /// before anybody posts, and one that works again as soon as it does.
    ///
    /// # Errors
    /// [`LogError`] says why not.
    fn probe(&self) -> Result<(), LogError> {
        Ok(())
    }
}

/// A pointer to a log is a log.
macro_rules! pointer {
    ($pointer:ident) => {
        impl<L: NullifierLog + ?Sized> NullifierLog for $pointer<L> {
            fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
                (**self).record(entry)
            }

            fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
                (**self).record_all(entries)
            }

            fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
                (**self).lookup(epoch, nullifier)
            }

            fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
                (**self).lookup_all(nullifiers)
            }

            fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
                (**self).convict(conviction)
            }

            fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
                (**self).convict_all(convictions)
            }

            fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
                (**self).convictions(from)
            }

            fn expire(&self, now: u64) -> Result<(), LogError> {
                (**self).expire(now)
            }

            fn reopen(&self, now: u64) -> Result<u64, LogError> {
                (**self).reopen(now)
            }

            fn statistics(&self) -> Result<LogStatistics, LogError> {
                (**self).statistics()
            }

            fn probe(&self) -> Result<(), LogError> {
                (**self).probe()
            }
        }
    };
}

pointer!(Box);
pointer!(Arc);

/// A log in memory. It forgets everything when the process ends: a member who then repeats an id in the same epoch is
/// not caught.
#[derive(Default)]
pub struct MemoryLog {
    state: Mutex<State>,
    cases: Cases,
    book: Mutex<MemoryBook>,
}

#[derive(Default)]
struct State {
    epochs: HashMap<LogEpoch, HashMap<Nullifier, Recorded>>,
    expired_until: u64,
    /// Nullifiers of epochs that may go later were never dropped.
    lost_until: u64,
    convicted: HashSet<IdentityCommitment>,
    convictions: Vec<Conviction>,
}

impl State {
    fn check(&self, epoch: &LogEpoch) -> Result<(), LogError> {
        if epoch.keep_until <= self.expired_until { Err(LogError::Expired) } else { Ok(()) }
    }

    fn record(&mut self, entry: &Entry) -> Result<Outcome, LogError> {
        self.check(&entry.epoch)?;
        Ok(match self.epochs.entry(entry.epoch).or_default().entry(entry.nullifier) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(entry.recorded());
                Outcome::New
            }
            hash_map::Entry::Occupied(recorded) => Outcome::of(recorded.get(), entry),
        })
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn cases(&self) -> &Cases {
        &self.cases
    }

    pub(super) fn book(&self) -> &Mutex<MemoryBook> {
        &self.book
    }

    /// How many nullifiers it holds.
    pub fn len(&self) -> usize {
        lock(&self.state).epochs.values().map(HashMap::len).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl core::fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MemoryLog({} nullifiers)", self.len())
    }
}

impl NullifierLog for MemoryLog {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        lock(&self.state).record(entry)
    }

    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        let mut state = lock(&self.state);
        entries.iter().map(|entry| state.record(entry)).collect()
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        let state = lock(&self.state);
        state.check(epoch)?;
        Ok(state.epochs.get(epoch).and_then(|kept| kept.get(&nullifier)).cloned())
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        let commitment = conviction.secret().ok_or(LogError::Damaged)?.commitment();
        let mut state = lock(&self.state);
        let is_first = state.convicted.insert(commitment);
        if is_first {
            state.convictions.push(conviction.clone());
        }
        Ok(is_first)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(lock(&self.state).convictions.get(from..).unwrap_or_default().to_vec())
    }

    fn expire(&self, now: u64) -> Result<(), LogError> {
        let mut state = lock(&self.state);
        let lost = state.epochs.keys().map(LogEpoch::keep_until).filter(|keep_until| *keep_until <= now).max();
        state.lost_until = state.lost_until.max(lost.unwrap_or(0));
        state.epochs.retain(|epoch, _| epoch.keep_until > now);
        state.expired_until = state.expired_until.max(now);
        lock(&self.book).expire(now);
        Ok(())
    }

    fn reopen(&self, now: u64) -> Result<u64, LogError> {
        let mut state = lock(&self.state);
        state.expired_until = state.expired_until.min(now.max(state.lost_until));
        Ok(state.expired_until)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        let state = lock(&self.state);
        Ok(LogStatistics {
            nullifiers: state.epochs.values().map(HashMap::len).sum::<usize>() as u64,
            epochs: Some(state.epochs.len() as u64),
            convictions: state.convictions.len() as u64,
            bytes: None,
            closed_until: state.expired_until,
            time: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;
    use std::{sync::Barrier, thread};

    use quotapass_circuits::{registry_id::RegistryId, share::ShareValue, signal::SignalHash};

    use super::*;

    fn number(value: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&value.to_be_bytes());
        bytes
    }

    fn entry(epoch: u64, nullifier: u64, x: u64) -> Entry {
        let scope = Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "room");
        let epoch = LogEpoch::new(scope, Epoch::new(NonZeroU32::new(60).unwrap(), epoch));
        let share = Share {
            x: SignalHash::from_be_bytes(&number(x)).unwrap(),
            y: ShareValue::from_be_bytes(&number(x + 1000)).unwrap(),
        };
        Entry::new(epoch, Nullifier::from_be_bytes(&number(nullifier)).unwrap(), share)
    }

    #[test]
    fn first_replay_and_conflict_are_told_apart() {
        let log = MemoryLog::new();
        let (first, other) = (entry(1, 7, 1), entry(1, 7, 2));
        assert_eq!(log.lookup(&first.epoch, first.nullifier), Ok(None));
        assert_eq!(log.record(&first), Ok(Outcome::New));
        assert_eq!(log.record(&first), Ok(Outcome::Replay));
        assert_eq!(log.record(&other), Ok(Outcome::Conflict(first.share)));
        // The first share stays, whatever comes.
        assert_eq!(log.record(&other), Ok(Outcome::Conflict(first.share)));
        assert_eq!(log.lookup(&first.epoch, first.nullifier), Ok(Some(first.share.into())));
        assert_eq!(log.record(&entry(2, 7, 2)), Ok(Outcome::New));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn many_are_recorded_in_order() {
        let log: Box<dyn NullifierLog> = Box::new(MemoryLog::new());
        let (first, other) = (entry(1, 7, 1), entry(1, 7, 2));
        let outcomes = log.record_all(&[first.clone(), other, first.clone()]);
        assert_eq!(outcomes, [Ok(Outcome::New), Ok(Outcome::Conflict(first.share)), Ok(Outcome::Replay)]);
    }

    #[test]
    fn whole_epochs_expire_and_stay_expired() {
        let log = MemoryLog::new();
        let (old, young) = (entry(1, 7, 1), entry(2, 7, 1));
        assert_eq!(old.epoch.keep_until(), 180);
        assert!(log.record(&old).is_ok() && log.record(&young).is_ok());
        log.expire(179).unwrap();
        assert_eq!(log.len(), 2);
        log.expire(180).unwrap();
        assert_eq!(log.len(), 1);
        // A clock that goes back does not open the epoch again.
        log.expire(10).unwrap();
        assert_eq!(log.record(&old), Err(LogError::Expired));
        assert_eq!(log.lookup(&old.epoch, old.nullifier), Err(LogError::Expired));
        assert_eq!(log.record(&young), Ok(Outcome::Replay));
    }

    #[test]
    fn of_many_threads_exactly_one_is_new() {
        const THREADS: u64 = 16;
        for distinct in [false, true] {
            for nullifier in 0..50 {
                let (log, barrier) = (MemoryLog::new(), Barrier::new(THREADS as usize));
                let outcomes: Vec<(Entry, Outcome)> = thread::scope(|scope| {
                    let run = |x| {
                        let (log, barrier) = (&log, &barrier);
                        move || {
                            let entry = entry(1, nullifier, if distinct { x } else { 1 });
                            barrier.wait();
                            {
                                let outcome = log.record(&entry).unwrap();
                                (entry, outcome)
                            }
                        }
                    };
                    let threads: Vec<_> = (1..=THREADS).map(|x| scope.spawn(run(x))).collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
                });
                let new: Vec<Share> =
                    outcomes.iter().filter(|(_, o)| *o == Outcome::New).map(|(e, _)| e.share).collect();
                let [winner] = new[..] else { panic!("{} threads were first", new.len()) };
                for (_, outcome) in outcomes.iter().filter(|(_, o)| *o != Outcome::New) {
                    assert!(*outcome == if distinct { Outcome::Conflict(winner) } else { Outcome::Replay });
                }
            }
        }
    }
}
