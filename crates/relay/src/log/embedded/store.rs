//! The database of an embedded log.
//!
//! Nullifiers are in partitions. A partition is one keyspace of the database, for all epochs that may expire at about
//! the same time, so that it is dropped as a whole. Everything else is in the keyspace `records`, under a letter:
//!
//! | key | value |
//! |---|---|
//! | `c` | number of commits, u64 |
//! | `w` | the watermark: the time until which epochs are expired, u64 |
//! | `l` | end of the last partition that was dropped with nullifiers in it, u64 |
//! | `t` | 65,536 bytes, written to test the disk |
//! | `p`, end of a partition u64 | number of its nullifiers, u64 |
//! | `e`, position u64 | a [conviction](Conviction) |
//! | `m`, commitment 32 | the position of the evidence against this member |
//! | `s`, commitment 32 | its case |
//! | `k`, scope 32, pseudonym 32 | the [chat key](BoundKey) bound to it |
//! | `r`, scope 32, pseudonym 32 | its [restriction](Restriction) |
//! | `u`, end of a restriction u64, scope 32, pseudonym 32 | empty |
//! | `o` | empty, once there was a record of moderation |
//!
//! Records of moderation are in the keyspace `moderation`.
//!
//! In a partition, the key of a nullifier's [record](Recorded) is the external nullifier (32) and the nullifier (32).
//! Numbers are big-endian.
//!
//! Each commit writes its number, and the counts of the partitions that it adds to. A database that has lost part of
//! its journal, or a file of a partition, has fewer entries than these counts say, and is not opened.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode};
use parking_lot::{Mutex, RwLock};
use quotapass_circuits::{identity::IdentityCommitment, registry_id::RegistryId, share::Nullifier};
use quotapass_log::Witness;
use quotapass_protocol::{LogError, UnixSeconds};

use super::{
    EmbeddedLogError, EmbeddedSettings,
    error::{damaged, failed},
    manifest,
    moderation::ModerationTable,
    transaction::{Place, Transaction},
};
use crate::{
    BoundKey, Case, Conviction, LogEpoch, LogStatistics, Persona, PersonaRecord, Recorded, Restriction, Settlement,
    log::{LogIdentity, Record},
};

const DATABASE: &str = "database";
pub(super) const RECORDS: &str = "records";
const PARTITION: &str = "nullifiers-";
const MODERATION: &str = "moderation";

/// Length of a partition in seconds. Epochs that may expire within it are dropped together, so that short epochs do not
/// create many partitions.
const PARTITION_SECONDS: u64 = 600;
/// Maximum data of all partitions that is not in tables yet: it is in memory, and is read again from the journal when
/// the log is opened.
const JOURNAL_BYTES: u64 = 128 << 20;
/// The same limit for one partition.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Bytes that are written to a disk that failed, before it is trusted again: more than a full batch takes.
const TRIAL_BYTES: usize = 64 << 10;
/// Maximum number of ended restrictions that one expiry drops; later ones drop the rest.
const ENDED_AT_ONCE: usize = 4_096;
/// The same limit for records of moderation: with an expiry every five seconds, more than 3,000 accepted posts a second.
const ENDED_RECORDS_AT_ONCE: usize = 16_384;
/// Threads that write tables in the background.
const WORKERS: usize = 2;

/// Opens the witness of a log, and reads the number of commits from it.
fn witness(folder: &Path) -> Result<(Witness, u64), EmbeddedLogError> {
    let (witness, commits) = Witness::open(folder).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => failed("write to", folder, &error),
        _ => damaged(folder, &format_args!("its witness: {error}")),
    })?;
    Ok((witness, commits.ok_or_else(|| damaged(folder, &"its witness is invalid"))?))
}

/// Returns the end of the partition of an epoch's nullifiers.
pub(super) fn partition_of(epoch: &LogEpoch) -> UnixSeconds {
    epoch.keep_until().0.checked_next_multiple_of(PARTITION_SECONDS).map_or(UnixSeconds::MAX, UnixSeconds)
}

/// Returns the key of a nullifier in its partition.
pub(super) fn key_of(epoch: &LogEpoch, nullifier: Nullifier) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&epoch.external_nullifier().to_be_bytes());
    key[32..].copy_from_slice(&nullifier.to_be_bytes());
    key
}

/// An open database.
pub(super) struct Store {
    identity: LogIdentity,
    database: Database,
    records: Keyspace,
    moderation: ModerationTable,
    state: RwLock<Contents>,
    witness: Mutex<Witness>,
}

struct Contents {
    partitions: BTreeMap<UnixSeconds, Partition>,
    commits: u64,
    watermark: UnixSeconds,
    /// Nullifiers of epochs that end later were never dropped.
    lost_until: UnixSeconds,
    convictions: u64,
}

struct Partition {
    keyspace: Keyspace,
    /// Known number of nullifiers.
    count: u64,
}

/// A failed commit that may still be on disk.
pub(super) struct InDoubt {
    commit: u64,
    nullifiers: Vec<(UnixSeconds, [u8; 64])>,
}

impl Store {
    /// Creates the files of a new log in an existing, empty folder.
    pub(super) fn create(folder: &Path, registry: &RegistryId) -> Result<(), EmbeddedLogError> {
        let database = guarded(|| database(folder, &EmbeddedSettings::default()));
        let database = database.map_err(|error| failed("create", folder, &error))?;
        let made = guarded(|| {
            let records = database.keyspace(RECORDS, options)?;
            let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
            batch.insert(&records, "c", 0u64.to_be_bytes());
            batch.commit()
        });
        made.map_err(|error| failed("create", folder, &error))?;
        Witness::create(folder).map_err(|error| failed("create", folder, &error))?;
        manifest::write(folder, registry)
    }

    /// Checks that a log is there and that its files can be written, without opening its database.
    pub(super) fn inspect(folder: &Path, registry: &RegistryId) -> Result<LogIdentity, EmbeddedLogError> {
        let identity = manifest::check(folder, registry)?;
        if !folder.join(DATABASE).is_dir() {
            return Err(damaged(folder, &"its database is missing"));
        }
        witness(folder).map(|_| identity)
    }

    /// Opens a log, and checks that it is this registry's and that nothing is missing.
    pub(super) fn open(
        folder: &Path,
        registry: &RegistryId,
        settings: &EmbeddedSettings,
    ) -> Result<Self, EmbeddedLogError> {
        let identity = manifest::check(folder, registry)?;
        let incomplete = |missing: &str| damaged(folder, &format_args!("{missing} is missing"));
        // Without this check, the database would create a missing folder anew.
        if !folder.join(DATABASE).is_dir() {
            return Err(incomplete("its database"));
        }
        let unread = |error: Failure| match error {
            Failure::Engine(Error::Locked) => EmbeddedLogError::InUse(folder.into()),
            Failure::Engine(Error::Io(error) | Error::Storage(LsmError::Io(error)))
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) =>
            {
                failed("open", folder, &error)
            }
            error => damaged(folder, &error),
        };
        let database = guarded(|| database(folder, settings)).map_err(unread)?;
        if !database.keyspace_exists(RECORDS) {
            return Err(incomplete("the database's table of records"));
        }
        let records = guarded(|| database.keyspace(RECORDS, options)).map_err(unread)?;
        let has_moderation = guarded(|| records.get("o")).map_err(unread)?.is_some();
        if has_moderation && !database.keyspace_exists(MODERATION) {
            return Err(incomplete("the database's table of moderation"));
        }
        let moderation = guarded(|| database.keyspace(MODERATION, options)).map_err(unread)?;
        let state = guarded(|| Contents::read(&database, &records)).map_err(unread)?;
        let state = state.map_err(|reason| damaged(folder, &reason))?;
        let (witness, commits) = witness(folder)?;
        if state.commits < commits {
            return Err(damaged(folder, &format_args!("it has only {} of {commits} commits", state.commits)));
        }
        let moderation = ModerationTable(moderation);
        Ok(Self { identity, database, records, moderation, state: RwLock::new(state), witness: witness.into() })
    }

    pub(super) fn identity(&self) -> LogIdentity {
        self.identity
    }

    pub(super) fn watermark(&self) -> UnixSeconds {
        self.state.read().watermark
    }

    pub(super) fn conviction_count(&self) -> u64 {
        self.state.read().convictions
    }

    /// Returns the bytes at a place.
    pub(super) fn get(&self, place: &Place) -> Result<Option<fjall::UserValue>, LogError> {
        let found = match place {
            Place::Record(key) => guarded(|| self.records.get(key)),
            Place::Nullifier { partition, key } => {
                let keyspace = self.state.read().partitions.get(partition).map(|found| found.keyspace.clone());
                let Some(keyspace) = keyspace else { return Ok(None) };
                guarded(|| keyspace.get(key))
            }
        };
        found.map_err(LogError::from)
    }

    pub(super) fn moderation(&self) -> &ModerationTable {
        &self.moderation
    }

    /// Returns the record of a nullifier.
    pub(super) fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        if epoch.keep_until() <= self.watermark() {
            return Err(LogError::Expired);
        }
        let found = self.get(&Place::nullifier(epoch, nullifier))?;
        Ok(found.map(|bytes| Recorded::from_bytes(&bytes)).transpose()?)
    }

    /// Returns the evidence from a position on.
    pub(super) fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        let count = self.conviction_count();
        // Every batch calls this, and nearly always there is nothing new.
        (from..count)
            .map(|position| {
                let bytes = self.get(&Place::Record(numbered(b'e', position)))?;
                Ok(Conviction::from_bytes(&bytes.ok_or(LogError::Damaged)?)?)
            })
            .collect()
    }

    pub(super) fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        let bound = self.get(&Place::chat_key(persona))?.map(|bytes| BoundKey::from_bytes(&bytes)).transpose()?;
        let restriction = self.get(&Place::restriction(persona))?;
        let restriction = restriction.map(|bytes| Restriction::from_bytes(&bytes)).transpose()?;
        // A lifted restriction counts as none.
        Ok(PersonaRecord {
            bound,
            restriction: restriction.filter(|restriction| restriction.until != Some(UnixSeconds(0))),
        })
    }

    /// Returns the keys of restrictions that are over at `now`.
    fn ended_restrictions(&self, now: UnixSeconds) -> Result<Vec<Vec<u8>>, LogError> {
        let ends = guarded(|| {
            // Ends before `now`: a restriction that ends at `now` is still in force.
            let ends = self.records.range(numbered(b'u', 0)..numbered(b'u', now.0));
            ends.take(ENDED_AT_ONCE).map(fjall::Guard::key).collect::<Result<Vec<_>, _>>()
        })?;
        let mut keys = Vec::new();
        for end in ends {
            let Some((until, persona)) = end.get(1..).and_then(<[u8]>::split_first_chunk::<8>) else {
                return Err(LogError::Damaged);
            };
            let key = [&b"r"[..], persona].concat();
            let restriction = self.get(&Place::Record(key.clone()))?;
            let restriction = restriction.map(|bytes| Restriction::from_bytes(&bytes)).transpose()?;
            // The restriction may have another end by now.
            if restriction.is_some_and(|restriction| restriction.until == Some(UnixSeconds(u64::from_be_bytes(*until))))
            {
                keys.push(key);
            }
            keys.push(end.to_vec());
        }
        Ok(keys)
    }

    pub(super) fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        let Some(bytes) = self.get(&Place::case(commitment))? else { return Ok(None) };
        Ok(Case::from_json(&bytes)?.into_settlement())
    }

    pub(super) fn statistics(&self) -> Result<LogStatistics, LogError> {
        let bytes = guarded(|| self.database.disk_space())?;
        let state = self.state.read();
        Ok(LogStatistics {
            nullifiers: state.partitions.values().map(|partition| partition.count).sum(),
            epochs: Some(state.partitions.len() as u64),
            convictions: state.convictions,
            bytes: Some(bytes),
            closed_until: state.watermark,
            time: None,
        })
    }

    /// Creates the partition with this end if it does not exist. Only the thread that commits may call it.
    pub(super) fn ensure_partition(&self, end: UnixSeconds) -> Result<(), LogError> {
        if self.state.read().partitions.contains_key(&end) {
            return Ok(());
        }
        let keyspace = guarded(|| self.database.keyspace(&partition_name(end), options))?;
        self.state.write().partitions.insert(end, Partition { keyspace, count: 0 });
        Ok(())
    }

    /// Writes a transaction, and returns once it is on disk. Only one thread may commit at a time.
    pub(super) fn commit(&self, transaction: Transaction<'_>) -> Result<(), (LogError, InDoubt)> {
        let (writes, moderation) = transaction.into_writes();
        if writes.is_empty() && moderation.is_empty() {
            return Ok(());
        }
        let mut added: BTreeMap<UnixSeconds, u64> = BTreeMap::new();
        let mut nullifiers = Vec::new();
        let mut convictions = 0;
        for place in writes.keys() {
            match place {
                Place::Nullifier { partition, key } => {
                    *added.entry(*partition).or_default() += 1;
                    nullifiers.push((*partition, *key));
                }
                Place::Record(key) => convictions += u64::from(key.first() == Some(&b'e')),
            }
        }
        let commit = self.state.read().commits + 1;
        let mut batch = self.batch(commit);
        if !moderation.is_empty() {
            batch.insert(&self.records, "o", "");
        }
        self.moderation.write(moderation, &mut batch);
        let counts: Vec<(UnixSeconds, u64)> = {
            let state = self.state.read();
            for (place, value) in writes {
                match place {
                    Place::Record(key) => batch.insert(&self.records, key, value),
                    Place::Nullifier { partition, key } => {
                        if let Some(partition) = state.partitions.get(&partition) {
                            batch.insert(&partition.keyspace, key, value);
                        }
                    }
                }
            }
            let count = |end| state.partitions.get(end).map_or(0, |partition| partition.count);
            added.iter().map(|(end, added)| (*end, count(end) + added)).collect()
        };
        for (end, count) in &counts {
            batch.insert(&self.records, numbered(b'p', end.0), count.to_be_bytes());
        }
        if let Err(error) = guarded(|| batch.commit()) {
            return Err((error.into(), InDoubt { commit, nullifiers }));
        }
        let mut state = self.state.write();
        state.convictions += convictions;
        for (end, count) in counts {
            if let Some(partition) = state.partitions.get_mut(&end) {
                partition.count = count;
            }
        }
        self.committed(&mut state, commit);
        Ok(())
    }

    /// Drops everything that is expired at `now`, and stores the watermark.
    pub(super) fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        // By `now`, not by the watermark: a watermark that is ahead must not end restrictions that are in force.
        let restrictions = self.ended_restrictions(now)?;
        let moderation = self.moderation.ended(now, ENDED_RECORDS_AT_ONCE)?;
        let was = self.watermark();
        let now = now.max(was);
        if now == was && restrictions.is_empty() && moderation.is_empty() {
            return Ok(());
        }
        let (commit, ended, lost_until) = {
            let state = self.state.read();
            let ended: Vec<UnixSeconds> = state.partitions.range(..=now).map(|(end, _)| *end).collect();
            let lost = state.partitions.range(..=now).rev().find(|(_, partition)| partition.count > 0);
            (state.commits + 1, ended, lost.map_or(UnixSeconds(0), |(end, _)| *end).max(state.lost_until))
        };
        let mut batch = self.batch(commit);
        batch.insert(&self.records, "w", now.0.to_be_bytes());
        batch.insert(&self.records, "l", lost_until.0.to_be_bytes());
        for key in restrictions {
            batch.remove(&self.records, key);
        }
        for key in moderation {
            batch.remove(&self.moderation.0, key);
        }
        for end in &ended {
            batch.remove(&self.records, numbered(b'p', end.0));
        }
        guarded(|| batch.commit())?;
        let dropped: Vec<Partition> = {
            let mut state = self.state.write();
            state.watermark = now;
            state.lost_until = lost_until;
            self.committed(&mut state, commit);
            ended.iter().filter_map(|end| state.partitions.remove(end)).collect()
        };
        // The watermark is on disk: if a crash leaves some partitions, the next opening drops them.
        dropped.into_iter().try_for_each(|partition| guarded(|| self.database.delete_keyspace(partition.keyspace)))?;
        Ok(())
    }

    /// Reopens epochs that were closed ahead of `now`, except those whose nullifiers may have been dropped.
    pub(super) fn reopen(&self, now: UnixSeconds) -> Result<(), LogError> {
        let (commit, watermark, known) = {
            let state = self.state.read();
            (state.commits + 1, now.max(state.lost_until), state.watermark)
        };
        if watermark >= known {
            return Ok(());
        }
        let mut batch = self.batch(commit);
        batch.insert(&self.records, "w", watermark.0.to_be_bytes());
        guarded(|| batch.commit())?;
        let mut state = self.state.write();
        state.watermark = watermark;
        self.committed(&mut state, commit);
        Ok(())
    }

    /// Writes as much as a batch of posts, to test whether the disk accepts it.
    pub(super) fn try_disk(&self) -> Result<(), LogError> {
        let commit = self.state.read().commits + 1;
        let mut batch = self.batch(commit);
        batch.insert(&self.records, "t", vec![0; TRIAL_BYTES]);
        guarded(|| batch.commit())?;
        self.committed(&mut self.state.write(), commit);
        Ok(())
    }

    /// Undoes a commit that was answered with an error, if it is on disk after all.
    pub(super) fn undo(&self, in_doubt: &InDoubt) -> Result<(), LogError> {
        let mut state = self.state.write();
        if state.commits != in_doubt.commit {
            return Ok(());
        }
        let commit = state.commits + 1;
        let mut batch = self.batch(commit);
        for (end, key) in &in_doubt.nullifiers {
            if let Some(partition) = state.partitions.get_mut(end) {
                batch.remove(&partition.keyspace, *key);
                partition.count = partition.count.saturating_sub(1);
                batch.insert(&self.records, numbered(b'p', end.0), partition.count.to_be_bytes());
            }
        }
        guarded(|| batch.commit())?;
        self.committed(&mut state, commit);
        Ok(())
    }

    fn batch(&self, commit: u64) -> OwnedWriteBatch {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.records, "c", commit.to_be_bytes());
        batch
    }

    fn committed(&self, state: &mut Contents, commit: u64) {
        state.commits = commit;
        // A witness that cannot be written stays behind the database: it then detects less, but no data is lost.
        let _ = self.witness.lock().write(commit);
    }
}

impl Contents {
    /// Reads the state, and compares the database with the counts in it.
    fn read(database: &Database, records: &Keyspace) -> Result<Result<Self, String>, Error> {
        let (commits, watermark, lost_until) = (records.get("c")?, records.get("w")?, records.get("l")?);
        let Some(commits) = commits.as_deref().and_then(number_from) else {
            return Ok(Err("it has no count of its commits".into()));
        };
        // A time that was never stored is zero.
        let time = |stored: Option<&[u8]>| stored.map_or(Some(0), number_from).map(UnixSeconds);
        let times = time(watermark.as_deref()).zip(time(lost_until.as_deref()));
        let Some((watermark, lost_until)) = times else {
            return Ok(Err("the time until which epochs are expired is invalid".into()));
        };
        let convictions = match records.prefix("e").next_back() {
            None => Some(0),
            Some(last) => last.key()?.get(1..).and_then(number_from).and_then(|last| last.checked_add(1)),
        };
        let Some(convictions) = convictions else { return Ok(Err("the number of a conviction is invalid".into())) };
        let mut partitions = BTreeMap::new();
        for entry in records.prefix("p") {
            let (key, count) = entry.into_inner()?;
            let entry = key.get(1..).and_then(number_from).map(UnixSeconds).zip(number_from(&count));
            let Some((end, count)) = entry else { return Ok(Err("the entry of a partition is invalid".into())) };
            let name = partition_name(end);
            if !database.keyspace_exists(&name) {
                return Ok(Err(format!("the nullifiers until {end} are missing")));
            }
            let keyspace = database.keyspace(&name, options)?;
            let found = keyspace.approximate_len() as u64;
            if found < count {
                return Ok(Err(format!("it has only {found} of {count} nullifiers until {end}")));
            }
            partitions.insert(end, Partition { keyspace, count });
        }
        for name in database.list_keyspace_names() {
            let end = name.strip_prefix(PARTITION).and_then(|end| end.parse().ok()).map(UnixSeconds);
            let Some(end) = end.filter(|end| !partitions.contains_key(end)) else { continue };
            let keyspace = database.keyspace(&name, options)?;
            if end <= watermark {
                database.delete_keyspace(keyspace)?;
            } else {
                // It was created for a commit that did not happen.
                partitions.insert(end, Partition { keyspace, count: 0 });
            }
        }
        Ok(Ok(Self { partitions, commits, watermark, lost_until, convictions }))
    }
}

/// Returns a key of the table of records.
pub(super) fn numbered(letter: u8, number: u64) -> Vec<u8> {
    [&[letter][..], &number.to_be_bytes()].concat()
}

fn number_from(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn partition_name(end: UnixSeconds) -> String {
    format!("{PARTITION}{end}")
}

pub(super) fn database(folder: &Path, settings: &EmbeddedSettings) -> Result<Database, Error> {
    Database::builder(folder.join(DATABASE))
        .cache_size(settings.cache_bytes)
        .max_journaling_size(JOURNAL_BYTES)
        .worker_threads(WORKERS)
        .manual_journal_persist(true)
        .open()
}

pub(super) fn options() -> KeyspaceCreateOptions {
    // Nearly all reads are for nullifiers that do not exist.
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).expect_point_read_hits(false)
}

/// Errors of the database.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Engine(#[from] Error),
    #[error("the database cannot read it")]
    Panic,
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(Error::Io(error) | Error::Storage(LsmError::Io(error))) => {
                Self::Unavailable(error.to_string())
            }
            Failure::Engine(Error::Poisoned | Error::KeyspaceDeleted) => {
                Self::Unavailable("an earlier write failed".into())
            }
            Failure::Engine(_) | Failure::Panic => Self::Damaged,
        }
    }
}

/// Runs an operation of the database, which panics on some damage and on some disk failures.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(Failure::Engine),
        Err(_) => Err(Failure::Panic),
    }
}
