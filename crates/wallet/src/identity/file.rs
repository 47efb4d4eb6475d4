//! Identity files: age's format, encrypted with a passphrase.

use core::{fmt, num::NonZeroU16};
use std::io::{Read, Write};

use age::{
    DecryptError, Decryptor, Encryptor, scrypt,
    secrecy::{ExposeSecret, SecretString},
};
use alloy_primitives::{Address, hex};
use quotapass_text::{normalized, spellings};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Seed, SeedError};
use crate::ledger::DeviceShare;

/// scrypt with N = 2^17, r = 8, p = 1 takes 128 MiB and about half a second.
const WORK_FACTOR: u8 = 17;
/// Limit for files from other programs: a few seconds of work.
const MAX_WORK_FACTOR: u8 = 20;
const VERSION: u32 = 1;

/// A passphrase, zeroized on drop and never printed.
///
/// New files are encrypted with its [normal form](normalized), so that the same letters open them, whichever keyboard
/// or editor wrote them. Files that other programs, or older versions, encrypted with another spelling open too.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl Passphrase {
    /// Takes a passphrase; `None` if it is empty.
    pub fn new(passphrase: String) -> Option<Self> {
        (!normalized(&passphrase).is_empty()).then(|| Self(SecretString::from(passphrase)))
    }

    /// Returns the passphrase that new files are encrypted with.
    fn normal(&self) -> SecretString {
        secret(&normalized(self.0.expose_secret()))
    }

    /// Returns the passphrases that a file may be encrypted with.
    fn spellings(&self) -> impl Iterator<Item = SecretString> {
        spellings(self.0.expose_secret()).into_iter().map(|spelling| secret(&spelling))
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Error of an identity file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityFileError {
    /// The passphrase is mistyped or belongs to another file.
    #[error("the passphrase is wrong; enter the one that this identity was made with")]
    WrongPassphrase,
    /// The file is not in age's format, or was truncated or changed.
    #[error(
        "the file is damaged or not an age file ({0}); restore the identity from its mnemonic, its wallet or a copy"
    )]
    Damaged(String),
    /// The passphrase opens the file, but its content is not an identity.
    #[error("the file holds no identity that this version of quotapass understands ({0})")]
    Content(String),
    /// Deriving the key from the passphrase would take too long.
    #[error("the file asks for too much work (scrypt 2^{0}); encrypt it again with age's usual work factor")]
    TooMuchWork(u8),
}

/// The identity of a member on this device: the seed, and the share of message ids that the device may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The seed that the secrets are derived from.
    pub seed: Seed,
    /// The device's share of the message ids, fixed when it was enrolled.
    pub device: DeviceShare,
}

/// The file's plaintext, JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    seed: SeedContent,
    /// From 0.
    device: u16,
    devices: NonZeroU16,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
enum SeedContent {
    Mnemonic {
        words: String,
    },
    Wallet {
        #[zeroize(skip)]
        address: Address,
        signature: String,
    },
}

impl Identity {
    /// Returns the content of an identity file: age's binary format, encrypted with the passphrase.
    ///
    /// # Errors
    /// [`IdentityFileError`] if the system gives no random bytes or no memory.
    pub fn encrypt(&self, passphrase: &Passphrase) -> Result<Vec<u8>, IdentityFileError> {
        self.encrypt_with(passphrase.normal(), WORK_FACTOR)
    }

    fn encrypt_with(&self, passphrase: SecretString, work_factor: u8) -> Result<Vec<u8>, IdentityFileError> {
        let seed = match &self.seed {
            Seed::Mnemonic(mnemonic) => SeedContent::Mnemonic { words: mnemonic.to_string() },
            Seed::Wallet { address, signature } => {
                SeedContent::Wallet { address: *address, signature: hex::encode_prefixed(signature) }
            }
        };
        let (device, devices) = (self.device.device(), self.device.devices());
        let content = Content { version: VERSION, seed, device, devices };
        let plaintext = Zeroizing::new(serde_json::to_vec(&content).map_err(content_error)?);
        let mut recipient = scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(work_factor);
        let encryptor = Encryptor::with_recipients(core::iter::once(&recipient as _))
            .map_err(|error| IdentityFileError::Damaged(error.to_string()))?;
        let mut file = Vec::new();
        let mut writer = encryptor.wrap_output(&mut file).map_err(content_error)?;
        writer.write_all(&plaintext).and_then(|()| writer.finish().map(drop)).map_err(content_error)?;
        Ok(file)
    }

    /// Opens a file that [`encrypt`](Self::encrypt) made.
    ///
    /// # Errors
    /// [`IdentityFileError`] distinguishes a wrong passphrase from a damaged file.
    pub fn decrypt(file: &[u8], passphrase: &Passphrase) -> Result<Self, IdentityFileError> {
        for spelling in passphrase.spellings() {
            match Self::decrypt_with(file, spelling) {
                Err(IdentityFileError::WrongPassphrase) => {}
                opened => return opened,
            }
        }
        Err(IdentityFileError::WrongPassphrase)
    }

    fn decrypt_with(file: &[u8], passphrase: SecretString) -> Result<Self, IdentityFileError> {
        let damaged = |error: &dyn fmt::Display| IdentityFileError::Damaged(error.to_string());
        let mut opener = scrypt::Identity::new(passphrase);
        opener.set_max_work_factor(MAX_WORK_FACTOR);
        let decryptor = Decryptor::new(file).map_err(|error| damaged(&error))?;
        let mut reader =
            decryptor.decrypt(core::iter::once(&opener as &dyn age::Identity)).map_err(|error| match error {
                DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                    IdentityFileError::WrongPassphrase
                }
                DecryptError::ExcessiveWork { required, .. } => IdentityFileError::TooMuchWork(required),
                error => damaged(&error),
            })?;
        let mut plaintext = Zeroizing::new(Vec::with_capacity(file.len()));
        reader.read_to_end(&mut plaintext).map_err(|error| damaged(&error))?;
        let content: Content = serde_json::from_slice(&plaintext).map_err(content_error)?;
        if content.version != VERSION {
            return Err(IdentityFileError::Content(format!("version {}", content.version)));
        }
        let device = DeviceShare::new(content.device, content.devices).map_err(content_error)?;
        Ok(Self { seed: content.seed.read().map_err(content_error)?, device })
    }
}

impl SeedContent {
    fn read(&self) -> Result<Seed, SeedError> {
        match self {
            Self::Mnemonic { words } => Seed::from_words(words),
            Self::Wallet { address, signature } => {
                let invalid = SeedError::WrongSigner(*address);
                let bytes = hex::decode(signature).map(Zeroizing::new).map_err(|_| invalid.clone())?;
                let signature = alloy_primitives::Signature::from_raw(&bytes).map_err(|_| invalid)?;
                Seed::from_wallet(*address, &signature, &signature)
            }
        }
    }
}

fn content_error(error: impl fmt::Display) -> IdentityFileError {
    IdentityFileError::Content(error.to_string())
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn identity() -> Identity {
        let seed = Seed::generate(&mut StdRng::seed_from_u64(7));
        Identity { seed, device: DeviceShare::new(1, NonZeroU16::new(3).unwrap()).unwrap() }
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    #[test]
    fn a_file_opens_with_its_passphrase_alone() {
        let file = identity().encrypt_with(secret("correct horse"), 2).unwrap();
        assert_eq!(Identity::decrypt(&file, &passphrase("correct horse")).unwrap(), identity());
        let wrong = Identity::decrypt(&file, &passphrase("battery staple"));
        assert!(matches!(wrong, Err(IdentityFileError::WrongPassphrase)), "{wrong:?}");
        assert!(Passphrase::new(String::new()).is_none() && Passphrase::new("\u{feff}".into()).is_none());
    }

    #[test]
    fn the_same_letters_open_a_file_whatever_wrote_them() {
        let file = identity().encrypt_with(passphrase("\u{e9}t\u{e9}").normal(), 2).unwrap();
        for same in ["\u{e9}t\u{e9}", "e\u{301}te\u{301}", "\u{e9}\u{ff54}e\u{301}", "\u{feff}\u{e9}t\u{e9}"] {
            assert_eq!(Identity::decrypt(&file, &passphrase(same)).unwrap(), identity(), "{same:?}");
        }
        let wrong = Identity::decrypt(&file, &passphrase("ete"));
        assert!(matches!(wrong, Err(IdentityFileError::WrongPassphrase)), "{wrong:?}");
    }

    #[test]
    fn files_of_older_versions_open_with_the_passphrase_as_it_was_given() {
        for (given, now) in [
            ("\u{e9}t\u{e9}", "\u{e9}t\u{e9}"),
            ("e\u{301}te\u{301}", "e\u{301}te\u{301}"),
            // From a file with a byte order mark, which then counted.
            ("\u{feff}secret", "\u{feff}secret"),
            ("\u{feff}secret", "secret"),
        ] {
            let old = identity().encrypt_with(secret(given), 2).unwrap();
            assert_eq!(Identity::decrypt(&old, &passphrase(now)).unwrap(), identity(), "{given:?}");
        }
    }

    #[test]
    fn a_changed_or_cut_file_is_damaged_and_never_another_identity() {
        let file = identity().encrypt_with(secret("p"), 2).unwrap();
        for length in (0..file.len()).step_by(7) {
            assert!(Identity::decrypt(&file[..length], &passphrase("p")).is_err());
        }
        for place in (0..file.len()).step_by(3) {
            let mut changed = file.clone();
            changed[place] ^= 1;
            assert!(Identity::decrypt(&changed, &passphrase("p")).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused_at_once() {
        let file = identity().encrypt_with(secret("p"), 2).unwrap();
        let greedy = String::from_utf8_lossy(&file).find(" 2\n").unwrap();
        let mut changed = file.clone();
        changed.splice(greedy..greedy + 2, *b" 30");
        assert!(matches!(
            Identity::decrypt(&changed, &passphrase("p")),
            Err(IdentityFileError::TooMuchWork(30) | IdentityFileError::Damaged(_))
        ));
    }

    #[test]
    fn what_opens_and_is_no_identity_says_so() {
        let mut recipient = scrypt::Recipient::new(passphrase("p").0);
        recipient.set_work_factor(2);
        for text in
            ["{}", "hello", r#"{"version":1,"seed":{"kind":"mnemonic","words":"abandon"},"device":0,"devices":1}"#]
        {
            let file = age::encrypt(&recipient, text.as_bytes()).unwrap();
            let error = Identity::decrypt(&file, &passphrase("p"));
            assert!(matches!(error, Err(IdentityFileError::Content(_))), "{text}: {error:?}");
        }
    }
}
