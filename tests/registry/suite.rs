//! Tests that every backend must pass. They use only the trait.

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Day, Levels, Member, MemberIndex, Terms},
};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    ContractRefusal, MemberRecord, MemberStatus, Permit, Receipt, RegistryError, RegistryEvent, TierNumber,
    alloy_primitives::{Address, B256, Bytes, U256},
    bindings::TokenAbi,
};
use quotapass_testkit::bench::{
    Bench, EXIT_DELAY, LARGE, MIDDLE, REWARD_BPS, SMALL, START, fee, join, price, prover, secret, slash_proof, tiers,
    tokens, treasury,
};

/// Declares every test of the suite for a backend.
#[macro_export]
macro_rules! suite_on {
    ($bench:expr) => {
        $crate::suite_on!($bench;
            the_terms_are_those_of_the_deployment, an_empty_registry_has_the_empty_root,
            deposits_in_several_tiers_show_everywhere, a_deposit_is_refused_for_a_reason,
            slots_and_ranges_beyond_the_members, a_permit_replaces_the_approval,
            a_permit_that_somebody_else_sent_does_no_harm, a_permit_that_does_not_hold_is_no_allowance,
            an_exit_waits_for_its_delay, an_exit_is_the_depositors_alone, a_member_is_slashed_while_active,
            a_member_is_slashed_while_leaving, a_slash_pays_whom_the_proof_names, what_is_gone_stays_gone,
            a_copied_commitment_takes_nobodys_place, the_treasury_claims_its_fees, the_code_and_the_key_are_known,
            blocks_follow_one_another
        );
    };
    ($bench:expr; $($name:ident),*) => {
        $(#[test] fn $name() { $crate::suite::$name(&$bench); })*
    };
}

fn refusal(result: Result<Receipt, RegistryError>) -> ContractRefusal {
    match result {
        Err(RegistryError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn events(receipt: &Receipt) -> Vec<RegistryEvent> {
    receipt.events.iter().map(|logged| logged.event).collect()
}

pub fn the_terms_are_those_of_the_deployment(bench: &dyn Bench) {
    let info = bench.registry().info().unwrap();
    assert_eq!(info.tiers, tiers());
    assert_eq!(info.tier(MIDDLE), Some(&tiers()[1]));
    assert_eq!(info.tier(TierNumber(3)), None);
    assert_eq!((info.exit_delay, info.reward_bps, info.treasury), (EXIT_DELAY, REWARD_BPS, treasury()));
    assert_eq!((info.fee, info.gate), (fee(), None));
    assert_eq!((info.token.symbol.as_str(), info.token.decimals), ("DEV", 18));
    assert_eq!((info.member_count, info.total_owed), (0, U256::ZERO));
}

pub fn an_empty_registry_has_the_empty_root(bench: &dyn Bench) {
    let head = bench.registry().head().unwrap();
    assert_eq!(head.member_count, 0);
    assert_eq!(Some(&head.root), Levels::STANDARD.empty_roots().last());
    // z11 of the protocol.
    let z11 = "3579753298464347968175446964060349222759138522794226670675282662699379573112";
    assert_eq!(U256::from_be_bytes(head.root.to_be_bytes()), z11.parse::<U256>().unwrap());
    assert_eq!(bench.registry().events(0..=head.block.number).unwrap(), []);
}

pub fn deposits_in_several_tiers_show_everywhere(bench: &dyn Bench) {
    let registry = bench.registry();
    let mut expected = Vec::new();
    for (n, tier) in [LARGE, SMALL, MIDDLE].into_iter().enumerate() {
        let (from, Tierwise { amount, terms }) = (bench.account(n as u8), tierwise(tier, START + 86_400 * n as u64));
        let member = Member { commitment: secret(n as u64).commitment(), terms };
        bench.mint(from, amount + fee());
        registry.approve(from, amount + fee()).unwrap();
        assert_eq!(registry.allowance(from).unwrap(), amount + fee());
        let receipt = registry.deposit(from, member.commitment, tier).unwrap();
        let index = MemberIndex(n as u32);
        assert_eq!(events(&receipt), [RegistryEvent::MemberAdded { index, member, depositor: from, tier }]);
        assert_eq!(receipt.added(), Some(index));
        assert!(receipt.gas_used > 21_000 && receipt.gas_used < 300_000, "{}", receipt.gas_used);
        assert_eq!((registry.balance_of(from).unwrap(), registry.allowance(from).unwrap()), (U256::ZERO, U256::ZERO));
        let record = MemberRecord {
            commitment: member.commitment,
            depositor: from,
            tier,
            stake: terms.stake,
            message_limit: terms.message_limit,
            since: terms.since,
            status: MemberStatus::Active,
        };
        assert_eq!(registry.record(index).unwrap(), record);
        assert_eq!(registry.info().unwrap().deposit_of(&record), Some(amount));
        assert_eq!(registry.member_at(index).unwrap(), Some(member));
        assert_eq!(registry.index_of(member.commitment, from).unwrap(), Some(index));
        assert_eq!(registry.index_of(member.commitment, bench.account(9)).unwrap(), None);
        assert_eq!(registry.slots_of(member.commitment).unwrap(), [index]);
        expected.push((receipt, member));
        bench.advance(86_400);
    }
    let members = registry.members_in(MemberIndex(0)..MemberIndex(3)).unwrap();
    assert_eq!(members, expected.iter().map(|(_, member)| Some(*member)).collect::<Vec<_>>());
    let latest = registry.latest_block().unwrap().number;
    let logged = registry.events(0..=latest).unwrap();
    assert_eq!(logged, expected.iter().flat_map(|(receipt, _)| receipt.events.clone()).collect::<Vec<_>>());
    let second = expected[1].0.block;
    assert_eq!(registry.events(second..=second).unwrap(), expected[1].0.events);
    let info = registry.info().unwrap();
    assert_eq!((info.member_count, info.total_owed), (3, tokens(10_011)));
    assert_eq!(registry.index_of(secret(99).commitment(), bench.account(0)).unwrap(), None);
    assert_eq!(registry.slots_of(secret(99).commitment()).unwrap(), []);
}

struct Tierwise {
    amount: U256,
    terms: Terms,
}

fn tierwise(tier: TierNumber, now: UnixSeconds) -> Tierwise {
    let tier = tiers()[usize::from(tier.0)];
    Tierwise { amount: tier.amount, terms: Terms::new(tier.stake, tier.message_limit, Day::at(now)).unwrap() }
}

pub fn a_deposit_is_refused_for_a_reason(bench: &dyn Bench) {
    let registry = bench.registry();
    let from = bench.account(0);
    let commitment = secret(0).commitment();
    let spender = Address::from(registry.id().address);
    assert_eq!(
        refusal(registry.deposit(from, commitment, SMALL)),
        ContractRefusal::InsufficientAllowance { spender, allowance: U256::ZERO, needed: price(SMALL) }
    );
    registry.approve(from, tokens(100)).unwrap();
    assert_eq!(
        refusal(registry.deposit(from, commitment, SMALL)),
        ContractRefusal::InsufficientBalance { account: from, balance: U256::ZERO, needed: price(SMALL) }
    );
    bench.mint(from, tokens(100));
    assert_eq!(refusal(registry.deposit(from, commitment, TierNumber(3))), ContractRefusal::UnknownTier(U256::from(3)));
    let zero = IdentityCommitment::from_be_bytes(&[0; 32]).unwrap();
    assert_eq!(refusal(registry.deposit(from, zero, SMALL)), ContractRefusal::CommitmentOutOfRange(U256::ZERO));
    registry.deposit(from, commitment, SMALL).unwrap();
    let used =
        ContractRefusal::CommitmentUsed { commitment: U256::from_be_bytes(commitment.to_be_bytes()), depositor: from };
    assert_eq!(refusal(registry.deposit(from, commitment, MIDDLE)), used);
    // A used commitment stays used, also after the member has left.
    registry.request_exit(from, MemberIndex(0)).unwrap();
    assert_eq!(refusal(registry.deposit(from, commitment, SMALL)), used);
    assert_eq!(
        refusal(registry.deposit_gated(from, secret(1).commitment(), U256::ZERO, Bytes::new())),
        ContractRefusal::HasNoGate
    );
    assert_eq!(registry.head().unwrap().member_count, 1);
    assert_eq!(registry.balance_of(from).unwrap(), tokens(100) - price(SMALL));
}

pub fn slots_and_ranges_beyond_the_members(bench: &dyn Bench) {
    let registry = bench.registry();
    join(bench, 0, 0, SMALL);
    assert_eq!(registry.member_at(MemberIndex(1)).unwrap(), None);
    assert_eq!(registry.members_in(MemberIndex(1)..MemberIndex(1)).unwrap(), []);
    for (from, to) in [(0, 2), (1, 0)] {
        let refused = registry.members_in(MemberIndex(from)..MemberIndex(to)).unwrap_err();
        assert_eq!(refused, ContractRefusal::RangeInvalid { from: U256::from(from), to: U256::from(to) }.into());
    }
    let unknown = ContractRefusal::UnknownMember(U256::from(1));
    assert_eq!(unknown.member(), Some(MemberIndex(1)));
    assert_eq!(registry.record(MemberIndex(1)).unwrap_err(), unknown.clone().into());
    let (from, index) = (bench.account(0), MemberIndex(1));
    assert_eq!(refusal(registry.request_exit(from, index)), unknown);
    assert_eq!(refusal(registry.withdraw(from, index, from)), unknown);
    let proof = slash_proof(registry, &secret(1), from);
    assert_eq!(refusal(registry.slash(from, index, from, &proof)), unknown);
}

fn permit(bench: &dyn Bench, amount: U256) -> Permit {
    let deadline = START + 3_600;
    let digest = bench.registry().permit_digest(bench.account(0), amount, deadline).unwrap();
    Permit { deadline, signature: bench.sign(0, digest) }
}

pub fn a_permit_replaces_the_approval(bench: &dyn Bench) {
    let (registry, from) = (bench.registry(), bench.account(0));
    bench.mint(from, price(MIDDLE));
    let permit = permit(bench, price(MIDDLE));
    let receipt = registry.deposit_with_permit(from, secret(0).commitment(), MIDDLE, &permit).unwrap();
    assert_eq!(receipt.added(), Some(MemberIndex(0)));
    assert_eq!(registry.balance_of(from).unwrap(), U256::ZERO);
}

pub fn a_permit_that_somebody_else_sent_does_no_harm(bench: &dyn Bench) {
    use quotapass_registry::bindings::sol_types::SolCall;

    let (registry, from) = (bench.registry(), bench.account(0));
    bench.mint(from, price(MIDDLE));
    let permit = permit(bench, price(MIDDLE));
    let sent = TokenAbi::permitCall {
        owner: from,
        spender: registry.id().address.into(),
        value: price(MIDDLE),
        deadline: U256::from(permit.deadline.0),
        v: 27 + u8::from(permit.signature.v()),
        r: B256::from(permit.signature.r()),
        s: B256::from(permit.signature.s()),
    };
    bench.send(bench.account(5), registry.info().unwrap().token.address, sent.abi_encode().into());
    assert_eq!(registry.allowance(from).unwrap(), price(MIDDLE));
    registry.deposit_with_permit(from, secret(0).commitment(), MIDDLE, &permit).unwrap();
    assert_eq!(registry.balance_of(from).unwrap(), U256::ZERO);
}

pub fn a_permit_that_does_not_hold_is_no_allowance(bench: &dyn Bench) {
    let (registry, from) = (bench.registry(), bench.account(0));
    bench.mint(from, price(MIDDLE));
    let permit = permit(bench, price(MIDDLE));
    let spender = Address::from(registry.id().address);
    let refused = |permit: &Permit, needed| {
        let result = registry.deposit_with_permit(from, secret(0).commitment(), TierNumber(needed), permit);
        assert_eq!(
            refusal(result),
            ContractRefusal::InsufficientAllowance {
                spender,
                allowance: U256::ZERO,
                needed: price(TierNumber(needed))
            }
        );
    };
    refused(&permit, SMALL.0);
    refused(&Permit { deadline: permit.deadline + 1, ..permit }, MIDDLE.0);
    bench.advance(3_601);
    refused(&permit, MIDDLE.0);
}

pub fn an_exit_waits_for_its_delay(bench: &dyn Bench) {
    let registry = bench.registry();
    let index = join(bench, 0, 0, MIDDLE);
    let (from, to, commitment) = (bench.account(0), bench.account(9), secret(0).commitment());
    assert_eq!(refusal(registry.withdraw(from, index, to)), ContractRefusal::ExitNotRequested(U256::ZERO));

    let receipt = registry.request_exit(from, index).unwrap();
    let requested = registry.block(receipt.block).unwrap().unwrap().timestamp;
    let withdrawable_at = requested + u64::from(EXIT_DELAY);
    let zeroed = RegistryEvent::SlotZeroed { index, commitment };
    assert_eq!(events(&receipt), [zeroed, RegistryEvent::ExitRequested { index, withdrawable_at }]);
    assert_eq!(registry.member_at(index).unwrap(), None);
    assert_eq!(Some(&registry.root().unwrap()), Levels::STANDARD.empty_roots().last());
    assert_eq!(registry.record(index).unwrap().status, MemberStatus::Exiting { withdrawable_at });
    assert_eq!(refusal(registry.request_exit(from, index)), ContractRefusal::ExitAlreadyRequested(U256::ZERO));

    let pending = ContractRefusal::ExitPending { index: U256::ZERO, withdrawable_at: U256::from(withdrawable_at.0) };
    assert_eq!(refusal(registry.withdraw(from, index, to)), pending);
    bench.advance(u64::from(EXIT_DELAY) - 60);
    assert_eq!(refusal(registry.withdraw(from, index, to)), pending);
    bench.advance(60);
    assert_eq!(refusal(registry.withdraw(from, index, Address::ZERO)), ContractRefusal::ReceiverZero);
    let receipt = registry.withdraw(from, index, to).unwrap();
    assert_eq!(events(&receipt), [RegistryEvent::Withdrawn { index, to, amount: tokens(10) }]);
    assert_eq!(registry.balance_of(to).unwrap(), tokens(10));
    assert_eq!(registry.record(index).unwrap().status, MemberStatus::Withdrawn);
    assert_eq!(registry.info().unwrap().total_owed, U256::ZERO);
}

pub fn an_exit_is_the_depositors_alone(bench: &dyn Bench) {
    let registry = bench.registry();
    let index = join(bench, 0, 0, SMALL);
    let stranger = bench.account(1);
    let refused = ContractRefusal::NotDepositor { index: U256::ZERO, caller: stranger };
    assert_eq!(refusal(registry.request_exit(stranger, index)), refused);
    registry.request_exit(bench.account(0), index).unwrap();
    bench.advance(u64::from(EXIT_DELAY));
    assert_eq!(refusal(registry.withdraw(stranger, index, stranger)), refused);
}

pub fn a_member_is_slashed_while_active(bench: &dyn Bench) {
    let registry = bench.registry();
    join(bench, 0, 0, SMALL);
    let index = join(bench, 1, 1, LARGE);
    let (sender, receiver) = (bench.account(2), bench.account(3));
    let proof = slash_proof(registry, &secret(1), receiver);
    let receipt = registry.slash(sender, index, receiver, &proof).unwrap();
    let commitment = secret(1).commitment();
    let (reward, rest) = (tokens(2_500), tokens(7_500));
    assert_eq!(
        events(&receipt),
        [
            RegistryEvent::SlotZeroed { index, commitment },
            RegistryEvent::Slashed { index, commitment, receiver, reward, rest }
        ]
    );
    assert_eq!(registry.balance_of(receiver).unwrap(), reward);
    assert_eq!(registry.balance_of(treasury()).unwrap(), rest);
    assert_eq!(registry.record(index).unwrap().status, MemberStatus::Slashed);
    assert_eq!(registry.member_at(index).unwrap(), None);
    assert_eq!(registry.info().unwrap().total_owed, tokens(1));
}

pub fn a_member_is_slashed_while_leaving(bench: &dyn Bench) {
    let registry = bench.registry();
    let index = join(bench, 0, 0, MIDDLE);
    let (from, receiver) = (bench.account(0), bench.account(3));
    registry.request_exit(from, index).unwrap();
    let root = registry.root().unwrap();
    bench.advance(u64::from(EXIT_DELAY) + 1);
    let proof = slash_proof(registry, &secret(0), receiver);
    let receipt = registry.slash(receiver, index, receiver, &proof).unwrap();
    // The slot was zeroed when the exit began, and is not zeroed twice.
    assert!(matches!(events(&receipt)[..], [RegistryEvent::Slashed { .. }]));
    assert_eq!(registry.root().unwrap(), root);
    assert_eq!(registry.balance_of(receiver).unwrap(), tokens(10) / U256::from(4));
    assert_eq!(refusal(registry.withdraw(from, index, from)), ContractRefusal::MemberGone(U256::ZERO));
}

pub fn a_slash_pays_whom_the_proof_names(bench: &dyn Bench) {
    let registry = bench.registry();
    let index = join(bench, 0, 0, MIDDLE);
    let other = join(bench, 1, 1, MIDDLE);
    let (finder, thief) = (bench.account(2), bench.account(3));
    let proof = slash_proof(registry, &secret(0), finder);
    assert_eq!(refusal(registry.slash(thief, index, thief, &proof)), ContractRefusal::ProofInvalid);
    assert_eq!(refusal(registry.slash(finder, other, finder, &proof)), ContractRefusal::ProofInvalid);
    assert_eq!(refusal(registry.slash(finder, index, Address::ZERO, &proof)), ContractRefusal::ReceiverZero);
    // A copy of the whole transaction still pays the finder.
    registry.slash(thief, index, finder, &proof).unwrap();
    assert_eq!(registry.balance_of(finder).unwrap(), tokens(10) / U256::from(4));
    assert_eq!(registry.balance_of(thief).unwrap(), U256::ZERO);
}

pub fn what_is_gone_stays_gone(bench: &dyn Bench) {
    let registry = bench.registry();
    let (slashed, left) = (join(bench, 0, 0, SMALL), join(bench, 0, 1, SMALL));
    let from = bench.account(0);
    let proofs = [0, 1].map(|n| slash_proof(registry, &secret(n), from));
    registry.slash(from, slashed, from, &proofs[0]).unwrap();
    registry.request_exit(from, left).unwrap();
    bench.advance(u64::from(EXIT_DELAY));
    registry.withdraw(from, left, from).unwrap();
    for (index, proof) in [slashed, left].into_iter().zip(&proofs) {
        let gone = ContractRefusal::MemberGone(U256::from(index.0));
        assert_eq!(refusal(registry.slash(from, index, from, proof)), gone);
        assert_eq!(refusal(registry.request_exit(from, index)), gone);
        assert_eq!(refusal(registry.withdraw(from, index, from)), gone);
    }
}

/// An attacker deposits first for a commitment from a pending transaction. Both become members; the secret can slash
/// both deposits.
pub fn a_copied_commitment_takes_nobodys_place(bench: &dyn Bench) {
    let registry = bench.registry();
    let (copy, own) = (join(bench, 1, 0, SMALL), join(bench, 0, 0, MIDDLE));
    let (owner, copier, finder) = (bench.account(0), bench.account(1), bench.account(2));
    let commitment = secret(0).commitment();
    assert_eq!(registry.slots_of(commitment).unwrap(), [copy, own]);
    assert_eq!(registry.index_of(commitment, owner).unwrap(), Some(own));
    assert_eq!(registry.index_of(commitment, copier).unwrap(), Some(copy));
    assert_eq!((registry.record(own).unwrap().depositor, registry.record(copy).unwrap().depositor), (owner, copier));
    assert_eq!(registry.member_at(own).unwrap().unwrap().terms.stake, 10);
    registry.request_exit(copier, copy).unwrap();
    assert!(registry.member_at(own).unwrap().is_some());

    let proof = slash_proof(registry, &secret(0), finder);
    for index in [own, copy] {
        registry.slash(finder, index, finder, &proof).unwrap();
    }
    assert_eq!(registry.balance_of(finder).unwrap(), tokens(11) / U256::from(4));
    assert_eq!(registry.info().unwrap().total_owed, U256::ZERO);
    let third = bench.account(3);
    bench.mint(third, price(SMALL));
    registry.approve(third, price(SMALL)).unwrap();
    let slashed = ContractRefusal::CommitmentSlashed(U256::from_be_bytes(commitment.to_be_bytes()));
    assert_eq!(refusal(registry.deposit(third, commitment, SMALL)), slashed);
}

pub fn the_treasury_claims_its_fees(bench: &dyn Bench) {
    let registry = bench.registry();
    let (from, treasury) = (bench.account(0), treasury());
    assert_eq!(registry.claimable(treasury).unwrap(), U256::ZERO);
    assert_eq!(refusal(registry.claim(from, treasury, treasury)), ContractRefusal::NothingToClaim(treasury));
    join(bench, 0, 0, SMALL);
    join(bench, 0, 1, LARGE);
    let amount = fee() * U256::from(2);
    assert_eq!(registry.claimable(treasury).unwrap(), amount);
    let refused = ContractRefusal::NotClaimant { account: treasury, caller: from };
    assert_eq!(refusal(registry.claim(from, treasury, from)), refused);
    let receipt = registry.claim(from, treasury, treasury).unwrap();
    assert_eq!(events(&receipt), [RegistryEvent::Claimed { account: treasury, to: treasury, amount }]);
    assert_eq!(registry.balance_of(treasury).unwrap(), amount);
    assert_eq!(registry.claimable(treasury).unwrap(), U256::ZERO);
}

pub fn the_code_and_the_key_are_known(bench: &dyn Bench) {
    let provenance = bench.registry().provenance().unwrap();
    let key = prover().verifying_key().hash();
    assert_eq!(provenance.key, Some(key));
    assert!(provenance.contracts.iter().all(|code| code.is_known), "{provenance:?}");
    assert_eq!(provenance.require(key, &[]), Ok(()));
}

pub fn blocks_follow_one_another(bench: &dyn Bench) {
    let registry = bench.registry();
    let before = registry.latest_block().unwrap();
    join(bench, 0, 0, SMALL);
    let after = registry.latest_block().unwrap();
    assert!(after.number > before.number && after.hash != before.hash && after.timestamp >= before.timestamp);
    assert_eq!(registry.block(before.number).unwrap(), Some(before));
    assert_eq!(registry.block(after.number).unwrap(), Some(after));
    assert_eq!(registry.block(after.number + 1_000_000).unwrap(), None);
}
