//! Runs the suite on the embedded chain, and tests the features that only this chain has.

use quotapass_circuits::{badge::Badge, membership::MemberIndex, prover::development_setup};
use quotapass_registry::{
    ContractRefusal, Distrust, Follower, FollowerSettings, Gate, RegistryError, RegistryReader, RegistryWriter, Tier,
    alloy_primitives::{Address, Bytes, U256},
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain},
    node::NodeError,
    provenance::ContractKind,
};
use quotapass_testkit::bench::{
    Bench, EXIT_DELAY, EmbeddedBench, MIDDLE, SMALL, START, config, deployer, fee, join, prover, secret, slash_proof,
    tiers, tokens,
};

use crate::suite_on;

suite_on!(EmbeddedBench::new());

fn chain() -> EmbeddedChain {
    EmbeddedChain::in_memory(ChainSettings { chain_id: 5, timestamp: START })
}

#[test]
fn a_deployment_is_refused_for_a_reason() {
    let chain = chain();
    let good = config(&chain);
    let tier = tiers()[0];
    let nobody = Address::repeat_byte(0x99);
    let bad = [
        (super::with(&good, |c| c.tiers = vec![]), ContractRefusal::TierCountInvalid(U256::ZERO)),
        (
            super::with(&good, |c| c.tiers = vec![tier, Tier { message_limit: 0, ..tier }]),
            ContractRefusal::TierInvalid(U256::from(1)),
        ),
        (super::with(&good, |c| c.tiers = vec![Tier { stake: 0, ..tier }]), ContractRefusal::TierInvalid(U256::ZERO)),
        (super::with(&good, |c| c.exit_delay = 0), ContractRefusal::ExitDelayZero),
        (
            super::with(&good, |c| c.reward_bps = 10_000),
            ContractRefusal::RewardTooHigh { reward_bps: U256::from(10_000), max: U256::from(9_000) },
        ),
        (super::with(&good, |c| c.token = nobody), ContractRefusal::NoCode(nobody)),
        (super::with(&good, |c| c.verifier = nobody), ContractRefusal::NoCode(nobody)),
        (super::with(&good, |c| c.fee = U256::MAX), ContractRefusal::AmountTooHigh(U256::MAX)),
        (
            super::with(&good, |c| c.gate = Some(Gate { address: c.token, stake_price: U256::ZERO })),
            ContractRefusal::TierCountInvalid(U256::from(3)),
        ),
    ];
    for (config, refusal) in bad {
        assert_eq!(chain.deploy_registry(deployer(), &config).err(), Some(RegistryError::Refused(refusal)));
    }
    chain.deploy_registry(deployer(), &good).unwrap();
}

/// A contract with this code.
fn deploy(chain: &EmbeddedChain, code: &[u8]) -> Address {
    // PUSH1 length DUP1 PUSH1 9 PUSH0 CODECOPY PUSH0 RETURN
    let init = [&[0x60, code.len() as u8, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3], code].concat();
    chain.deploy(deployer(), init.into()).unwrap()
}

#[test]
fn a_gate_decides_who_joins_and_on_what_terms() {
    let chain = chain();
    // Always returns 3 and 40: PUSH1 3 PUSH0 MSTORE PUSH1 40 PUSH1 32 MSTORE PUSH1 64 PUSH0 RETURN
    let gate = deploy(&chain, &[0x60, 3, 0x5f, 0x52, 0x60, 40, 0x60, 32, 0x52, 0x60, 64, 0x5f, 0xf3]);
    let gate = Gate { address: gate, stake_price: tokens(2) };
    let gated = super::with(&config(&chain), |c| (c.tiers, c.gate) = (vec![], Some(gate)));
    let registry = chain.deploy_registry(deployer(), &gated).unwrap();
    let bench = EmbeddedBench { chain, registry };
    let (registry, from) = (&bench.registry, bench.account(0));
    let info = registry.info().unwrap();
    assert_eq!((info.gate, info.tiers), (Some(gate), vec![]));
    bench.mint(from, tokens(7));
    registry.approve(from, tokens(7)).unwrap();
    let commitment = secret(0).commitment();
    assert_eq!(registry.deposit(from, commitment, SMALL).unwrap_err(), ContractRefusal::HasGate.into());
    let too_much = ContractRefusal::DepositAboveMaximum { amount: tokens(6), max: tokens(5) };
    assert_eq!(registry.deposit_gated(from, commitment, tokens(5), Bytes::new()).unwrap_err(), too_much.into());
    let index = registry.deposit_gated(from, commitment, tokens(6), Bytes::new()).unwrap().added().unwrap();
    let record = registry.record(index).unwrap();
    assert_eq!((record.stake, record.message_limit, record.depositor), (3, 40, from));
    assert_eq!(registry.info().unwrap().deposit_of(&record), Some(tokens(6)));
    assert_eq!(registry.balance_of(from).unwrap(), tokens(1) - fee());
    let mut follower = Follower::in_memory(registry.id(), FollowerSettings::default()).unwrap();
    follower.sync(registry).unwrap();
    assert_eq!(follower.record(index).unwrap(), Some(record));

    let finder = bench.account(1);
    registry.slash(finder, index, finder, &slash_proof(registry, &secret(0), finder)).unwrap();
    assert_eq!(registry.balance_of(finder).unwrap(), tokens(6) / U256::from(4));
}

#[test]
fn a_gate_that_admits_nobody_is_heard() {
    let chain = chain();
    // Returns zeros: PUSH1 64 PUSH0 RETURN
    let gate = Gate { address: deploy(&chain, &[0x60, 64, 0x5f, 0xf3]), stake_price: U256::ZERO };
    let gated = super::with(&config(&chain), |c| (c.tiers, c.gate) = (vec![], Some(gate)));
    let registry = chain.deploy_registry(deployer(), &gated).unwrap();
    let from = deployer();
    let refused = registry.deposit_gated(from, secret(0).commitment(), U256::ZERO, Bytes::new()).unwrap_err();
    assert_eq!(refused, ContractRefusal::NotAdmitted(from).into());
}

#[test]
fn another_key_and_other_code_are_distrusted() {
    let chain = chain();
    let good = config(&chain);
    let provenance = |config: &RegistryConfig| chain.deploy_registry(deployer(), config).unwrap().provenance().unwrap();
    let key = prover().verifying_key().hash();
    let theirs = development_setup(Badge::STANDARD).unwrap().verifying_key().hash();
    let genuine = provenance(&good);
    genuine.require(key, &[]).unwrap();
    let distrust = Distrust::OtherKey { verifier: good.verifier, found: Some(key), expected: theirs };
    assert_eq!(genuine.require(theirs, &[]), Err(distrust));

    // A verifier that returns the right key, and accepts any proof: PUSH32 key PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let liar = [&[0x7f], &key.0[..], &[0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]].concat();
    let verifier = deploy(&chain, &liar);
    let false_one = provenance(&super::with(&good, |c| c.verifier = verifier));
    assert_eq!(false_one.key, Some(key));
    let Err(Distrust::OtherCode(code)) = false_one.require(key, &[]) else { panic!("{false_one:?}") };
    assert_eq!((code.kind, code.address), (ContractKind::Verifier, verifier));
    // It is accepted if the user trusts this code.
    false_one.require(key, &[code.hash]).unwrap();

    // A verifier without this function.
    let silent = provenance(&super::with(&good, |c| c.verifier = c.token));
    assert_eq!(silent.key, None);
    let [.., code] = silent.contracts;
    let distrust = Distrust::OtherKey { verifier: good.token, found: None, expected: key };
    assert_eq!(silent.require(key, &[code.hash]), Err(distrust));
}

#[test]
fn without_a_treasury_the_rest_is_burnt() {
    let chain = chain();
    let config = super::with(&config(&chain), |c| c.treasury = None);
    let registry = chain.deploy_registry(deployer(), &config).unwrap();
    let bench = EmbeddedBench { chain, registry };
    let index = join(&bench, 0, 0, MIDDLE);
    let finder = bench.account(1);
    let proof = slash_proof(&bench.registry, &secret(0), finder);
    bench.registry.slash(finder, index, finder, &proof).unwrap();
    let burnt_at = bench.registry.info().unwrap().treasury;
    assert_eq!(burnt_at, "0x000000000000000000000000000000000000dEaD".parse::<Address>().unwrap());
    assert_eq!(bench.registry.balance_of(burnt_at).unwrap(), tokens(10) * U256::from(3) / U256::from(4));
}

#[test]
fn a_proof_for_another_registry_does_not_hold() {
    let chain = chain();
    let config = config(&chain);
    let benches = [0, 1].map(|_| {
        let registry = chain.deploy_registry(deployer(), &config).unwrap();
        EmbeddedBench { chain: chain.clone(), registry }
    });
    let index = benches.each_ref().map(|bench| join(bench, 0, 0, SMALL))[0];
    let finder = benches[0].account(1);
    let proof = slash_proof(&benches[0].registry, &secret(0), finder);
    let refused = benches[1].registry.slash(finder, index, finder, &proof).unwrap_err();
    assert_eq!(refused, ContractRefusal::ProofInvalid.into());
    benches[0].registry.slash(finder, index, finder, &proof).unwrap();
}

#[test]
fn only_a_registry_is_taken_for_one() {
    let bench = EmbeddedBench::new();
    let nobody = Address::repeat_byte(0x99);
    assert_eq!(bench.chain.registry(nobody).err(), Some(RegistryError::Node(NodeError::NoContract(nobody))));
    let refused = bench.chain.registry(bench.registry.token()).err();
    assert_eq!(refused, Some(RegistryError::Refused(ContractRefusal::NoReason)));
}

#[test]
fn refusals_of_other_makes_are_read() {
    let decode = |hex: &str| ContractRefusal::decode(&hex.parse::<Bytes>().unwrap());
    assert_eq!(decode("0x"), ContractRefusal::NoReason);
    assert_eq!(decode("0x12345678"), ContractRefusal::Unknown("0x12345678".parse().unwrap()));
    let word = |n: u8| format!("{n:064x}");
    assert_eq!(decode(&format!("0x4e487b71{}", word(0x11))), ContractRefusal::Panic(U256::from(0x11)));
    let text = format!("0x08c379a0{}{}6e6f{}", word(0x20), word(2), "00".repeat(30));
    assert_eq!(decode(&text), ContractRefusal::Message("no".into()));
    // The selector of a known error with arguments missing.
    assert!(matches!(decode("0x4e487b7100"), ContractRefusal::Unknown(_)));
}

#[test]
fn time_and_blocks_are_the_callers() {
    let bench = EmbeddedBench::new();
    let (chain, registry) = (&bench.chain, &bench.registry);
    let before = registry.latest_block().unwrap();
    chain.advance(100).unwrap();
    assert_eq!(registry.latest_block().unwrap(), before);
    let mined = chain.mine().unwrap();
    assert_eq!((mined.number, mined.timestamp), (before.number + 1, START + 100));
    assert_eq!(chain.now().unwrap(), START + 100);

    let open = chain.open_block().unwrap();
    for n in 0..3 {
        join(&bench, 0, n, SMALL);
    }
    drop(open);
    let latest = registry.latest_block().unwrap();
    assert_eq!(latest.number, mined.number + 1);
    let events = registry.events(latest.number..=latest.number).unwrap();
    assert_eq!(events.len(), 3);
    assert!(events.windows(2).all(|pair| pair[0].log_index < pair[1].log_index));
    join(&bench, 0, 3, SMALL);
    assert_eq!(registry.latest_block().unwrap().number, latest.number + 3);
}

#[test]
fn equal_runs_have_equal_blocks() {
    let run = || {
        let bench = EmbeddedBench::new();
        join(&bench, 0, 0, SMALL);
        bench.advance(u64::from(EXIT_DELAY));
        join(&bench, 1, 1, MIDDLE);
        bench.registry.head().unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_refused_transaction_leaves_no_block() {
    let bench = EmbeddedBench::new();
    let before = bench.registry.head().unwrap();
    bench.registry.request_exit(bench.account(0), MemberIndex(0)).unwrap_err();
    assert_eq!(bench.registry.head().unwrap(), before);
}

#[test]
fn handles_in_many_threads_are_one_chain() {
    let bench = EmbeddedBench::new();
    std::thread::scope(|scope| {
        for account in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for n in 0..5 {
                    join(bench, account, 100 * u64::from(account) + n, SMALL);
                }
            });
        }
    });
    let head = bench.registry.head().unwrap();
    assert_eq!(head.member_count, 20);
}
