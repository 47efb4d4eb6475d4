//! Posting without a copy of the registry: with a relay's answers, checked against the chain.

use quotapass_circuits::membership::{Levels, MemberTree};
use quotapass_registry::{
    Follower, FollowerSettings, RegistryContract, RegistryReader,
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_relay::{LatestTree, http::members_routes};
use quotapass_testkit::{anvil::Anvil, process::now};

use crate::world::{Device, WALLETS, configure, deploy};

/// Serves a tree on a port of this machine for as long as the runtime lives.
fn serve(runtime: &tokio::runtime::Runtime, tree: MemberTree) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = members_routes(LatestTree::new(tree));
    runtime.spawn(async move { axum::serve(listener, routes).await });
    address
}

#[test]
fn a_relay_spares_the_copy_and_cannot_make_up_a_tree() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let mut device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    device.run(&["deposit", "--tier", "1", "--yes"]).succeeds();

    let node = JsonRpcNode::connect(&anvil.http(), RpcSettings::default()).unwrap();
    let contract = RegistryContract::connect(node, registry.parse().unwrap()).unwrap();
    let mut copy = Follower::in_memory(contract.id(), FollowerSettings::default()).unwrap();
    copy.sync(&contract).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let honest = serve(&runtime, copy.tree().unwrap().clone());
    let liar = serve(&runtime, MemberTree::new(Levels::STANDARD));

    device.set("QUOTAPASS_MEMBERS_FROM", &liar);
    device.run(&["post", "--scope", "lobby", "hi"]).fails(4, "do not trust this source");
    device.set("QUOTAPASS_MEMBERS_FROM", "http://127.0.0.1:1");
    device.run(&["post", "--scope", "lobby", "hi"]).fails(4, "check the address and the connection");
    device.set("QUOTAPASS_MEMBERS_FROM", &honest);
    let post = device.run(&["post", "--scope", "lobby", "hi", "--out", "post.json"]);
    assert!(post.succeeds().error.contains("The relay knows that one of 1 members asked."), "{}", post.error);
    // The second post sends no request.
    assert!(!device.run(&["post", "--scope", "lobby", "ho"]).succeeds().error.contains("The relay knows"));
    assert!(!device.path("data/registries").join(format!("31337-{registry}")).join("members.redb").exists());
    device.unset("QUOTAPASS_MEMBERS_FROM");
    device.run(&["verify", "post.json"]).succeeds();
}
