//! `quotapass circuit` as a user runs it.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, process::Command};

use serde_json::Value;

fn circuit(data: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
    command.arg("circuit").args(arguments).env("QUOTAPASS_DATA_DIR", data).output().unwrap()
}

#[test]
fn info_and_export_say_the_same_and_keys_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let out = folder.path().join("out");
    let exported = circuit(&data, &["export", "--out", out.to_str().unwrap()]);
    assert!(exported.status.success());
    let progress = String::from_utf8(exported.stderr).unwrap();
    assert_eq!(progress.matches("(INSECURE: from a public seed)").count(), 6, "{progress}");
    assert_eq!(progress.matches("With development keys, which are INSECURE").count(), 1, "{progress}");

    let info = circuit(&data, &["info", "--json"]);
    assert!(info.status.success());
    assert!(info.stderr.is_empty(), "keys are made once");
    let info = String::from_utf8(info.stdout).unwrap();
    let info: Vec<Value> = info.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for circuit in &info {
        let name = circuit["circuit"].as_str().unwrap();
        let read = |file: &str| fs::read(out.join(name).join(file)).unwrap();
        let json = |file: &str| serde_json::from_slice::<Value>(&read(file)).unwrap();
        let public = circuit["public_inputs"].as_array().unwrap().len();
        assert_eq!(json("public.json").as_array().unwrap().len(), public);
        assert_eq!(json("verification_key.json")["nPublic"], public);
        assert_eq!(json("proof.json")["protocol"], "groth16");
        let hash = <sha2::Sha256 as sha2::Digest>::digest(read(&format!("{name}.r1cs")));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(circuit["circuit_hash"].as_str().unwrap(), hash);
        assert!(circuit["keys"].as_str().unwrap().contains("INSECURE"));
    }
    assert_eq!(info[0]["constraints"], 4086);
    assert_eq!(info[0]["members"], 2_097_152);
}

#[test]
fn a_damaged_key_is_an_error_that_says_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(circuit(folder.path(), &["info"]).status.success());
    let keys = fs::read_dir(folder.path().join("keys")).unwrap();
    let key = keys.map(|entry| entry.unwrap().path()).find(|path| path.to_str().unwrap().contains("post-11")).unwrap();
    fs::write(&key, b"QUOTAKEY?").unwrap();
    let output = circuit(folder.path(), &["info"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("Delete it and run again") && message.contains(key.to_str().unwrap()), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["info", "--levels", "0"][..], &["info", "--levels", "17"], &["export"], &["other"]] {
        assert_eq!(circuit(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let output = circuit(folder.path(), &["export", "--out", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write"));
}
