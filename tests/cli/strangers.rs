//! Attacks by others on a deposit: a copied commitment, and lies about its history.

use std::fs;

use quotapass_circuits::identity::IdentityCommitment;
use quotapass_registry::{
    RegistryContract, RegistryWriter, TierNumber,
    alloy_primitives::U256,
    bindings::{TokenAbi, sol_types::SolCall},
    node::{Call, Node},
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{
    anvil::Anvil,
    process::now,
    proxy::{Answer, Proxy},
};

use crate::world::{Device, WALLETS, configure, deploy};

/// An attacker sees a commitment in a pending transaction and deposits for it first. Its owner still gets a membership,
/// and uses no other.
#[test]
fn a_copied_commitment_is_somebody_elses_membership() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let alice = Device::new(WALLETS[0]);
    configure(&alice, &anvil, &registry);
    let words = alice.run(&["identity", "new", "--json"]).json()["mnemonic"].as_str().unwrap().to_owned();
    let commitment = alice.run(&["status", "--json"]).json()["commitment"].clone();
    let commitment: IdentityCommitment = serde_json::from_value(commitment).unwrap();

    let key = AccountKey::from_private_key(WALLETS[1]).unwrap();
    let copier = key.address();
    let node = JsonRpcNode::connect(&anvil.http(), RpcSettings::default()).unwrap().with_account(key);
    let contract = RegistryContract::connect(node.clone(), registry.parse().unwrap()).unwrap();
    let (token, amount) = (contract.token(), U256::from(10).pow(U256::from(20)));
    node.send(copier, &Call { to: token, data: TokenAbi::mintCall { to: copier, amount }.abi_encode().into() })
        .unwrap();
    contract.approve(copier, amount).unwrap();
    let copy = contract.deposit(copier, commitment, TierNumber(0)).unwrap().added().unwrap();

    let own = alice.run(&["deposit", "--tier", "1", "--yes", "--json"]);
    let warning = format!("has deposits of other wallets: member 0 by {copier}.");
    assert!(own.error.contains(&warning), "{}", own.error);
    let own = own.json();
    assert_eq!((&own["index"], &own["tier"], &own["stake"]), (&1.into(), &1.into(), &10.into()));
    let status = alice.run(&["status", "--json"]).json();
    assert_eq!((&status["index"], &status["record"]["tier"]), (&1.into(), &1.into()));
    // Another member had this commitment before, so the ledger's history is unknown.
    alice.run(&["post", "--scope", "lobby", "hi"]).fails(5, "--trust-ledger");
    alice.run(&["post", "--scope", "lobby", "hi", "--trust-ledger"]).succeeds();
    contract.request_exit(copier, copy).unwrap();
    alice.run(&["post", "--scope", "lobby", "still here"]).succeeds();

    // A device without its own deposit does not guess the membership.
    let twin = Device::new(WALLETS[2]);
    configure(&twin, &anvil, &registry);
    twin.run_with(&["identity", "restore"], words.as_bytes()).succeeds();
    twin.run(&["post", "--scope", "lobby", "hi"]).fails(2, "pass its index with --index");
    twin.run(&["post", "--scope", "lobby", "hi", "--index", "7"]).fails(2, "member 7 is not this account");
    twin.run(&["post", "--scope", "lobby", "hi", "--index", "0"]).fails(3, "has requested its exit");
    twin.run(&["post", "--scope", "lobby", "hi", "--index", "1"]).fails(5, "--trust-ledger");
    twin.run(&["exit", "--yes"]).fails(3, "must be the one that deposited");
    alice.run(&["exit", "--yes"]).succeeds();
}

/// An endpoint states that an identity is new. The ledger does not trust this before the deposit's receipt.
#[test]
fn a_ledger_has_an_unknown_history_until_the_receipt() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    let proxy = Proxy::start(anvil.port(), |method, _| match method {
        "eth_sendRawTransaction" => Answer::Error(-32000, "not today"),
        _ => Answer::Pass,
    });
    device.run(&["deposit", "--tier", "0", "--yes", "--rpc-url", &proxy.http()]).fails(3, "not today");
    let ledgers = fs::read_dir(device.path("data/ledgers")).unwrap();
    assert!(
        ledgers.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "ledger")).count()
            == 1
    );
    // The history of a ledger without a receipt stays unknown.
    device.run(&["deposit", "--tier", "0", "--yes"]).succeeds();
    device.run(&["post", "--scope", "lobby", "hi"]).fails(5, "--trust-ledger");

    // A member whose deposit is in a block posts at once.
    device.run(&["deposit", "--tier", "0", "--account", "1", "--yes"]).succeeds();
    device.run(&["post", "--scope", "lobby", "--account", "1", "hi"]).succeeds();
}

/// DAI and tokens like it have permits of another form, which the registry cannot use.
#[test]
fn a_token_with_permits_of_dais_form_is_approved_in_a_separate_transaction() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    let info = device.run(&["registry", "info", "--json"]).json();
    let token = info["info"]["token"]["address"].as_str().unwrap();

    // The token's code moves, and what takes its place states DAI's PERMIT_TYPEHASH and delegates all other calls.
    let moved = "00000000000000000000000000000000000000da";
    let code = anvil.rpc("eth_getCode", serde_json::json!([token, "latest"]));
    anvil.rpc("anvil_setCode", serde_json::json!([format!("0x{moved}"), code]));
    let dai = "ea2aa0a1be11a07ed86d755c93467f4f82362b452371d1ba94d1715123511acb";
    let code = format!(
        "0x60003560e01c6330adf81f14603c57\
         365f5f375f5f365f73{moved}5af4\
         3d5f5f3e6038573d5ffd5b3d5ff3\
         5b7f{dai}5f5260205ff3"
    );
    anvil.rpc("anvil_setCode", serde_json::json!([token, code]));
    let deposited = device.run(&["deposit", "--tier", "0", "--yes"]);
    let said = &deposited.succeeds().error;
    assert!(
        said.contains("as DAI does") && said.contains("--approve") && said.contains("Approving 1.01 DEV"),
        "{said}"
    );
    device.run(&["deposit", "--tier", "0", "--account", "1", "--approve", "--yes"]).succeeds();
}

/// A registry with this version's code, but with a verifier that accepts every proof.
#[test]
fn a_registry_that_slashes_whom_it_likes_is_refused() {
    let anvil = Anvil::start(now());
    let genuine = deploy(&anvil);
    let mut device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &genuine);
    device.run(&["identity", "new"]).succeeds();
    let info = device.run(&["registry", "info", "--json"]).json();
    assert_eq!(info["is_trusted"], true);
    let verifier = info["info"]["verifier"].as_str().unwrap();

    // The code states the same key, and accepts every proof: PUSH32 key PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let key = info["provenance"]["key"].as_str().unwrap();
    let code = format!("0x7f{key}5f5260205ff3");
    anvil.rpc("anvil_setCode", serde_json::json!([verifier, code]));
    let distrusted = "does not run the code of this version";
    device.run(&["registry", "info", "--json"]).fails(1, distrusted);
    device.run(&["deposit", "--tier", "0", "--yes"]).fails(1, distrusted);
    let shown = device.run(&["registry", "info"]);
    let hash = shown.out.lines().find_map(|line| line.split_once("SHA-256 ")).unwrap().1.split(' ').next().unwrap();
    device.set("QUOTAPASS_TRUSTED_CODE", hash);
    device.run(&["registry", "info"]).succeeds();

    // Another key.
    anvil.rpc("anvil_setCode", serde_json::json!([verifier, format!("0x7f{}5f5260205ff3", "11".repeat(32))]));
    let shown = device.run(&["registry", "info"]);
    let hash = shown.out.lines().find_map(|line| line.split_once("SHA-256 ")).unwrap().1.split(' ').next().unwrap();
    device.set("QUOTAPASS_TRUSTED_CODE", hash);
    device.run(&["deposit", "--tier", "0", "--yes"]).fails(1, "may forge slashes");
}
