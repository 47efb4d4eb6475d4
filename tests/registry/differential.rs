//! Differential test of the contract's tree and the Rust tree: any sequence of operations, from any number of members.

use std::sync::{Mutex, OnceLock};

use proptest::prelude::*;
use quotapass_circuits::membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms};
use quotapass_registry::{
    MemberStatus, RegistryReader, RegistryWriter, TierNumber, alloy_primitives::U256, embedded::Snapshot,
};
use quotapass_testkit::bench::{Bench, EXIT_DELAY, EmbeddedBench, secret, slash_proof, tiers};

/// The next operation. Members are chosen by a number modulo the number of members.
#[derive(Clone, Debug)]
enum Operation {
    Deposit {
        tier: u8,
    },
    /// Another account deposits for the commitment of a member.
    Copy {
        member: u32,
        tier: u8,
    },
    Exit {
        member: u32,
    },
    Slash {
        member: u32,
    },
    Withdraw {
        member: u32,
    },
    Advance {
        seconds: u32,
    },
}

/// A contract and its expected tree.
struct Pair<'a> {
    bench: &'a EmbeddedBench,
    tree: MemberTree,
    /// The secret of each member and the account that deposited.
    members: Vec<(u64, u8)>,
}

impl<'a> Pair<'a> {
    /// Starts from a registry whose members all have different secrets.
    fn new(bench: &'a EmbeddedBench, tree: MemberTree) -> Self {
        let members = (0..tree.len() as u64).map(|number| (number, 0)).collect();
        Self { bench, tree, members }
    }

    fn deposit(&mut self, tier: TierNumber) {
        // No copy has this number.
        self.deposit_of(self.tree.len() as u64, 0, tier);
    }

    fn deposit_of(&mut self, number: u64, account: u8, tier: TierNumber) {
        let (registry, from) = (&self.bench.registry, self.bench.account(account));
        let terms = tiers()[usize::from(tier.0)];
        let now = self.bench.chain.now().unwrap();
        let terms = Terms::new(terms.stake, terms.message_limit, Day::at(now)).unwrap();
        let commitment = secret(number).commitment();
        let receipt = registry.deposit(from, commitment, tier).unwrap();
        assert_eq!(receipt.added(), Some(MemberIndex(self.tree.len() as u32)));
        self.tree.append(Member { commitment, terms }).unwrap();
        self.members.push((number, account));
        let index = MemberIndex(self.tree.len() as u32 - 1);
        assert_eq!(registry.index_of(commitment, from).unwrap(), Some(index));
        assert!(registry.slots_of(commitment).unwrap().contains(&index));
    }

    /// Performs an operation, and expects a refusal if it is impossible.
    fn perform(&mut self, operation: &Operation) {
        let registry = &self.bench.registry;
        let of = |index: MemberIndex| self.members.get(index.0 as usize).copied().unwrap_or_default();
        let from = |index| self.bench.account(of(index).1);
        let chosen = |member: u32| MemberIndex(member % (self.tree.len() as u32).max(1));
        let status = |index| registry.record(index).ok().map(|record| record.status);
        match *operation {
            Operation::Deposit { tier } => self.deposit(TierNumber(tier)),
            Operation::Copy { member, tier } => {
                let (number, copier) = (of(chosen(member)).0, self.bench.account(1));
                let commitment = secret(number).commitment();
                let slots = registry.slots_of(commitment).unwrap();
                let is_slashed = slots.iter().any(|index| status(*index) == Some(MemberStatus::Slashed));
                if slots.is_empty() {
                    return;
                }
                if is_slashed || registry.index_of(commitment, copier).unwrap().is_some() {
                    registry.deposit(copier, commitment, TierNumber(tier)).unwrap_err();
                } else {
                    self.deposit_of(number, 1, TierNumber(tier));
                }
            }
            Operation::Exit { member } => {
                let index = chosen(member);
                let expected = status(index) == Some(MemberStatus::Active);
                assert_eq!(registry.request_exit(from(index), index).is_ok(), expected);
                if expected {
                    self.tree.remove(index).unwrap();
                }
            }
            Operation::Slash { member } => {
                let index = chosen(member);
                let before = status(index);
                let finder = self.bench.account(0);
                let proof = slash_proof(registry, &secret(of(index).0), finder);
                let expected = matches!(before, Some(MemberStatus::Active | MemberStatus::Exiting { .. }));
                assert_eq!(registry.slash(finder, index, finder, &proof).is_ok(), expected);
                if before == Some(MemberStatus::Active) {
                    self.tree.remove(index).unwrap();
                }
            }
            Operation::Withdraw { member } => {
                let index = chosen(member);
                let now = self.bench.chain.now().unwrap();
                let due =
                    matches!(status(index), Some(MemberStatus::Exiting { withdrawable_at }) if withdrawable_at <= now);
                assert_eq!(registry.withdraw(from(index), index, from(index)).is_ok(), due);
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
    for account in [0, 1].map(|n| bench.account(n)) {
        bench.mint(account, U256::MAX >> 2);
        bench.registry.approve(account, U256::MAX).unwrap();
    }
    bench
}

/// Maximum number of members that a random sequence starts from.
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
        let mut pair = Pair::new(&bench, MemberTree::new(Levels::STANDARD));
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
        2 => (any::<u32>(), 0u8..3).prop_map(|(member, tier)| Operation::Copy { member, tier }),
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
        let mut pair = Pair::new(&prepared.bench, tree.clone());
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
    let mut pair = Pair::new(&bench, MemberTree::new(Levels::STANDARD));
    pair.compare();
    for n in 0..600u32 {
        pair.deposit(TierNumber((n % 3) as u8));
        pair.compare();
        if n % 11 == 5 {
            // Old and new members, left and right leaves.
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
    let mut pair = Pair::new(&bench, MemberTree::new(Levels::STANDARD));
    for _ in 0..35 {
        pair.deposit(TierNumber(0));
    }
    for n in 0..35 {
        pair.perform(&Operation::Exit { member: n * 12 % 35 });
        pair.compare();
    }
    assert_eq!(Some(&bench.registry.root().unwrap()), Levels::STANDARD.empty_roots().last());
}
