//! A growing registry on anvil.

use std::time::{Duration, Instant};

use quotapass_circuits::identity::IdentitySecret;
use quotapass_registry::{
    RegistryContract, RegistryReader, Tier,
    alloy_primitives::{Address, B256, U256},
    bindings::{RegistryAbi, sol_types::SolCall},
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{
    anvil::Anvil,
    bench::{START, deploy},
    crowd::Crowd,
};

/// Deposits in a block; they fit in the gas limit that anvil gets.
const PER_BLOCK: u64 = 500;

/// A chain with a registry, whose first member's secret is known.
pub struct Stage {
    pub anvil: &'static Anvil,
    pub registry: RegistryContract<JsonRpcNode>,
    pub crowd: Crowd<'static>,
    pub secret: IdentitySecret,
    /// Time of the deposits.
    pub filling: Duration,
}

impl Stage {
    pub fn new() -> Self {
        // Without `--prune-history` anvil keeps a whole copy of the state of each old block in memory.
        let anvil = Anvil::with(START, &["--prune-history", "--gas-limit", "1000000000", "--no-request-size-limit"]);
        let anvil: &'static Anvil = Box::leak(Box::new(anvil));
        let key = AccountKey::from_private_key(&"11".repeat(32)).unwrap();
        anvil.fund(key.address());
        let node = JsonRpcNode::connect(&anvil.http(), RpcSettings::default()).unwrap().with_account(key);
        let unit = U256::from(10).pow(U256::from(18));
        let tier = |stake: u32, message_limit| Tier { amount: U256::from(stake) * unit, stake, message_limit };
        let registry = deploy(&node, vec![tier(1, 10), tier(10, 100), tier(1_000, 1_000)], U256::ZERO);
        let secret = IdentitySecret::from_seed(b"bench", &registry.id(), 0).unwrap();
        let crowd = Crowd::new(anvil, registry.id().address.into(), registry.token());
        let stage = Self { anvil, registry, crowd, secret, filling: Duration::ZERO };
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
