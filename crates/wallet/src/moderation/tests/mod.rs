//! Tests with a real log, a witness, and members who are struck.

mod actions;
mod lists;
mod records;
mod settings;

use core::{cell::RefCell, num::NonZeroU32};
use std::{collections::BTreeMap, sync::OnceLock};

use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberPath, MemberTree, Membership, Root, Terms},
    moderation::{Entry, author::Author, record::Record},
    post::Post,
    prover::{Prover, RecordProvers, development_setup},
    registry_id::RegistryId,
    share::Line,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_log::{
    CosignerKey, LogId, LogName, Memory, MemoryStore, Mirror, Origin, Publication, Source, Trust,
    moderation::{
        Because, Body, Entry as LogEntry, EntryId, Ground, GroundKind, Journal, LIST_INTERVAL, Lift, ListedEntry,
        LogPolicy, Reason, SaltedText, State, Strike, Until,
    },
};
use quotapass_protocol::{
    ModerationPolicy, Policy, PolicyList, UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use rand::{SeedableRng, rngs::StdRng};

use super::{LogSettings, ScopeLists};
use crate::BoundPolicy;

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [7; 20] };
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const ROOM: &str = "room";
/// One more than the interval of the log.
const INTERVAL: u64 = 601;

/// What a wallet of a test remembers.
type TestMemory = RefCell<BTreeMap<LogId, Memory>>;

fn note_key(name: &str, seed: u8) -> NoteKey {
    NoteKey::from_seed(name, &[seed; 32]).unwrap()
}

/// A moderation log, and a relay that follows and cosigns it.
struct Operator {
    origin: String,
    number: u8,
    journal: Journal<MemoryStore>,
    mirror: RefCell<Mirror<MemoryStore, State>>,
    rng: RefCell<StdRng>,
}

impl Operator {
    /// The operator with this number, whose log has no strike.
    fn new(number: u8) -> Self {
        let origin = format!("relay{number}.example/moderation");
        let name = LogName { origin: origin.parse().unwrap(), root_key: note_key("root", 10 * number).public() };
        let mirror = Mirror::open(Trust::of_witness(name.clone()), MemoryStore::default(), State::new(name.clone()));
        let journal = Journal::open(name, MemoryStore::default()).unwrap();
        let rng = StdRng::seed_from_u64(number.into()).into();
        let operator = Self { origin, number, journal, mirror: mirror.unwrap().into(), rng };
        let policy = LogPolicy {
            working_keys: vec![operator.working().public()],
            moderators: vec![operator.moderator().public()],
            threshold: 1,
            list_interval: LIST_INTERVAL,
        };
        let root = note_key("root", 10 * number);
        let entry = LogEntry::new(Body::Policy(policy), NOW, &mut *operator.rng.borrow_mut());
        let entry = entry.sign(&operator.origin(), &[&root]).unwrap().to_bytes().unwrap();
        operator.journal.append(&entry, NOW).unwrap();
        operator.publish(NOW);
        operator
    }

    fn origin(&self) -> Origin {
        self.origin.parse().unwrap()
    }

    fn working(&self) -> NoteKey {
        note_key(&self.origin, 10 * self.number + 1)
    }

    fn moderator(&self) -> NoteKey {
        note_key("alice", 10 * self.number + 2)
    }

    fn root_key(&self) -> NotePublicKey {
        self.journal.name().root_key.clone()
    }

    fn witness(&self) -> CosignerKey {
        CosignerKey::from_seed("witness.example", &[10 * self.number + 3; 32]).unwrap()
    }

    /// The settings of a wallet that knows this operator's witness.
    fn settings(&self) -> LogSettings {
        let witnesses = vec![self.witness().public()];
        LogSettings::new(self.journal.name().clone(), vec!["https://relay.example".into()], witnesses, 1).unwrap()
    }

    fn append(&self, body: Body, now: UnixSeconds, text: Option<&SaltedText>) -> EntryId {
        let entry = LogEntry::new(body, now, &mut *self.rng.borrow_mut());
        let signed = entry.sign(&self.origin(), &[&self.moderator()]).unwrap().to_bytes().unwrap();
        match text {
            Some(text) => self.journal.append_strike(&signed, text, now).unwrap(),
            None => self.journal.append(&signed, now).unwrap(),
        };
        entry.id
    }

    /// Strikes a post in the room.
    fn strike(&self, post: Entry, text: &str, now: UnixSeconds) -> EntryId {
        let text = SaltedText::new(text, &mut *self.rng.borrow_mut()).unwrap();
        let Entry { x, y, nullifier } = post;
        let strike = Strike {
            entry: ListedEntry { x, y, nullifier },
            registry: REGISTRY,
            scope: ROOM.into(),
            epoch_seconds: NonZeroU32::new(600).unwrap(),
            epoch: now.0 / 600,
            pass: vec![1; 246],
            reason: Reason::Spam,
            ground: Ground { kind: GroundKind::Incompatible, reference: "rule 3".into() },
            text: text.digest(),
            until: Until::At(now + 86_400),
            automated_detection: true,
            automated_decision: false,
            decided_by: None,
        };
        self.append(Body::Strike(Box::new(strike)), now, Some(&text))
    }

    fn lift(&self, strike: EntryId, now: UnixSeconds) {
        self.append(Body::Lift(Lift { strike, because: Because::Appeal }), now, None);
    }

    /// Publishes a checkpoint, which the witness cosigns.
    fn publish(&self, now: UnixSeconds) {
        let published = self.journal.publish(&self.working(), now, &mut *self.rng.borrow_mut()).unwrap();
        assert!(matches!(published, Publication::New(_)), "{published:?}");
        let mut mirror = self.mirror.borrow_mut();
        mirror.advance(&self.journal, now).unwrap();
        let line = mirror.cosign(&self.witness(), now, 600).unwrap();
        assert!(self.journal.add_cosignature(&line, &[self.witness().public()]).unwrap());
    }
}

/// The policy of the room, with one list of each operator.
fn policy(operators: &[&Operator]) -> BoundPolicy {
    let lists = operators.iter().map(|operator| PolicyList { log: operator.settings().identity(), limit: 128 });
    let values = Policy {
        name: ROOM.into(),
        epoch_seconds: 600.try_into().unwrap(),
        limit_cap: 5.try_into().unwrap(),
        min_stake: 10,
        min_age_days: 1,
        root_window: 3_600,
        max_clock_skew: 20,
        stake_levels: Vec::new(),
        moderation: Some(ModerationPolicy { lists: lists.collect(), ..ModerationPolicy::default() }),
    };
    BoundPolicy::new(REGISTRY, values).unwrap()
}

fn open(operators: &[&Operator], memory: &TestMemory) -> ScopeLists {
    let settings: Vec<_> = operators.iter().map(|operator| operator.settings()).collect();
    ScopeLists::open(&policy(operators), &settings, memory).unwrap()
}

fn sources<'a>(operators: &[&'a Operator]) -> Vec<&'a dyn Source> {
    operators.iter().map(|operator| &operator.journal as &dyn Source).collect()
}

fn secret(number: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&[number], &REGISTRY, 0).unwrap()
}

/// An accepted post of a member in the room.
fn post_of(member: u8, message: &[u8]) -> Entry {
    let (scope, epoch) = (Scope::new(&REGISTRY, ROOM), Epoch::at(600.try_into().unwrap(), NOW));
    let line = Line::new(&secret(member), ExternalNullifier::new(scope, epoch), 3);
    let share = line.share(SignalHash::new(scope, epoch, message).unwrap());
    Entry { x: share.x, y: share.y, nullifier: line.nullifier() }
}

/// A member of a small tree.
struct Person {
    secret: IdentitySecret,
    member: Member,
    path: MemberPath,
    root: Root,
}

impl Person {
    fn new(number: u8) -> Self {
        let secret = secret(number);
        let terms = Terms::new(100, 20, Day::at(NOW - 10 * 86_400)).unwrap();
        let member = Member { commitment: secret.commitment(), terms };
        let mut tree = MemberTree::new(Levels::new(4).unwrap());
        let index = tree.append(member).unwrap().index;
        Self { secret, member, path: tree.path(index).unwrap(), root: tree.root() }
    }

    fn membership(&self) -> Membership<'_> {
        Membership { secret: &self.secret, member: &self.member, path: &self.path }
    }
}

/// Provers with development keys, made once in a process.
struct Keys {
    posts: Prover<Post>,
    authors: Prover<Author>,
    records: RecordProvers,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        posts: Prover::new(development_setup(Post { levels: Levels::new(4).unwrap() }).unwrap()).unwrap(),
        authors: Prover::new(development_setup(Author).unwrap()).unwrap(),
        records: RecordProvers { small: Prover::new(development_setup(Record::<16>).unwrap()).unwrap(), large: None },
    })
}
