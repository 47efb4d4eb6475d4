//! The configuration file as the program writes it, and what it says follows from the settings.

use std::fs;

use quotapass_testkit::{anvil::Anvil, process::now};
use serde_json::Value;

use crate::world::{Device, WALLETS, deploy};

const NOBODY: &str = "0x00000000000000000000000000000000000000aa";

#[test]
fn a_new_file_is_checked_against_the_chain() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let device = Device::new(WALLETS[0]);
    let file = device.path("config.toml");
    fs::remove_file(&file).unwrap();
    let init = |more: &[&str]| device.run(&[&["config", "init", "--json"][..], more].concat());
    let url = anvil.http();
    let refused: [(i32, &str, &[&str]); 9] = [
        (2, "`registry` is `0x12`", &["--registry", "0x12"]),
        (2, "`account` is `first`", &["--account", "first"]),
        (2, "`chain_id` is `mainnet`", &["--chain-id", "mainnet"]),
        (2, "write http://127.0.0.1:8545", &["--rpc-url", "127.0.0.1:8545"]),
        (2, "`relay.example` is not the address of a relay", &["--members-from", "relay.example"]),
        (2, "`http://` is not the address of a proxy", &["--members-proxy", "http://"]),
        (3, "there is no contract at", &["--rpc-url", &url, "--registry", NOBODY]),
        (4, "the endpoint is on chain 31337", &["--rpc-url", &url, "--chain-id", "5"]),
        (4, "check the address", &["--rpc-url", "http://127.0.0.1:1"]),
    ];
    for (code, words, more) in refused {
        let error = init(more).failure(code);
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert!(!file.exists(), "{words}");
    }

    // The chain id is that of the endpoint.
    let made = init(&["--rpc-url", &url, "--registry", &registry]).json();
    assert_eq!((&made["chain_id"], &made["members"], &made["former"]), (&31337.into(), &0.into(), &Value::Null));
    let first = fs::read_to_string(&file).unwrap();
    assert!(first.contains("\nchain_id = 31337\n"), "{first}");
    // A file is replaced only on demand, even if it cannot be read, and kept.
    fs::write(&file, "registri = 1").unwrap();
    let error = init(&["--offline"]).failure(1);
    assert!(error["message"].as_str().unwrap().contains("an existing file is not overwritten"), "{error}");
    let made = init(&["--offline", "--force", "--chain-id", "5"]).json();
    assert_eq!((&made["chain_id"], &made["members"]), (&5.into(), &Value::Null));
    assert_eq!(fs::read_to_string(made["former"].as_str().unwrap()).unwrap(), "registri = 1");
    assert!(fs::read_to_string(&file).unwrap().contains("\nchain_id = 5\n"));
}

#[test]
fn what_follows_from_the_settings_is_shown() {
    let mut device = Device::new(WALLETS[0]);
    let effective = |device: &Device| device.run(&["config", "show", "--json"]).json()["effective"].clone();
    let found = effective(&device);
    let path = |name: &str| Value::from(device.path(name).display().to_string());
    assert_eq!((&found["data_folder"], &found["state_folder"]), (&path("data"), &path("state")));
    assert_eq!(found["wallet_address"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    assert_eq!(found["wallet_from"], "environment variable QUOTAPASS_WALLET_KEY");
    assert_eq!(found["passphrase_from"], "environment variable QUOTAPASS_PASSPHRASE");
    assert_eq!(found["wallet_password_from"], Value::Null);
    assert!(found["post_key"].as_str().unwrap().contains("INSECURE"), "{found}");
    let text = device.run(&["config", "show"]).succeeds().out.clone();
    assert!(text.contains("wallet_address        0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"), "{text}");

    // Without secrets, with a keystore and files, and with keys of a ceremony that are not installed.
    device.unset("QUOTAPASS_WALLET_KEY");
    device.unset("QUOTAPASS_PASSPHRASE");
    let found = effective(&device);
    for name in ["wallet_address", "wallet_from", "passphrase_from"] {
        assert_eq!(found[name], Value::Null, "{name}");
    }
    fs::write(device.path("wallet.json"), r#"{"address":"f39fd6e51aad88f6f4ce6ab8827279cfffb92266"}"#).unwrap();
    fs::write(device.path("password"), "x").unwrap();
    device.set("QUOTAPASS_WALLET_KEYSTORE", "wallet.json");
    device.set("QUOTAPASS_WALLET_PASSWORD_FILE", "password");
    device.set("QUOTAPASS_PASSPHRASE_FILE", "nowhere");
    device.set("QUOTAPASS_TRUSTED_KEYS", &"0".repeat(64));
    let found = effective(&device);
    assert_eq!(found["wallet_address"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    assert_eq!(
        (&found["wallet_from"], &found["wallet_password_from"]),
        (&"keystore wallet.json".into(), &"file password".into())
    );
    assert!(found["passphrase_from"]["error"].as_str().unwrap().contains("cannot read `nowhere`"), "{found}");
    assert_eq!(found["slash_key"], "none: `trusted_keys` is set, and no key is installed");
}
