//! Lists of struck posts as a member meets them: posts with records, a strike, appeals, deletions and reports.

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpListener,
    num::NonZeroU32,
    sync::Arc,
    thread,
    time::Duration,
};

use quotapass_circuits::{moderation::Entry as PostEntry, registry_id::RegistryId, signal::Scope};
use quotapass_log::{
    CosignerKey, LogName, MemoryStore, Mirror, Publication, Source, Trust,
    moderation::{
        Body, Entry, Ground, GroundKind, Journal, ListedEntry, LogPolicy, Reason, SaltedText, State, Strike, Until,
    },
};
use quotapass_protocol::{
    UnixSeconds,
    moderation::{AuthorRequest, ReportRequest},
    note::NoteKey,
};
use quotapass_testkit::{
    anvil::{Anvil, read_body},
    process::now,
};
use quotapass_wallet::MessagePass;
use rand::rngs::OsRng;
use serde_json::Value;

use crate::world::{Device, WALLETS, configure, deploy};

const ORIGIN: &str = "relay.example/moderation";

/// An operator's log with a witness, served over HTTP.
struct Operator {
    journal: Arc<Journal<MemoryStore>>,
    mirror: Mirror<MemoryStore, State>,
    witness: CosignerKey,
    url: String,
}

fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::from_seed(name, &[seed; 32]).unwrap()
}

impl Operator {
    fn new() -> Self {
        let name = LogName { origin: ORIGIN.parse().unwrap(), root_key: key("root", 1).public() };
        let mirror = Mirror::open(Trust::of_witness(name.clone()), MemoryStore::default(), State::new(name.clone()));
        let journal = Arc::new(Journal::open(name, MemoryStore::default()).unwrap());
        let witness = CosignerKey::from_seed("witness.example", &[4; 32]).unwrap();
        let url = serve(Arc::clone(&journal));
        let mut operator = Self { journal, mirror: mirror.unwrap(), witness, url };
        let policy = LogPolicy {
            working_keys: vec![key(ORIGIN, 2).public()],
            moderators: vec![key("alice", 3).public()],
            threshold: 1,
            list_interval: NonZeroU32::MIN,
        };
        let entry = Entry::new(Body::Policy(policy), now(), &mut OsRng);
        let entry = entry.sign(&ORIGIN.parse().unwrap(), &[&key("root", 1)]).unwrap();
        operator.journal.append(&entry.to_bytes().unwrap(), now()).unwrap();
        operator.publish();
        operator
    }

    fn publish(&mut self) {
        let published = loop {
            match self.journal.publish(&key(ORIGIN, 2), now(), &mut OsRng).unwrap() {
                published @ Publication::New(_) => break published,
                _ => thread::sleep(Duration::from_millis(300)),
            }
        };
        assert!(matches!(published, Publication::New(_)));
        self.mirror.advance(&*self.journal, now()).unwrap();
        let line = self.mirror.cosign(&self.witness, now(), 1).unwrap();
        self.journal.add_cosignature(&line, &[self.witness.public()]).unwrap();
    }

    fn strike(&mut self, registry: RegistryId, post: PostEntry) {
        let text = SaltedText::new("It offers what nobody asked for.", &mut OsRng).unwrap();
        let PostEntry { x, y, nullifier } = post;
        let strike = Strike {
            entry: ListedEntry { x, y, nullifier },
            registry,
            scope: "lobby".into(),
            epoch_seconds: NonZeroU32::new(86_400).unwrap(),
            epoch: now().0 / 86_400,
            pass: vec![1; 246],
            reason: Reason::Spam,
            ground: Ground { kind: GroundKind::Incompatible, reference: "rule 3".into() },
            text: text.digest(),
            until: Until::At(UnixSeconds(now().0 + 86_400)),
            automated_detection: false,
            automated_decision: false,
            decided_by: None,
        };
        let entry = Entry::new(Body::Strike(Box::new(strike)), now(), &mut OsRng);
        let entry = entry.sign(&ORIGIN.parse().unwrap(), &[&key("alice", 3)]).unwrap();
        self.journal.append_strike(&entry.to_bytes().unwrap(), &text, now()).unwrap();
        self.publish();
    }

    /// The section of a wallet's configuration.
    fn section(&self, root_seed: u8) -> String {
        format!(
            "[[scopes.logs]]\norigin = \"{ORIGIN}\"\nroot_key = \"{}\"\nservers = [\"{}\"]\nwitnesses = [\"{}\"]\n",
            key("root", root_seed).public(),
            self.url,
            self.witness.public()
        )
    }
}

/// Serves a log as a relay does.
fn serve(journal: Arc<Journal<MemoryStore>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let prefix = format!("/v1/moderation/{}/", journal.name().id());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some((first, _)) = read_body(&mut BufReader::new(&stream)) else { continue };
            let path = first.split(' ').nth(1).and_then(|path| path.strip_prefix(&prefix)).map(str::to_owned);
            let found = path.and_then(|path| journal.fetch(&path).ok());
            let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
            let body = found.unwrap_or_default();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // The reader may have gone.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

fn registry_id(address: &str) -> RegistryId {
    let mut bytes = [0; 20];
    hex::decode_to_slice(address.trim_start_matches("0x").to_lowercase(), &mut bytes).unwrap();
    RegistryId { chain_id: 31_337, address: bytes }
}

fn entry(registry: RegistryId, post: &Value) -> PostEntry {
    let pass = MessagePass::from_text(post["pass"].as_str().unwrap()).unwrap();
    let message = post["message"].as_str().unwrap().as_bytes();
    PostEntry::of(&pass.post().public(Scope::new(&registry, "lobby"), message).unwrap())
}

#[test]
fn a_member_of_a_room_with_a_list_posts_is_struck_and_answers() {
    let anvil = Anvil::start(now());
    let address = deploy(&anvil);
    let registry = registry_id(&address);
    let mut operator = Operator::new();
    let device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &address);
    let file = device.path("config.toml");
    let policy = format!(
        "{}stake_levels = [1, 10]\n[scopes.moderation]\n[[scopes.moderation.lists]]\nlog = \"{}\"\nlimit = 16\n",
        fs::read_to_string(&file).unwrap(),
        operator.journal.name().id()
    );
    let write = |logs: &str| fs::write(&file, format!("{policy}{logs}")).unwrap();
    write("");
    device.run(&["identity", "new"]).succeeds();
    device.run(&["deposit", "--tier", "1", "--yes"]).succeeds();
    device.run(&["deposit", "--tier", "0", "--account", "1", "--yes"]).succeeds();
    let post = |message: &str, more: &[&str]| {
        device.run(&[&["post", "--scope", "lobby", "--json", message][..], more].concat())
    };

    // The log is the wallet's own setting, and must be the one of the policy.
    let refused = post("hello", &[]);
    assert!(refused.failure(2)["message"].as_str().unwrap().contains("which your settings do not name"));
    write(&operator.section(9));
    let refused = post("hello", &[]);
    assert!(refused.failure(2)["message"].as_str().unwrap().contains("its policy enforces no list of it"));
    write(&operator.section(1));
    let shown = device.run(&["config", "show", "--json"]).json();
    assert_eq!(shown["logs"]["lobby"][0]["log"], operator.journal.name().id().to_string());
    let lines = device.run(&["config", "show"]).succeeds().out.clone();
    assert!(lines.contains("cosigned by 1 of 1 witnesses"), "{lines}");

    // A post carries records by itself, and a reader with the same settings accepts it.
    let posted = post("buy my things", &["--out", "buy.json"]).json();
    assert!(posted["post"]["pass"].as_str().unwrap().starts_with("AQM"), "{posted}");
    assert_eq!((&posted["left"], &posted["is_again"]), (&2.into(), &false.into()));
    assert_eq!(device.run(&["verify", "buy.json"]).succeeds().out, "accepted: within quota\n");
    let again = post("buy my things", &[]).json();
    assert_eq!((&again["left"], &again["is_again"]), (&2.into(), &true.into()));
    let own = entry(registry, &posted["post"]);
    assert_eq!(entry(registry, &again["post"]), own);

    // A higher level is one of the scope's, and the member must have it.
    let refused = post("hello", &["--stake-level", "5"]);
    assert!(refused.failure(2)["message"].as_str().unwrap().contains("stake levels [1, 10]"));
    assert_ne!(post("hello", &["--account", "1", "--stake-level", "10"]).code, 0);
    let higher = post("hello", &["--stake-level", "10", "--out", "high.json"]);
    assert_eq!(higher.json()["left"], 1);
    assert!(higher.notes().iter().any(|note| note["message"].as_str().unwrap().contains("stake level 10")));
    device.run(&["verify", "high.json"]).succeeds();

    // Another member reports it, twice with different reasons: one pass. The room takes no comments.
    let report = |more: &[&str]| device.run(&[&["report", "buy.json", "--account", "1", "--json"][..], more].concat());
    let reports = ["spam", "hate"].map(|reason| {
        let request = report(&["--reason", reason]).json()["request"].clone();
        serde_json::from_value::<ReportRequest>(request).unwrap()
    });
    let passes = reports.each_ref().map(|request| MessagePass::from_bytes(&request.pass).unwrap());
    assert_eq!((reports[0].nullifier, passes[0].records().len()), (own.nullifier, 1));
    let of = |pass: &MessagePass| (pass.post().y, pass.post().nullifier);
    assert_eq!(of(&passes[0]), of(&passes[1]));
    assert_ne!(reports[0].body, reports[1].body);
    let refused = report(&["--reason", "spam", "--comment", "He sells."]);
    assert!(refused.failure(1)["message"].as_str().unwrap().contains("has no recipients for reports"));
    report(&["--reason", "spite"]).failure(2);

    // The strike: the member learns it before a message id is used, with the reason; the other member posts.
    operator.strike(registry, own);
    let struck = post("hello again", &[]);
    let message = struck.failure(9)["message"].as_str().unwrap().to_owned();
    for part in ["rule 3", "It offers what nobody asked for.", "quotapass author appeal", &operator.url] {
        assert!(message.contains(part), "{message}");
    }
    post("hello again", &["--account", "1", "--out", "other.json"]).json();
    device.run(&["verify", "other.json"]).succeeds();
    assert_eq!(device.run(&["verify", "buy.json"]).code, 6, "the list has moved on");

    // An appeal finds the post by itself; a deletion names it. Both are the author's alone.
    let reasons = ["author", "appeal", "--scope", "lobby", "--text", "It was a joke.", "--json"];
    let appeal = device.run(&[&reasons[..], &["buy.json", "--out", "appeal.json"]].concat()).json();
    let appeal: AuthorRequest = serde_json::from_value(appeal["request"].clone()).unwrap();
    assert_eq!((PostEntry::from(appeal.entry), appeal.text.as_deref()), (own, Some("It was a joke.")));
    let sent = device.run(&reasons);
    assert!(sent.failure(4)["message"].as_str().unwrap().contains("404"));
    let other = device.run(&[&reasons[..], &["--account", "1"]].concat());
    assert!(other.failure(3)["message"].as_str().unwrap().contains("no list of `lobby` has a post of this identity"));
    let delete = |more: &[&str]| device.run(&[&["author", "delete", "--json"][..], more].concat());
    let deletion: AuthorRequest = serde_json::from_value(delete(&["buy.json"]).json()["request"].clone()).unwrap();
    assert_eq!((PostEntry::from(deletion.entry), deletion.text), (own, None));
    let pass = posted["post"]["pass"].as_str().unwrap();
    let parts = ["--scope", "lobby", "--pass", pass, "--message", "buy my things"];
    let by_parts: AuthorRequest = serde_json::from_value(delete(&parts).json()["request"].clone()).unwrap();
    assert_eq!(by_parts.entry, deletion.entry);
    let not_own = delete(&["buy.json", "--account", "1"]);
    assert!(not_own.failure(1)["message"].as_str().unwrap().contains("did not write the post"));
    delete(&["--scope", "lobby"]).failure(2);
    assert!(delete(&parts[..4]).failure(2)["message"].as_str().unwrap().contains("depends on its message"));

    // Without its log the room cannot be posted in.
    fs::write(&file, format!("{policy}{}", operator.section(1).replace(&operator.url, "http://127.0.0.1:1"))).unwrap();
    assert_eq!(post("hello", &["--account", "1"]).failure(4)["code"], "endpoint");
}
