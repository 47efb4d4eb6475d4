//! Moderators: keys, policies, files that are signed by several, and a log on a server of this process.

use std::{fs, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use quotapass_circuits::{
    registry_id::RegistryId,
    signal::{Epoch, Scope, SignalHash},
};
use quotapass_log::{
    CosignerKey, LogName, MemoryStore, Mirror, Trust,
    moderation::{SaltedText, State},
};
use quotapass_protocol::note::NoteKey;
use quotapass_testkit::process::now;
use serde_json::{Value, json};

use crate::{
    log_server::{Relay, serve},
    world::{Device, WALLETS},
};

const ORIGIN: &str = "relay.example/moderation";
const REGISTRY: &str = "0x0707070707070707070707070707070707070707";
const CHAIN: u64 = 31_337;
/// The settings that name the registry.
const PLACE: [&str; 4] = ["--registry", REGISTRY, "--chain-id", "31337"];

/// A post in the form of `quotapass post`. Its proof is not valid, which the relay alone finds out.
struct Written {
    json: Value,
    nullifier: String,
    x: String,
    y: String,
    pass: String,
    epoch: u64,
}

fn written(number: u8, message: &str) -> Written {
    let epoch = now().0 / 600;
    let mut pass = vec![1, 1];
    pass.extend(600_u32.to_be_bytes());
    pass.extend(epoch.to_be_bytes());
    pass.extend(1_u32.to_be_bytes());
    pass.extend(20_000_u16.to_be_bytes());
    pass.extend(3_u16.to_be_bytes());
    let field = |last: u8| [&[0; 31][..], &[last]].concat();
    for last in [1, number.wrapping_add(100), number] {
        pass.extend(field(last));
    }
    pass.extend([0; 128]);
    assert_eq!(pass.len(), 246);
    let scope = Scope::new(&RegistryId { chain_id: CHAIN, address: [7; 20] }, "lobby");
    let x = SignalHash::new(scope, Epoch::new(600.try_into().unwrap(), epoch), message.as_bytes()).unwrap();
    let pass = BASE64_URL_SAFE_NO_PAD.encode(pass);
    Written {
        json: json!({ "scope": "lobby", "message": message, "pass": pass }),
        nullifier: hex::encode(field(number)),
        x: hex::encode(x.to_be_bytes()),
        y: hex::encode(field(number.wrapping_add(100))),
        pass,
        epoch,
    }
}

/// A device with keys of a root, of three moderators, and of a log.
struct Desk {
    device: Device,
    root: String,
    moderators: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        let device = Device::new(WALLETS[0]);
        let keygen = |kind: &str, name: &str, file: &str| {
            device.run(&["moderate", "keygen", kind, "--name", name, "--out", file]).succeeds().out.trim().to_owned()
        };
        let root = keygen("root", "root", "root.key");
        let moderators = ["alice", "bob", "carol"].map(|name| keygen("moderator", name, &format!("{name}.key")));
        let text = format!("origin = \"{ORIGIN}\"\nroot_key = \"{root}\"\n");
        fs::write(device.path("log.toml"), text).unwrap();
        Self { device, root, moderators: moderators.to_vec() }
    }

    /// Writes the first policy, signed by the root key.
    fn first_policy(&self, working: &str, threshold: &str) {
        let mut policy = vec!["moderate", "policy", "--log", "log.toml", "--working-key", working];
        for moderator in &self.moderators {
            policy.extend(["--moderator", moderator]);
        }
        policy.extend(["--threshold", threshold, "--list-interval", "1", "--out", "policy.json", "--json"]);
        let written = self.device.run(&policy).json();
        assert_eq!((&written["signatures"], &written["entry"]["kind"]), (&json!(0), &json!("policy")));
        self.device.run(&["moderate", "sign", "policy.json", "--key", "root.key", "--yes"]).succeeds();
    }

    fn write_post(&self, file: &str, post: &Written) {
        fs::write(self.device.path(file), post.json.to_string()).unwrap();
    }

    fn name(&self) -> LogName {
        LogName { origin: ORIGIN.parse().unwrap(), root_key: self.root.parse().unwrap() }
    }
}

/// The arguments of a strike of a post file.
fn strike<'a>(post: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "moderate",
        "strike",
        post,
        "--log",
        "log.toml",
        "--reason",
        "spam",
        "--ground",
        "incompatible",
        "--reference",
        "rule 3",
        "--text",
        "It is an advertisement.",
        "--yes",
    ];
    [&fixed[..], &PLACE, more].concat()
}

#[test]
fn keys_are_private_files_and_print_their_public_part_alone() {
    let device = Device::new(WALLETS[0]);
    for (kind, name) in [("moderator", "alice"), ("root", "root"), ("working", ORIGIN), ("witness", "w.example/1")] {
        let file = format!("{kind}.key");
        let arguments = ["moderate", "keygen", kind, "--name", name, "--out", &file];
        let public = device.run(&arguments).succeeds().out.clone();
        assert!(public.starts_with(&format!("{name}+")) && public.lines().count() == 1, "{public}");
        let content = fs::read_to_string(device.path(&file)).unwrap();
        assert!(!public.contains(content.trim()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(device.path(&file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        device.run(&arguments).fails(1, "an existing file is not overwritten");
        assert_eq!(fs::read_to_string(device.path(&file)).unwrap(), content);
        match kind {
            "witness" => {
                let mut seed = [0; 32];
                hex::decode_to_slice(content.trim(), &mut seed).unwrap();
                assert_eq!(CosignerKey::from_seed(name, &seed).unwrap().public().to_string(), public.trim());
            }
            "working" => {
                let mut seed = [0; 32];
                hex::decode_to_slice(content.trim(), &mut seed).unwrap();
                assert_eq!(NoteKey::from_seed(name, &seed).unwrap().public().to_string(), public.trim());
            }
            _ => assert!(content.starts_with(&format!("PRIVATE+KEY+{name}+")), "{kind}"),
        }
    }
    device.run(&["moderate", "keygen", "moderator", "--name", "two words", "--out", "x"]).fails(2, "two words");
    device.run(&["moderate", "keygen", "other", "--name", "a", "--out", "x"]).fails(2, "invalid value");
    assert!(!device.path("x").exists());
}

#[test]
fn a_strike_is_signed_by_two_in_a_file_that_cannot_lie() {
    let desk = Desk::new();
    let device = &desk.device;
    let post = written(7, "buy now");
    desk.write_post("post.json", &post);
    let out = device.run(&strike("post.json", &["--key", "alice.key", "--out", "strike.json", "--json"])).json();
    assert_eq!((&out["signatures"], &out["file"]), (&json!(1), &json!("strike.json")));
    let entry = &out["entry"];
    assert_eq!((&entry["entry"]["nullifier"], &entry["entry"]["x"]), (&json!(post.nullifier), &json!(post.x)));
    assert_eq!((&entry["scope"], &entry["epoch"]), (&json!("lobby"), &json!(post.epoch.to_string())));
    let days = |end: &str, begin: &str| {
        let seconds = |text: &str| humantime::parse_rfc3339(text).unwrap();
        seconds(end).duration_since(seconds(begin)).unwrap().as_secs() / 86_400
    };
    assert_eq!(days(entry["until"].as_str().unwrap(), entry["at"].as_str().unwrap()), 180);

    // Who signs sees what it is.
    let signed = device.run(&["moderate", "sign", "strike.json", "--key", "bob.key", "--yes"]);
    for words in ["buy now", "It is an advertisement.", "rule 3", &post.nullifier, "cannot write until"] {
        assert!(signed.succeeds().error.contains(words), "{words}\n{}", signed.error);
    }
    assert!(signed.out.contains("has 2 signatures"), "{}", signed.out);
    let twice = device.run(&["moderate", "sign", "strike.json", "--key", "bob.key", "--yes"]);
    twice.fails(2, "`bob` has signed this already");
    device.run(&["moderate", "sign", "strike.json", "--key", "carol.key"]).fails(2, "pass --yes to confirm");

    // Another message, another post, another text: the file is refused, and stays as it is.
    let text = fs::read_to_string(device.path("strike.json")).unwrap();
    let other_text = SaltedText::new("Another reason.", &mut rand::rngs::OsRng).unwrap().to_bytes();
    let file: Value = serde_json::from_str(&text).unwrap();
    let own_text = file["request"]["text"].as_str().unwrap();
    for (from, to, words) in [
        ("\"buy now\"", "\"good morning\"", "the message is not that of the listed post"),
        (own_text, &BASE64_URL_SAFE_NO_PAD.encode(other_text), "not the one that the strike names"),
        (&post.nullifier, &format!("{:064x}", 8), "the pass"),
        ("\"message\"", "\"withheld\": \"x\", \"message\"", "both shown and withheld"),
        ("\"leaf\"", "\"other\": 1, \"leaf\"", "unknown field `other`"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        fs::write(device.path("changed.json"), &changed).unwrap();
        let refused = device.run(&["moderate", "sign", "changed.json", "--key", "carol.key", "--yes"]);
        refused.fails(2, "is not an entry to sign");
        assert!(refused.error.contains(words), "{from}: {}", refused.error);
        assert_eq!(fs::read_to_string(device.path("changed.json")).unwrap(), changed);
    }

    // A post with a message that its author did not write, and one without.
    device
        .run(&strike("post.json", &["--key", "alice.key", "--out", "a.json", "--message", "other"]))
        .fails(2, "this is not the message of the post");
    let mut csam = strike("post.json", &["--key", "alice.key", "--out", "b.json"]);
    *csam.iter_mut().find(|argument| **argument == "spam").unwrap() = "csam";
    device.run(&csam).fails(2, "is not passed on");
    csam.extend(["--withheld", "the law forbids it"]);
    device.run(&csam).succeeds();
    let file = fs::read_to_string(device.path("b.json")).unwrap();
    assert!(!file.contains("buy now") && file.contains("the law forbids it"), "{file}");
    device.run(&strike("post.json", &["--key", "alice.key", "--out", "strike.json"])).fails(1, "not overwritten");
    device.run(&strike("post.json", &["--key", "alice.key"])).fails(2, "name the relay with --relay");
    device.run(&strike("post.json", &["--until", "yesterday", "--out", "c.json"])).fails(2, "write a day like");
    device.run(&strike("post.json", &["--until", "2020-01-01", "--out", "c.json"])).fails(1, "ends before it is made");
    device.run(&strike("none.json", &["--out", "c.json"])).fails(1, "cannot read none.json");
    device.run(&strike(&"f".repeat(64), &["--out", "c.json"])).fails(1, "is not a nullifier");
    for file in ["a.json", "c.json"] {
        assert!(!device.path(file).exists(), "{file}");
    }
    device.run(&["moderate", "send", "none.json", "--relay", "http://127.0.0.1:1", "--yes"]).fails(1, "cannot read");
    device
        .run(&["moderate", "send", "strike.json", "--relay", "http://127.0.0.1:1", "--yes"])
        .fails(4, "does not answer");
    device.run(&["moderate", "send", "strike.json", "--relay", "127.0.0.1:1", "--yes"]).fails(2, "has no scheme");
}

#[test]
fn a_policy_is_whole_and_its_file_goes_to_the_machine_of_the_root_key() {
    let desk = Desk::new();
    let device = &desk.device;
    let working = device.run(&["moderate", "keygen", "working", "--name", ORIGIN, "--out", "w.key"]).out.clone();
    let policy = |more: &[&str]| {
        let fixed = ["moderate", "policy", "--log", "log.toml", "--out", "policy.json"];
        device.run(&[&fixed[..], more].concat())
    };
    policy(&["--moderator", &desk.moderators[0]]).fails(2, "a policy is whole");
    let both = ["--working-key", working.trim(), "--moderator", &desk.moderators[0]];
    policy(&[&both[..], &["--threshold", "2"]].concat()).fails(1, "names 1 moderators");
    policy(&both).fails(2, "a policy is whole");
    policy(&["--working-key", &desk.moderators[1], "--moderator", &desk.moderators[0], "--threshold", "1"])
        .fails(2, "is not named");
    assert!(!device.path("policy.json").exists());
    policy(&[&both[..], &["--threshold", "1"]].concat()).succeeds();
    let unsigned = ["moderate", "send", "policy.json", "--relay", "http://127.0.0.1:1", "--yes"];
    device.run(&unsigned).fails(2, "has no signature");
    device.run(&["moderate", "sign", "policy.json", "--key", "w.key", "--yes"]).fails(2, "is not the private key");
    let signed = device.run(&["moderate", "sign", "policy.json", "--key", "root.key", "--yes"]);
    assert!(signed.succeeds().error.contains("1 of 1 moderators decide"), "{}", signed.error);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(device.path("root.key"), fs::Permissions::from_mode(0o644)).unwrap();
        device.run(&["moderate", "sign", "policy.json", "--key", "root.key", "--yes"]).fails(2, "chmod 600");
    }
}

/// A post of the queue, with a report in clear that shows this message.
fn queued(post: &Written, state: &str, message: &str) -> Value {
    let report = json!({ "reason": "spam", "comment": "look\u{1b}[2J", "message": message });
    json!({
        "nullifier": post.nullifier, "scope": "lobby", "epoch_seconds": 600, "epoch": post.epoch.to_string(),
        "x": post.x, "y": post.y, "pass": post.pass, "accepted_at": "2026-11-20T11:00:00Z", "state": state,
        "reports": [{
            "at": "2026-11-20T11:30:00Z", "reason": "spam",
            "body": BASE64_URL_SAFE_NO_PAD.encode(report.to_string()),
        }],
    })
}

#[test]
fn a_log_is_written_verified_and_exported() {
    let desk = Desk::new();
    let device = &desk.device;
    let public = device.run(&["moderate", "keygen", "working", "--name", ORIGIN, "--out", "w.key"]).out.clone();
    let mut seed = [0; 32];
    hex::decode_to_slice(fs::read_to_string(device.path("w.key")).unwrap().trim(), &mut seed).unwrap();
    let working = NoteKey::from_seed(ORIGIN, &seed).unwrap();
    let (reported, claimed, hidden) = (written(7, "buy now"), written(8, "good morning"), written(9, "hello"));
    let queue = vec![
        queued(&reported, "held", "buy now"),
        queued(&claimed, "held", "an insult"),
        queued(&hidden, "hidden", "hello"),
    ];
    let relay = Arc::new(Relay::new(desk.name(), working, &desk.moderators, queue));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = serve(&runtime, relay.clone());
    let log = ["--log", "log.toml", "--relay", &url];
    let moderate = |arguments: &[&str]| device.run(&[&["moderate"], arguments, &log].concat());

    // The first policy: two of three decide.
    moderate(&["log", "verify"]).fails(3, "has no checkpoint yet");
    desk.first_policy(public.trim(), "2");
    let send = |file: &str| device.run(&["moderate", "send", file, "--relay", &url, "--yes", "--json"]);
    assert_eq!(send("policy.json").json()["index"], "0");
    send("policy.json").failure(3);
    let verified = moderate(&["log", "verify", "--json"]).json();
    assert_eq!((&verified["policy"]["threshold"], &verified["size"]), (&json!(2), &json!("2")));

    // A strike of a post of the queue, whose report shows its message.
    let strike_of = |nullifier: &str, more: &[&str]| {
        device.run(&[&strike(nullifier, more)[..], &["--relay", &url, "--key", "alice.key"]].concat())
    };
    strike_of(&reported.nullifier, &[]).fails(2, "2 of 3 moderators decide");
    strike_of(&claimed.nullifier, &["--out", "x.json"]).fails(2, "no report shows the message of this post");
    strike_of(&reported.nullifier, &["--out", "strike.json"]).succeeds();
    send("strike.json").failure(3);
    device.run(&["moderate", "sign", "strike.json", "--key", "bob.key", "--yes"]).succeeds();
    let sent = send("strike.json").json();
    let id = sent["entry"]["id"].as_str().unwrap();
    let verified = moderate(&["log", "verify", "--json"]).json();
    assert_eq!((&verified["strikes"][0]["id"], verified["strikes"].as_array().unwrap().len()), (&json!(id), 1));
    assert_eq!((&verified["lists"][0]["scope"], &verified["lists"][0]["count"]), (&json!("lobby"), &json!(1)));

    // The queue: what reporters claim is compared, and a stranger's text does not reach the terminal.
    let queue = |more: &[&str]| moderate(&[&["queue", "--key", "alice.key"], &PLACE[..], more].concat());
    let shown = queue(&[]).succeeds().out.clone();
    assert!(shown.contains("message: buy now") && shown.contains("NOT the message of this post"), "{shown}");
    assert!(shown.contains("look\\u{1b}[2J") && !shown.contains('\u{1b}'), "{shown}");
    let objects = queue(&["--state", "held", "--json"]).succeeds().objects();
    let claims: Vec<_> = objects.iter().map(|item| &item["reports"][0]["is_message_of_post"]).collect();
    assert_eq!(claims, [&json!(true), &json!(false)]);
    let nobody = device.run(&["moderate", "keygen", "moderator", "--name", "mallory", "--out", "mallory.key"]);
    nobody.succeeds();
    let stranger = [&["moderate", "queue", "--key", "mallory.key"], &log[..]].concat();
    device.run(&stranger).fails(3, "not a moderator; sign with the key of one");
    for verb in ["keep", "hide"] {
        moderate(&[verb, &claimed.nullifier, "--key", "bob.key", "--yes"]).succeeds();
        moderate(&[verb, &claimed.nullifier, "--key", "mallory.key", "--yes"]).fails(3, "not a moderator");
    }
    moderate(&["answer", id, "--text", "It stays.", "--key", "bob.key", "--yes"]).succeeds();
    moderate(&["answer", id, "--text", " ", "--key", "bob.key", "--yes"]).fails(2, "a refusal has a text");
    let mallory = ["lift", id, "--because", "error", "--key", "mallory.key", "--out", "y.json", "--yes"];
    moderate(&mallory).fails(2, "is not a moderator of this log");

    // Statements of reasons: the struck post, and the hidden one with its rule.
    let export = |more: &[&str]| moderate(&[&["export", "--territory", "DE"], more].concat());
    export(&["--format", "dsa", "--key", "alice.key"]).fails(2, "state with --rule");
    let exported = export(&["--format", "dsa", "--key", "alice.key", "--rule", "rule 7"]).json();
    let statements = exported["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 2);
    assert_eq!(
        (&statements[0]["puid"], &statements[1]["puid"]),
        (&json!(reported.nullifier), &json!(hidden.nullifier))
    );
    assert_eq!(statements[0]["decision_facts"], "It is an advertisement.");
    assert_eq!(statements[0]["source_type"], "SOURCE_TYPE_OTHER_NOTIFICATION");
    assert_eq!(statements[1]["application_date"], "2026-11-20");
    export(&["--format", "csv", "--out", "statements.csv"]).succeeds();
    let table = fs::read_to_string(device.path("statements.csv")).unwrap();
    assert!(table.lines().count() == 2 && table.contains(&format!("\"{}\"", reported.nullifier)), "{table}");
    assert_eq!(export(&["--format", "dsa", "--since", "2099-01-01"]).succeeds().out.trim(), "");

    // Other decisions with two signatures.
    fs::write(device.path("file"), b"abc").unwrap();
    let block =
        ["block", "--file", "file", "--reason", "malware", "--key", "alice.key", "--out", "block.json", "--yes"];
    moderate(&block).succeeds();
    let lift = ["lift", id, "--because", "appeal", "--key", "carol.key", "--out", "lift.json", "--yes"];
    moderate(&lift).succeeds();
    for file in ["block.json", "lift.json"] {
        device.run(&["moderate", "sign", file, "--key", "bob.key", "--yes"]).succeeds();
        assert_eq!(send(file).json()["signatures"], 2, "{file}");
    }
    let verified = moderate(&["log", "verify", "--json"]).json();
    assert_eq!((&verified["strikes"], &verified["lists"]), (&json!([]), &json!([])));
    assert_eq!(verified["blocked"][0]["subject"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    // The moderators change the threshold; from then on one sends at once.
    let policy = ["policy", "--threshold", "1", "--key", "alice.key", "--out", "next.json", "--yes"];
    moderate(&policy).succeeds();
    device.run(&["moderate", "sign", "next.json", "--key", "carol.key", "--yes"]).succeeds();
    send("next.json").json();
    let unblock = ["unblock", "--link", "abc", "--reason", "malware", "--key", "bob.key", "--yes", "--json"];
    assert_eq!(moderate(&unblock).json()["signatures"], 1);

    // The root key replaces a lost working key and lost moderators. The strikes stay.
    strike_of(&hidden.nullifier, &[]).succeeds();
    device.run(&["moderate", "keygen", "working", "--name", ORIGIN, "--out", "w2.key"]).succeeds();
    let dave = device.run(&["moderate", "keygen", "moderator", "--name", "dave", "--out", "dave.key"]).out.clone();
    let mut second = [0; 32];
    hex::decode_to_slice(fs::read_to_string(device.path("w2.key")).unwrap().trim(), &mut second).unwrap();
    let second = NoteKey::from_seed(ORIGIN, &second).unwrap();
    let recovery = ["policy", "--working-key", &second.public().to_string(), "--moderator", dave.trim()];
    let by_moderator = [&recovery[..], &["--key", "bob.key", "--yes"]].concat();
    moderate(&by_moderator).fails(3, "only the root key changes the working keys");
    moderate(&[&recovery[..], &["--out", "recovery.json"]].concat()).succeeds();
    device.run(&["moderate", "sign", "recovery.json", "--key", "root.key", "--yes"]).succeeds();
    *relay.working.lock().unwrap() = second;
    send("recovery.json").json();
    moderate(&unblock).failure(2);
    let block = ["block", "--link", "abc", "--reason", "spam", "--key", "dave.key", "--yes"];
    moderate(&block).succeeds();
    let verified = moderate(&["log", "verify", "--json"]).json();
    assert_eq!(verified["policy"]["moderators"], json!([dave.trim()]));
    assert_eq!(verified["strikes"].as_array().unwrap().len(), 1);

    // A reader's witness must have cosigned, and a former state is refused.
    let witness = CosignerKey::from_seed("w.example", &[3; 32]).unwrap();
    let public = witness.public().to_string();
    let with_witness = ["log", "verify", "--witness", &public, "--json"];
    moderate(&with_witness).failure(4);
    let mut mirror =
        Mirror::open(Trust::of_witness(desk.name()), MemoryStore::default(), State::new(desk.name())).unwrap();
    mirror.advance(&relay.journal, now() + 60).unwrap();
    relay.journal.add_cosignature(&mirror.cosign(&witness, now(), 1).unwrap(), &[witness.public()]).unwrap();
    assert_eq!(moderate(&with_witness).json()["blocked"].as_array().unwrap().len(), 1);
    let working = NoteKey::from_seed(ORIGIN, &seed).unwrap();
    let shorter = Relay::new(desk.name(), working, &desk.moderators, Vec::new());
    let file: Value = serde_json::from_slice(&fs::read(device.path("policy.json")).unwrap()).unwrap();
    shorter.journal.append(file["request"]["leaf"].as_str().unwrap().as_bytes(), now()).unwrap();
    shorter.publish();
    let other = serve(&runtime, Arc::new(shorter));
    device.run(&["moderate", "log", "verify", "--log", "log.toml", "--relay", &other]).fails(4, "entries are withheld");
}
