//! A room of the demo with moderation: its log, a witness of the log, two moderators, and what wallets do there.

use std::{cell::RefCell, collections::BTreeMap, num::NonZeroU16, sync::Arc};

use anyhow::{Context, Result};
use quotapass_circuits::{
    moderation::{Entry, author::Author, record::Record},
    prover::{Prover, RecordProvers},
};
use quotapass_log::{
    CosignerKey, LogId, LogName, Memory, MemoryStore, Mirror, Origin, Source, SourceError, Trust,
    moderation::{Body, Entry as LogEntry, EntryId, LIST_INTERVAL, LogPolicy, SaltedText, State},
};
use quotapass_protocol::{
    LogIdentity, ModerationPolicy, Policy, PolicyList, UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use quotapass_registry::RegistryReader;
use quotapass_relay::{
    RelayContext, SettableClock,
    moderation::host::{HostParts, ModerationHost, OwnLogParts, SentEntry, ShownPost},
};
use quotapass_wallet::{
    BoundPolicy, MessagePass, Poster,
    keys::KeyStore,
    ledger::{Book, DeviceShare},
    moderation::{CurrentList, LogSettings, ScopeLists},
};
use rand::{CryptoRng, RngCore};

use super::world::{Person, SQUARE, World};
use crate::keys::development_prover;

/// The least time between two checkpoints of the log, in seconds.
pub(super) const INTERVAL: u64 = LIST_INTERVAL.get() as u64;
/// The number of reports at which a post is held.
pub(super) const HIDE_AT: u16 = 3;

/// The keys of the room. The log's server has the working key.
pub(super) struct SquareKeys {
    root: NoteKey,
    moderators: [NoteKey; 2],
    witness: CosignerKey,
    name: LogName,
}

impl SquareKeys {
    /// Returns new keys, and a working key.
    pub(super) fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Result<(Self, NoteKey)> {
        let origin: Origin = "relay.example/moderation".parse()?;
        let root = NoteKey::generate("root", rng)?;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let working = NoteKey::generate(origin.as_str(), rng)?;
        let keys = Self {
            moderators: [NoteKey::generate("alice", rng)?, NoteKey::generate("bob", rng)?],
            witness: CosignerKey::from_seed("another-relay.example", &seed)?,
            name: LogName { origin, root_key: root.public() },
            root,
        };
        Ok((keys, working))
    }

    /// Returns the policy of the room.
    pub(super) fn policy(&self, lobby: &Policy) -> Result<Policy> {
        let list = PolicyList { log: LogIdentity(*self.name.id().as_bytes()), limit: 1_024 };
        Ok(Policy {
            name: SQUARE.into(),
            moderation: Some(ModerationPolicy {
                lists: vec![list],
                list_window: INTERVAL as u32,
                hide_at: Some(NonZeroU16::new(HIDE_AT).context("no reports hold a post")?),
                ..ModerationPolicy::default()
            }),
            ..lobby.clone()
        })
    }
}

/// The provers of members of the room.
pub(super) struct SquareProvers {
    pub(super) authors: Prover<Author>,
    pub(super) records: RecordProvers,
}

impl SquareProvers {
    pub(super) fn development(store: &KeyStore) -> Result<Self> {
        let small = development_prover(store, Record::<16>)?;
        let large = development_prover(store, Record::<128>)?;
        Ok(Self { authors: development_prover(store, Author)?, records: RecordProvers { small, large: Some(large) } })
    }
}

/// The log as its server shows it.
struct Served<'a>(&'a ModerationHost, LogId);

impl Source for Served<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.0.resource(self.1, path)?.ok_or_else(|| SourceError::NotFound(path.into()))
    }
}

/// What a member of the room made.
pub(super) struct SquarePost {
    pub(super) message: Vec<u8>,
    pub(super) pass: MessagePass,
    pub(super) entry: Entry,
}

/// The room.
pub(super) struct Square {
    host: Arc<ModerationHost>,
    clock: Arc<SettableClock>,
    keys: SquareKeys,
    working: NotePublicKey,
    policy: BoundPolicy,
    settings: LogSettings,
    witness: Mirror<MemoryStore, State>,
    /// What the wallets remember of the log. One memory serves them all: they read the same log.
    memory: RefCell<BTreeMap<LogId, Memory>>,
    books: BTreeMap<usize, Book>,
}

impl Square {
    /// Opens the log, and publishes its first checkpoint: the root key names working key, moderators and threshold.
    pub(super) fn open(world: &mut World, (keys, working): (SquareKeys, NoteKey)) -> Result<Self> {
        let now = world.now()?;
        let clock = Arc::new(SettableClock::at(now));
        let public = working.public();
        let host = ModerationHost::open(HostParts {
            relay: world.relay.clone(),
            context: RelayContext::new(clock.clone()),
            posts: world.posts.verifier()?,
            archive: None,
            own: Some(OwnLogParts {
                name: keys.name.clone(),
                store: Arc::new(MemoryStore::default()),
                key: working,
                witnesses: vec![keys.witness.public()],
            }),
            follow: Vec::new(),
            witness: None,
        })?;
        let policy = BoundPolicy::new(world.registry.id(), keys.policy(&world.policy)?)?;
        let server = "http://127.0.0.1:8480".parse()?;
        let settings = LogSettings::new(keys.name.clone(), vec![server], vec![keys.witness.public()], 1)?;
        let name = keys.name.clone();
        let witness = Mirror::open(Trust::of_witness(name.clone()), MemoryStore::default(), State::new(name))?;
        let (memory, books) = (RefCell::default(), BTreeMap::new());
        let mut square = Self { host, clock, keys, working: public, policy, settings, witness, memory, books };
        // The first round asks other relays what they saw of the log; there are none.
        square.host.round();
        let first = LogPolicy {
            working_keys: vec![square.working.clone()],
            moderators: square.keys.moderators.iter().map(NoteKey::public).collect(),
            threshold: 2,
            list_interval: LIST_INTERVAL,
        };
        let first = LogEntry::new(Body::Policy(first), now, &mut world.rng);
        let leaf = first.sign(&square.keys.name.origin, &[&square.keys.root])?.to_bytes()?;
        square.send(SentEntry { leaf, text: None, shown: None })?;
        square.publish(world)?;
        Ok(square)
    }

    pub(super) fn policy(&self) -> &BoundPolicy {
        &self.policy
    }

    fn log(&self) -> LogId {
        self.keys.name.id()
    }

    fn send(&self, entry: SentEntry) -> Result<u64> {
        Ok(self.host.append(self.log(), &entry)?)
    }

    /// Appends an entry that both moderators sign.
    pub(super) fn decide(
        &self,
        world: &mut World,
        body: Body,
        text: Option<&SaltedText>,
        shown: Option<&[u8]>,
    ) -> Result<EntryId> {
        self.clock.set(world.now()?);
        let entry = LogEntry::new(body, world.now()?, &mut world.rng);
        let [alice, bob] = &self.keys.moderators;
        let leaf = entry.sign(&self.keys.name.origin, &[alice, bob])?.to_bytes()?;
        let shown = shown.map(|message| ShownPost::Message(message.to_vec()));
        self.send(SentEntry { leaf, text: text.map(SaltedText::to_bytes), shown })?;
        Ok(entry.id)
    }

    /// Publishes a checkpoint after the interval of the log. The witness applies each entry, and cosigns.
    pub(super) fn publish(&mut self, world: &World) -> Result<u64> {
        world.chain.advance(INTERVAL)?;
        let now = world.now()?;
        self.clock.set(now);
        self.host.round();
        let checkpoint = self.witness.advance(&Served(&self.host, self.keys.name.id()), now)?;
        let line = self.witness.cosign(&self.keys.witness, now, INTERVAL)?;
        self.host.add_cosignature(self.log(), &line)?;
        Ok(checkpoint.size)
    }

    /// Reads the list, tests it against the member's own secret, and proves a message.
    pub(super) fn post(
        &mut self,
        world: &mut World,
        number: usize,
        person: &Person,
        message: &str,
    ) -> Result<SquarePost> {
        let now = world.now()?;
        let path = world.follower.path(person.index)?;
        let log = Served(&self.host, self.keys.name.id());
        let mut lists = ScopeLists::open(&self.policy, std::slice::from_ref(&self.settings), &self.memory)?;
        let current = lists.refresh(&[&log], &self.memory, now)?;
        lists.test(&person.secret, &[&log])?;
        let mut poster = Poster::new(&world.posts, self.policy.clone(), person.membership(&path), now)?;
        poster.set_lists(&world.square.records, &current, |_| {})?;
        let book = self.books.entry(number).or_insert_with(|| Book::new(poster.owner(), DeviceShare::SOLE));
        let reservation = book.reserve_message(now, &poster.quota(), message.as_bytes())?;
        let pass = poster.prove(reservation, message.as_bytes(), &mut world.rng)?;
        let entry = Entry::of(&pass.post().public(self.policy.scope(), message.as_bytes())?);
        Ok(SquarePost { message: message.into(), pass, entry })
    }

    /// Returns the current lists, as a member reads them who reports a post.
    pub(super) fn lists(&self, now: UnixSeconds) -> Result<Vec<CurrentList>> {
        let log = Served(&self.host, self.keys.name.id());
        let mut lists = ScopeLists::open(&self.policy, std::slice::from_ref(&self.settings), &self.memory)?;
        Ok(lists.refresh(&[&log], &self.memory, now)?)
    }
}
