//! Registries and their state on the chain.

use quotapass_circuits::registry_id::RegistryId;
use quotapass_text::EvmAddress;
use quotapass_wallet::members;

use crate::{QuotapassError, text::field};

/// A registry contract, which holds the deposits.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Registry {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract's address: 40 hexadecimal digits, with or without `0x` before them. If its letters are in upper and
    /// lower case, they must have the right case (EIP-55).
    pub address: String,
}

impl Registry {
    pub(crate) fn id(&self) -> Result<RegistryId, QuotapassError> {
        let address = self.address.parse::<EvmAddress>();
        let EvmAddress(address) = address.map_err(|error| QuotapassError::bad_input("registry.address", error))?;
        Ok(RegistryId { chain_id: self.chain_id, address })
    }
}

impl From<RegistryId> for Registry {
    fn from(id: RegistryId) -> Self {
        Self { chain_id: id.chain_id, address: format!("0x{}", hex::encode(id.address)) }
    }
}

/// The state of the member tree on the chain at one block. Read both values at the same block, from an endpoint that
/// the source of members does not control.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ChainHead {
    /// The root.
    pub root: String,
    /// Members ever added.
    pub member_count: u64,
}

impl ChainHead {
    pub(crate) fn parse(&self) -> Result<members::ChainHead, QuotapassError> {
        Ok(members::ChainHead { root: field("head.root", &self.root)?, member_count: self.member_count })
    }
}
