//! The registry on the development chain, and the faucet.

use alloy_primitives::{Address, B256, U256};
use anyhow::Result;
use parking_lot::Mutex;
use quotapass_circuits::slash::Slash;
use quotapass_registry::{
    bindings::{TokenAbi, sol_types::SolCall},
    deployment::{development_token_init_code, slash_verifier_init_code},
    node::{Call, Node, NodeError},
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};
use quotapass_wallet::keys::KeyStore;
use serde_json::json;

use crate::{
    keys::development_prover,
    relay::{CHAIN_ID, terms},
};

/// The private key of the tenth account of anvil, which is public. The account sends nothing else before it deploys, so
/// that the registry has the same address on every start: examples and apps name it.
const OPERATOR: &str = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6";

/// The amount of a faucet's gift, in whole coins of the chain for gas, and in whole tokens for deposits.
pub(super) const COINS: u64 = 10;
pub(super) const TOKENS: u64 = 1_000;

/// A token, a registry, and the account that mints the token.
pub(super) struct LocalRegistry {
    node: JsonRpcNode,
    operator: Address,
    pub(super) token: Address,
    pub(super) address: Address,
    /// Held during a gift, because a gift of coins reads the balance before it sets it.
    giving: Mutex<()>,
}

impl LocalRegistry {
    /// Deploys the contracts on a new chain.
    pub(super) fn deploy(rpc_url: &str, keys: &KeyStore) -> Result<Self> {
        let key = development_prover(keys, Slash)?.verifying_key();
        let account = AccountKey::from_private_key(OPERATOR)?;
        let operator = account.address();
        let settings = RpcSettings { expected_chain_id: Some(CHAIN_ID), ..RpcSettings::default() };
        let node = JsonRpcNode::connect(rpc_url, settings)?.with_account(account);
        let (token, _) = node.deploy(operator, development_token_init_code())?;
        let (verifier, _) = node.deploy(operator, slash_verifier_init_code(&key)?)?;
        let (address, _) = node.deploy(operator, terms(token, verifier).init_code())?;
        Ok(Self { node, operator, token, address, giving: Mutex::new(()) })
    }

    /// Gives an account coins and tokens, and returns the transaction of the tokens.
    pub(super) fn give(&self, to: Address) -> Result<B256, NodeError> {
        let unit = U256::from(10).pow(U256::from(18));
        let _giving = self.giving.lock();
        let coins = self.node.native_balance(to)?.saturating_add(U256::from(COINS) * unit);
        self.node.request("anvil_setBalance", json!([to, coins]))?;
        let data = TokenAbi::mintCall { to, amount: U256::from(TOKENS) * unit }.abi_encode().into();
        Ok(self.node.send(self.operator, &Call { to: self.token, data })?.transaction)
    }
}
