//! A registry whose verifier has the ceremony's key.

use quotapass_circuits::{
    identity::IdentitySecret,
    proof::Proof,
    signal::Receiver,
    slash::{SlashPublic, SlashWitness, slash},
    verifier::VerifyingKey,
};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    ContractRefusal, Distrust, RegistryEvent, RegistryReader, RegistryWriter, Tier, TierNumber,
    alloy_primitives::{Address, Bytes, U256},
    deployment::{RegistryConfig, slash_verifier_init_code},
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
};

const DEPLOYER: Address = Address::repeat_byte(0xde);
const MEMBER: Address = Address::repeat_byte(0x01);
const FINDER: Address = Address::repeat_byte(0x02);

pub struct Bench {
    chain: EmbeddedChain,
    registry: EmbeddedRegistry,
}

/// Deploys a registry with the project's own verifier.
pub fn registry_of(key: &VerifyingKey) -> Bench {
    registry_with(slash_verifier_init_code(key).unwrap())
}

/// Deploys a registry with any verifier, given by its deployment code.
pub fn registry_with(verifier: Bytes) -> Bench {
    let chain = EmbeddedChain::in_memory(ChainSettings { chain_id: 31_337, timestamp: UnixSeconds(1_795_176_000) });
    let config = RegistryConfig {
        token: chain.deploy_token(DEPLOYER).unwrap(),
        tiers: vec![Tier { amount: U256::from(1_000), stake: 1, message_limit: 10 }],
        fee: U256::ZERO,
        exit_delay: 86_400,
        reward_bps: 5_000,
        treasury: None,
        verifier: chain.deploy(DEPLOYER, verifier).unwrap(),
        gate: None,
    };
    let registry = chain.deploy_registry(DEPLOYER, &config).unwrap();
    Bench { chain, registry }
}

/// Returns the statement that the finder proves to get the reward for this secret.
pub fn statement(bench: &Bench, secret: &IdentitySecret) -> (SlashPublic, SlashWitness) {
    slash(secret, Receiver::new(&bench.registry.id(), &FINDER.into_array()))
}

/// Deposits for the secret, unless it is already a member.
fn join(bench: &Bench, secret: &IdentitySecret) {
    let amount = U256::from(1_000);
    if bench.registry.slots_of(secret.commitment()).unwrap().is_empty() {
        bench.chain.mint(bench.registry.token(), MEMBER, amount).unwrap();
        bench.registry.approve(MEMBER, amount).unwrap();
        bench.registry.deposit(MEMBER, secret.commitment(), TierNumber(0)).unwrap();
    }
}

/// A proof pays only the receiver that it was made for.
pub fn proof_is_refused_of_others(bench: &Bench, secret: &IdentitySecret, proof: &Proof) {
    join(bench, secret);
    let index = bench.registry.slots_of(secret.commitment()).unwrap()[0];
    assert_eq!(bench.registry.slash(MEMBER, index, MEMBER, proof).unwrap_err(), ContractRefusal::ProofInvalid.into());
}

pub fn deposit_is_slashed(bench: &Bench, secret: &IdentitySecret, proof: &Proof) {
    join(bench, secret);
    let index = bench.registry.slots_of(secret.commitment()).unwrap()[0];
    let receipt = bench.registry.slash(FINDER, index, FINDER, proof).unwrap();
    assert!(receipt.events.iter().any(|logged| matches!(logged.event, RegistryEvent::Slashed { .. })));
    assert_eq!(bench.registry.balance_of(FINDER).unwrap(), U256::from(500));
}

/// The verifier states its key, and its code is recognised if it is the project's own.
pub fn provenance_is_told(bench: &Bench, key: &VerifyingKey, is_own: bool) {
    let provenance = bench.registry.provenance().unwrap();
    assert_eq!(provenance.key, Some(key.hash()));
    let [registry, hasher, verifier] = provenance.contracts;
    assert_eq!((registry.is_known, hasher.is_known, verifier.is_known), (true, true, is_own));
    let judged = provenance.require(key.hash(), &[]);
    if is_own {
        assert_eq!(judged, Ok(()));
    } else {
        assert_eq!(judged, Err(Distrust::OtherCode(verifier)));
        assert_eq!(provenance.require(key.hash(), &[verifier.hash]), Ok(()));
    }
}
