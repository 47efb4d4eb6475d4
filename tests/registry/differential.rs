//! The contract's tree against the Rust tree: any sequence of operations, from any count of members.

use std::sync::{Mutex, OnceLock};

use proptest::prelude::*;
use quotapass::{
    circuits::membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms},
    registry::{MemberStatus, Registry, TierNumber, alloy_primitives::U256, embedded::Snapshot},
};

use crate::bench::{Bench, EXIT_DELAY, EmbeddedBench, secret, slash_proof, tiers};

/// What is done next; members are chosen by a number modulo how many there are.
#[derive(Clone, Debug)]
enum Operation {
    Deposit { tier: u8 },
    Exit { member: u32 },
    Slash { member: u32 },
    Withdraw { member: u32 },
    Advance { seconds: u32 },
}

/// A contract and the tree that it should have.
struct Pair<'a> {
    bench: &'a EmbeddedBench,
    tree: MemberTree,
}

impl Pair<'_> {
    fn deposit(&mut self, tier: TierNumber) {
        let (registry, from) = (&self.bench.registry, self.bench.account(0));
        let terms = tiers()[usize::from(tier.0)];
        let now = self.bench.chain.now().unwrap();
        let terms = Terms::new(terms.stake, terms.message_limit, Day::at(now)).unwrap();
        let commitment = secret(self.tree.len() as u64).commitment();
        let receipt = registry.deposit(from, commitment, tier).unwrap();
        assert_eq!(receipt.added(), Some(MemberIndex(self.tree.len() as u32)));
        self.tree.append(Member { commitment, terms }).unwrap();
    }

    /// Does an operation if it is possible, and expects that it is refused if not.
    fn perform(&mut self, operation: &Operation) {
        let (registry, from) = (&self.bench.registry, self.bench.account(0));
        let chosen = |member: u32| MemberIndex(member % (self.tree.len() as u32).max(1));
        let status = |index| registry.record(index).ok().map(|record| record.status);
        match *operation {
            Operation::Deposit { tier } => self.deposit(TierNumber(tier)),
            Operation::Exit { member } => {
                let index = chosen(member);
                let expected = status(index) == Some(MemberStatus::Active);
                assert_eq!(registry.request_exit(from, index).is_ok(), expected);
                if expected {
                    self.tree.remove(index).unwrap();
                }
            }
            Operation::Slash { member } => {
                let index = chosen(member);
                let before = status(index);
                let proof = slash_proof(registry, &secret(u64::from(index.0)), from);
                let expected = matches!(before, Some(MemberStatus::Active | MemberStatus::Exiting { .. }));
                assert_eq!(registry.slash(from, index, from, &proof).is_ok(), expected);
                if before == Some(MemberStatus::Active) {
                    self.tree.remove(index).unwrap();
                }
            }
            Operation::Withdraw { member } => {
                let index = chosen(member);
                let now = self.bench.chain.now().unwrap();
                let due =
                    matches!(status(index), Some(MemberStatus::Exiting { withdrawable_at }) if withdrawable_at <= now);
                assert_eq!(registry.withdraw(from, index, from).is_ok(), due);
            }
            Operation::Advance { seconds } => self.bench.advance(seconds.into()),
        }
    }

    fn compare(&self) {
        let head = self.bench.registry.head().unwrap();
        assert_eq!(head.member_count, self.tree.len() as u64);
        assert_eq!(head.root, self.tree.root(), "at {} members", self.tree.len());
    }

    fn compare_members(&self) {
        let all = MemberIndex(0)..MemberIndex(self.tree.len() as u32);
        let expected: Vec<_> = (0..all.end.0).map(|index| self.tree.member(MemberIndex(index))).collect();
        assert_eq!(self.bench.registry.members_in(all).unwrap(), expected);
    }
}

fn rich_bench() -> EmbeddedBench {
    let bench = EmbeddedBench::new();
    bench.mint(bench.account(0), U256::MAX >> 1);
    bench.registry.approve(bench.account(0), U256::MAX).unwrap();
    bench
}

/// Most members that a random sequence starts from.
const STARTS: usize = 140;

/// A chain with its states and trees at 0, 1, ..., STARTS members.
struct Prepared {
    bench: EmbeddedBench,
    starts: Vec<(Snapshot, MemberTree)>,
}

fn prepared() -> &'static Mutex<Prepared> {
    static PREPARED: OnceLock<Mutex<Prepared>> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let bench = rich_bench();
        let mut pair = Pair { bench: &bench, tree: MemberTree::new(Levels::STANDARD) };
        let mut starts = Vec::new();
        for n in 0..=STARTS {
            pair.compare();
            starts.push((bench.chain.snapshot().unwrap(), pair.tree.clone()));
            pair.deposit(TierNumber((n % 3) as u8));
        }
        Mutex::new(Prepared { bench, starts })
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0u8..3).prop_map(|tier| Operation::Deposit { tier }),
        4 => any::<u32>().prop_map(|member| Operation::Exit { member }),
        2 => any::<u32>().prop_map(|member| Operation::Slash { member }),
        1 => any::<u32>().prop_map(|member| Operation::Withdraw { member }),
        1 => prop_oneof![Just(EXIT_DELAY), 1u32..200_000].prop_map(|seconds| Operation::Advance { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn roots_are_equal_after_every_operation(
        start in prop_oneof![0usize..=9, 0usize..=STARTS],
        operations in prop::collection::vec(operation(), 1..24),
    ) {
        let prepared = prepared().lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (snapshot, tree) = &prepared.starts[start];
        prepared.bench.chain.revert(snapshot).unwrap();
        let mut pair = Pair { bench: &prepared.bench, tree: tree.clone() };
        for operation in &operations {
            pair.perform(operation);
            pair.compare();
        }
        pair.compare_members();
    }
}

#[test]
fn six_hundred_members_in_a_row() {
    let bench = rich_bench();
    let mut pair = Pair { bench: &bench, tree: MemberTree::new(Levels::STANDARD) };
    pair.compare();
    for n in 0..600u32 {
        pair.deposit(TierNumber((n % 3) as u8));
        pair.compare();
        if n % 11 == 5 {
            // Old members and the newest, left ones and right ones.
            pair.perform(&Operation::Exit { member: if n % 2 == 0 { n } else { n * 7 / 11 } });
            pair.compare();
        }
        if n % 97 == 50 {
            pair.perform(&Operation::Slash { member: n / 2 });
            pair.compare();
        }
        if n % 50 == 0 {
            pair.perform(&Operation::Advance { seconds: 86_400 });
        }
    }
    pair.compare_members();
}

#[test]
fn all_leave_and_the_root_is_empty_again() {
    let bench = rich_bench();
    let mut pair = Pair { bench: &bench, tree: MemberTree::new(Levels::STANDARD) };
    for _ in 0..35 {
        pair.deposit(TierNumber(0));
    }
    for n in 0..35 {
        pair.perform(&Operation::Exit { member: n * 12 % 35 });
        pair.compare();
    }
    assert_eq!(Some(&bench.registry.root().unwrap()), Levels::STANDARD.empty_roots().last());
}
