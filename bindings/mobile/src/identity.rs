//! Who posts.

use std::sync::{Arc, Mutex};

use quotapass::identity::Seed;
use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    registry_id::RegistryId,
};
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::{QuotapassError, Registry, lock};

/// What the secrets of all accounts are derived from: a mnemonic of 24 English words (BIP-39). One identity serves every
/// registry, without linking them.
#[derive(uniffi::Object)]
pub struct Identity {
    seed: Mutex<Option<Seed>>,
}

#[uniffi::export]
impl Identity {
    /// A new identity. Have its mnemonic written down before anything is deposited for it.
    #[uniffi::constructor]
    pub fn generate() -> Self {
        Self { seed: Mutex::new(Some(Seed::generate(&mut OsRng))) }
    }

    /// The identity of a mnemonic; case and extra white space do not matter.
    ///
    /// # Errors
    /// `Mnemonic` says which word is wrong, or that the checksum is.
    #[uniffi::constructor]
    pub fn from_mnemonic(words: String) -> Result<Self, QuotapassError> {
        let words = Zeroizing::new(words);
        Ok(Self { seed: Mutex::new(Some(Seed::from_words(&words)?)) })
    }

    /// The 24 words, for the backup. Whoever has them can post, and take the deposit. This is the only way in which a
    /// secret leaves.
    ///
    /// # Errors
    /// `Closed` after `wipe`.
    pub fn mnemonic(&self) -> Result<String, QuotapassError> {
        let words = lock(&self.seed).as_ref().and_then(Seed::words);
        words.map(|words| words.to_string()).ok_or_else(|| QuotapassError::closed("identity"))
    }

    /// An account of the identity at a registry; the first has number 0. What is deposited for is its commitment.
    ///
    /// # Errors
    /// `BadInput` if the address is none, `Closed` after `wipe`.
    pub fn account(&self, registry: Registry, number: u32) -> Result<Arc<Account>, QuotapassError> {
        let registry = registry.id()?;
        let seed = lock(&self.seed);
        let seed = seed.as_ref().ok_or_else(|| QuotapassError::closed("identity"))?;
        let secret = seed.secret(&registry, number).map_err(|error| QuotapassError::bad_input("number", error))?;
        let commitment = secret.commitment();
        Ok(Arc::new(Account { registry, number, commitment, secret: Mutex::new(Some(secret)) }))
    }

    /// Zeroizes the seed now, whoever still holds the handle. Accounts that were made keep their own secrets.
    pub fn wipe(&self) {
        lock(&self.seed).take();
    }
}

/// The secret of an identity at one registry.
#[derive(uniffi::Object)]
pub struct Account {
    registry: RegistryId,
    number: u32,
    commitment: IdentityCommitment,
    secret: Mutex<Option<IdentitySecret>>,
}

#[uniffi::export]
impl Account {
    /// The identity commitment: what the registry stores, and all that anybody else needs.
    pub fn commitment(&self) -> String {
        self.commitment.to_string()
    }

    /// The registry.
    pub fn registry(&self) -> Registry {
        self.registry.into()
    }

    /// The account's number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Zeroizes the secret now, whoever still holds the handle. Provers that were prepared keep their own copy.
    pub fn wipe(&self) {
        lock(&self.secret).take();
    }
}

impl Account {
    pub(crate) fn registry_id(&self) -> RegistryId {
        self.registry
    }

    pub(crate) fn identity_commitment(&self) -> IdentityCommitment {
        self.commitment
    }

    pub(crate) fn secret(&self) -> Result<IdentitySecret, QuotapassError> {
        lock(&self.secret).clone().ok_or_else(|| QuotapassError::closed("account"))
    }
}
