//! A registry on a real node behind JSON-RPC.

use quotapass_registry::{
    RegistryContract, RegistryReader, RegistryWriter, Tier,
    alloy_primitives::{Address, Bytes, U256, hex},
    bindings::{TokenAbi, sol_types::SolCall},
    deployment::{RegistryConfig, development_token_init_code, slash_verifier_init_code},
    node::{Call, Node},
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};

use super::{Bench, EXIT_DELAY, REWARD_BPS, START, fee, prover, tiers, treasury};
use crate::anvil::Anvil;

/// Number of accounts with keys and ether.
const ACCOUNTS: u8 = 10;

/// A fresh anvil with a registry.
pub struct AnvilBench {
    pub anvil: Anvil,
    pub node: JsonRpcNode,
    pub registry: RegistryContract<JsonRpcNode>,
}

impl AnvilBench {
    pub fn http() -> Self {
        let anvil = Anvil::start(START);
        let node = node(&anvil, &anvil.http(), RpcSettings::default());
        Self::on(anvil, node)
    }

    pub fn ws() -> Self {
        let anvil = Anvil::start(START);
        let node = node(&anvil, &anvil.ws(), RpcSettings::default());
        Self::on(anvil, node)
    }

    pub fn ipc() -> Self {
        let anvil = Anvil::with_ipc(START);
        let node = node(&anvil, &format!("ipc://{}", anvil.ipc().display()), RpcSettings::default());
        Self::on(anvil, node)
    }

    /// Deploys a registry.
    pub fn on(anvil: Anvil, node: JsonRpcNode) -> Self {
        let registry = deploy(&node, tiers(), fee());
        Self { anvil, node, registry }
    }

    /// The registry's address.
    pub fn address(&self) -> Address {
        self.registry.id().address.into()
    }
}

/// Deploys a token, a verifier and a registry with these tiers and this fee.
pub fn deploy(node: &JsonRpcNode, tiers: Vec<Tier>, fee: U256) -> RegistryContract<JsonRpcNode> {
    let deploy = |code| node.deploy(node.account().unwrap(), code).unwrap().0;
    let config = RegistryConfig {
        token: deploy(development_token_init_code()),
        tiers,
        fee,
        exit_delay: EXIT_DELAY,
        reward_bps: REWARD_BPS,
        treasury: Some(treasury()),
        verifier: deploy(slash_verifier_init_code(&prover().verifying_key()).unwrap()),
        gate: None,
    };
    RegistryContract::connect(node.clone(), deploy(config.init_code())).unwrap()
}

/// The key of the n-th account.
pub fn key(n: u8) -> AccountKey {
    AccountKey::from_private_key(&hex::encode([n + 1; 32])).unwrap()
}

/// A connection with all accounts, funded.
pub fn node(anvil: &Anvil, url: &str, settings: RpcSettings) -> JsonRpcNode {
    let node = JsonRpcNode::connect(url, settings).unwrap();
    (0..ACCOUNTS).map(key).fold(node, |node, key| {
        anvil.fund(key.address());
        node.with_account(key)
    })
}

impl Bench for AnvilBench {
    fn registry(&self) -> &dyn RegistryWriter {
        &self.registry
    }

    fn advance(&self, seconds: u64) {
        self.anvil.advance(seconds);
    }

    fn mint(&self, to: Address, amount: U256) {
        let data = TokenAbi::mintCall { to, amount }.abi_encode().into();
        self.send(self.account(9), self.registry.token(), data);
    }

    fn send(&self, from: Address, to: Address, data: Bytes) {
        self.node.send(from, &Call { to, data }).unwrap();
    }
}
