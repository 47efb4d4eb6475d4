//! A moderation log for the tests: an operator, a witness, and the files that a relay would serve at some times.

use core::{cell::RefCell, num::NonZeroU32};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quotapass_circuits::{
    identity::IdentitySecret,
    moderation::Entry,
    share::Line,
    signal::{ExternalNullifier, SignalHash},
};
use quotapass_log::{
    CosignerKey, LogId, LogName, Memory, MemoryStore, Mirror, Publication, Source, SourceError, Trust,
    moderation::{
        Because, Body, Entry as LogEntry, EntryId, Ground, GroundKind, Journal, LIST_INTERVAL, Lift, ListedEntry,
        LogPolicy, SaltedText, State, Strike, Until,
    },
};
use quotapass_protocol::{UnixSeconds, moderation::Reason, note::NoteKey};
use quotapass_wallet::{
    BoundPolicy,
    moderation::{CurrentList, LogSettings, ScopeLists, StatedLog},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{NOW, REGISTRY};

const ORIGIN: &str = "relay.example/moderation";
/// More than the interval of the log.
const INTERVAL: u64 = 601;
/// The strikes of a list whose records need the large key.
const MANY: u64 = 70;
/// The statement of reasons of the own post's strike.
const TEXT: &str = "The post repeats an advertisement.";

struct Operator {
    journal: Journal<MemoryStore>,
    mirror: Mirror<MemoryStore, State>,
    rng: StdRng,
    now: UnixSeconds,
}

fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::from_seed(name, &[seed; 32]).unwrap()
}

fn witness() -> CosignerKey {
    CosignerKey::from_seed("witness.example", &[4; 32]).unwrap()
}

fn name() -> LogName {
    LogName { origin: ORIGIN.parse().unwrap(), root_key: key("root", 1).public() }
}

/// The settings of the log, as an app has them.
pub fn stated() -> StatedLog {
    StatedLog {
        origin: ORIGIN.into(),
        root_key: key("root", 1).public().to_string(),
        servers: vec!["https://relay.example".into()],
        witnesses: vec![witness().public().to_string()],
        cosignatures: 1,
    }
}

/// The settings of the log.
pub fn settings() -> LogSettings {
    LogSettings::try_from(&stated()).unwrap()
}

impl Operator {
    fn new(seed: u64) -> Self {
        let mirror = Mirror::open(Trust::of_witness(name()), MemoryStore::default(), State::new(name())).unwrap();
        let journal = Journal::open(name(), MemoryStore::default()).unwrap();
        let mut operator = Self { journal, mirror, rng: StdRng::seed_from_u64(seed), now: NOW };
        let policy = LogPolicy {
            working_keys: vec![key(ORIGIN, 2).public()],
            moderators: vec![key("alice", 3).public()],
            threshold: 1,
            list_interval: LIST_INTERVAL,
        };
        let entry = LogEntry::new(Body::Policy(policy), NOW, &mut operator.rng);
        let entry = entry.sign(&name().origin, &[&key("root", 1)]).unwrap().to_bytes().unwrap();
        operator.journal.append(&entry, NOW).unwrap();
        operator
    }

    fn append(&mut self, body: Body, text: Option<&SaltedText>) -> EntryId {
        let entry = LogEntry::new(body, self.now, &mut self.rng);
        let signed = entry.sign(&name().origin, &[&key("alice", 3)]).unwrap().to_bytes().unwrap();
        match text {
            Some(text) => self.journal.append_strike(&signed, text, self.now).unwrap(),
            None => self.journal.append(&signed, self.now).unwrap(),
        };
        entry.id
    }

    fn strike(&mut self, policy: &BoundPolicy, Entry { x, y, nullifier }: Entry) -> EntryId {
        let text = SaltedText::new(TEXT, &mut self.rng).unwrap();
        let strike = Strike {
            entry: ListedEntry { x, y, nullifier },
            registry: REGISTRY,
            scope: policy.values().name.clone(),
            epoch_seconds: NonZeroU32::new(600).unwrap(),
            epoch: NOW.0 / 600,
            pass: vec![1; 246],
            reason: Reason::Spam,
            ground: Ground { kind: GroundKind::Incompatible, reference: "rule 3".into() },
            text: text.digest(),
            until: Until::At(NOW + 180 * 86_400),
            automated_detection: true,
            automated_decision: false,
            decided_by: None,
        };
        self.append(Body::Strike(Box::new(strike)), Some(&text))
    }

    /// Publishes a checkpoint, which the witness cosigns, and writes what a wallet reads of it.
    fn publish(&mut self, folder: &Path, policy: &BoundPolicy, own: &IdentitySecret) {
        self.now = self.now + INTERVAL;
        let published = self.journal.publish(&key(ORIGIN, 2), self.now, &mut self.rng).unwrap();
        assert!(matches!(published, Publication::New(_)), "{published:?}");
        self.mirror.advance(&self.journal, self.now).unwrap();
        let line = self.mirror.cosign(&witness(), self.now, LIST_INTERVAL.get().into()).unwrap();
        assert!(self.journal.add_cosignature(&line, &[witness().public()]).unwrap());
        let recorder = Recorder { journal: &self.journal, folder: folder.join(settings().identity().to_string()) };
        // A wallet at first contact reads everything that one reads which goes on from an earlier state.
        let memories = RefCell::new(BTreeMap::new());
        let _struck = read(policy, &recorder, &memories, self.now).0.test(own, &[&recorder]);
    }
}

/// A source that writes everything that is fetched from a journal into a folder.
struct Recorder<'a> {
    journal: &'a Journal<MemoryStore>,
    folder: PathBuf,
}

impl Source for Recorder<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let bytes = self.journal.fetch(path)?;
        let file = self.folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &bytes).unwrap();
        Ok(bytes)
    }
}

/// The files of a state as a source.
pub struct Files(pub PathBuf);

impl Source for Files {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let file = self.0.join(settings().identity().to_string()).join(path);
        fs::read(file).map_err(|_| SourceError::NotFound(path.into()))
    }
}

/// Reads the lists of a policy.
pub fn read(
    policy: &BoundPolicy,
    source: &dyn Source,
    memories: &RefCell<BTreeMap<LogId, Memory>>,
    now: UnixSeconds,
) -> (ScopeLists, Vec<CurrentList>) {
    let mut lists = ScopeLists::open(policy, &[settings()], memories).unwrap();
    let current = lists.refresh(&[source], memories, now).unwrap();
    (lists, current)
}

/// The entry of an accepted post of a member in a room.
fn post_of(policy: &BoundPolicy, secret: &IdentitySecret, number: u64) -> Entry {
    let (scope, epoch) = (policy.scope(), policy.values().epoch_at(NOW));
    let line = Line::new(secret, ExternalNullifier::new(scope, epoch), 3);
    let share = line.share(SignalHash::new(scope, epoch, &number.to_be_bytes()).unwrap());
    Entry { x: share.x, y: share.y, nullifier: line.nullifier() }
}

/// Writes the states of a log. In each a wallet reads: `first` one strike, `own` a second one of `own`, `lifted` that one
/// lifted, `long` so many that records need the large key. `forked` has the size of `first` and another strike.
pub fn make(folder: &Path, policy: &BoundPolicy, own: &IdentitySecret) -> Value {
    let stranger = |number: u64| {
        let secret = IdentitySecret::from_seed(&number.to_be_bytes(), &REGISTRY, 0).unwrap();
        post_of(policy, &secret, number)
    };
    let mut forked = Operator::new(1);
    forked.strike(policy, stranger(1_000));
    forked.publish(&folder.join("forked"), policy, own);

    let mut operator = Operator::new(1);
    operator.strike(policy, stranger(1));
    operator.publish(&folder.join("first"), policy, own);
    let strike = operator.strike(policy, post_of(policy, own, 2));
    operator.publish(&folder.join("own"), policy, own);
    operator.append(Body::Lift(Lift { strike, because: Because::Appeal }), None);
    operator.publish(&folder.join("lifted"), policy, own);
    for number in 0..MANY {
        operator.strike(policy, stranger(10 + number));
    }
    operator.publish(&folder.join("long"), policy, own);
    let StatedLog { origin, root_key, servers, witnesses, .. } = stated();
    json!({
        "settings": { "origin": origin, "rootKey": root_key, "servers": servers, "witnesses": witnesses },
        "log": settings().identity(),
        "otherWitness": CosignerKey::from_seed("stranger.example", &[9; 32]).unwrap().public().to_string(),
        "now": operator.now,
        "strike": strike.to_string(),
        "text": TEXT,
        "until": NOW + 180 * 86_400,
    })
}

/// Writes a state for each number of strikes, the numbers ascending, and returns the time of each. The log has the identity of
/// the one that [`make`] writes and another history.
pub fn make_lists(folder: &Path, policy: &BoundPolicy, own: &IdentitySecret, sizes: &[u64]) -> Value {
    let mut operator = Operator::new(2);
    let (mut written, mut times) = (0, serde_json::Map::new());
    for size in sizes {
        for number in written..*size {
            let secret = IdentitySecret::from_seed(&number.to_be_bytes(), &REGISTRY, 0).unwrap();
            operator.strike(policy, post_of(policy, &secret, number));
        }
        written = *size;
        operator.publish(&folder.join(format!("list-{size}")), policy, own);
        times.insert(size.to_string(), json!(operator.now));
    }
    Value::Object(times)
}
