//! Deployment of a registry.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolConstructor;
use quotapass_circuits::{
    slash::Slash,
    verifier::{Verifier, VerifyingKey, WrongKey},
};

use super::{
    Gate, Tier,
    bindings::{IRegistry, RegistryAbi, SlashVerifierAbi, TokenAbi},
};

/// The terms of a registry to be deployed. They cannot be changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The ERC-20 token of its deposits. It must not take a fee on transfer.
    pub token: Address,
    /// 1 to 255 tiers; empty for a registry with a gate.
    pub tiers: Vec<Tier>,
    /// Paid to the treasury with every deposit and never paid back, in the token's smallest unit. It is the price of a
    /// slot of the tree, which stays used forever.
    pub fee: U256,
    /// Seconds between the request to exit and the withdrawal. Relays require at least 4,200 more than the sum of root
    /// window, epoch and clock difference of their scopes (`Policy::least_exit_delay`).
    pub exit_delay: u32,
    /// Part of a slashed deposit that goes to the slasher, in 1/10,000; always less than the whole.
    pub reward_bps: u16,
    /// Receiver of the fees and of the rest of a slashed deposit; without a treasury they are burnt.
    pub treasury: Option<Address>,
    /// The verifier of slash proofs.
    pub verifier: Address,
    /// The gate that decides who may join; without a gate, anyone may.
    pub gate: Option<Gate>,
}

impl RegistryConfig {
    /// Returns the code of the transaction that deploys the registry.
    pub fn init_code(&self) -> Bytes {
        let tiers = self.tiers.iter().map(|tier| IRegistry::Tier {
            amount: tier.amount,
            stake: tier.stake,
            messageLimit: tier.message_limit,
        });
        let config = IRegistry::Config {
            token: self.token,
            tiers: tiers.collect(),
            fee: self.fee,
            exitDelay: self.exit_delay,
            rewardBps: self.reward_bps,
            treasury: self.treasury.unwrap_or_default(),
            verifier: self.verifier,
            gate: self.gate.map(|gate| gate.address).unwrap_or_default(),
            stakePrice: self.gate.map(|gate| gate.stake_price).unwrap_or_default(),
        };
        let arguments = RegistryAbi::constructorCall { config }.abi_encode();
        [&RegistryAbi::BYTECODE[..], &arguments].concat().into()
    }
}

/// Returns the code of the transaction that deploys the verifier of slash proofs.
///
/// # Errors
/// [`WrongKey`] if the key belongs to a circuit other than `slash`.
pub fn slash_verifier_init_code(key: &VerifyingKey) -> Result<Bytes, WrongKey> {
    Verifier::<Slash>::new(key.clone())?;
    // The constructor takes the points as one tuple of words, which is encoded as the words in a row.
    Ok([&SlashVerifierAbi::BYTECODE[..], key.to_evm_words().as_flattened()].concat().into())
}

/// Returns the code of the transaction that deploys a development token, which anyone may mint.
pub fn development_token_init_code() -> Bytes {
    TokenAbi::BYTECODE.clone()
}
