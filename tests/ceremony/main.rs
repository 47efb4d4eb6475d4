//! A whole ceremony for `slash`, with this program and snarkjs in turn, up to a deposit that is slashed with its key.
//!
//! Needs snarkjs and the Solidity compiler; `cargo xtask test` installs both with npm.
#![allow(clippy::unwrap_used, clippy::panic)]

mod chain;
mod tools;

use std::fs;

use quotapass_circuits::{
    constraints::{assignment::Assignment, shape::Shape},
    identity::IdentitySecret,
    post::Post,
    prover::Prover,
    slash::Slash,
};
use quotapass_setup::{
    ceremony::InitialKey,
    iden3::{Ptau, Zkey, proof_from_json, proof_json, public_json, wtns},
    proving_key,
};
use quotapass_wallet::{
    KeyRefusal,
    keys::{InstallError, KeyStore, KeyStoreError},
    trusted_key,
};
use rand::rngs::OsRng;
use serde_json::Value;

use tools::Folder;

const BEACON: &str = "000000000000000000026f2a1c9b6a7d9f0e8d7c6b5a49382716f5e4d3c2b1a0";

/// Powers of tau for 256 rows, by two people and a beacon.
fn powers_of_tau(folder: &Folder) {
    folder.snarkjs(&["powersoftau", "new", "bn128", "8", "0.ptau"]);
    folder.snarkjs(&["powersoftau", "contribute", "0.ptau", "1.ptau", "--name=one", "-e=some entropy"]);
    folder.snarkjs(&["powersoftau", "contribute", "1.ptau", "2.ptau", "--name=two", "-e=more entropy"]);
    folder.snarkjs(&["powersoftau", "beacon", "2.ptau", "3.ptau", BEACON, "10", "--name=beacon"]);
    folder.snarkjs(&["powersoftau", "prepare", "phase2", "3.ptau", "final.ptau"]);
    folder.snarkjs(&["powersoftau", "verify", "final.ptau"]);
}

#[test]
fn a_ceremony_ends_with_a_deposit_slashed() {
    let folder = Folder::new();
    powers_of_tau(&folder);

    // Both programs make the same initial key.
    let powers = folder.read("final.ptau");
    let hash = Ptau::from_bytes(&powers).unwrap().hash().to_string();
    let new = ["keys", "new-ceremony", "--out", "new", "--circuit", "slash", "--ptau", "final.ptau"];
    // Powers of tau that are not a published file are refused at the start.
    for more in [&[][..], &["--ptau-hash", &"0".repeat(128)]] {
        let refused = folder.try_quotapass(&[&new[..], more].concat(), b"").unwrap_err();
        assert!(refused.contains(&hash), "{refused}");
        assert!(!folder.path("new").exists());
    }
    folder.quotapass(&[&new[..], &["--ptau-hash", &hash]].concat(), b"");
    folder.snarkjs(&["groth16", "setup", "new/slash.r1cs", "final.ptau", "0.zkey"]);
    assert_eq!(folder.zkey("0.zkey"), folder.zkey("new/slash_0000.zkey"));

    // Two contributors, one with each program, in both orders.
    folder.quotapass(&["keys", "contribute", "0.zkey", "1.zkey", "--name", "Ann"], b"typed at random");
    folder.snarkjs(&["zkey", "contribute", "1.zkey", "2.zkey", "--name=Bob", "-e=typed otherwise"]);
    let third = ["keys", "contribute", "2.zkey", "checked.zkey", "--no-typing", "--ptau", "final.ptau"];
    let refused = folder.try_quotapass(&third, b"").unwrap_err();
    assert!(refused.contains("pass it with --ptau-hash") && !folder.path("checked.zkey").exists(), "{refused}");
    folder.quotapass(&[&third[..], &["--ptau-hash", &hash]].concat(), b"");
    folder.snarkjs(&["zkey", "beacon", "2.zkey", "final.zkey", BEACON, "10", "--name=a block"]);
    folder.snarkjs(&["zkey", "verify", "new/slash.r1cs", "final.ptau", "final.zkey"]);
    folder.snarkjs(&["zkey", "contribute", "new/slash_0000.zkey", "a.zkey", "--name=Bob", "-e=typed otherwise"]);
    folder.quotapass(&["keys", "contribute", "a.zkey", "b.zkey", "--no-typing"], b"");
    folder.quotapass(&["keys", "beacon", "b.zkey", "c.zkey", "--value", &format!("0x{BEACON}")], b"");
    folder.snarkjs(&["zkey", "verify", "new/slash.r1cs", "final.ptau", "c.zkey"]);

    // Both programs accept the key, and the attestation has a contribution hash of the key.
    let check = |key: &str, more: &[&str]| {
        let arguments = ["keys", "check", key, "--ptau", "final.ptau", "--require-snarkjs", "--json", "--snarkjs"];
        folder.try_quotapass(&[&arguments[..], &[tools::SNARKJS], more].concat(), b"")
    };
    let report: Value = serde_json::from_str(&check("final.zkey", &["--ptau-hash", &hash]).unwrap()).unwrap();
    assert_eq!((&report["snarkjs"], &report["circuit"]), (&true.into(), &"slash".into()));
    assert_eq!(report["contributions"][0]["name"], "Ann");
    assert_eq!(report["contributions"][2]["beacon"]["value"], BEACON);
    let attestation = String::from_utf8(folder.read("1.zkey.attestation.txt")).unwrap();
    assert!(attestation.contains(report["contributions"][0]["hash"].as_str().unwrap()), "{attestation}");
    check("c.zkey", &["--ptau-hash", &hash]).unwrap();
    assert!(check("final.zkey", &[]).unwrap_err().contains("pass it with --ptau-hash"));
    assert!(check("final.zkey", &["--ptau-hash", &"0".repeat(128)]).unwrap_err().contains("not the published"));
    let refused = check("2.zkey", &["--ptau-hash", &hash]).unwrap_err();
    assert!(refused.contains("the last contribution is not a beacon"), "{refused}");
    let refused = check("final.zkey", &["--ptau-hash", &hash, "--circuit", "badge"]).unwrap_err();
    assert!(refused.contains("needs powers of tau of power 12"), "{refused}");

    // Each program verifies the other's proofs with this key.
    let file = folder.read("final.zkey");
    let prover = Prover::<Slash>::new(proving_key(Slash, &file).unwrap()).unwrap();
    folder.snarkjs(&["zkey", "export", "verificationkey", "final.zkey", "vk.json"]);
    folder.quotapass(&["keys", "export-verifier", "final.zkey", "--out", "verifier"], b"");
    let json = |name: &str| serde_json::from_slice::<Value>(&folder.read(name)).unwrap();
    assert_eq!(json("vk.json"), json("verifier/verification_key.json"));

    let secret = IdentitySecret::generate(&mut OsRng);
    let registry = chain::registry_of(&prover.verifying_key());
    let (public, witness) = chain::statement(&registry, &secret);
    let proof = prover.prove(&public, &witness, &mut OsRng).unwrap();
    let inputs = public_json(&<Slash as quotapass_circuits::constraints::Circuit>::public_inputs(&public));
    folder.write("public.json", inputs.to_string().as_bytes());
    folder.write("proof.json", proof_json(&proof).to_string().as_bytes());
    folder.snarkjs(&["groth16", "verify", "vk.json", "public.json", "proof.json"]);

    let assignment = Assignment::compute(Slash, &public, &witness).unwrap();
    folder.write("witness.wtns", &wtns(&assignment));
    folder.snarkjs(&["wtns", "check", "new/slash.r1cs", "witness.wtns"]);
    folder.snarkjs(&["groth16", "prove", "final.zkey", "witness.wtns", "theirs.json", "public.json"]);
    let theirs = proof_from_json(&json("theirs.json")).unwrap();
    prover.verifier().unwrap().verify(&public, &theirs).unwrap();

    // On the chain: with the contract that takes its key at deployment, and with the exported contract.
    chain::deposit_is_slashed(&registry, &secret, &theirs);
    let exported = chain::registry_with(tools::compile(&folder, "verifier/SlashGroth16Verifier.sol"));
    chain::provenance_is_told(&registry, &prover.verifying_key(), true);
    chain::provenance_is_told(&exported, &prover.verifying_key(), false);
    let (public, witness) = chain::statement(&exported, &secret);
    let proof = prover.prove(&public, &witness, &mut OsRng).unwrap();
    chain::proof_is_refused_of_others(&exported, &secret, &proof);
    chain::deposit_is_slashed(&exported, &secret, &proof);

    // An installed key is shown with its contributors.
    folder.quotapass(&["keys", "install", "final.zkey"], b"");
    let shown = folder.try_quotapass(&["keys", "show", "--json"], b"").unwrap();
    let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown[2]["contributions"], report["contributions"]);
    assert_eq!(shown[0]["installed"], Value::Null);

    // Apps load the key in another format, and trust it by the same id.
    let exported = folder.try_quotapass(&["keys", "export-app", "final.zkey", "--out", "slash.key", "--json"], b"");
    let exported: Value = serde_json::from_str(&exported.unwrap()).unwrap();
    let (app_key, id) = (folder.read("slash.key"), prover.key().id());
    assert_eq!(trusted_key::<Slash>(&app_key, &[id]).unwrap().verifying_key(), prover.verifying_key());
    let show = |file: &str| -> Value {
        serde_json::from_str(&folder.try_quotapass(&["keys", "show", "--json", file], b"").unwrap()).unwrap()
    };
    for shown in
        [&report["id"], &exported["id"], &shown[2]["installed"], &show("final.zkey")["id"], &show("slash.key")["id"]]
    {
        assert_eq!(*shown, id.to_string());
    }
    assert_eq!(show("0.zkey")["id"], Value::Null);
    assert_eq!(show("slash.key")["zkey_sha256"], show("final.zkey")["sha256"]);
    assert!(matches!(trusted_key::<Slash>(&app_key, &[]), Err(KeyRefusal::NothingTrusted)));

    steps_of_other_programs_are_judged_as_snarkjs_judges_them(&folder, &hash);
    broken_keys_are_refused(&folder, &file);
    installed_keys_are_used_once_they_are_trusted(&folder, &file);
}

#[test]
fn a_ceremony_begins_only_with_a_snarkjs_that_fits() {
    let folder = Folder::new();
    folder.quotapass(&["keys", "new-ceremony", "--out", "new", "--circuit", "slash"], b"");
    let begin = |version: &str| {
        let snarkjs = format!("echo snarkjs@{version}; exit 99");
        folder.try_script("new/begin.sh", [&snarkjs, "echo fetching; exit 22"]).unwrap_err()
    };
    for former in ["0.4.27", "0.6.11"] {
        let refused = begin(former);
        assert!(refused.contains(&format!("snarkjs 0.7.0 or later is needed, found {former}")), "{refused}");
        assert!(!refused.contains("fetching"), "{refused}");
    }
    assert!(folder.try_script("new/begin.sh", ["exit 1", ""]).unwrap_err().contains("found none"));
    for fits in ["0.7.0", "0.7.6", "0.10.1", "1.0.0"] {
        assert!(begin(fits).contains("fetching"), "{fits}");
    }
}

/// A contribution in bellman's format counts, with either program. A first key whose circuit hash is that of a former
/// version of snarkjs is refused at the first contribution.
fn steps_of_other_programs_are_judged_as_snarkjs_judges_them(folder: &Folder, hash: &str) {
    folder.snarkjs(&["zkey", "export", "bellman", "0.zkey", "challenge"]);
    folder.snarkjs(&["zkey", "bellman", "contribute", "bn128", "challenge", "response", "-e=typed in bellman"]);
    folder.snarkjs(&["zkey", "import", "bellman", "0.zkey", "response", "imported.zkey", "-n=Carol"]);
    folder.quotapass(&["keys", "beacon", "imported.zkey", "bellman.zkey", "--value", BEACON], b"");
    folder.snarkjs(&["zkey", "verify", "new/slash.r1cs", "final.ptau", "bellman.zkey"]);
    let check = ["keys", "check", "bellman.zkey", "--ptau", "final.ptau", "--ptau-hash", hash, "--require-snarkjs"];
    let report = folder.try_quotapass(&[&check[..], &["--snarkjs", tools::SNARKJS]].concat(), b"").unwrap();
    assert!(report.contains("`Carol`") && report.contains("this program and snarkjs agree"), "{report}");

    // Only the circuit hash of a former first key differs, so later programs would refuse the final key at the end.
    folder.former_snarkjs_setup("new/slash.r1cs", "final.ptau", "former.zkey");
    let (former, first) = (folder.zkey("former.zkey"), folder.zkey("0.zkey"));
    assert_ne!(former.circuit_hash(), first.circuit_hash());
    let differences = former.to_bytes().iter().zip(first.to_bytes()).filter(|(one, other)| **one != *other).count();
    assert!((1..=64).contains(&differences), "{differences}");
    for step in [
        &["contribute", "former.zkey", "no.zkey", "--no-typing"][..],
        &["beacon", "former.zkey", "no.zkey", "--value", BEACON],
    ] {
        let refused = folder.try_quotapass(&[&["keys"][..], step].concat(), b"").unwrap_err();
        assert!(refused.contains("made by snarkjs before 0.7.0"), "{refused}");
        assert!(!folder.path("no.zkey").exists());
    }
    // Such a snarkjs continues its own key. A later contributor with the powers of tau sees the fault.
    folder.snarkjs(&["zkey", "contribute", "former.zkey", "later.zkey", "--name=Dave", "-e=typed by Dave"]);
    let third =
        ["keys", "contribute", "later.zkey", "no.zkey", "--no-typing", "--ptau", "final.ptau", "--ptau-hash", hash];
    let refused = folder.try_quotapass(&third, b"").unwrap_err();
    assert!(refused.contains("made by snarkjs before 0.7.0") && !folder.path("no.zkey").exists(), "{refused}");
}

/// This program refuses a snarkjs key with damage in any section. Both programs refuse a key with a gap in its
/// transcript.
fn broken_keys_are_refused(folder: &Folder, file: &[u8]) {
    let powers = folder.read("final.ptau");
    let shape = Shape::of(Slash).unwrap();
    let initial = InitialKey::new(&shape, &Ptau::from_bytes(&powers).unwrap(), &mut OsRng).unwrap();
    let judged = |file: &[u8]| {
        let key = Zkey::from_bytes(file).map_err(|error| error.to_string())?;
        initial.check(&key, &mut OsRng).map_err(|error| error.to_string())
    };
    judged(file).unwrap();
    let mut at = 12;
    while at < file.len() {
        let length = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap()) as usize;
        let mut flipped = file.to_vec();
        flipped[at + 12 + length / 2] ^= 4;
        assert!(judged(&flipped).is_err(), "section {}", file[at]);
        at += 12 + length;
    }
    assert!(judged(&file[..file.len() - 1]).is_err());
    assert!(proving_key(Post::STANDARD, file).is_err());

    // A transcript without its first contribution, which is the first entry after hash and count in section 10.
    let start = (0..file.len() - 400).rev().find(|at| file[*at..].starts_with(&[10, 0, 0, 0]) && is_section(file, *at));
    let content = start.unwrap() + 12;
    let first = content + 68;
    let parameters = first + 3 * 64 + 128 + 64 + 8;
    let length = u32::from_le_bytes(file[parameters - 4..parameters].try_into().unwrap()) as usize;
    let mut gap = file.to_vec();
    gap.drain(first..parameters + length);
    gap[content + 64] -= 1;
    let size = (gap.len() - content) as u64;
    gap[content - 8..content].copy_from_slice(&size.to_le_bytes());
    let refused = judged(&gap).unwrap_err();
    assert!(refused.contains("contribution 1 of the key does not follow"), "{refused}");
    folder.write("gap.zkey", &gap);
    assert!(folder.try_snarkjs(&["zkey", "verify", "new/slash.r1cs", "final.ptau", "gap.zkey"]).is_err());
}

/// Whether a section that begins here ends with the file.
fn is_section(file: &[u8], at: usize) -> bool {
    let length = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap());
    length == (file.len() - at - 12) as u64
}

fn installed_keys_are_used_once_they_are_trusted(folder: &Folder, file: &[u8]) {
    let keys = folder.path("keys");
    let store = KeyStore::in_folder(&keys);
    let unended = folder.read("2.zkey");
    assert!(matches!(store.install::<Slash>(&unended, false), Err(InstallError::Ceremony(_))));
    assert!(matches!(store.install::<Post>(file, false), Err(InstallError::Key(_))));
    assert_eq!(fs::read_dir(&keys).map_or(0, Iterator::count), 0);
    let (path, id) = store.install::<Slash>(file, false).unwrap();
    assert_eq!(fs::read(&path).unwrap(), file);
    store.install::<Slash>(file, false).unwrap();
    let other = folder.read("c.zkey");
    assert!(matches!(store.install::<Slash>(&other, false), Err(InstallError::Occupied(_))));

    // An installed key is not trusted by itself, and no other key replaces a trusted one.
    let origin = |store: &KeyStore| store.prover::<Slash>(|_| ()).map(|prover| prover.origin().to_string());
    assert!(origin(&store).unwrap().contains("development"));
    let trusting = store.clone().trusting(vec![id]);
    assert_eq!(origin(&trusting).unwrap(), format!("ceremony {id}"));
    let refused = trusting.development_prover(Slash, |_| ());
    assert!(matches!(refused, Err(KeyStoreError::DevelopmentRefused)));
    assert!(matches!(trusting.prover::<Post>(|_| ()), Err(KeyStoreError::Ceremony(_))));
    store.install::<Slash>(&other, true).unwrap();
    assert!(origin(&trusting).unwrap_err().to_string().contains("does not list"));
    fs::write(&path, &file[..1000]).unwrap();
    assert!(origin(&trusting).unwrap_err().to_string().contains("cannot be used"));
}
