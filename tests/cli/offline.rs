//! Subcommands that work without a chain.

use std::fs;

use crate::world::{Answer, Device, WALLETS};

#[test]
fn an_identity_is_made_listed_exported_and_restored() {
    let device = Device::new(WALLETS[0]);
    assert!(device.run(&["identity", "list"]).succeeds().out.contains("`quotapass identity new` creates one"));
    let made = device.run(&["identity", "new", "work", "--device", "2/3", "--json"]).json();
    let words = made["mnemonic"].as_str().unwrap();
    assert_eq!((words.split(' ').count(), &made["device"]), (24, &"2/3".into()));
    device.run(&["identity", "new", "work"]).fails(1, "the identity `work` already exists");
    device.run(&["identity", "new", "a/b"]).fails(2, "is not a valid identity name");
    device.run(&["identity", "new", "--device", "3/2"]).fails(2, "the device number 3 is above the count 2");
    assert_eq!(device.run(&["identity", "export", "work", "--json", "--yes"]).json()["mnemonic"], words);
    for format in [&[] as &[&str], &["--json"]] {
        let asked = device.run(&[&["identity", "export", "work"], format].concat());
        assert_eq!(asked.fails(2, "pass --yes to confirm").out, "");
    }

    let restored = |words: &str| device.run_with(&["identity", "restore", "again"], words.as_bytes());
    restored("one two").fails(1, "has 24 words, this one 2");
    restored(&words.replacen(words.split(' ').next().unwrap(), "zzz", 1)).fails(1, "word 1 is not in the BIP-39 list");
    restored(words).succeeds();
    let show = |name: &str| {
        let place = ["--registry", "0x00000000000000000000000000000000000000aa", "--chain-id", "5", "--json"];
        device.run(&[&["identity", "show", name], &place[..]].concat()).json()["commitment"].clone()
    };
    assert_eq!(show("work"), show("again"));
    assert_eq!(device.run(&["identity", "list", "--json"]).json()["identities"], serde_json::json!(["again", "work"]));

    let copy = device.path("copy.age");
    device.run(&["identity", "export", "work", "--encrypted", copy.to_str().unwrap()]).succeeds();
    assert_eq!(fs::read(copy).unwrap(), fs::read(device.path("data/identities/work.age")).unwrap());
}

#[test]
fn a_wallet_makes_the_same_identity_each_time() {
    let (mut one, two) = (Device::new(WALLETS[0]), Device::new(WALLETS[0]));
    let place = ["--registry", "0x00000000000000000000000000000000000000aa", "--chain-id", "5", "--json"];
    let commitment = |device: &Device| {
        device.run(&["identity", "new", "--from-wallet", "--yes"]).succeeds();
        device.run(&[&["identity", "show"], &place[..]].concat()).json()["commitment"].clone()
    };
    assert_eq!(commitment(&one), commitment(&two));
    one.run(&["identity", "export", "--yes"]).fails(1, "has no words");
    one.unset("QUOTAPASS_WALLET_KEY");
    one.run(&["identity", "new", "other", "--from-wallet", "--yes"]).fails(2, "no wallet is set");
}

#[test]
fn settings_are_shown_with_their_origin_and_the_last_word_is_the_flags() {
    let mut device = Device::new(WALLETS[0]);
    fs::remove_file(device.path("config.toml")).unwrap();
    device.run(&["config", "init", "--offline", "--rpc-url", "http://file.example", "--chain-id", "5"]).succeeds();
    device.run(&["config", "init"]).fails(1, "an existing file is not overwritten");
    let setting = |device: &Device, flags: &[&str]| {
        let shown = device.run(&[&["config", "show", "--json"], flags].concat()).json();
        let setting = &shown["settings"]["rpc_url"];
        (setting["value"].as_str().unwrap().to_owned(), setting["from"].as_str().unwrap().to_owned())
    };
    let (value, origin) = setting(&device, &[]);
    assert!(value == "http://file.example" && origin.ends_with("config.toml"), "{value} {origin}");
    device.set("QUOTAPASS_RPC_URL", "http://environment.example");
    let expected = ("http://environment.example".into(), "environment variable QUOTAPASS_RPC_URL".into());
    assert_eq!(setting(&device, &[]), expected);
    let expected = ("http://flag.example".into(), "flag --rpc-url".into());
    assert_eq!(setting(&device, &["--rpc-url", "http://flag.example"]), expected);
    let text = device.run(&["config", "show"]).succeeds().out.clone();
    assert!(text.contains("scope `lobby`: 10 messages in 3600 s"), "{text}");

    let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let mistyped = right.replace("5aA", "5aa");
    let place = ["--registry", &mistyped, "--chain-id", "5"];
    device.run(&[&["identity", "new", "--yes"], &place[..]].concat()).succeeds();
    device.run(&[&["identity", "show"], &place[..]].concat()).fails(2, right);
    device.run(&[&["config", "init", "--config", "other.toml"], &place[..]].concat()).fails(2, right);
    device.run(&[&["relay", "init", "--config", "relay.toml"], &place[..]].concat()).fails(2, right);
    device.run(&["withdraw", "--to", &mistyped]).fails(2, right);
    device.set("QUOTAPASS_REGISTRY", &mistyped);
    device.run(&["identity", "show", "--chain-id", "5"]).fails(2, "from environment variable QUOTAPASS_REGISTRY");
    device.set("QUOTAPASS_REGISTRY", &right.to_uppercase().replacen("0X", "0x", 1));
    device.run(&["identity", "show", "--chain-id", "5"]).succeeds();
    device.unset("QUOTAPASS_REGISTRY");
    let nobody = format!("0x{:040x}", 0xaa);
    device.set("QUOTAPASS_CHAIN_ID", "five");
    device
        .run(&["registry", "info", "--registry", &nobody])
        .fails(2, "`chain_id` is `five`, from environment variable QUOTAPASS_CHAIN_ID");
    device.run(&["sync", "--config", "nowhere.toml"]).fails(2, "cannot read the configuration file nowhere.toml");
    fs::write(device.path("config.toml"), "rpc_url = \"http://x\"\nregistri = 1\n").unwrap();
    device.run(&["sync"]).fails(2, "unknown field `registri`");
    device.run(&["deposit"]).fails(2, "--tier");
}

/// As ethers 6 writes it, with `Crypto` in upper case, under the password `pw`.
const KEYSTORE: &str = r#"{"address":"f39fd6e51aad88f6f4ce6ab8827279cfffb92266","version":3,"Crypto":{
  "cipher":"aes-128-ctr","cipherparams":{"iv":"5bad6afb0e3ae7b6bbb28e97b1b99030"},"kdf":"scrypt",
  "ciphertext":"77a7e5cf6f0315ad2079735f2f9aaee891271dd33efd12d0aad58868cc21a419",
  "kdfparams":{"salt":"30dfec1866103b651c42a5dcda91229d25ffe8a5d726892bdf65efc3ac6b4818","n":8192,"dklen":32,"p":1,"r":8},
  "mac":"0x48679251793f251a6e0aa5ef5c03af7b8f5579ff762ade9699030fd6b0b36267"}}"#;

#[test]
fn a_keystore_file_opens_with_the_password_of_any_editor() {
    let mut device = Device::new("");
    device.unset("QUOTAPASS_WALLET_KEY");
    fs::write(device.path("wallet.json"), KEYSTORE).unwrap();
    let wallet = ["--from-wallet", "--yes", "--wallet-keystore", "wallet.json", "--wallet-password-file", "password"];
    let new = |name: &str| device.run(&[&["identity", "new", name, "--json"], &wallet[..]].concat());
    for (name, password) in [("plain", "pw\n".into()), ("mark", "\u{feff}pw\r\n".into()), ("wide", utf16("pw\r\n"))] {
        fs::write(device.path("password"), password).unwrap();
        assert_eq!(new(name).json()["wallet"], "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }
    fs::write(device.path("password"), "wrong").unwrap();
    new("wrong").fails(1, "the password does not open the keystore file");
}

/// Returns text in UTF-16 with a byte order mark, as some editors write it.
fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn passphrases_and_words_are_read_from_files_of_all_editors() {
    let mut device = Device::new(WALLETS[0]);
    let file = device.path("passphrase");
    device.unset("QUOTAPASS_PASSPHRASE");
    device.set("QUOTAPASS_PASSPHRASE_FILE", file.to_str().unwrap());
    fs::write(&file, "\u{feff}\u{e9}t\u{e9}\r\n").unwrap();
    let words = device.run(&["identity", "new", "--json"]).json()["mnemonic"].as_str().unwrap().to_owned();
    let export = |name: &str| device.run(&["identity", "export", name, "--json", "--yes"]);
    for same in [utf16("e\u{301}te\u{301}\r\n"), "\u{e9}t\u{e9}".into()] {
        fs::write(&file, same).unwrap();
        assert_eq!(export("default").json()["mnemonic"], words);
    }
    let input = utf16(&format!("{words}\r\n"));
    device.run_with(&["identity", "restore", "again"], &input).succeeds();
    assert_eq!(export("again").json()["mnemonic"], words);
    device.run_with(&["identity", "restore", "latin"], b"\xe9t\xe9").fails(1, "neither UTF-8 nor UTF-16");
    fs::write(&file, b"\xe9t\xe9").unwrap();
    export("default").fails(1, "neither UTF-8 nor UTF-16");
}

#[test]
fn no_output_shows_passwords_and_keys_of_addresses() {
    let mut device = Device::new(WALLETS[0]);
    let hides = |answer: &Answer| {
        let text = format!("{}{}", answer.out, answer.error);
        assert!(!text.contains("secret") && text.contains('…'), "{text}");
    };
    device.set("QUOTAPASS_RPC_URL", "http://me:secret@127.0.0.1:1/v3/secret");
    device.set("QUOTAPASS_MEMBERS_FROM", "https://me:secret@relay.example/?key=secret");
    device.set("QUOTAPASS_MEMBERS_PROXY", "socks5h://me:secret@127.0.0.1:1");
    hides(device.run(&["config", "show"]).succeeds());
    let shown = device.run(&["config", "show", "--json"]);
    hides(&shown);
    assert_eq!(shown.json()["settings"]["rpc_url"]["value"], "http://…@127.0.0.1:1/…");

    let place = ["--registry", "0x00000000000000000000000000000000000000aa", "--chain-id", "5"];
    let run = |arguments: &[&str]| device.run(&[arguments, &place].concat());
    hides(run(&["sync"]).fails(4, "cannot reach"));
    hides(run(&["sync", "--rpc-url", "gopher://me:secret@host"]).fails(2, "is not the address of an endpoint"));
    hides(&run(&["sync", "--rpc-url", "me:secret@host:8545/secret"]));
    for (relay, code) in [("http://me:secret@127.0.0.1:1/secret", 4), ("ftp://me:secret@relay.example", 2)] {
        let proxy = "socks5h://me:secret@127.0.0.1:1";
        hides(run(&["policy", "--scope", "lobby", "--relay", relay, "--members-proxy", proxy]).fails(code, "…@"));
    }

    // A line that is not TOML is not shown either.
    fs::write(device.path("config.toml"), "rpc_url = \"http://me:secret@host\n").unwrap();
    let refused = run(&["sync"]);
    assert!(!refused.fails(2, "line 1").error.contains("secret"), "{}", refused.error);
}

#[test]
fn shells_and_man_are_served() {
    let device = Device::new(WALLETS[0]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(device.run(&["completions", shell]).succeeds().out.contains("quotapass"), "{shell}");
    }
    assert!(device.run(&["man"]).succeeds().out.starts_with(".ie"));
    device.run(&["man", "--out", "pages"]).succeeds();
    let pages = fs::read_dir(device.path("pages")).unwrap().count();
    assert!(pages > 20 && device.path("pages/quotapass-identity-new.1").exists(), "{pages}");
    assert!(device.run(&["--help"]).succeeds().out.contains("Exit codes:"));
}

#[test]
fn a_device_measures_itself_and_says_nothing_else() {
    let device = Device::new(WALLETS[0]);
    let report = device.run(&["bench", "device", "--seconds", "0", "--json"]).json();
    let runs = report["medians_ms"].as_array().unwrap();
    assert_eq!(runs[0]["threads"], 1);
    for what in ["full_proof", "full_proof_without_tables", "prepare", "message", "verify", "insert_a_member"] {
        assert!(
            runs.iter().all(|run| run["medians"][what].as_f64().is_some_and(|time| time > 0.0)),
            "{what}: {report}"
        );
    }
    let mut names: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let told =
        ["architecture", "cores", "device", "medians_ms", "memory_mib", "optimised", "os", "processor", "quotapass"];
    assert_eq!(names, told, "nothing that tells one owner from another");
    let text = device.run(&["bench", "device", "--seconds", "0"]).succeeds().out.clone();
    assert!(text.contains("full proof") && text.lines().last().unwrap().starts_with('{'), "{text}");
}
