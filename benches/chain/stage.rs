//! A growing registry on anvil.

use std::time::{Duration, Instant};

use quotapass_circuits::{
    identity::IdentitySecret,
    membership::Levels,
    prover::{Prover, development_setup},
    slash::Slash,
};
use quotapass_registry::{
    RegistryContract, RegistryReader, Tier,
    alloy_primitives::{Address, B256, U256},
    bindings::{RegistryAbi, sol_types::SolCall},
    deployment::{RegistryConfig, development_token_init_code, slash_verifier_init_code},
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};

use crate::common::{anvil::Anvil, crowd::Crowd};

/// Noon of 2026-11-20.
const START: u64 = 1_795_176_000;
pub const EXIT_DELAY: u64 = 7 * 86_400;
/// Deposits in a block; they fit in the gas limit that anvil gets.
const PER_BLOCK: u64 = 500;

/// A chain with a registry, whose first member's secret is known.
pub struct Stage {
    pub anvil: &'static Anvil,
    pub registry: RegistryContract<JsonRpcNode>,
    pub crowd: Crowd<'static>,
    pub secret: IdentitySecret,
    pub prover: Prover<Slash>,
    /// Time of the deposits.
    pub filling: Duration,
}

impl Stage {
    pub fn new() -> Self {
        // Without `--prune-history` anvil keeps a whole copy of the state of each old block in memory.
        let anvil = Anvil::with(START, &["--prune-history", "--gas-limit", "1000000000", "--no-request-size-limit"]);
        let anvil: &'static Anvil = Box::leak(Box::new(anvil));
        let key = AccountKey::from_private_key(&"11".repeat(32)).unwrap();
        let from = key.address();
        anvil.fund(from);
        let node = JsonRpcNode::connect(&anvil.http(), RpcSettings::default()).unwrap().with_account(key);
        let prover = Prover::new(development_setup::<Slash>(Levels::STANDARD).unwrap()).unwrap();
        let unit = U256::from(10).pow(U256::from(18));
        let tier = |stake: u32, message_limit| Tier { amount: U256::from(stake) * unit, stake, message_limit };
        let token = node.deploy(from, development_token_init_code()).unwrap().0;
        let verifier = slash_verifier_init_code(&prover.verifying_key()).unwrap();
        let config = RegistryConfig {
            token,
            tiers: vec![tier(1, 10), tier(10, 100), tier(1_000, 1_000)],
            fee: U256::ZERO,
            exit_delay: EXIT_DELAY as u32,
            reward_bps: 2_500,
            treasury: Some(Address::repeat_byte(0x77)),
            verifier: node.deploy(from, verifier).unwrap().0,
            gate: None,
        };
        let address = node.deploy(from, config.init_code()).unwrap().0;
        let registry = RegistryContract::connect(node, address).unwrap();
        let secret = IdentitySecret::from_seed(b"bench", &registry.id(), 0).unwrap();
        let crowd = Crowd::new(anvil, address, token);
        let stage = Self { anvil, registry, crowd, secret, prover, filling: Duration::ZERO };
        let idc = U256::from_be_bytes(stage.secret.commitment().to_be_bytes());
        stage.send(RegistryAbi::depositCall { idc, tierNumber: 1 });
        stage
    }

    pub fn address(&self) -> Address {
        self.registry.id().address.into()
    }

    pub fn members(&self) -> u64 {
        self.registry.head().unwrap().member_count
    }

    /// Deposits until the registry has `members` members.
    pub fn grow_to(&mut self, members: u64) {
        let begun = Instant::now();
        let missing = members - self.members();
        self.crowd.deposit(missing, PER_BLOCK);
        self.filling += begun.elapsed();
        assert_eq!(self.members(), members);
    }

    /// Sends a call of the registry from the depositor's account, in a separate block.
    pub fn send(&self, call: impl SolCall) -> B256 {
        let hash = self.crowd.send(&[(self.address(), call.abi_encode())])[0];
        self.anvil.mine(1);
        hash
    }
}
