//! Seeds from a wallet's signature.

use alloy_primitives::{Address, B256, Signature};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};

use super::{Seed, SeedError};

/// The text that a wallet shows and signs. It must never change: a changed text would lose the seed.
const STATEMENT: &str = "This signature is the seed of my quotapass identities. I sign it in quotapass alone: whoever has \
                         it can post in my name and make me lose my deposits.";

mod message {
    // The macro writes structs whose fields it does not document.
    #![allow(missing_docs)]
    alloy_sol_types::sol! {
        /// The EIP-712 message whose signature is a seed.
        #[derive(Debug, PartialEq, Eq)]
        struct IdentitySeed {
            string statement;
        }
    }
}

/// The EIP-712 message whose signature is a wallet's seed. It is fixed and the same on every chain, because one seed
/// works at all registries.
#[derive(Clone, Debug)]
pub struct WalletSeedMessage {
    /// The content.
    pub content: message::IdentitySeed,
    /// The domain: name and version, no chain and no contract.
    pub domain: Eip712Domain,
}

impl Default for WalletSeedMessage {
    fn default() -> Self {
        Self {
            content: message::IdentitySeed { statement: STATEMENT.into() },
            domain: eip712_domain! { name: "quotapass", version: "1", },
        }
    }
}

impl WalletSeedMessage {
    /// The hash that is signed.
    pub fn signing_hash(&self) -> B256 {
        self.content.eip712_signing_hash(&self.domain)
    }
}

impl Seed {
    /// Takes a wallet's signatures of [`WalletSeedMessage`]: two, made one after the other, to check that they are
    /// equal (RFC 6979).
    ///
    /// # Errors
    /// [`SeedError::WrongSigner`] and [`SeedError::NotDeterministic`].
    pub fn from_wallet(address: Address, first: &Signature, second: &Signature) -> Result<Self, SeedError> {
        let hash = WalletSeedMessage::default().signing_hash();
        if first.recover_address_from_prehash(&hash).ok() != Some(address) {
            return Err(SeedError::WrongSigner(address));
        }
        // A verifier accepts a signature with s and with -s alike; both are normalised to the lower s.
        let [first, second] = [first, second].map(|signature| signature.normalized_s().as_bytes());
        if first != second {
            return Err(SeedError::NotDeterministic);
        }
        Ok(Self::Wallet { address, signature: first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SeedKind;

    #[test]
    fn a_wallet_must_sign_the_message_itself_and_the_same_each_time() {
        let key = k256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let address = Address::from_raw_public_key(&key.verifying_key().to_encoded_point(false).as_bytes()[1..]);
        let sign = |hash: B256| Signature::from(key.sign_prehash_recoverable(&hash[..]).unwrap());
        let signature = sign(WalletSeedMessage::default().signing_hash());
        let seed = Seed::from_wallet(address, &signature, &signature).unwrap();
        assert_eq!(seed.kind(), SeedKind::Wallet(address));
        assert!(seed.words().is_none());

        let mirrored = {
            let order = alloy_primitives::U256::from_be_slice(
                &hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap(),
            );
            Signature::new(signature.r(), order - signature.s(), !signature.v())
        };
        assert!(Seed::from_wallet(address, &mirrored, &signature).unwrap() == seed);
        let other = sign(B256::ZERO);
        assert_eq!(Seed::from_wallet(address, &other, &other), Err(SeedError::WrongSigner(address)));
        assert_eq!(Seed::from_wallet(address, &signature, &other), Err(SeedError::NotDeterministic));
    }

    #[test]
    fn the_message_that_wallets_sign_never_changes() {
        let hash = WalletSeedMessage::default().signing_hash().to_string();
        assert_eq!(hash, "0xf9f3bcf8e78e0065b536cf255c2f24e05ca3c154a4f26a27cdce7d28ee1adb0f");
    }
}
