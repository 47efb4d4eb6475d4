//! Which log is on the servers: found, taken, or begun.
//!
//! A log has its identity beside the nullifiers of each slot, so that a server of a cluster that is emptied is noticed as
//! well as the only one. All marks have the same identity; anything else is a log that is lost in part, or one that another
//! relay is about to begin.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::sleep;

use super::{
    Keys, Log, bytes_of,
    servers::{Kind, Request},
    vitals::{EMPTIED, IN_PARTS},
};
use crate::relay::{
    LogError,
    log::{LogChoice, LogIdentity},
    read, write,
};

/// How often marks are read again that another relay may be writing.
const ATTEMPTS: u32 = 40;
/// How long after each.
const PAUSE: Duration = Duration::from_millis(50);

impl Keys {
    /// The marks beside nullifiers.
    pub(super) fn shards(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..=u8::MAX).map(|shard| format!("quotapass:m:{{{shard:02x}}}:{}", self.registry).into_bytes())
    }

    /// All marks, the one beside the registry's other keys first.
    pub(super) fn marks(&self) -> Vec<Vec<u8>> {
        core::iter::once(self.store.clone().into_bytes()).chain(self.shards()).collect()
    }
}

/// What is on the servers.
enum Found {
    Nothing,
    Part,
    Whole(LogIdentity),
}

impl Log {
    pub(super) fn identity(&self) -> Option<LogIdentity> {
        *read(&self.identity)
    }

    /// Takes the log that is there, or begins one, as the choice allows.
    ///
    /// # Errors
    /// [`LogError::Lost`] if it is not the one that is known, or only part of it.
    pub(super) async fn take(&self, choice: LogChoice) -> Result<(), LogError> {
        self.servers.expect(None);
        for attempt in 1..=ATTEMPTS {
            match (self.find().await?, choice) {
                (Found::Whole(found), LogChoice::Known(known)) if found != known => {
                    return Err(LogError::Lost(EMPTIED));
                }
                (Found::Whole(found), _) => {
                    *write(&self.identity) = Some(found);
                    self.servers.expect(Some(found).filter(|_| !self.is_volatile));
                    return Ok(());
                }
                (Found::Nothing, LogChoice::Known(_)) => return Err(LogError::Lost(EMPTIED)),
                (Found::Nothing, LogChoice::First | LogChoice::New) => self.begin(true).await?,
                // Another relay may be about to begin it.
                (Found::Part, LogChoice::New) if attempt == ATTEMPTS / 2 => self.begin(false).await?,
                (Found::Part, _) => sleep(PAUSE).await,
            }
        }
        Err(LogError::Lost(IN_PARTS))
    }

    /// Writes all marks; if there are none yet, only the relay that is first does.
    async fn begin(&self, is_first: bool) -> Result<(), LogError> {
        let identity = LogIdentity::random();
        let set = |mark: &[u8]| cmd("SET").arg(mark).arg(identity.as_bytes()).to_owned();
        let store = self.keys.store.as_bytes();
        let mut command = set(store);
        if is_first {
            command.arg("NX").arg("GET");
        }
        let known = self.one(&self.keys.store, command, Kind::Write).await?;
        if is_first && bytes_of(known)?.is_some_and(|known| known != identity.as_bytes()) {
            return Ok(());
        }
        let marks = self.keys.shards().map(|mark| Request::new(&mark, set(&mark))).collect();
        self.servers.run(marks, Kind::Write).await.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// What is there. Servers of a cluster that do not answer have no say, unless there is nothing elsewhere.
    async fn find(&self) -> Result<Found, LogError> {
        let get = |mark: Vec<u8>| Request::new(&mark, cmd("GET").arg(&mark).to_owned());
        let marks = self.keys.marks().into_iter().map(get).collect();
        let answers = self.servers.run(marks, Kind::Read).await;
        let failure = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
        let mut known: Vec<Value> = answers.into_iter().flatten().collect();
        known.dedup();
        match (&known[..], failure) {
            ([Value::Nil] | [], Some(failure)) => Err(failure),
            ([Value::Nil] | [], None) => Ok(Found::Nothing),
            ([Value::BulkString(identity)], _) => {
                LogIdentity::from_bytes(identity).map(Found::Whole).map_err(|_| LogError::Damaged)
            }
            _ => Ok(Found::Part),
        }
    }

    /// Takes the log's identity away from all relays: what it held is not there any more.
    pub(super) async fn abandon(&self) {
        if self.is_volatile {
            return;
        }
        let store = self.keys.store.as_bytes();
        // One that cannot be told is asked again with the next write.
        let _ = self.servers.run(vec![Request::new(store, cmd("DEL").arg(store).to_owned())], Kind::Write).await;
    }
}
