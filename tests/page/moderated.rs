//! A relay with a moderation log of its own, whose clock runs.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use quotapass_log::{
    LogName, MemoryStore,
    moderation::{Body, Entry, LogPolicy},
};
use quotapass_protocol::{LogIdentity, ModerationPolicy, Policy, note::NoteKey};
use quotapass_relay::moderation::host::{HostParts, ModerationHost, OwnLogParts, SentEntry};
use quotapass_testkit::authors::{author_request, report_of};
use serde_json::{Value, json};

use crate::{server::*, world::*};

/// The interval of the test's log: one second between two checkpoints.
const INTERVAL: u32 = 1;
/// The seeds of the two moderators.
const SEEDS: [[u8; 32]; 2] = [[11; 32], [12; 32]];

fn moderated() -> Policy {
    let moderation = ModerationPolicy { hide_at: Some(cap(2)), ..ModerationPolicy::default() };
    Policy { moderation: Some(moderation), ..policy() }
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

/// A relay whose log has a policy with two moderators, each of whom decides alone.
pub struct Moderated {
    pub server: Server,
    host: Arc<ModerationHost>,
    log: LogIdentity,
}

impl Moderated {
    pub fn start() -> Self {
        let server = Server::start();
        server.relay.change_policies([moderated()], NOW).unwrap();
        let key = |name: &str, seed: [u8; 32]| NoteKey::from_seed(name, &seed).unwrap();
        let origin = "relay.example/moderation".parse().unwrap();
        let (root, working) = (key("root", [1; 32]), key("relay.example/moderation", [2; 32]));
        let name = LogName { origin, root_key: root.public() };
        let policy = LogPolicy {
            working_keys: vec![working.public()],
            moderators: vec![key("alice", SEEDS[0]).public(), key("bob", SEEDS[1]).public()],
            threshold: 1,
            list_interval: INTERVAL.try_into().unwrap(),
        };
        let first = Entry::new(Body::Policy(policy), NOW, &mut rand::rngs::OsRng).sign(&name.origin, &[&root]).unwrap();
        let log = name.id();
        let own = OwnLogParts { name, store: Arc::new(MemoryStore::default()), key: working, witnesses: Vec::new() };
        let parts = HostParts {
            relay: server.relay.clone(),
            context: server.engine.context().clone(),
            posts: world().verifiers().0,
            archive: None,
            own: Some(own),
            follow: Vec::new(),
            witness: None,
        };
        let host = ModerationHost::open(parts).unwrap();
        // In the first round the host asks other relays what they saw of the log; there are none.
        host.round();
        host.append(log, &SentEntry { leaf: first.to_bytes().unwrap(), text: None, shown: None }).unwrap();
        host.round();
        let _ = server.service.clone().with_moderation(host.clone());
        Self { server, host, log: LogIdentity(*log.as_bytes()) }
    }

    /// Accepts a post of member 0, which two others report so that it is held, and writes to a file what the browser's test
    /// needs: the message, the keys of the moderators, the relay's time, and an appeal of the author.
    pub fn prepare(&self, file: &File) {
        let posted = posting_for(&moderated(), epoch(), 0, 0, MESSAGE);
        assert_eq!(names(&self.server.verify(&[posted.prove()])), ["accepted"]);
        let nullifier = posted.entry().nullifier;
        for member in [1, 2] {
            let report = self.server.post_json("/v1/report", &value(&report_of(&moderated(), nullifier, member)));
            assert_eq!(report.json(), json!({ "result": "accepted" }));
        }
        let facts = json!({
            "log": self.log.to_string(),
            "nullifier": hex::encode(nullifier.to_be_bytes()),
            "message": core::str::from_utf8(MESSAGE).unwrap(),
            "moderators": { "alice": hex::encode(SEEDS[0]), "bob": hex::encode(SEEDS[1]) },
            "now": NOW.0,
            "appeal": author_request(&posted, Some("It was a greeting."), NOW + 10),
        });
        serde_json::to_writer(file, &facts).unwrap();
    }

    /// Runs the clock and the log while something else runs.
    pub fn run<T>(&self, other: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_secs(1));
                    self.server.clock.advance(1);
                    self.host.round();
                }
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(other));
            is_over.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
