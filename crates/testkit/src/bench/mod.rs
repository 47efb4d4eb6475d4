//! Registries with a token and tiers, on chains that a test controls.

mod anvil;

use std::sync::OnceLock;

use k256::ecdsa::SigningKey;
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::MemberIndex,
    proof::Proof,
    prover::{Prover, development_setup},
    signal::Receiver,
    slash::{Slash, slash},
};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    PermitDigest, RegistryReader, RegistryWriter, Tier, TierNumber,
    alloy_primitives::{Address, Bytes, Signature, U256},
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
    node::{Call, Node},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub use anvil::{AnvilBench, deploy, key, node};

use crate::world::NOW;

/// The time of the first block.
pub const START: UnixSeconds = NOW;
pub const EXIT_DELAY: u32 = 7 * 86_400;
pub const REWARD_BPS: u16 = 2_500;

pub const SMALL: TierNumber = TierNumber(0);
pub const MIDDLE: TierNumber = TierNumber(1);
pub const LARGE: TierNumber = TierNumber(2);

/// A backend with a fresh registry, on a chain that the test controls.
pub trait Bench {
    fn registry(&self) -> &dyn RegistryWriter;

    /// Moves the time of the next block forward.
    fn advance(&self, seconds: u64);

    /// Mints tokens of the registry's token.
    fn mint(&self, to: Address, amount: U256);

    /// Calls any contract directly; the call must succeed.
    fn send(&self, from: Address, to: Address, data: Bytes);

    /// The address of the n-th account.
    fn account(&self, n: u8) -> Address {
        Address::from_raw_public_key(&signing_key(n).verifying_key().to_encoded_point(false).as_bytes()[1..])
    }

    /// A signature of the n-th account.
    fn sign(&self, n: u8, digest: PermitDigest) -> Signature {
        let (signature, parity) = signing_key(n).sign_prehash_recoverable(&digest.0[..]).unwrap();
        let (r, s) = signature.split_bytes();
        Signature::new(U256::from_be_slice(&r), U256::from_be_slice(&s), parity.is_y_odd())
    }
}

fn signing_key(n: u8) -> SigningKey {
    SigningKey::from_slice(&[n + 1; 32]).unwrap()
}

pub struct EmbeddedBench {
    pub chain: EmbeddedChain,
    pub registry: EmbeddedRegistry,
}

impl EmbeddedBench {
    pub fn new() -> Self {
        Self::on(EmbeddedChain::in_memory(ChainSettings { chain_id: 31_337, timestamp: START }))
    }

    pub fn on(chain: EmbeddedChain) -> Self {
        let config = config(&chain);
        let registry = chain.deploy_registry(deployer(), &config).unwrap();
        Self { chain, registry }
    }
}

pub fn config(chain: &EmbeddedChain) -> RegistryConfig {
    RegistryConfig {
        token: chain.deploy_token(deployer()).unwrap(),
        tiers: tiers(),
        fee: fee(),
        exit_delay: EXIT_DELAY,
        reward_bps: REWARD_BPS,
        treasury: Some(treasury()),
        verifier: chain.deploy_slash_verifier(deployer(), &prover().verifying_key()).unwrap(),
        gate: None,
    }
}

impl Bench for EmbeddedBench {
    fn registry(&self) -> &dyn RegistryWriter {
        &self.registry
    }

    fn advance(&self, seconds: u64) {
        self.chain.advance(seconds).unwrap();
    }

    fn mint(&self, to: Address, amount: U256) {
        self.chain.mint(self.registry.token(), to, amount).unwrap();
    }

    fn send(&self, from: Address, to: Address, data: Bytes) {
        self.chain.send(from, &Call { to, data }).unwrap();
    }
}

pub fn deployer() -> Address {
    Address::repeat_byte(0xde)
}

pub fn treasury() -> Address {
    Address::repeat_byte(0x77)
}

pub fn tokens(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

/// The fee of every deposit.
pub fn fee() -> U256 {
    tokens(1) / U256::from(100)
}

/// The total price of a deposit.
pub fn price(tier: TierNumber) -> U256 {
    tiers()[usize::from(tier.0)].amount + fee()
}

pub fn tiers() -> Vec<Tier> {
    [(1, 1, 10), (10, 10, 100), (10_000, 10_000, 65_535)]
        .map(|(amount, stake, message_limit)| Tier { amount: tokens(amount), stake, message_limit })
        .to_vec()
}

/// The n-th member's secret.
pub fn secret(n: u64) -> IdentitySecret {
    let mut bytes = [0x11; 32];
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    IdentitySecret::from_be_bytes(&bytes).unwrap()
}

/// The prover of slashes, which is made once in a process.
pub fn prover() -> &'static Prover<Slash> {
    static PROVER: OnceLock<Prover<Slash>> = OnceLock::new();
    PROVER.get_or_init(|| Prover::new(development_setup(Slash).unwrap()).unwrap())
}

/// Proves that the secret is known, for a receiver at a registry.
pub fn slash_proof(registry: &dyn RegistryReader, secret: &IdentitySecret, receiver: Address) -> Proof {
    let (public, witness) = slash(secret, Receiver::new(&registry.id(), &receiver.into_array()));
    prover().prove(&public, &witness, &mut ChaCha20Rng::seed_from_u64(7)).unwrap()
}

/// Gives an account the price of a tier and deposits for the n-th secret.
pub fn join(bench: &dyn Bench, account: u8, n: u64, tier: TierNumber) -> MemberIndex {
    let (from, amount) = (bench.account(account), price(tier));
    bench.mint(from, amount);
    bench.registry().approve(from, amount).unwrap();
    let receipt = bench.registry().deposit(from, secret(n).commitment(), tier).unwrap();
    receipt.added().unwrap()
}
