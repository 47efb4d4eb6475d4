//! A new copy of the registry, which is then reopened and updated.

use std::time::{Duration, Instant};

use quotapass_circuits::membership::MemberIndex;
use quotapass_registry::{
    Follower, FollowerSettings, RegistryContract, RegistryReader,
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_testkit::proxy::{Answer, Proxy};

use crate::stage::Stage;

pub struct Sync {
    pub members: u64,
    pub blocks: u64,
    /// Number of HTTP requests, and of the JSON-RPC calls in them.
    pub requests: u64,
    pub calls: u64,
    pub bytes: u64,
    pub time: Duration,
    pub file_bytes: u64,
    pub reopen: Duration,
    pub path: Duration,
    pub one_block: Duration,
    pub one_block_requests: u64,
}

pub fn measure(stage: &mut Stage) -> Sync {
    let proxy = Proxy::start(stage.anvil.port(), |_, _| Answer::Pass);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");

    let begun = Instant::now();
    let node = JsonRpcNode::connect(&proxy.http(), RpcSettings::default()).unwrap();
    let registry = RegistryContract::connect(node, stage.address()).unwrap();
    let mut follower = Follower::create(&path, registry.id(), FollowerSettings::default()).unwrap();
    let synced = follower.sync(&registry).unwrap();
    let time = begun.elapsed();
    let (requests, calls, bytes) = (proxy.requests(), proxy.calls(), proxy.received());
    assert_eq!(synced.head, stage.registry.head().unwrap());
    drop(follower);

    let begun = Instant::now();
    let mut follower = Follower::open(&path, registry.id(), FollowerSettings::default()).unwrap();
    let reopen = begun.elapsed();
    let begun = Instant::now();
    let (index, commitment) = (MemberIndex(0), stage.secret.commitment());
    assert_eq!(follower.record(index).unwrap().map(|record| record.commitment), Some(commitment));
    follower.path(index).unwrap();
    let path_time = begun.elapsed();

    let members = stage.members();
    stage.grow_to(members + 1);
    let before = proxy.requests();
    let begun = Instant::now();
    let one = follower.sync(&registry).unwrap();
    let one_block = begun.elapsed();
    assert_eq!((one.events, one.head.member_count), (1, members + 1));
    Sync {
        members,
        blocks: synced.blocks,
        requests,
        calls,
        bytes,
        time,
        file_bytes: std::fs::metadata(&path).unwrap().len(),
        reopen,
        path: path_time,
        one_block,
        one_block_requests: proxy.requests() - before,
    }
}
