//! Tests of the follower on honest chains, on reorganised ones, and on nodes that lie.

use core::{ops::RangeInclusive, time::Duration};

use quotapass_circuits::membership::{Levels, Member, MemberIndex, MemberPath, MemberTree};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    Block, ContractRefusal, FollowError, Follower, FollowerSettings, RegistryContract, RegistryError, RegistryReader,
    RegistryWriter,
    alloy_primitives::{Address, Bytes, U256},
    embedded::EmbeddedChain,
    node::{Call, ChainLog, Node, NodeError, NodeReceipt},
};
use quotapass_testkit::bench::{Bench, EXIT_DELAY, EmbeddedBench, LARGE, MIDDLE, SMALL, join, secret, slash_proof};

/// A follower in memory that reports every event.
fn follower(registry: &dyn RegistryReader) -> Follower {
    let settings = FollowerSettings { history: Duration::MAX, ..FollowerSettings::default() };
    Follower::in_memory(registry.id(), settings).unwrap()
}

#[test]
fn it_has_the_contracts_root_after_every_operation() {
    let bench = EmbeddedBench::new();
    let registry = &bench.registry;
    let mut follower = follower(registry);
    let mut path_owner: Option<(MemberPath, Member)> = None;
    let mut follow = |changed: usize| {
        let synced = follower.sync(registry).unwrap();
        let changes = synced.changes;
        assert_eq!(changes.iter().filter(|change| change.update.is_some()).count(), changed);
        let head = registry.head().unwrap();
        assert_eq!((synced.head, follower.head()), (head, Some(head)));
        assert_eq!(synced.roots.len(), changed);
        if let Some(root) = changes.iter().rev().find_map(|change| change.root()) {
            assert_eq!(root, head.root);
        }
        if let Some((path, member)) = &mut path_owner {
            changes.iter().filter_map(|change| change.update.as_ref()).for_each(|update| {
                path.apply(update).unwrap();
            });
            assert_eq!(path.root(member), head.root);
        } else if let Some(member) = follower.member(MemberIndex(0)).unwrap() {
            path_owner = Some((follower.path(MemberIndex(0)).unwrap(), member));
        }
    };
    follow(0);
    for (n, tier) in [SMALL, MIDDLE, LARGE, SMALL, SMALL].into_iter().enumerate() {
        join(&bench, 0, n as u64, tier);
        follow(1);
    }
    let from = bench.account(0);
    registry.request_exit(from, MemberIndex(2)).unwrap();
    follow(1);
    registry.slash(from, MemberIndex(3), from, &slash_proof(registry, &secret(3), from)).unwrap();
    follow(1);
    registry.slash(from, MemberIndex(2), from, &slash_proof(registry, &secret(2), from)).unwrap();
    follow(0);
    bench.advance(u64::from(EXIT_DELAY));
    bench.chain.mine().unwrap();
    follow(0);
    registry.request_exit(from, MemberIndex(4)).unwrap();
    join(&bench, 1, 9, SMALL);
    follow(2);
    follow(0);
    // A late follower reads the same in bulk, also from the block of the first deposit.
    let first_block = Some(registry.events(0..=1_000).unwrap()[0].block);
    let settings = FollowerSettings { first_block, ..FollowerSettings::default() };
    let mut late = Follower::in_memory(registry.id(), settings).unwrap();
    let synced = late.sync(registry).unwrap();
    // Most of it is old, and reported as one root per range of blocks.
    assert_eq!((synced.events, synced.changes.len()), (13, 0));
    assert!((1..=3).contains(&synced.roots.len()), "{} roots", synced.roots.len());
    assert_eq!(late.root().unwrap(), registry.root().unwrap());
}

#[test]
fn the_roots_of_some_time_are_recomputed() {
    let bench = EmbeddedBench::new();
    let registry = &bench.registry;
    let mut roots = vec![(registry.root().unwrap(), UnixSeconds(0))];
    let now = || (registry.root().unwrap(), registry.latest_block().unwrap().timestamp);
    for n in 0..5 {
        bench.advance(1_000);
        join(&bench, 0, n, SMALL);
        roots.push(now());
    }
    bench.advance(1_000);
    registry.request_exit(bench.account(0), MemberIndex(1)).unwrap();
    roots.push(now());
    let mut follower = follower(registry);
    follower.sync(registry).unwrap();
    let since = |time| -> Vec<_> {
        let recent = follower.roots_since(registry, time).unwrap();
        recent.iter().map(|change| (change.root, change.since)).collect()
    };
    assert_eq!(since(UnixSeconds(0)), roots);
    for n in 1..roots.len() {
        let recent = since(roots[n].1);
        assert_eq!(recent[0], (roots[n - 1].0, UnixSeconds(0)), "what was current before counts from then");
        assert_eq!(recent[1..], roots[n..]);
    }
    assert_eq!(since(UnixSeconds::MAX), [(registry.root().unwrap(), UnixSeconds(0))]);
    // All of them are found without their times, and no other root is.
    let empty = MemberTree::new(Levels::STANDARD).root();
    assert!(roots.iter().all(|(root, _)| follower.had_root(*root).unwrap()) && follower.had_root(empty).unwrap());
    let elsewhere = EmbeddedBench::new();
    join(&elsewhere, 0, 9, SMALL);
    assert!(!follower.had_root(elsewhere.registry.root().unwrap()).unwrap());
}

#[test]
fn a_reorganisation_is_followed() {
    let bench = EmbeddedBench::new();
    let registry = &bench.registry;
    join(&bench, 0, 0, SMALL);
    let before = bench.chain.snapshot().unwrap();
    let mut follower = follower(registry);
    follower.sync(registry).unwrap();
    let ancestor = follower.head().unwrap();
    join(&bench, 0, 1, SMALL);
    let left = follower.sync(registry).unwrap().head;

    // A chain that only ends earlier may be that of a node that is behind.
    bench.chain.revert(&before).unwrap();
    let waiting = follower.sync(registry).unwrap();
    assert_eq!((waiting.head, waiting.behind, waiting.undone), (left, 3, None));
    assert_eq!(follower.head(), Some(left));

    join(&bench, 0, 2, SMALL);
    join(&bench, 0, 3, SMALL);
    let synced = follower.sync(registry).unwrap();
    let undone = synced.undone.unwrap();
    assert_eq!((undone.ancestor, undone.roots), (Some(ancestor.block), 1));
    assert_eq!((synced.behind, synced.roots.len()), (0, 2));
    assert_eq!(follower.root().unwrap(), registry.root().unwrap());
}

/// A node that changes the requested logs, if there are any.
struct Liar<F>(EmbeddedChain, F);

impl<F: Fn(&mut Vec<ChainLog>) -> Result<(), NodeError> + Send + Sync> Node for Liar<F> {
    fn chain_id(&self) -> u64 {
        self.0.chain_id()
    }

    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
        self.0.call(calls)
    }

    fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
        self.0.code(contract)
    }

    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError> {
        self.0.send(from, call)
    }

    fn logs(&self, contract: Address, blocks: RangeInclusive<u64>) -> Result<Vec<ChainLog>, NodeError> {
        let mut logs = self.0.logs(contract, blocks)?;
        if !logs.is_empty() {
            (self.1)(&mut logs)?;
        }
        Ok(logs)
    }

    fn block(&self, number: u64) -> Result<Option<Block>, NodeError> {
        self.0.block(number)
    }
}

fn lie(change: impl Fn(&mut Vec<ChainLog>) -> Result<(), NodeError> + Send + Sync) -> FollowError {
    let bench = EmbeddedBench::new();
    for n in 0..3 {
        join(&bench, 0, n, SMALL);
    }
    bench.registry.request_exit(bench.account(0), MemberIndex(1)).unwrap();
    let address = bench.registry.id().address.into();
    let registry = RegistryContract::connect(Liar(bench.chain.clone(), change), address).unwrap();
    let mut follower = follower(&registry);
    let error = follower.sync(&registry).unwrap_err();
    // It answers no queries, and fails the same way again.
    assert_eq!((follower.head(), follower.root()), (None, Err(FollowError::NotSynced)));
    assert_eq!(follower.sync(&registry).unwrap_err(), error);
    // With an honest node, nothing of the lie remains.
    follower.sync(&bench.registry).unwrap();
    assert_eq!(follower.root().unwrap(), bench.registry.root().unwrap());
    error
}

#[test]
fn a_node_that_lies_is_not_followed() {
    let gap = lie(|logs| {
        logs.remove(1);
        Ok(())
    });
    assert_eq!(gap, FollowError::Gap { expected: MemberIndex(1), found: MemberIndex(2) });
    let missing_last = lie(|logs| {
        logs.truncate(2);
        Ok(())
    });
    assert!(matches!(missing_last, FollowError::RootMismatch { .. }));
    let swapped = lie(|logs| {
        logs.swap(0, 1);
        Ok(())
    });
    assert!(matches!(swapped, FollowError::Gap { .. } | FollowError::OutOfOrder { .. }));
    let twice = lie(|logs| {
        logs.insert(1, logs[0].clone());
        Ok(())
    });
    assert!(matches!(twice, FollowError::OutOfOrder { .. }));
    let from_elsewhere = lie(|logs| {
        logs[2].block = 1_000_000;
        Ok(())
    });
    assert!(matches!(from_elsewhere, FollowError::OutOfOrder { block: 1_000_000, .. }));
    let wrong_slot = lie(|logs| {
        let topics = logs[3].log.data.topics_mut_unchecked();
        topics[1] = U256::ZERO.into();
        Ok(())
    });
    assert!(matches!(wrong_slot, FollowError::WrongSlot { index: MemberIndex(0), .. }));
    let wrong_commitment = lie(|logs| {
        let topics = logs[2].log.data.topics_mut_unchecked();
        topics[2] = U256::from(5).into();
        Ok(())
    });
    assert!(matches!(wrong_commitment, FollowError::RootMismatch { .. }));
}

#[test]
fn answers_that_mean_nothing_are_errors() {
    let no_field_element = lie(|logs| {
        logs[0].log.data.topics_mut_unchecked()[2] = U256::MAX.into();
        Ok(())
    });
    assert!(matches!(no_field_element, FollowError::Registry(RegistryError::Unexpected(_))));
    let no_word = lie(|logs| {
        let mut data = logs[0].log.data.data.to_vec();
        data[0] = 1;
        logs[0].log.data.data = data.into();
        Ok(())
    });
    assert!(matches!(no_word, FollowError::Registry(RegistryError::Unexpected(_))));
    let unknown = lie(|logs| {
        logs[0].log.data.topics_mut_unchecked()[0] = U256::from(1).into();
        Ok(())
    });
    assert!(matches!(unknown, FollowError::Registry(RegistryError::Unexpected(_))));
    let silent = lie(|_| Err(NodeError::Reverted(Bytes::new())));
    assert_eq!(silent, FollowError::Registry(ContractRefusal::NoReason.into()));
}
