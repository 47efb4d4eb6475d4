//! The nullifier log: used nullifiers, recorded with one atomic operation per pass, and the convictions that follow
//! from them.

use std::collections::{HashMap, HashSet, hash_map};

use parking_lot::Mutex;
use quotapass_circuits::{
    identity::IdentityCommitment,
    share::{Nullifier, Share},
    signal::{Epoch, ExternalNullifier, Scope},
};
use quotapass_protocol::{LogError, UnixSeconds};

use super::{Conviction, badges::MemoryBook, claims::Cases, log::Fields, moderation::MemoryRecords};

/// The part of a log for one epoch of one scope. It expires as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogEpoch {
    external_nullifier: ExternalNullifier,
    keep_until: UnixSeconds,
}

impl LogEpoch {
    /// Returns the part for an epoch in a scope.
    pub fn new(scope: Scope, epoch: Epoch) -> Self {
        Self::with(ExternalNullifier::new(scope, epoch), epoch)
    }

    /// Returns the part like [`new`](Self::new), from an external nullifier that is already computed.
    pub(super) fn with(external_nullifier: ExternalNullifier, epoch: Epoch) -> Self {
        Self {
            external_nullifier,
            // No policy allows a clock difference above one epoch, so this is right under every later policy.
            keep_until: epoch.ends().saturating_add(epoch.seconds().get().into()),
        }
    }

    /// Returns the external nullifier.
    pub const fn external_nullifier(&self) -> ExternalNullifier {
        self.external_nullifier
    }

    /// Returns the time from which on no policy accepts the epoch, so its nullifiers may be dropped: one epoch length
    /// after its end.
    ///
    /// A post is accepted only if *one* policy accepts it whole ([`PolicyHistory`](quotapass_protocol::PolicyHistory)): its epoch
    /// has the length of a policy that holds, and lies within the clock difference of the same policy. A valid policy
    /// allows no clock difference above its own epoch. An epoch is therefore out of range from this second on for all
    /// policies of its length, and always for policies of other lengths, whatever policies follow. If the range were
    /// judged by another policy's clock difference, a log would forget nullifiers of epochs that are still accepted.
    pub const fn keep_until(&self) -> UnixSeconds {
        self.keep_until
    }
}

/// The stored record of a nullifier.
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
    /// The epoch and scope.
    pub epoch: LogEpoch,
    /// The nullifier.
    pub nullifier: Nullifier,
    /// The share of the message.
    pub share: Share,
    /// Optional fields of the record.
    pub fields: Fields,
}

impl Entry {
    /// Creates an entry without optional fields.
    pub fn new(epoch: LogEpoch, nullifier: Nullifier, share: Share) -> Self {
        Self { epoch, nullifier, share, fields: Fields::new() }
    }

    /// Returns the record that is stored if the nullifier is new.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded { share: self.share, fields: self.fields.clone() }
    }
}

/// The result of recording a nullifier.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not recorded before; it is recorded now.
    New,
    /// It was recorded before with the same x.
    Replay,
    /// It was recorded before with another x. This recorded share stays.
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
    /// Returns the outcome for an entry whose nullifier is already recorded.
    pub fn of(recorded: &Recorded, entry: &Entry) -> Self {
        if recorded.share.x == entry.share.x { Self::Replay } else { Self::Conflict(recorded.share) }
    }
}

/// The size and state of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatistics {
    /// Nullifiers, including those of expired epochs while they still take up space.
    pub nullifiers: u64,
    /// Parts that expire as a whole: epochs, or groups of epochs that end at about the same time. None if the log keeps
    /// nullifiers one by one.
    pub epochs: Option<u64>,
    /// Members against whom evidence is kept.
    pub convictions: u64,
    /// Bytes on disk, or in the memory of a server; none if they are not counted.
    pub bytes: Option<u64>,
    /// The time until which epochs are [expired](NullifierLog::expire), by any relay.
    pub closed_until: UnixSeconds,
    /// The time that the log server's clock shows; none if the log has no server clock.
    pub time: Option<UnixSeconds>,
}

/// A log of the nullifiers of the epochs in range.
///
/// [`record`](Self::record) is one atomic operation: of any number of callers, on any number of machines, that record
/// one nullifier, exactly one gets [`Outcome::New`], and all others get an outcome that compares with that caller's
/// share. Only entries whose proof verified may be recorded.
pub trait NullifierLog: Send + Sync {
    /// Records a nullifier unless it is already recorded.
    ///
    /// # Errors
    /// [`LogError`]; the nullifier is then not recorded.
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError>;

    /// Records many nullifiers, like calls of [`record`](Self::record) in this order. A log with a disk or a network
    /// does it in one write.
    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        entries.iter().map(|entry| self.record(entry)).collect()
    }

    /// Returns the record of a nullifier.
    ///
    /// # Errors
    /// [`LogError`].
    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError>;

    /// Looks up many nullifiers. A log with a network does it in one round trip.
    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        nullifiers.iter().map(|(epoch, nullifier)| self.lookup(epoch, *nullifier)).collect()
    }

    /// Keeps the evidence of a double post before the double post has any consequence: for the relays that share the
    /// log, and for the later slash. Returns whether it is the first evidence against the member; later evidence
    /// against the same member is not kept.
    ///
    /// # Errors
    /// [`LogError`]; the evidence is then not kept.
    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError>;

    /// Keeps much evidence, like calls of [`convict`](Self::convict) in this order. A log with a disk or a network does
    /// it in one write.
    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        convictions.iter().map(|conviction| self.convict(conviction)).collect()
    }

    /// Returns the kept evidence from this position on, in the order in which it was kept. Positions count from zero
    /// and do not change; evidence does not expire with its epoch. Once one relay has kept evidence, all relays that
    /// share the log find it.
    ///
    /// # Errors
    /// [`LogError`].
    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError>;

    /// Drops every epoch whose [`keep_until`](LogEpoch::keep_until) is `now` or before, and refuses it from then on.
    /// Also drops restrictions of pseudonyms that ended before `now`, and records of moderation whose time is over, some
    /// of them per call.
    ///
    /// # Errors
    /// [`LogError`].
    fn expire(&self, now: UnixSeconds) -> Result<(), LogError>;

    /// Reopens epochs that were expired too early by a wrong clock: all whose [`keep_until`](LogEpoch::keep_until) is
    /// after `now`. Epochs whose nullifiers may have been dropped stay closed, so that no recorded nullifier can be
    /// recorded a second time. Returns the time until which epochs stay expired.
    ///
    /// # Errors
    /// [`LogError`].
    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError>;

    /// Returns the size and state of the log, for metrics; cheap enough to call every few seconds.
    ///
    /// # Errors
    /// [`LogError`].
    fn statistics(&self) -> Result<LogStatistics, LogError>;

    /// Checks that the log could record now. It is called each second, so that a failing or unreliable log is noticed
    /// before the next post, and a recovery as soon as it happens.
    ///
    /// # Errors
    /// [`LogError`] with the reason.
    fn probe(&self) -> Result<(), LogError> {
        Ok(())
    }
}

/// A log in memory. It loses everything when the process ends: a member who then repeats a message id in the same epoch
/// is not caught.
#[derive(Default)]
pub struct MemoryLog {
    state: Mutex<MemoryContents>,
    pub(super) cases: Cases,
    pub(super) book: Mutex<MemoryBook>,
    pub(super) moderation: Mutex<MemoryRecords>,
}

#[derive(Default)]
struct MemoryContents {
    epochs: HashMap<LogEpoch, HashMap<Nullifier, Recorded>>,
    expired_until: UnixSeconds,
    /// No nullifiers of epochs with a later `keep_until` were dropped.
    lost_until: UnixSeconds,
    convicted: HashSet<IdentityCommitment>,
    convictions: Vec<Conviction>,
}

impl MemoryContents {
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

    /// Returns the number of nullifiers.
    pub fn len(&self) -> usize {
        self.state.lock().epochs.values().map(HashMap::len).sum()
    }

    /// Returns whether the log is empty.
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
        self.state.lock().record(entry)
    }

    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        let mut state = self.state.lock();
        entries.iter().map(|entry| state.record(entry)).collect()
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        let state = self.state.lock();
        state.check(epoch)?;
        Ok(state.epochs.get(epoch).and_then(|kept| kept.get(&nullifier)).cloned())
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        let commitment = conviction.secret().ok_or(LogError::Damaged)?.commitment();
        let mut state = self.state.lock();
        let is_first = state.convicted.insert(commitment);
        if is_first {
            state.convictions.push(conviction.clone());
        }
        Ok(is_first)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.state.lock().convictions.get(from..).unwrap_or_default().to_vec())
    }

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        let mut state = self.state.lock();
        let lost = state.epochs.keys().map(LogEpoch::keep_until).filter(|keep_until| *keep_until <= now).max();
        state.lost_until = state.lost_until.max(lost.unwrap_or_default());
        state.epochs.retain(|epoch, _| epoch.keep_until > now);
        state.expired_until = state.expired_until.max(now);
        self.book.lock().expire(now);
        self.moderation.lock().expire(now);
        Ok(())
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        let mut state = self.state.lock();
        state.expired_until = state.expired_until.min(now.max(state.lost_until));
        Ok(state.expired_until)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        let state = self.state.lock();
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
        // The first share stays, whatever is recorded later.
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
        assert_eq!(old.epoch.keep_until(), UnixSeconds(180));
        assert!(log.record(&old).is_ok() && log.record(&young).is_ok());
        log.expire(UnixSeconds(179)).unwrap();
        assert_eq!(log.len(), 2);
        log.expire(UnixSeconds(180)).unwrap();
        assert_eq!(log.len(), 1);
        // A clock that goes back does not open the epoch again.
        log.expire(UnixSeconds(10)).unwrap();
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
