//! Statements of reasons beside the log.

use core::fmt;

use rand::{CryptoRng, RngCore};

use super::Digest;

/// The longest text, in bytes.
const MAX_TEXT: usize = 65_536;

/// A text that an entry of the log names by its hash. It lies beside the log and can be erased: without the salt it cannot
/// be guessed from the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedText {
    salt: [u8; 32],
    text: String,
}

/// Error: the bytes are not a salted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a statement of reasons is 32 bytes of salt and UTF-8 text of at most 65,536 bytes")]
pub struct NotASaltedText;

impl SaltedText {
    /// Adds a random salt to a text.
    ///
    /// # Errors
    /// [`NotASaltedText`] if it is too long.
    pub fn new(text: &str, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, NotASaltedText> {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        if text.len() > MAX_TEXT { Err(NotASaltedText) } else { Ok(Self { salt, text: text.into() }) }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the salt and the text, the form in which it is kept and served.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.salt[..], self.text.as_bytes()].concat()
    }

    /// Reads salt and text.
    ///
    /// # Errors
    /// [`NotASaltedText`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotASaltedText> {
        let (salt, text) = bytes.split_first_chunk::<32>().ok_or(NotASaltedText)?;
        let text = core::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_TEXT).ok_or(NotASaltedText)?;
        Ok(Self { salt: *salt, text: text.into() })
    }

    /// Returns the hash of salt and text, which the entry has.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

/// Does not print the text: it may be about a person.
impl fmt::Debug for SaltedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaltedText({})", self.digest())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn texts_return_and_their_hash_does_not_give_them_away(text in "\\PC{0,40}", bytes: Vec<u8>) {
            let mut rng = StdRng::seed_from_u64(1);
            let [one, two] = [0, 1].map(|_| SaltedText::new(&text, &mut rng).unwrap());
            prop_assert!(SaltedText::from_bytes(&one.to_bytes()).is_ok_and(|read| read == one));
            prop_assert_ne!(one.digest(), two.digest());
            let read = SaltedText::from_bytes(&bytes);
            prop_assert!(read.map_or(true, |read| read.to_bytes() == bytes));
        }
    }

    #[test]
    fn long_texts_are_refused() {
        let long = "a".repeat(MAX_TEXT + 1);
        assert_eq!(SaltedText::new(&long, &mut StdRng::seed_from_u64(1)), Err(NotASaltedText));
        assert_eq!(SaltedText::from_bytes(&[b'a'; MAX_TEXT + 33]), Err(NotASaltedText));
        assert_eq!(SaltedText::from_bytes(&[0; 31]), Err(NotASaltedText));
    }
}
