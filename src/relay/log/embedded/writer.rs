//! The one thread that writes: what callers ask for at the same time is decided in turn and flushed at once.

use std::{
    path::PathBuf,
    sync::{Arc, RwLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use quotapass_circuits::registry_id::RegistryId;

use super::{
    EmbeddedLogError, EmbeddedSettings,
    error::failed,
    store::{InDoubt, Store},
    transaction::Transaction,
};
use crate::relay::{LogError, read, write};

/// Entries after which a group is flushed whoever else is waiting.
const GROUP_ENTRIES: usize = 4096;
/// How long after a failed write the database is opened anew.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// What a caller hears once his part is on disk, or is not.
type Answer = Box<dyn FnOnce(Result<(), LogError>) + Send>;
/// Decides one caller's part in a transaction, if there can be one.
type Decide = Box<dyn FnOnce(Result<&mut Transaction<'_>, LogError>) -> Answer + Send>;

enum Command {
    Write { entries: usize, decide: Decide },
    Expire { now: u64, answer: Answer },
}

/// The open database; none while it is opened anew.
pub(super) type Shared = Arc<RwLock<Option<Store>>>;

/// A handle of the thread, which ends with it.
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
    ) -> Result<Self, EmbeddedLogError> {
        let (commands, received) = mpsc::channel();
        let mut worker = Worker { store, path: path.clone(), registry, settings, broken: None };
        let spawned = thread::Builder::new().name("nullifier-log".into()).spawn(move || worker.run(&received));
        let thread = spawned.map_err(|error| failed("open", &path, &error))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Has something decided, and returns once it is on disk.
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

    /// Drops what is expired.
    pub(super) fn expire(&self, now: u64) -> Result<(), LogError> {
        self.ask(|reply| Command::Expire { now, answer: Box::new(reply) })
    }

    fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(Box<dyn FnOnce(Result<T, LogError>) + Send>) -> Command,
    ) -> Result<T, LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Whoever asked waits for the answer below.
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
            // It does not panic: what may is caught.
            let _ = thread.join();
        }
    }
}

struct Worker {
    store: Shared,
    path: PathBuf,
    registry: RegistryId,
    settings: EmbeddedSettings,
    broken: Option<Broken>,
}

/// A database that refuses to go on.
struct Broken {
    reason: LogError,
    since: Instant,
    in_doubt: Option<InDoubt>,
}

impl Worker {
    fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        let mut held = None;
        while let Some(command) = held.take().or_else(|| commands.recv().ok()) {
            match command {
                Command::Expire { now, answer } => answer(self.expire(now)),
                Command::Write { mut entries, decide } => {
                    let mut group = vec![decide];
                    while entries < GROUP_ENTRIES
                        && let Ok(next) = commands.try_recv()
                    {
                        match next {
                            Command::Write { entries: more, decide } => {
                                entries += more;
                                group.push(decide);
                            }
                            expire @ Command::Expire { .. } => {
                                held = Some(expire);
                                break;
                            }
                        }
                    }
                    self.write(group);
                }
            }
        }
    }

    fn write(&mut self, group: Vec<Decide>) {
        let recovered = self.recover();
        let store = read(&self.store);
        let mut transaction = match (recovered, store.as_ref()) {
            (Ok(()), Some(store)) => Ok((store, Transaction::new(store))),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(not_open()),
        };
        let decide = |decide: Decide| match &mut transaction {
            Ok((_, transaction)) => decide(Ok(transaction)),
            Err(error) => decide(Err(error.clone())),
        };
        let answers: Vec<Answer> = group.into_iter().map(decide).collect();
        let written = transaction.and_then(|(store, transaction)| {
            store.commit(transaction).map_err(|(reason, in_doubt)| {
                self.broken = Some(Broken { reason: reason.clone(), since: Instant::now(), in_doubt: Some(in_doubt) });
                reason
            })
        });
        for answer in answers {
            answer(written.clone());
        }
    }

    fn expire(&mut self, now: u64) -> Result<(), LogError> {
        self.recover()?;
        let expired = read(&self.store).as_ref().map_or_else(|| Err(not_open()), |store| store.expire(now));
        if let Err(reason) = &expired {
            self.broken = Some(Broken { reason: reason.clone(), since: Instant::now(), in_doubt: None });
        }
        expired
    }

    /// Opens a database anew that has refused to go on, once it is time.
    fn recover(&mut self) -> Result<(), LogError> {
        let Some(broken) = &mut self.broken else { return Ok(()) };
        if broken.since.elapsed() < REOPEN_AFTER {
            return Err(broken.reason.clone());
        }
        broken.since = Instant::now();
        let mut store = write(&self.store);
        // It holds the lock of its folder.
        drop(store.take());
        let opened = Store::open(&self.path, &self.registry, &self.settings);
        let opened = opened.map_err(|error| match error {
            EmbeddedLogError::Damaged { .. } => LogError::Damaged,
            error => LogError::Unavailable(error.to_string()),
        });
        let undone = opened.and_then(|opened| {
            broken.in_doubt.as_ref().map_or(Ok(()), |in_doubt| opened.undo(in_doubt)).map(|()| opened)
        });
        match undone {
            Ok(opened) => {
                *store = Some(opened);
                self.broken = None;
                Ok(())
            }
            Err(error) => {
                broken.reason = error.clone();
                Err(error)
            }
        }
    }
}

/// There is no database while it is opened anew, and none if that failed.
pub(super) fn not_open() -> LogError {
    LogError::Unavailable("its database could not be opened anew".into())
}
