//! Moderation by real relays of two operators, two of which share a server, with kills. Members use the wallet library over
//! HTTP, moderators use `quotapass moderate`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use quotapass_circuits::{
    formats::recorded::{ListVersion, RecordedPass},
    membership::Membership,
    moderation::{Appeal, Entry, author::Author, record::Record},
    post::Post,
    prover::{Prover, RecordProvers},
};
use quotapass_log::{LogId, LogName, Memory};
use quotapass_protocol::{
    LogIdentity, ModerationPolicy, Policy, PolicyList,
    moderation::{Reason, ReportBody},
    note::NotePublicKey,
};
use quotapass_registry::RegistryReader;
use quotapass_testkit::process::now;
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    BoundPolicy, MessagePass, Poster,
    keys::KeyStore,
    ledger::{Book, DeviceShare},
    members::ClientOptions,
    moderation::{
        AuthorAction, CurrentList, ListError, LogServers, LogSettings, ReportBytes, ReportProvers, ScopeLists,
        make_report, prove_author,
    },
};
use rand::rngs::OsRng;
use serde_json::{Value, json};

use super::{
    posts::{Members, daily, toml_of},
    process::{Operator, RelayProcess, keys},
    redis::Redis,
};

const ORIGIN: &str = "relay.example/moderation";
const WITNESS: &str = "other.example/witness";
/// The time for which a superseded list is accepted, in seconds.
const LIST_WINDOW: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(120);

/// The provers of members.
struct Provers {
    posts: Prover<Post>,
    authors: Prover<Author>,
    records: RecordProvers,
}

fn provers() -> &'static Provers {
    static PROVERS: OnceLock<Provers> = OnceLock::new();
    PROVERS.get_or_init(|| {
        let store = KeyStore::in_folder(&keys());
        Provers {
            posts: store.development_prover(Post::STANDARD, |_| {}).unwrap(),
            authors: store.development_prover(Author, |_| {}).unwrap(),
            records: RecordProvers { small: store.development_prover(Record::<16>, |_| {}).unwrap(), large: None },
        }
    })
}

/// A port that was free a moment ago: a relay that is killed comes back on its own.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The moderators' desk: a folder with keys, in which `quotapass moderate` runs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_quotapass"))
            .args(["moderate"])
            .args(arguments)
            .args(["--json"])
            .current_dir(self.0.path())
            .env("QUOTAPASS_DATA_DIR", self.0.path().join("data"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn path(&self, name: &str) -> &Path {
        Path::new(Box::leak(self.0.path().join(name).into_boxed_path()))
    }

    /// Makes a key, and returns its public part.
    fn key(&self, kind: &str, name: &str) -> String {
        let file = format!("{}.key", name.split('/').next().unwrap_or(name));
        let made = self.done(&["keygen", kind, "--name", name, "--out", &file]);
        made["public_key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }
}

/// Returns the public key with this name that a relay wrote to its log when it made it.
fn key_of(relay: &RelayProcess, name: &str) -> String {
    relay.wait_until("it has its key", |relay| relay.log().contains(&format!("{name}+")));
    let log = relay.log();
    let begin = log.find(&format!("{name}+")).unwrap();
    let ends = |char: char| !(char.is_ascii_alphanumeric() || "+/=.-".contains(char));
    log[begin..].split(ends).next().unwrap().to_owned()
}

/// The room that the operators share, as wallets know it.
struct Room {
    members: Members,
    policy: BoundPolicy,
    settings: LogSettings,
    memory: RefCell<BTreeMap<LogId, Memory>>,
    books: RefCell<BTreeMap<u32, Book>>,
}

struct Made {
    scope: String,
    message: String,
    pass: MessagePass,
    entry: Entry,
}

impl Made {
    fn json(&self) -> String {
        json!({ "scope": self.scope, "message": self.message, "pass": self.pass.to_text() }).to_string()
    }
}

impl Room {
    fn servers(&self) -> LogServers {
        LogServers::new(&self.settings, &ClientOptions::default()).unwrap()
    }

    fn lists(&self) -> Result<(ScopeLists, Vec<CurrentList>), ListError> {
        let mut lists = ScopeLists::open(&self.policy, std::slice::from_ref(&self.settings), &self.memory)?;
        let current = lists.refresh(&[&self.servers()], &self.memory, now())?;
        Ok((lists, current))
    }

    /// Waits until the witness has cosigned a log of at least this size.
    #[track_caller]
    fn cosigned(&self, size: u64) -> Vec<CurrentList> {
        let begun = Instant::now();
        loop {
            let read = self.lists();
            match read {
                Ok((_, lists)) if lists.iter().all(|list| list.version().size >= size) => return lists,
                Ok(_) | Err(ListError::Refused { .. }) if begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(200));
                }
                other => panic!("the log is not cosigned at {size}: {:?}", other.map(|(_, lists)| lists)),
            }
        }
    }

    /// Tests the lists as a wallet does before a message is composed, and proves it.
    fn post(&self, n: u32, message: &str) -> Result<Made, ListError> {
        let (secret, member, path) = self.members.membership(n);
        let (lists, current) = self.lists()?;
        lists.test(&secret, &[&self.servers()])?;
        let membership = Membership { secret: &secret, member: &member, path: &path };
        let mut poster = Poster::new(&provers().posts, self.policy.clone(), membership, now()).unwrap();
        poster.set_lists(&provers().records, &current, |_| {}).unwrap();
        let mut books = self.books.borrow_mut();
        let book = books.entry(n).or_insert_with(|| Book::new(poster.owner(), DeviceShare::SOLE));
        let reservation = book.reserve_message(now(), &poster.quota(), message.as_bytes()).unwrap();
        let pass = poster.prove(reservation, message.as_bytes(), &mut OsRng).unwrap();
        let entry = Entry::of(&pass.post().public(self.policy.scope(), message.as_bytes()).unwrap());
        Ok(Made { scope: self.policy.values().name.clone(), message: message.into(), pass, entry })
    }

    /// Posts at a relay; the list may move on between proof and verdict.
    #[track_caller]
    fn accepted(&self, relay: &RelayProcess, n: u32, message: &str) -> Made {
        let begun = Instant::now();
        loop {
            let made = self.post(n, message).unwrap();
            match relay.verdict(&made.json()).as_str() {
                "accepted" => return made,
                "list_mismatch" if begun.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(200)),
                other => panic!("{other}: {}", relay.log()),
            }
        }
    }

    /// Reports a post. Returns the answer of the relay.
    fn report(&self, relay: &RelayProcess, n: u32, made: &Made, reason: Reason) -> Value {
        let (secret, member, path) = self.members.membership(n);
        let current = self.lists().unwrap().1;
        let body = ReportBytes::clear(&self.policy, &ReportBody::of(reason)).unwrap();
        let Provers { posts, authors, records } = provers();
        let provers = ReportProvers { posts, authors, records: Some(records) };
        let membership = Membership { secret: &secret, member: &member, path: &path };
        let nullifier = made.entry.nullifier;
        let request =
            make_report(provers, &self.policy, membership, &current, nullifier, &body, now(), &mut OsRng).unwrap();
        relay.ask("POST", "/v1/report", &serde_json::to_string(&request).unwrap()).1
    }

    fn act(&self, relay: &RelayProcess, n: u32, made: &Made, action: AuthorAction) -> Value {
        let secret = self.members.membership(n).0;
        let request =
            prove_author(&provers().authors, &secret, &self.policy, made.entry, action, now(), &mut OsRng).unwrap();
        relay.ask("POST", "/v1/author", &serde_json::to_string(&request).unwrap()).1
    }
}

/// Returns the kinds of all events that a relay tells.
fn events(relay: &RelayProcess) -> Vec<(u64, String)> {
    let (_, answer) = relay.get("/v1/moderation/events?since=0");
    let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let number = |event: &Value| event["number"].as_str().unwrap().parse().unwrap();
    events.iter().map(|event| (number(event), event["kind"].as_str().unwrap().to_owned())).collect()
}

fn size(relay: &RelayProcess, log: LogId) -> u64 {
    let (_, answer) = relay.get("/v1/moderation");
    let logs = answer["logs"].as_array().cloned().unwrap_or_default();
    let found = logs.iter().find(|known| known["log"] == log.to_string());
    found.map_or(0, |known| known["size"].as_str().unwrap().parse().unwrap())
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, whose steps follow from each other")]
fn a_strike_bars_its_author_at_all_relays_that_share_the_list() {
    let members = Members::new(5);
    let desk = Desk(tempfile::tempdir().unwrap());
    let [root, alice, bob] =
        [("root", "root"), ("moderator", "alice"), ("moderator", "bob")].map(|(kind, name)| desk.key(kind, name));
    let name = LogName { origin: ORIGIN.parse().unwrap(), root_key: root.parse::<NotePublicKey>().unwrap() };
    let log = name.id();
    let lists = vec![PolicyList { log: LogIdentity(*log.as_bytes()), limit: 128 }];
    let moderation =
        ModerationPolicy { lists, list_window: LIST_WINDOW, hide_at: 2.try_into().ok(), ..Default::default() };
    let shared = Policy { moderation: Some(moderation), ..daily() };

    // Operator A has two relays, which share a server; the first one hosts the log. Operator B has the witness. Both
    // enforce the list, and operator C does not.
    let mut redis = Redis::start();
    let ports = [(); 4].map(|()| free_port());
    let [url_a, _, url_b, _] = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let chain = members.chain_section(&members.bench.anvil.http());
    let valkey = format!("[log]\nvalkey = [\"{}\"]\n", redis.address());
    let named = format!("origin = \"{ORIGIN}\"\nroot_key = \"{root}\"");
    let follow = |cosign: bool| format!("[[moderation.follow]]\n{named}\nurl = \"{url_a}\"\ncosign = {cosign}\n");
    let host = |witnesses: &str| {
        let own = format!("log = {{ {} }}", named.replace('\n', ", "));
        format!("{valkey}{chain}[moderation]\n{own}\nwitnesses = [{witnesses}]\n{}", toml_of(&shared))
    };
    let operators = [(); 4].map(|()| Operator::new());
    operators[0].configure(&host(""));
    operators[1].configure(&format!("{valkey}{chain}{}{}", follow(false), toml_of(&shared)));
    let witness_name = format!("[moderation]\nwitness_name = \"{WITNESS}\"\n");
    operators[2].configure(&format!("{chain}{witness_name}{}{}", follow(true), toml_of(&shared)));
    operators[3].configure(&format!("{chain}{}", toml_of(&daily())));
    let start = |number: usize| operators[number].start_on(ports[number]);
    let a1 = start(0);
    let working = key_of(&a1, ORIGIN);
    let b = start(2);
    let witness = key_of(&b, WITNESS);
    // The operators exchange their public keys.
    assert_eq!(a1.stop(), Some(0));
    operators[0].configure(&host(&format!("\"{witness}\"")));
    let mut a1 = start(0);
    let (a2, c) = (start(1), start(3));
    [&a1, &a2, &b, &c].iter().for_each(|relay| relay.wait_until("it is ready", RelayProcess::is_ready));

    // The root key names the working key, the moderators and the threshold. Without it nothing is appended.
    fs::write(desk.path("log.toml"), format!("{named}\nrelay = \"{url_a}\"\n")).unwrap();
    let policy = ["policy", "--log", "log.toml", "--out", "policy.json", "--threshold", "2", "--list-interval", "1"];
    let keys = ["--working-key", &working, "--moderator", &alice, "--moderator", &bob, "--yes"];
    desk.done(&[&policy[..], &keys].concat());
    let unsigned = desk.run(&["send", "policy.json", "--relay", &url_a, "--yes"]);
    assert!(!unsigned.status.success(), "a policy without a signature was taken");
    desk.done(&["sign", "policy.json", "--key", "root.key", "--yes"]);
    desk.done(&["send", "policy.json", "--relay", &url_a, "--yes"]);

    let settings = LogSettings::new(
        name,
        [&url_a, &url_b].map(|url| EndpointUrl::new(url.as_str())).into(),
        vec![witness.parse().unwrap()],
        1,
    );
    let room = Room {
        policy: BoundPolicy::new(members.bench.registry.id(), shared).unwrap(),
        members,
        settings: settings.unwrap(),
        memory: RefCell::default(),
        books: RefCell::default(),
    };
    let first = room.cosigned(1);
    for relay in [&a1, &a2, &b] {
        relay.wait_until("it has the log", |relay| size(relay, log) >= first[0].version().size);
    }

    // A post, two reports of it at different relays of one operator, and a third that repeats the first.
    let abuse = room.accepted(&a1, 0, "I know where you live");
    assert_eq!(a2.verdict(&abuse.json()), "replay");
    assert_eq!(room.report(&a1, 1, &abuse, Reason::Harassment)["result"], "accepted");
    assert_eq!(room.report(&a2, 1, &abuse, Reason::Hate)["result"], "repeated");
    assert_eq!(room.report(&a2, 2, &abuse, Reason::Violence)["result"], "accepted");
    assert_eq!(events(&a1), [(1, "held".to_owned())]);
    assert_eq!(events(&a2), events(&a1));
    // Reports convict nobody.
    for n in [1, 2] {
        room.accepted(&a2, n, "good morning");
    }

    // The struck author keeps a pass that was made before the strike.
    let before = room.post(0, "made before the strike").unwrap();
    fs::write(desk.path("post.json"), abuse.json()).unwrap();
    let registry = room.members.address().to_string();
    let strike = ["strike", "post.json", "--log", "log.toml", "--key", "alice.key", "--out", "strike.json", "--yes"];
    let why = ["--reason", "harassment", "--ground", "incompatible", "--reference", "rule 2", "--text", "A threat."];
    fs::write(desk.path("config.toml"), format!("chain_id = 31337\nregistry = \"{registry}\"\n")).unwrap();
    let config = ["--config", "config.toml"];
    let signed = desk.done(&[&strike[..], &why, &config].concat());
    let id = signed["entry"]["id"].as_str().or(signed["id"].as_str()).unwrap_or_else(|| panic!("{signed}")).to_owned();
    let early = desk.run(&["send", "strike.json", "--relay", &url_a, "--yes"]);
    assert!(!early.status.success(), "one of two moderators is too few");
    desk.done(&[&["sign", "strike.json", "--key", "bob.key", "--yes"][..], &config].concat());
    desk.done(&["send", "strike.json", "--relay", &url_a, "--yes"]);
    // The host is killed at once: the strike is on its disk.
    a1.kill();
    a1 = start(0);
    let listed = room.cosigned(first[0].version().size + 1);
    assert_eq!(&listed[0].entries[..], [abuse.entry]);
    for relay in [&a1, &a2, &b] {
        relay.wait_until("it has the strike", |relay| size(relay, log) >= listed[0].version().size);
    }

    // The wallet of the author knows before anything is sent, and says why.
    let Err(ListError::Struck(struck)) = room.post(0, "hello again") else { panic!("a struck member has a pass") };
    let details = struck.strikes[0].details.as_ref().unwrap();
    assert_eq!((details.id.to_string(), details.text.as_deref()), (id.clone(), Some("A threat.")));

    // A wallet made by hand gets nothing through: the old pass, none, others' records, and a later version.
    thread::sleep(Duration::from_secs(u64::from(LIST_WINDOW) + 1));
    let honest = room.accepted(&b, 3, "is everybody all right?");
    let MessagePass::Recorded(records) = &honest.pass else { panic!("a post without records") };
    let own = before.pass.post().clone();
    let with = |lists| MessagePass::Recorded(RecordedPass::new(own.clone(), lists).unwrap());
    let mut unknown = records.lists().to_vec();
    let version = &mut unknown[0].version;
    *version = ListVersion { size: version.size + 1, ..*version };
    let cheats = [
        ("list_mismatch", before.pass.clone()),
        ("list_mismatch", MessagePass::Post(own.clone())),
        ("invalid_proof", with(records.lists().to_vec())),
        ("list_mismatch", with(unknown)),
    ];
    for (verdict, pass) in cheats {
        let post =
            Made { scope: before.scope.clone(), message: before.message.clone(), pass, entry: before.entry }.json();
        for relay in [&a1, &a2, &b] {
            assert_eq!(relay.verdict(&post), verdict);
        }
    }
    // Operator C does not share the list.
    let pass = MessagePass::Post(own);
    let plain = Made { scope: before.scope, message: before.message, pass, entry: before.entry };
    assert_eq!(c.verdict(&plain.json()), "accepted");
    for (relay, n) in [(&a1, 1), (&a2, 2), (&b, 4)] {
        room.accepted(relay, n, "we can post");
    }

    // The author appeals at the other relay of the operator. The server is killed, and nothing is forgotten.
    let appeal = AuthorAction::Appeal(Appeal::new("It was a quote.").unwrap());
    assert_eq!(room.act(&a1, 0, &abuse, appeal)["result"], "accepted");
    redis.kill();
    redis.restart();
    for relay in [&a1, &a2] {
        relay.wait_until("it is ready again", RelayProcess::is_ready);
    }
    let (_, state) = a1.get(&format!("/v1/moderation/{log}/appeals/{id}"));
    assert_eq!(state["state"], "open");
    let queue = desk.done(&["queue", "--log", "log.toml", "--key", "alice.key"]);
    assert!(queue.to_string().contains("It was a quote."), "{queue}");
    let lift = ["lift", &id, "--because", "appeal", "--log", "log.toml", "--key", "alice.key", "--out", "lift.json"];
    desk.done(&[&lift[..], &["--yes"]].concat());
    desk.done(&["sign", "lift.json", "--key", "bob.key", "--yes"]);
    desk.done(&["send", "lift.json", "--relay", &url_a, "--yes"]);
    let lifted = room.cosigned(listed[0].version().size + 1);
    assert!(lifted[0].entries.is_empty());
    room.accepted(&b, 0, "thank you");
    a1.wait_until("the appeal is granted", |relay| {
        relay.get(&format!("/v1/moderation/{log}/appeals/{id}")).1["state"] == "granted"
    });

    // A deletion is final, and another member's is refused.
    let other = room.accepted(&a2, 3, "I take this back");
    assert_eq!(room.act(&a1, 3, &other, AuthorAction::Delete)["result"], "accepted");
    assert_eq!(room.act(&a2, 3, &other, AuthorAction::Delete)["result"], "repeated");
    let told = events(&a2);
    let kinds: Vec<_> = told.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["held", "struck", "appealed", "lifted", "answered", "deleted"]);
    assert!(told.iter().zip(1..).all(|((number, _), expected)| *number == expected), "{told:?}");
    for relay in [a1, a2, b, c] {
        assert_eq!(relay.stop(), Some(0));
    }
}
