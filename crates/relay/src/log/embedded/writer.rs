//! The only thread that writes: it decides concurrent requests one after the other, and flushes them together.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{LogError, UnixSeconds};

use super::{
    EmbeddedLogError, EmbeddedSettings,
    error::failed,
    store::{InDoubt, Store},
    transaction::Transaction,
};
use crate::log::LogIdentity;

/// Number of entries after which a group is flushed, even if more callers wait.
const GROUP_ENTRIES: usize = 4096;
/// Time after a failed write until the database is reopened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Answers a caller once its part is on disk, or has failed.
type Answer = Box<dyn FnOnce(Result<(), LogError>) + Send>;
/// Decides one caller's part in a transaction, or receives the error if there is none.
type Decide = Box<dyn FnOnce(Result<&mut Transaction<'_>, LogError>) -> Answer + Send>;

enum Command {
    Write { entries: usize, decide: Decide },
    Move { watermark: Watermark, answer: Answer },
}

/// A change of the watermark.
enum Watermark {
    /// Drops epochs that are over at this time.
    Expire(UnixSeconds),
    /// Reopens epochs that end after this time.
    Reopen(UnixSeconds),
}

/// The open database, or the error until it is reopened.
pub(super) type Shared = Arc<RwLock<Result<Store, LogError>>>;

/// Handle of the thread. Dropping it ends the thread.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        store: Shared,
        path: PathBuf,
        registry: RegistryId,
        settings: EmbeddedSettings,
        identity: LogIdentity,
    ) -> Result<Self, EmbeddedLogError> {
        let (commands, received) = mpsc::channel();
        let mut worker = Worker { store, path: path.clone(), registry, settings, identity, broken: None };
        let spawned = thread::Builder::new().name("nullifier-log".into()).spawn(move || worker.run(&received));
        let thread = spawned.map_err(|error| failed("open", &path, &error))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Runs `decide` in the thread, and returns once its writes are on disk.
    pub(super) fn write<T: Send + 'static>(
        &self,
        entries: usize,
        decide: impl FnOnce(&mut Transaction<'_>) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        self.ask(|reply| {
            let decide: Decide = Box::new(|transaction| {
                let decided = transaction.map(decide);
                Box::new(move |written| reply(written.and(decided)))
            });
            Command::Write { entries, decide }
        })
    }

    /// Drops everything that is expired.
    pub(super) fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.ask(|reply| Command::Move { watermark: Watermark::Expire(now), answer: Box::new(reply) })
    }

    /// Reopens epochs that were closed ahead of their time.
    pub(super) fn reopen(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.ask(|reply| Command::Move { watermark: Watermark::Reopen(now), answer: Box::new(reply) })
    }

    fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(Box<dyn FnOnce(Result<T, LogError>) + Send>) -> Command,
    ) -> Result<T, LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The caller waits for the answer below.
        let reply = Box::new(move |answer| drop(sender.send(answer)));
        let gone = || LogError::Unavailable("its thread has ended".into());
        self.commands.as_ref().ok_or_else(gone)?.send(command(reply)).map_err(|_| gone())?;
        receiver.recv().map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // The thread does not panic: panics of the database are caught.
            let _ = thread.join();
        }
    }
}

struct Worker {
    store: Shared,
    path: PathBuf,
    registry: RegistryId,
    settings: EmbeddedSettings,
    identity: LogIdentity,
    broken: Option<Broken>,
}

/// State of a database that refuses further writes.
struct Broken {
    tried_at: Instant,
    in_doubt: Option<InDoubt>,
}

impl Worker {
    fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        let mut held = None;
        loop {
            let next = match (held.take(), &self.broken) {
                (Some(command), _) => Ok(command),
                (None, None) => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (None, Some(_)) => commands.recv_timeout(REOPEN_AFTER),
            };
            match next {
                Ok(Command::Move { watermark, answer }) => answer(self.change(&watermark)),
                Ok(Command::Write { mut entries, decide }) => {
                    let mut group = vec![decide];
                    while entries < GROUP_ENTRIES
                        && let Ok(next) = commands.try_recv()
                    {
                        match next {
                            Command::Write { entries: more, decide } => {
                                entries += more;
                                group.push(decide);
                            }
                            other @ Command::Move { .. } => {
                                held = Some(other);
                                break;
                            }
                        }
                    }
                    self.write(group);
                }
                // No caller writes, perhaps because all know that it is broken. Readers see the result of the recovery.
                Err(RecvTimeoutError::Timeout) => drop(self.recover()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, group: Vec<Decide>) {
        let recovered = self.recover();
        let (answers, written) = {
            let store = self.store.read();
            let mut transaction = match (recovered, store.as_ref()) {
                (Ok(()), Ok(store)) => Ok((store, Transaction::new(store))),
                (Err(error), _) => Err(error),
                (Ok(()), Err(error)) => Err(error.clone()),
            };
            let decide = |decide: Decide| match &mut transaction {
                Ok((_, transaction)) => decide(Ok(transaction)),
                Err(error) => decide(Err(error.clone())),
            };
            let answers: Vec<Answer> = group.into_iter().map(decide).collect();
            let commit = |(store, transaction): (&Store, Transaction<'_>)| store.commit(transaction);
            (answers, transaction.map(commit))
        };
        let written = match written {
            Ok(Err((reason, in_doubt))) => {
                self.give_up(reason.clone(), Some(in_doubt));
                Err(reason)
            }
            Ok(Ok(())) => Ok(()),
            Err(reason) => Err(reason),
        };
        for answer in answers {
            answer(written.clone());
        }
    }

    fn change(&mut self, watermark: &Watermark) -> Result<(), LogError> {
        self.recover()?;
        let change = |store: &Store| match *watermark {
            Watermark::Expire(now) => store.expire(now),
            Watermark::Reopen(now) => store.reopen(now),
        };
        let changed = self.store.read().as_ref().map_err(Clone::clone).and_then(change);
        if let Err(reason) = &changed {
            self.give_up(reason.clone(), None);
        }
        changed
    }

    /// Closes a database that failed: its answers could include a commit that is in doubt.
    fn give_up(&mut self, reason: LogError, in_doubt: Option<InDoubt>) {
        self.broken = Some(Broken { tried_at: Instant::now(), in_doubt });
        // This closes the database, which holds the lock of its folder.
        *self.store.write() = Err(reason);
    }

    /// Reopens a database that refuses further writes, once the pause is over.
    fn recover(&mut self) -> Result<(), LogError> {
        let Some(broken) = &self.broken else { return Ok(()) };
        if broken.tried_at.elapsed() < REOPEN_AFTER {
            return self.store.read().as_ref().map(drop).map_err(Clone::clone);
        }
        let opened = self.open(broken.in_doubt.as_ref());
        let recovered = opened.as_ref().map(drop).map_err(Clone::clone);
        *self.store.write() = opened;
        self.broken = match (&recovered, self.broken.take()) {
            (Err(_), Some(broken)) => Some(Broken { tried_at: Instant::now(), ..broken }),
            _ => None,
        };
        recovered
    }

    /// Opens the database, and checks that it accepts writes.
    fn open(&self, in_doubt: Option<&InDoubt>) -> Result<Store, LogError> {
        let opened = Store::open(&self.path, &self.registry, &self.settings);
        // Posters may read this error, so that it must not contain the path of the log.
        let opened = opened.map_err(|error| match error {
            EmbeddedLogError::Failed { reason, .. } => LogError::Unavailable(reason),
            EmbeddedLogError::InUse(_) => LogError::Unavailable("another program has it open".into()),
            EmbeddedLogError::Damaged { .. } => LogError::Damaged,
            _ => LogError::Lost("moved away, or replaced by something else"),
        })?;
        if opened.identity() != self.identity {
            return Err(LogError::Lost("replaced by another"));
        }
        in_doubt.map_or(Ok(()), |in_doubt| opened.undo(in_doubt))?;
        opened.try_disk()?;
        Ok(opened)
    }
}
