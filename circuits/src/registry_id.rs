//! The identifier of a registry.

/// The chain and the address of a registry contract. Both are part of every scope, and of every identity derived from a
/// seed, so that no two registries share a nullifier or a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryId {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract's address.
    pub address: [u8; 20],
}

impl RegistryId {
    /// Encodes the chain id as 32 bytes big-endian, then the 20 bytes of the address.
    pub fn to_bytes(&self) -> [u8; 52] {
        let mut bytes = [0; 52];
        bytes[24..32].copy_from_slice(&self.chain_id.to_be_bytes());
        bytes[32..].copy_from_slice(&self.address);
        bytes
    }
}
