//! The configuration of a relay as `relay init` writes it for a registry.

use std::{fs, os::unix::fs::PermissionsExt};

use quotapass_registry::{
    alloy_primitives::{Address, hex},
    rpc::AccountKey,
};
use quotapass_testkit::{anvil::Anvil, process::now};
use serde_json::Value;

use crate::world::{Device, WALLETS, deploy};

const NOBODY: &str = "0x00000000000000000000000000000000000000aa";

/// Deploys a registry with an exit delay, and returns its address.
fn deploy_with(anvil: &Anvil, exit_delay: &str) -> String {
    let device = Device::new(WALLETS[0]);
    let url = anvil.http();
    let terms = ["--dev-token", "--tier", "1:1:3", "--yes", "--json", "--exit-delay", exit_delay, "--rpc-url", &url];
    let deployed = device.run(&[&["registry", "deploy"][..], &terms].concat()).json();
    deployed["registry"].as_str().unwrap().to_owned()
}

#[test]
fn the_scope_of_a_new_configuration_fits_the_registry() {
    let anvil = Anvil::start(now());
    let (registry, url) = (deploy(&anvil), anvil.http());
    let mut device = Device::new(WALLETS[1]);
    device.unset("QUOTAPASS_WALLET_KEY");
    let init = |more: &[&str]| device.run(&[&["relay", "init", "--json"][..], more].concat());
    let place = ["--rpc-url", &url, "--registry", &registry];

    // Nothing is written if something is wrong.
    let without_scheme = url.strip_prefix("http://").unwrap();
    let short = deploy_with(&anvil, "71m");
    let refused: [(i32, &str, &[&str]); 6] = [
        (2, "--registry is `0x12`", &["--registry", "0x12"]),
        (2, "--chain-id is `mainnet`", &["--chain-id", "mainnet"]),
        (2, &format!("write http://{without_scheme}"), &["--rpc-url", without_scheme]),
        (3, "there is no contract at", &["--rpc-url", &url, "--registry", NOBODY]),
        (4, "the endpoint is on chain 31337", &["--rpc-url", &url, "--chain-id", "5"]),
        (1, "Use a registry with a longer exit delay", &["--rpc-url", &url, "--registry", &short]),
    ];
    for (code, words, more) in refused {
        let error = init(&[&["--new-wallet"], more].concat()).failure(code);
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        for file in ["relay.toml", "wallet.json", "wallet-password"] {
            assert!(!device.path(file).exists(), "{words}: {file}");
        }
    }

    // A relay takes what is written.
    let made = init(&[&place[..], &["--new-wallet"]].concat()).json();
    assert_eq!((&made["chain_id"], &made["exit_delay"]), (&31337.into(), &7200.into()));
    assert_eq!((&made["epoch_seconds"], &made["root_window"]), (&1200.into(), &1200.into()));
    let account: Address = made["wallet"].as_str().unwrap().parse().unwrap();
    let check = || device.run(&["relay", "--config", "relay.toml", "check", "--json"]);
    let poor = check();
    assert_eq!(poor.json()["wallet"]["slashes"], 0);
    assert!(poor.error.contains("cannot pay for a slash"), "{}", poor.error);
    anvil.fund(account);
    let found = check().json();
    assert!(found["wallet"]["slashes"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(found["wallet"]["address"].as_str().unwrap().parse::<Address>().unwrap(), account);

    // Only the owner can read the files, and the keystore is one for other programs.
    for file in ["relay.toml", "wallet.json", "wallet-password"] {
        assert_eq!(fs::metadata(device.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let keystore: Value = serde_json::from_slice(&fs::read(device.path("wallet.json")).unwrap()).unwrap();
    assert_eq!((&keystore["version"], keystore["address"].as_str()), (&3.into(), Some(&*hex::encode(account))));
    let password = fs::read_to_string(device.path("wallet-password")).unwrap();
    assert_eq!(password.trim_end().len(), 32);
    let opened = AccountKey::from_keystore(&device.path("wallet.json"), password.trim_end()).unwrap();
    assert_eq!(opened.address(), account);
    assert!(AccountKey::from_keystore(&device.path("wallet.json"), "other").is_err());

    // Existing files stay, and an existing password is used.
    let kept = fs::read(device.path("wallet.json")).unwrap();
    assert!(init(&place).failure(1)["message"].as_str().unwrap().contains("not overwritten"));
    fs::remove_file(device.path("relay.toml")).unwrap();
    let refused = init(&[&place[..], &["--new-wallet"]].concat()).failure(1);
    assert!(refused["message"].as_str().unwrap().contains("leave out --new-wallet"), "{refused}");
    assert_eq!(fs::read(device.path("wallet.json")).unwrap(), kept);
    fs::remove_file(device.path("wallet.json")).unwrap();
    let again = init(&[&place[..], &["--new-wallet"]].concat()).json();
    assert_ne!(again["wallet"], made["wallet"]);
    assert_eq!(fs::read_to_string(device.path("wallet-password")).unwrap(), password);
    AccountKey::from_keystore(&device.path("wallet.json"), password.trim_end()).unwrap();
}

#[test]
fn a_configuration_can_be_written_without_the_chain() {
    let device = Device::new(WALLETS[0]);
    let made = device.run(&["relay", "init", "--json"]).json();
    assert_eq!(
        (&made["exit_delay"], &made["epoch_seconds"], &made["wallet"]),
        (&Value::Null, &3600.into(), &Value::Null)
    );
    let down = ["--config", "down.toml", "--rpc-url", "http://127.0.0.1:1", "--chain-id", "5", "--registry", NOBODY];
    device.run(&[&["relay", "init"][..], &down].concat()).fails(4, "check the address");
    device.run(&[&["relay", "init", "--offline"][..], &down].concat()).succeeds();
    let text = fs::read_to_string(device.path("down.toml")).unwrap();
    assert!(text.contains("\nchain_id = 5\n") && text.contains("rpc_url = \"http://127.0.0.1:1\""), "{text}");
    // The address of this endpoint is complete only with a password.
    let secret = ["--config", "secret.toml", "--rpc-url", "https://node.example/{password}", "--chain-id", "5"];
    let written = device.run(&[&["relay", "init"][..], &secret].concat());
    assert!(written.succeeds().error.contains("Set `password_file`"), "{}", written.error);
}
