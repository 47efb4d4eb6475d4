//! What identity secrets are derived from.

use core::fmt;

use alloy_primitives::{Address, B256, Signature};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};
use bip39::Mnemonic;
use quotapass_circuits::{field::FieldError, identity::IdentitySecret, registry_id::RegistryId};
use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Words of a mnemonic: 256 bits of entropy and a checksum.
const WORDS: usize = 24;

/// What a wallet signs, and the people at it read. It never changes, or the seed would be lost.
const STATEMENT: &str = "This signature is the seed of my quotapass identities. I sign it in quotapass alone: whoever has \
                         it can post in my name and make me lose my deposits.";

/// A seed that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Too few or too many words.
    #[error("a mnemonic has {WORDS} words, this one {0}; enter all of them in order, with spaces between")]
    WordCount(usize),
    /// A word that is not in the list.
    #[error("word {0} is not in the BIP-39 list of English words; check its spelling")]
    UnknownWord(usize),
    /// All words are in the list, but the checksum is wrong.
    #[error("the words do not fit together (their checksum is wrong); check their order, and look for a similar word")]
    Checksum,
    /// The signature is not one of this wallet over the seed message.
    #[error("the signature is not that of {0} over the seed message; sign again with this wallet")]
    WrongSigner(Address),
    /// Two signatures of one message differ.
    #[error(
        "this wallet signs the same message differently each time, so that no seed can be derived from it; make an \
         identity with a mnemonic instead"
    )]
    NotDeterministic,
}

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

/// The EIP-712 message that a wallet signs to become a seed: fixed, and the same on every chain, for one seed serves all
/// registries.
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

/// Where a seed comes from, which is also where its backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedKind {
    /// A mnemonic on paper.
    Mnemonic,
    /// A wallet of this address, which can sign the message again.
    Wallet(Address),
}

/// What identity secrets are derived from. It is zeroized on drop and never printed.
///
/// **A wallet as a seed** needs no backup, and puts all eggs in one basket: whoever gets hold of the wallet's key, or of
/// this one signature, can post in your name, and double-post to take the deposit (the wallet's thief could withdraw it
/// anyway). They can also recompute the nullifiers of everything that was ever posted and so recognise it, which a thief
/// of the wallet alone could not do with a mnemonic.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum Seed {
    /// A BIP-39 mnemonic in English, without BIP-39 passphrase.
    Mnemonic(Mnemonic),
    /// The signature of [`WalletSeedMessage`].
    Wallet {
        /// Who signed.
        #[zeroize(skip)]
        address: Address,
        /// `r` and `s`, 32 bytes each, big-endian, and `v`, 27 or 28.
        signature: [u8; 65],
    },
}

impl Seed {
    /// A new mnemonic.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut entropy = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(&mut *entropy);
        // It fails for other lengths than this alone.
        Mnemonic::from_entropy(&*entropy).map_or_else(|_| Self::generate(rng), Self::Mnemonic)
    }

    /// Reads 24 words; case and extra white space do not matter.
    ///
    /// # Errors
    /// [`SeedError`] says which word is wrong, or that the checksum is.
    pub fn from_words(words: &str) -> Result<Self, SeedError> {
        let words = Zeroizing::new(words.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>());
        if words.len() != WORDS {
            return Err(SeedError::WordCount(words.len()));
        }
        let text = Zeroizing::new(words.join(" "));
        match Mnemonic::parse_in_normalized(bip39::Language::English, &text) {
            Ok(mnemonic) => Ok(Self::Mnemonic(mnemonic)),
            Err(bip39::Error::UnknownWord(place)) => Err(SeedError::UnknownWord(place + 1)),
            Err(bip39::Error::BadWordCount(count)) => Err(SeedError::WordCount(count)),
            Err(_) => Err(SeedError::Checksum),
        }
    }

    /// Takes a wallet's signatures of [`WalletSeedMessage`]: two, made one after the other, to see that they are the same
    /// (RFC 6979).
    ///
    /// # Errors
    /// [`SeedError::WrongSigner`] and [`SeedError::NotDeterministic`].
    pub fn from_wallet(address: Address, first: &Signature, second: &Signature) -> Result<Self, SeedError> {
        let hash = WalletSeedMessage::default().signing_hash();
        if first.recover_address_from_prehash(&hash).ok() != Some(address) {
            return Err(SeedError::WrongSigner(address));
        }
        // A signature and its mirror image (s and -s) are the same for a verifier; only the lower counts here.
        let [first, second] = [first, second].map(|signature| signature.normalized_s().as_bytes());
        if first != second {
            return Err(SeedError::NotDeterministic);
        }
        Ok(Self::Wallet { address, signature: first })
    }

    /// Where it comes from.
    pub fn kind(&self) -> SeedKind {
        match self {
            Self::Mnemonic(_) => SeedKind::Mnemonic,
            Self::Wallet { address, .. } => SeedKind::Wallet(*address),
        }
    }

    /// The mnemonic's words; none if the seed is a wallet's.
    pub fn words(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Mnemonic(mnemonic) => Some(Zeroizing::new(mnemonic.to_string())),
            Self::Wallet { .. } => None,
        }
    }

    /// The identity secret of an account at a registry. Its input keying material is the mnemonic's BIP-39 seed of 64
    /// bytes, or the wallet's signature of 65.
    ///
    /// # Errors
    /// [`FieldError::Zero`] if the derivation hits zero, which happens to nobody; take another account then.
    pub fn secret(&self, registry: &RegistryId, account: u32) -> Result<IdentitySecret, FieldError> {
        let material = match self {
            Self::Mnemonic(mnemonic) => Zeroizing::new(mnemonic.to_seed_normalized("").to_vec()),
            Self::Wallet { signature, .. } => Zeroizing::new(signature.to_vec()),
        };
        IdentitySecret::from_seed(&material, registry, account)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed::{:?}(..)", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// From the test vectors of BIP-39: entropy of zeros, and its seed without a passphrase.
    const ZEROS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";
    const ZEROS_SEED: &str = "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf70\
                              5489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e243c4a0eafb290d399480840";

    const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [7; 20] };

    #[test]
    fn a_mnemonic_derives_as_bip_39_and_the_protocol_say() {
        let seed = Seed::from_words(ZEROS).unwrap();
        let expected = IdentitySecret::from_seed(&hex::decode(ZEROS_SEED).unwrap(), &REGISTRY, 3).unwrap();
        assert!(seed.secret(&REGISTRY, 3).unwrap() == expected);
        assert!(seed.secret(&REGISTRY, 4).unwrap() != expected);
        assert_eq!(seed.words().unwrap().as_str(), ZEROS);
    }

    #[test]
    fn words_may_be_typed_carelessly_but_not_wrongly() {
        let shouted = format!("  {}\n", ZEROS.to_uppercase().replace(' ', "  "));
        assert!(Seed::from_words(&shouted).unwrap() == Seed::from_words(ZEROS).unwrap());
        assert_eq!(Seed::from_words("abandon art"), Err(SeedError::WordCount(2)));
        assert_eq!(Seed::from_words(&ZEROS.replacen("abandon", "abandom", 1)), Err(SeedError::UnknownWord(1)));
        assert_eq!(Seed::from_words(&ZEROS.replace("art", "able")), Err(SeedError::Checksum));
    }

    #[test]
    fn new_mnemonics_differ_and_read_back() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, two) = (Seed::generate(&mut rng), Seed::generate(&mut rng));
        assert!(one != two);
        assert!(Seed::from_words(&one.words().unwrap()).unwrap() == one);
    }

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

    #[test]
    fn a_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed::from_words(ZEROS).unwrap()), "Seed::Mnemonic(..)");
    }
}
