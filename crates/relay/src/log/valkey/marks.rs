//! The marks of a log on servers: finding, taking and creating a log.
//!
//! A mark is the log's identity beside the nullifiers of each slot, so that one emptied server of a cluster is noticed,
//! too. All marks of a log have the same identity. Otherwise the log is partly lost, or another relay is creating it.

use std::time::Duration;

use quotapass_protocol::LogError;
use redis::{Value, cmd};
use tokio::time::sleep;

use super::{
    Keys, Log, bytes_of,
    servers::{Kind, Request},
    vitals::{EMPTIED, IN_PARTS},
};
use crate::log::{LogChoice, LogIdentity};

/// Maximum number of times that marks are read while another relay may be writing them.
const ATTEMPTS: u32 = 40;
/// Pause after each read.
const PAUSE: Duration = Duration::from_millis(50);

impl Keys {
    /// Returns the keys of the marks beside nullifiers.
    pub(super) fn shards(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..=u8::MAX).map(|shard| format!("quotapass:m:{{{shard:02x}}}:{}", self.registry).into_bytes())
    }

    /// Returns the keys of all marks, first the one beside the registry's other keys.
    pub(super) fn marks(&self) -> Vec<Vec<u8>> {
        core::iter::once(self.store.clone().into_bytes()).chain(self.shards()).collect()
    }
}

/// The marks on the servers.
enum Found {
    Nothing,
    Part,
    Whole(LogIdentity),
}

impl Log {
    pub(super) fn identity(&self) -> Option<LogIdentity> {
        *self.identity.read()
    }

    /// Takes the existing log or creates a new one, as the choice allows.
    ///
    /// # Errors
    /// [`LogError::Lost`] if the log is not the known one, or is incomplete.
    pub(super) async fn take(&self, choice: LogChoice) -> Result<(), LogError> {
        self.servers.expect(None);
        for attempt in 1..=ATTEMPTS {
            match (self.find().await?, choice) {
                (Found::Whole(found), LogChoice::Known(known)) if found != known => {
                    return Err(LogError::Lost(EMPTIED));
                }
                (Found::Whole(found), _) => {
                    *self.identity.write() = Some(found);
                    self.servers.expect(Some(found).filter(|_| !self.is_volatile));
                    return Ok(());
                }
                (Found::Nothing, LogChoice::Known(_)) => return Err(LogError::Lost(EMPTIED)),
                (Found::Nothing, LogChoice::First | LogChoice::New) => self.begin(true).await?,
                // Another relay may be creating it.
                (Found::Part, LogChoice::New) if attempt == ATTEMPTS / 2 => self.begin(false).await?,
                (Found::Part, _) => sleep(PAUSE).await,
            }
        }
        Err(LogError::Lost(IN_PARTS))
    }

    /// Looks for the log without changing anything. Returns its identity, or `None` if there is no log and none is known.
    ///
    /// # Errors
    /// [`LogError::Lost`] if the log is not the known one, or is incomplete.
    pub(super) async fn look(&self, known: Option<LogIdentity>) -> Result<Option<LogIdentity>, LogError> {
        for _ in 0..ATTEMPTS {
            match (self.find().await?, known) {
                (Found::Whole(found), None) => return Ok(Some(found)),
                (Found::Whole(found), Some(known)) if found == known => return Ok(Some(found)),
                (Found::Nothing, None) => return Ok(None),
                (Found::Whole(_) | Found::Nothing, Some(_)) => return Err(LogError::Lost(EMPTIED)),
                // Another relay may be creating it.
                (Found::Part, _) => sleep(PAUSE).await,
            }
        }
        Err(LogError::Lost(IN_PARTS))
    }

    /// Writes all marks. With `is_first`, a relay that is not the first to write leaves them to the other one.
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

    /// Reads the marks. Servers of a cluster that do not answer are ignored, unless the other servers have no marks.
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

    /// Deletes the log's identity, so that all relays notice that the log has lost data.
    pub(super) async fn abandon(&self) {
        if self.is_volatile {
            return;
        }
        let store = self.keys.store.as_bytes();
        // If this fails, the next write notices the loss again, and repeats it.
        let _ = self.servers.run(vec![Request::new(store, cmd("DEL").arg(store).to_owned())], Kind::Write).await;
    }
}
