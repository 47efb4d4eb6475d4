//! Seeds, from which identity secrets are derived.

use core::fmt;

#[cfg(feature = "desktop")]
use alloy_primitives::Address;
use bip39::Mnemonic;
use quotapass_circuits::{field::FieldError, identity::IdentitySecret, registry_id::RegistryId};
use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Number of words in a mnemonic: 256 bits of entropy and a checksum.
const WORDS: usize = 24;

/// Seed errors.
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
    #[error(
        "the checksum of the words is wrong; check their order, and look for a word that was mistaken for a similar one"
    )]
    Checksum,
    /// The signature of the seed message is not from this wallet.
    #[cfg(feature = "desktop")]
    #[error("the signature of the seed message is not from {0}; sign again with this wallet")]
    WrongSigner(Address),
    /// Two signatures of one message differ.
    #[cfg(feature = "desktop")]
    #[error(
        "this wallet signs the same message differently each time, so no seed can be derived from it; make an identity \
         with a mnemonic instead"
    )]
    NotDeterministic,
}

/// Source of a seed, which is also its backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedKind {
    /// A mnemonic on paper.
    Mnemonic,
    /// The wallet of this address, which can sign the message again.
    #[cfg(feature = "desktop")]
    Wallet(Address),
}

/// The seed that identity secrets are derived from. It is zeroized on drop and never printed.
///
/// **A wallet as a seed** needs no backup, but makes the wallet a single point of failure: an attacker who gets the
/// wallet's key, or this one signature, can post in your name, and double-post to take the deposit (a thief of the
/// wallet could withdraw the deposit anyway). The attacker can also recompute the nullifiers of all your earlier posts
/// and so recognise them. With a mnemonic, a thief of the wallet alone could not do this.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum Seed {
    /// A BIP-39 mnemonic in English, without BIP-39 passphrase.
    Mnemonic(Mnemonic),
    /// The signature of [`WalletSeedMessage`](super::WalletSeedMessage).
    #[cfg(feature = "desktop")]
    Wallet {
        /// The wallet that signed.
        #[zeroize(skip)]
        address: Address,
        /// `r` and `s`, 32 bytes each, big-endian, and `v`, 27 or 28.
        signature: [u8; 65],
    },
}

impl Seed {
    /// Generates a new mnemonic.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut entropy = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(&mut *entropy);
        // It fails only for other lengths.
        Mnemonic::from_entropy(&*entropy).map_or_else(|_| Self::generate(rng), Self::Mnemonic)
    }

    /// Reads 24 words; case, extra white space and invisible characters do not matter.
    ///
    /// # Errors
    /// [`SeedError`] says which word is wrong, or that the checksum is.
    pub fn from_words(words: &str) -> Result<Self, SeedError> {
        Self::from_visible(words).or_else(|error| {
            // A zero-width space may also separate two words.
            let separated = Zeroizing::new(words.replace('\u{200b}', " "));
            Self::from_visible(&separated).map_err(|_| error)
        })
    }

    /// Reads words without the invisible characters in them.
    fn from_visible(words: &str) -> Result<Self, SeedError> {
        let visible = words.chars().filter(|character| !is_invisible(*character));
        let words = Zeroizing::new(visible.collect::<String>());
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

    /// The source of the seed.
    pub fn kind(&self) -> SeedKind {
        match self {
            Self::Mnemonic(_) => SeedKind::Mnemonic,
            #[cfg(feature = "desktop")]
            Self::Wallet { address, .. } => SeedKind::Wallet(*address),
        }
    }

    /// The words of the mnemonic; `None` for a wallet seed.
    pub fn words(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Mnemonic(mnemonic) => Some(Zeroizing::new(mnemonic.to_string())),
            #[cfg(feature = "desktop")]
            Self::Wallet { .. } => None,
        }
    }

    /// Derives the identity secret of an account at a registry. The input keying material is the mnemonic's BIP-39 seed
    /// of 64 bytes, or the wallet's signature of 65.
    ///
    /// # Errors
    /// [`FieldError::Zero`] if the derivation gives zero, which has negligible probability; use another account then.
    pub fn secret(&self, registry: &RegistryId, account: u32) -> Result<IdentitySecret, FieldError> {
        let material = match self {
            Self::Mnemonic(mnemonic) => Zeroizing::new(mnemonic.to_seed_normalized("").to_vec()),
            #[cfg(feature = "desktop")]
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

/// Whether a character is not visible and no part of a word: a byte order mark, a character of no width, a soft hyphen,
/// or a mark of direction. Files and web pages have them.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
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
    fn what_cannot_be_seen_in_words_is_ignored() {
        let seed = Seed::from_words(ZEROS).unwrap();
        for text in [
            format!("\u{feff}{ZEROS}"),
            ZEROS.replace(' ', "\u{200b} \u{200c}"),
            ZEROS.replace(' ', "\u{200b}"),
            ZEROS.replace("aban", "a\u{200d}b\u{200b}a\u{ad}n\u{2060}"),
            ZEROS.replace(' ', "\u{a0}\u{200f}\u{3000}"),
        ] {
            assert!(Seed::from_words(&text).unwrap() == seed, "{text:?}");
        }
        let wrong = format!("\u{feff}{}", ZEROS.replacen("abandon", "aban\u{200b}dom", 1));
        assert_eq!(Seed::from_words(&wrong), Err(SeedError::UnknownWord(1)));
    }

    #[test]
    fn new_mnemonics_differ_and_read_back() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, two) = (Seed::generate(&mut rng), Seed::generate(&mut rng));
        assert!(one != two);
        assert!(Seed::from_words(&one.words().unwrap()).unwrap() == one);
    }

    #[test]
    fn a_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed::from_words(ZEROS).unwrap()), "Seed::Mnemonic(..)");
    }
}
