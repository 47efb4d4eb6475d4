//! What the relay's pages for moderators must compute in a browser, as the file `tests/browser.json` that their tests read.
//!
//! `QUOTAPASS_WRITE_FIXTURES=1 cargo test -p quotapass-log browser` writes it again.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use quotapass_circuits::signal::{Epoch, Scope, SignalHash};
use quotapass_protocol::note::{NoteKey, canonical_json};
use rand::{RngCore as _, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use signed_note::Signer;

use super::{samples::*, *};
use crate::{MemoryStore, Source, TileId, TileKind};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser.json");

fn stated_key(key: &NoteKey) -> Value {
    json!({ "name": key.public().name(), "seed": hex::encode(*key.seed()), "vkey": key.public().to_string() })
}

/// An entry, and its leaf with the signatures of one and of two moderators.
fn stated_entry(entry: &Entry) -> Value {
    let leaf = |keys: &[&NoteKey]| String::from_utf8(signed(entry, keys)).unwrap();
    let [one, other] = [moderator(0), moderator(1)];
    let value: Value = serde_json::from_str(&entry.to_json().unwrap()).unwrap();
    json!({ "value": value, "json": entry.to_json().unwrap(), "by_one": leaf(&[&one]), "by_two": leaf(&[&one, &other]) })
}

/// A message and its signal hash.
fn stated_signal(scope: &str, epoch: Epoch, message: &[u8]) -> Value {
    let x = SignalHash::new(Scope::new(&REGISTRY, scope), epoch, message).unwrap();
    json!({ "scope": scope, "epoch_seconds": epoch.seconds(), "epoch": epoch.number().to_string(),
            "message": hex::encode(message), "x": hex::encode(x.to_be_bytes()) })
}

/// The header of a moderator's request.
fn stated_header(key: &NoteKey, log: &str, method: &str, target: &str, body: &str) -> Value {
    let seconds = NOW.0;
    let hash = Digest::of(body.as_bytes());
    let said = format!("quotapass.moderator.v1\n{log}\n{method}\n{target}\n{seconds}\n{hash}\n");
    let signature = hex::encode(Signer::sign(key, said.as_bytes()).unwrap());
    let public = hex::encode(crate::name::ed25519_of(&key.public()));
    json!({ "method": method, "target": target, "seconds": seconds, "body": body,
            "value": format!("{public} {seconds} {signature}") })
}

/// A log with a strike in force, one that an appeal lifted and one that is over, as it is served.
fn served(text: &SaltedText, rng: &mut StdRng) -> (Value, Vec<u8>) {
    let journal = Journal::open(name(), MemoryStore::default()).unwrap();
    let by_two = |entry: &Entry| signed(entry, &[&moderator(0), &moderator(1)]);
    journal.append(&signed(&entry(1_000, NOW, Body::Policy(policy(3, 2))), &[&root()]), NOW).unwrap();
    let strikes = [1, 2, 3].map(|number| {
        let mut strike = strike(number, NOW);
        let Body::Strike(body) = &mut strike.body else { unreachable!() };
        body.text = text.digest();
        if number == 3 {
            body.until = Until::At(NOW + 60);
        }
        journal.append_strike(&by_two(&strike), text, NOW).unwrap();
        strike
    });
    journal.append(&by_two(&lift(50, &strikes[1], Because::Appeal, NOW)), NOW).unwrap();
    journal.expire(&working(), NOW + 60, rng).unwrap();
    journal.publish(&working(), NOW + 60, rng).unwrap();
    let size = journal.log().published().unwrap().unwrap().note.checkpoint().size;
    let bundle = TileId::in_tree(TileKind::Entries, 0, size).unwrap().to_string();
    let paths = ["checkpoint".to_owned(), bundle, format!("text/{}", text.digest())];
    let bytes = paths.map(|path| (path.clone(), BASE64_STANDARD.encode(journal.fetch(&path).unwrap())));
    (json!(std::collections::BTreeMap::from(bytes)), by_two(&strikes[0]))
}

#[test]
fn browsers_sign_what_this_crate_reads() {
    let log = name().id().to_string();
    let random = |seed: u64, length: usize| {
        let mut bytes = vec![0; length];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        hex::encode(bytes)
    };
    let words = "A post of yours – with “quotes” – was struck.\nYou can appeal.";
    let text = SaltedText::new(words, &mut StdRng::seed_from_u64(5)).unwrap();
    let epoch = Epoch::new(600.try_into().unwrap(), u64::MAX);
    let canonical = [
        json!({ "b": [1, "é\u{1}\"\\/\u{7f}\u{2028}", null], "\u{20ac}": -0, "a": { "d": true, "c": 9_007_199_254_740_991u64 } }),
        json!({ "\u{1f600}": 1, "\u{fb33}": 2, "\r": 3, "1": 4, "10": 5, "2": 6 }),
        json!(["\u{8}\t\n\u{c}\r", {}, [], false, -7]),
    ];
    let moderators = [0, 1, 2].map(|number| stated_key(&moderator(number)));
    let places = [(0, 1), (0, 256), (0, 700), (2, 700), (999, 255_999), (1_234_067, 400_000_000)];
    let (served, strike_leaf) = served(&text, &mut StdRng::seed_from_u64(6));
    assert!(strike_leaf.len() < crate::MAX_LEAF);
    let fixture = json!({
        "origin": origin().to_string(), "root_key": root().public().to_string(), "log": log, "now": NOW.0,
        "moderators": moderators,
        "strike": stated_entry(&strike(1, NOW)),
        "lift": stated_entry(&lift(50, &strike(1, NOW), Because::Appeal, NOW)),
        "salted": { "text": words, "salt": random(5, 32), "sha256": text.digest(),
                    "encoded": BASE64_URL_SAFE_NO_PAD.encode(text.to_bytes()) },
        "id": { "random": random(9, 10), "id": EntryId::generate(NOW, &mut StdRng::seed_from_u64(9)).to_string() },
        "canonical": canonical.map(|value| json!({ "value": value, "json": canonical_json(&value).unwrap() })),
        "signals": [stated_signal("room", epoch, b""), stated_signal("r\u{e9}um", epoch, &[0xff; 135]),
                    stated_signal("room", Epoch::new(1.try_into().unwrap(), 0), &[7; 1_000])],
        "headers": [stated_header(&moderator(0), &log, "GET", &format!("/v1/moderation/{log}/queue?limit=50"), ""),
                    stated_header(&moderator(1), &log, "POST", &format!("/v1/moderation/{log}/answers"), r#"{"text":"é"}"#)],
        "paths": places.map(|(index, size)| {
            json!({ "index": index, "size": size, "path": TileId::in_tree(TileKind::Entries, index, size).unwrap().to_string() })
        }),
        "served": served,
    });
    let fixture = serde_json::to_string_pretty(&fixture).unwrap() + "\n";
    if std::env::var_os("QUOTAPASS_WRITE_FIXTURES").is_some() {
        std::fs::write(FIXTURE, &fixture).unwrap();
    }
    // The order of members depends on a feature of serde_json, which other crates of the workspace turn on.
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let kept = std::fs::read_to_string(FIXTURE).unwrap_or_default();
    assert!(
        value(&kept) == value(&fixture),
        "{FIXTURE} is not what this crate computes; write it again, and run the tests of the pages"
    );
}
