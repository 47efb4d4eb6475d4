//! The suite on the embedded chain, and what only this chain does.

use quotapass::circuits::membership::MemberIndex;
use quotapass::registry::{
    Refusal, Registry, RegistryError, Tier,
    alloy_primitives::{Address, Bytes, U256},
    embedded::{ChainSettings, EmbeddedChain},
    node::NodeError,
};

use crate::{
    bench::{
        Bench, EXIT_DELAY, EmbeddedBench, MIDDLE, SMALL, START, config, deployer, join, secret, slash_proof, tiers,
        tokens,
    },
    suite_on,
};

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
        (super::with(&good, |c| c.tiers = vec![]), Refusal::TierCountInvalid(U256::ZERO)),
        (
            super::with(&good, |c| c.tiers = vec![tier, Tier { message_limit: 0, ..tier }]),
            Refusal::TierInvalid(U256::from(1)),
        ),
        (super::with(&good, |c| c.tiers = vec![Tier { stake: 0, ..tier }]), Refusal::TierInvalid(U256::ZERO)),
        (super::with(&good, |c| c.exit_delay = 0), Refusal::ExitDelayZero),
        (
            super::with(&good, |c| c.reward_bps = 10_000),
            Refusal::RewardTooHigh { reward_bps: U256::from(10_000), max: U256::from(9_000) },
        ),
        (super::with(&good, |c| c.token = nobody), Refusal::NoCode(nobody)),
        (super::with(&good, |c| c.verifier = nobody), Refusal::NoCode(nobody)),
    ];
    for (config, refusal) in bad {
        assert_eq!(chain.deploy_registry(deployer(), &config).err(), Some(RegistryError::Refused(refusal)));
    }
    chain.deploy_registry(deployer(), &good).unwrap();
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
    assert_eq!(refused, Refusal::ProofInvalid.into());
    benches[0].registry.slash(finder, index, finder, &proof).unwrap();
}

#[test]
fn only_a_registry_is_taken_for_one() {
    let bench = EmbeddedBench::new();
    let nobody = Address::repeat_byte(0x99);
    assert_eq!(bench.chain.registry(nobody).err(), Some(RegistryError::Node(NodeError::NoContract(nobody))));
    let refused = bench.chain.registry(bench.registry.token()).err();
    assert_eq!(refused, Some(RegistryError::Refused(Refusal::NoReason)));
}

#[test]
fn refusals_of_other_makes_are_read() {
    let decode = |hex: &str| Refusal::decode(&hex.parse::<Bytes>().unwrap());
    assert_eq!(decode("0x"), Refusal::NoReason);
    assert_eq!(decode("0x12345678"), Refusal::Unknown("0x12345678".parse().unwrap()));
    let word = |n: u8| format!("{n:064x}");
    assert_eq!(decode(&format!("0x4e487b71{}", word(0x11))), Refusal::Panic(U256::from(0x11)));
    let text = format!("0x08c379a0{}{}6e6f{}", word(0x20), word(2), "00".repeat(30));
    assert_eq!(decode(&text), Refusal::Message("no".into()));
    // The selector of a known error with arguments missing.
    assert!(matches!(decode("0x4e487b7100"), Refusal::Unknown(_)));
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
