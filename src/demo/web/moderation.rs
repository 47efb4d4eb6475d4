//! The moderation of the chat room: a log that the demo's relay hosts, a witness of this log, and a moderator.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{Json, Router, http::header, response::IntoResponse as _, routing::get};
use quotapass_log::{
    CosignerKey, LogId, LogName, MemoryStore, Mirror, Source, SourceError, Trust,
    moderation::{Body, Entry, LogPolicy, State},
};
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use quotapass_relay::moderation::host::{ModerationHost, SentEntry};
use rand::{RngCore as _, rngs::OsRng};
use serde_json::json;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use zeroize::Zeroizing;

use crate::{
    relay::{LIST_SECONDS, TemplateLog},
    time::now,
};

/// The origin of the log.
const ORIGIN: &str = "demo.example/moderation";
/// The name of the witness, who is another operator outside the demo.
const WITNESS: &str = "witness.example";
/// The moderator's name in the log.
const MODERATOR: &str = "visitor";
/// Pause between two looks of the witness at the log.
const LOOK: Duration = Duration::from_millis(500);
/// Time after which the witness cosigns an unchanged checkpoint again, in seconds. A wallet does not begin with a
/// checkpoint that is older than a day.
const RENEWAL: u64 = 3_600;

/// The keys of the log. They are new at each start, and are in no file.
pub(super) struct Keys {
    name: LogName,
    root: NoteKey,
    moderator: NoteKey,
    witness: CosignerKey,
}

impl Keys {
    pub(super) fn generate() -> Result<Self> {
        let root = NoteKey::generate("root", &mut OsRng)?;
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *seed);
        Ok(Self {
            name: LogName { origin: ORIGIN.parse()?, root_key: root.public() },
            root,
            moderator: NoteKey::generate(MODERATOR, &mut OsRng)?,
            witness: CosignerKey::from_seed(WITNESS, &seed)?,
        })
    }

    /// Returns what the relay's configuration names.
    pub(super) fn template(&self) -> TemplateLog {
        TemplateLog { name: self.name.clone(), witness: self.witness.public() }
    }

    /// Returns the routes `/demo/log` and `/demo/moderator`.
    ///
    /// The second one gives the secret key of the moderator to everybody who can reach the demo, so that each visitor can
    /// decide. The key is good for this log alone, which ends with the demo. Pages of other origins cannot read the answer:
    /// only routes below `/v1/` allow that.
    pub(super) fn routes(&self) -> Router {
        let log = json!({
            "origin": self.name.origin.as_str(),
            "rootKey": self.name.root_key.to_string(),
            "witnesses": [self.witness.public().to_string()],
        });
        let moderator = json!({ "name": MODERATOR, "secret": hex::encode(*self.moderator.seed()) });
        Router::new().route("/demo/log", get(|| async move { Json(log) })).route(
            "/demo/moderator",
            get(|| async move { ([(header::CACHE_CONTROL, "no-store")], Json(moderator)).into_response() }),
        )
    }

    /// Begins the log: its first entry names the relay's working key and the moderator. Returns the witness, which has
    /// cosigned the first checkpoint.
    pub(super) fn begin(self, host: Arc<ModerationHost>) -> Result<Witness> {
        let id = self.name.id();
        // A log takes entries after its first round.
        host.round();
        let policy = LogPolicy {
            working_keys: vec![host.working_key().context("the relay hosts no moderation log")?],
            moderators: vec![self.moderator.public()],
            threshold: 1,
            list_interval: LIST_SECONDS,
        };
        let now = now()?;
        let leaf =
            Entry::new(Body::Policy(policy), now, &mut OsRng).sign(&self.name.origin, &[&self.root])?.to_bytes()?;
        host.append(id, &SentEntry { leaf, text: None, shown: None })?;
        host.round();
        let name = self.name;
        let mirror = Mirror::open(Trust::of_witness(name.clone()), MemoryStore::default(), State::new(name))?;
        let mut witness = Witness { host, log: id, key: self.witness, mirror, cosigned: None };
        witness.look(now)?;
        Ok(witness)
    }
}

/// The log as the relay serves it.
struct Served<'a>(&'a ModerationHost, LogId);

impl Source for Served<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.0.resource(self.1, path)?.ok_or_else(|| SourceError::NotFound(path.into()))
    }
}

/// The witness of the log: it applies each entry, and cosigns each checkpoint.
pub(super) struct Witness {
    host: Arc<ModerationHost>,
    log: LogId,
    key: CosignerKey,
    mirror: Mirror<MemoryStore, State>,
    /// The size of the checkpoint that was cosigned last, and when.
    cosigned: Option<(u64, UnixSeconds)>,
}

impl Witness {
    /// Watches the log until the service stops.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep(LOOK) => {}
            }
            let looked = spawn_blocking(move || {
                let looked = now().and_then(|now| self.look(now));
                (self, looked)
            });
            let Ok((witness, looked)) = looked.await else { return };
            self = witness;
            if let Err(error) = looked {
                warn!(error = format!("{error:#}"), "the witness did not cosign the moderation log; it tries again");
            }
        }
    }

    /// Cosigns the newest checkpoint, unless that was done.
    fn look(&mut self, now: UnixSeconds) -> Result<()> {
        let interval = u64::from(LIST_SECONDS.get());
        let since = self.cosigned.map(|(_, at)| now.since(at));
        if since.is_some_and(|since| since < interval) {
            return Ok(());
        }
        let size = self.mirror.advance(&Served(&self.host, self.log), now)?.size;
        if self.cosigned.is_some_and(|(known, at)| known == size && now.since(at) < RENEWAL) {
            return Ok(());
        }
        let line = self.mirror.cosign(&self.key, now, interval)?;
        self.host.add_cosignature(self.log, &line)?;
        self.cosigned = Some((size, now));
        Ok(())
    }
}
