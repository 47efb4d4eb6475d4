//! Moderation logs over HTTP: an operator hosts one, another follows and cosigns it, and readers see both.

mod following;
mod hosting;

use core::num::NonZeroU32;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use ed25519_dalek::{Signer as _, SigningKey};
use quotapass_circuits::formats::wire::PostPass;
use quotapass_log::{
    Checkpoint, CosignerKey, EmbeddedStore, Follower, LogName, LogStore, MemoryStore, Mirror, Origin, SignedCheckpoint,
    Source, SourceError, TreeHash, Trust,
    moderation::{
        Because, Block, Body, Digest, Entry, Ground, GroundKind, Journal, Lift, ListKey, ListedEntry, LogPolicy,
        Notice, Reason, SaltedText, State, Strike, Until, read_index,
    },
};
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use quotapass_relay::{
    Clock as _,
    moderation::host::{FollowSettings, HostParts, LogServer, ModerationHost, OwnLogParts},
};
use quotapass_testkit::process::{child, kill_after_begin, say};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::{server::*, world::*};

/// The interval of the logs, in seconds.
const INTERVAL: u64 = 600;

/// The keys of an operator.
struct Keys {
    origin: Origin,
    root: NoteKey,
    working: NoteKey,
    moderators: [NoteKey; 2],
    witness: [u8; 32],
}

impl Keys {
    fn new(number: u8) -> Self {
        let origin: Origin = format!("operator{number}.example/moderation").parse().unwrap();
        let key = |name: &str, seed: u8| NoteKey::from_seed(name, &[16 * number + seed; 32]).unwrap();
        Self {
            root: key("root", 1),
            working: key(origin.as_str(), 2),
            moderators: [key("alice", 3), key("bob", 4)],
            witness: [16 * number + 5; 32],
            origin,
        }
    }

    fn name(&self) -> LogName {
        LogName { origin: self.origin.clone(), root_key: self.root.public() }
    }

    fn witness(&self) -> CosignerKey {
        CosignerKey::from_seed("witness.example", &self.witness).unwrap()
    }

    fn policy(&self) -> LogPolicy {
        LogPolicy {
            working_keys: vec![self.working.public()],
            moderators: self.moderators.iter().map(NoteKey::public).collect(),
            threshold: 2,
            list_interval: NonZeroU32::new(INTERVAL as u32).unwrap(),
        }
    }

    fn sign(&self, entry: &Entry, keys: &[&NoteKey]) -> String {
        String::from_utf8(entry.sign(&self.origin, keys).unwrap().to_bytes().unwrap()).unwrap()
    }

    /// Signs with both moderators.
    fn decide(&self, body: Body, at: UnixSeconds) -> (Entry, String) {
        let entry = Entry::new(body, at, &mut rand::rngs::OsRng);
        let [one, other] = &self.moderators;
        let leaf = self.sign(&entry, &[one, other]);
        (entry, leaf)
    }
}

/// A relay with its logs.
struct Operator {
    keys: Keys,
    server: Server,
    host: Arc<ModerationHost>,
}

type Stores = (Arc<dyn LogStore>, Vec<Arc<dyn LogStore>>);

fn stores(followed: usize) -> Stores {
    let store = || Arc::new(MemoryStore::default()) as Arc<dyn LogStore>;
    (store(), (0..followed).map(|_| store()).collect())
}

impl Operator {
    /// Starts the relay of an operator, which follows logs at other relays, on these stores.
    fn start(number: u8, followed: &[(&Keys, &Server)], stores: Stores, witnesses: &[&Keys]) -> Self {
        let followed: Vec<_> = followed.iter().map(|(of, at)| (*of, at.address)).collect();
        Self::start_at(number, &followed, stores, witnesses)
    }

    /// Does the same with relays at other addresses than their own.
    fn start_at(number: u8, followed: &[(&Keys, SocketAddr)], (own, copies): Stores, witnesses: &[&Keys]) -> Self {
        let (keys, server) = (Keys::new(number), Server::start());
        let follow = followed.iter().zip(copies).map(|((of, at), store)| {
            let server = LogServer::new(&format!("http://{at}"), None).unwrap();
            let settings =
                FollowSettings { name: of.name(), server, is_cosigned: true, witnesses: Vec::new(), required: 0 };
            (settings, store)
        });
        let parts = HostParts {
            relay: Arc::clone(&server.relay),
            context: server.engine.context().clone(),
            posts: world().verifiers().0,
            archive: None,
            own: Some(OwnLogParts {
                name: keys.name(),
                store: own,
                key: NoteKey::from_seed(keys.origin.as_str(), &keys.working.seed()).unwrap(),
                witnesses: witnesses.iter().map(|of| of.witness().public()).collect(),
            }),
            follow: follow.collect(),
            witness: Some(keys.witness()),
        };
        let host = ModerationHost::open(parts).unwrap();
        drop(server.service.clone().with_moderation(Arc::clone(&host)));
        Self { keys, server, host }
    }

    fn alone() -> Self {
        Self::start(1, &[], stores(0), &[])
    }

    /// The same with a first policy and a checkpoint.
    fn begun() -> Self {
        let operator = Self::alone();
        operator.begin();
        operator
    }

    fn begin(&self) {
        self.host.round();
        let first = Entry::new(Body::Policy(self.keys.policy()), self.now(), &mut rand::rngs::OsRng);
        let answer = self.entry(&json!({ "leaf": self.keys.sign(&first, &[&self.keys.root]) }));
        assert_eq!((answer.status, answer.json()), (200, json!({ "index": "0" })));
        self.host.round();
    }

    fn now(&self) -> UnixSeconds {
        self.server.clock.now()
    }

    fn log(&self) -> String {
        self.keys.name().id().to_string()
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/moderation/{}/{rest}", self.log())
    }

    fn entry(&self, body: &Value) -> Answer {
        self.server.post_json(&self.path("entries"), body)
    }

    /// Moves all clocks on by an interval, and makes a round of each relay.
    fn advance(all: &[&Self]) {
        for operator in all {
            operator.server.clock.advance(INTERVAL);
        }
        for operator in all {
            operator.host.round();
        }
    }

    fn refusal(&self, of: &Keys) -> Option<&'static str> {
        let conditions = self.server.engine.context().status.clone();
        conditions.moderation_logs().get(of.name().id()).unwrap().refusal.map(|refusal| refusal.name)
    }

    /// The version of a log's lists that is in force.
    fn in_force(&self, of: &Keys) -> Option<u64> {
        let lists = self.server.relay.lists().in_force();
        lists.iter().find(|list| list.log.to_string() == of.name().id().to_string()).map(|list| list.version.size)
    }
}

/// The post of member 1, and a strike of it with its statement of reasons.
fn strike(at: UnixSeconds) -> (Strike, SaltedText) {
    let post = &HONEST[1];
    let pass = PostPass::from_bytes(&post.pass).unwrap();
    let public = pass.public(scope(), &post.message).unwrap();
    let text = SaltedText::new("It was an advertisement.", &mut rand::rngs::OsRng).unwrap();
    let strike = Strike {
        entry: ListedEntry::new(public.share, public.nullifier),
        registry: REGISTRY,
        scope: SCOPE.into(),
        epoch_seconds: pass.epoch.seconds(),
        epoch: pass.epoch.number(),
        pass: post.pass.clone(),
        reason: Reason::Spam,
        ground: Ground { kind: GroundKind::Incompatible, reference: "rule 3".into() },
        text: text.digest(),
        until: Until::At(at + 86_400),
        automated_detection: false,
        automated_decision: false,
        decided_by: None,
    };
    (strike, text)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn message() -> String {
    String::from_utf8(HONEST[1].message.clone()).unwrap()
}

impl Operator {
    /// Strikes the post of member 1, and returns the entry.
    fn strike(&self) -> Entry {
        let (strike, text) = strike(self.now());
        let (entry, leaf) = self.keys.decide(Body::Strike(Box::new(strike)), self.now());
        let body = json!({ "leaf": leaf, "text": base64url(&text.to_bytes()), "message": message() });
        let answer = self.entry(&body);
        assert_eq!(answer.status, 200, "{answer:?}");
        entry
    }
}

/// A relay as the source of a log, for a wallet.
struct Reader<'a>(&'a Server, String);

impl Source for Reader<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let answer = self.0.get(&format!("/v1/moderation/{}/{path}", self.1));
        if answer.status == 200 { Ok(answer.body) } else { Err(SourceError::NotFound(path.into())) }
    }
}

fn room() -> ListKey {
    ListKey { registry: REGISTRY, scope: SCOPE.into() }
}

fn block(number: u64) -> Body {
    let subject = Digest::of(&number.to_be_bytes());
    Body::Block(Block { subject, reason: Reason::Malware, notice: Notice { ttl: 60 } })
}

/// Returns the header with which a moderator signs a request.
fn seal(operator: &Operator, key: &NoteKey, method: &str, path: &str, body: &[u8]) -> String {
    let key = SigningKey::from_bytes(&key.seed());
    let (at, body) = (operator.now(), hex::encode(sha2::Sha256::digest(body)));
    let text = format!("quotapass.moderator.v1\n{}\n{method}\n{path}\n{at}\n{body}\n", operator.log());
    let signature = hex::encode(key.sign(text.as_bytes()).to_bytes());
    format!("{} {at} {signature}", hex::encode(key.verifying_key().as_bytes()))
}

fn queue(operator: &Operator, key: &NoteKey) -> Answer {
    let path = operator.path("queue?limit=5");
    let header = seal(operator, key, "GET", &path, b"");
    operator.server.ask("GET", &path, &[("quotapass-moderator", &header)], &[])
}
