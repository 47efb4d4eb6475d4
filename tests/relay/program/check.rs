//! Tests of `quotapass relay check`, which changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quotapass_registry::alloy_primitives::hex;
use serde_json::Value;

use super::{
    posts::Members,
    process::{Operator, RelayProcess, keys},
    redis::Redis,
};

const CHECK: [&str; 3] = ["--config", "relay.toml", "check"];

/// All files of a folder, with their content. The folder of the keys that all tests share is left out.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files.insert(path.clone(), Vec::new());
            files.extend(contents(&path));
        } else if kind.is_file() {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

/// Checks the configuration, and asserts that no file changed.
#[track_caller]
fn check(operator: &Operator) -> (i32, Value, String) {
    let before = contents(&operator.path(""));
    let (code, out, error) = operator.run(&CHECK);
    assert_eq!(contents(&operator.path("")), before, "{error}");
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), error)
}

#[test]
fn a_check_sees_chain_log_and_wallet_and_writes_nothing() {
    let members = Members::new(1);
    let mut operator = Operator::new();
    // Without development keys; a start would make them.
    fs::remove_file(operator.path("data/keys")).unwrap();
    operator.configure(&members.configuration(&members.bench.anvil.http()));
    let (code, found, error) = check(&operator);
    assert_eq!((code, &found["log"], &found["wallet"]), (0, &false.into(), &Value::Null), "{error}");
    operator.set("QUOTAPASS_WALLET_KEY", &hex::encode([2; 32]));
    let (code, found, error) = check(&operator);
    assert!(code == 0 && found["wallet"]["slashes"].as_u64().unwrap() > 0, "{found} {error}");
    assert!(found["wallet"]["balance"].as_str().unwrap().parse::<u128>().unwrap() > 0, "{found}");
    operator.set("QUOTAPASS_WALLET_KEY", &format!("{:064x}", 1));
    let (code, found, error) = check(&operator);
    assert_eq!((code, &found["wallet"]["slashes"]), (0, &0.into()), "{error}");
    assert!(error.contains("cannot pay for a slash"), "{error}");

    // While the relay runs, its log is seen without being opened.
    std::os::unix::fs::symlink(keys(), operator.path("data/keys")).unwrap();
    let relay = operator.start_configured();
    relay.wait_until("it is ready", RelayProcess::is_ready);
    let (code, out, error) = operator.run(&CHECK);
    assert!(code == 0 && out.contains("\"log\":true"), "{out} {error}");
    assert_eq!(relay.stop(), Some(0));
    let (code, found, error) = check(&operator);
    assert_eq!((code, &found["log"]), (0, &true.into()), "{error}");

    // A log that is damaged, another one, or gone.
    let folder = fs::read_dir(operator.path("data/relays")).unwrap().next().unwrap().unwrap().path();
    let witness = folder.join("nullifiers/witness");
    let good = fs::read(&witness).unwrap();
    fs::write(&witness, b"nonsense").unwrap();
    let (code, _, error) = check(&operator);
    assert!(code == 1 && error.contains("is damaged"), "{error}");
    fs::write(&witness, good).unwrap();
    let identity = folder.join("log-identity");
    let known = fs::read(&identity).unwrap();
    fs::write(&identity, "0".repeat(32)).unwrap();
    let (code, _, error) = check(&operator);
    assert!(code == 1 && error.contains("is not the nullifier log that this relay used before"), "{error}");
    fs::write(&identity, known).unwrap();
    fs::remove_dir_all(folder.join("nullifiers")).unwrap();
    let (code, _, error) = check(&operator);
    assert!(code == 1 && error.contains("is gone"), "{error}");
}

#[test]
fn a_check_creates_no_log_on_a_server() {
    let members = Members::new(0);
    let mut redis = Redis::start();
    let operator = Operator::new();
    let text = members.configuration(&members.bench.anvil.http());
    operator.configure(&format!("[log]\nvalkey = [\"{}\"]\n{text}", redis.address()));
    let (code, found, error) = check(&operator);
    assert_eq!((code, &found["log"], redis.keys()), (0, &false.into(), 0), "{error}");
    let relay = operator.start_configured();
    let before = redis.keys();
    assert!(before > 0);
    let (code, out, error) = operator.run(&CHECK);
    assert!(code == 0 && out.contains("\"log\":true"), "{out} {error}");
    assert_eq!(relay.stop(), Some(0));
    redis.tell("FLUSHALL");
    let (code, _, error) = check(&operator);
    assert!(code == 1 && error.contains("emptied"), "{error}");
    assert_eq!(redis.keys(), 0);
    redis.kill();
    let (code, _, error) = check(&operator);
    assert!(code == 4 && error.contains("cannot be used"), "{error}");
}
