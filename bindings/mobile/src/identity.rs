//! Identities and their accounts.

use std::sync::{Arc, Mutex};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    registry_id::RegistryId,
};
use quotapass_wallet::identity::Seed;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::{QuotapassError, Registry, lock};

/// A mnemonic of 24 English words (BIP-39), from which the secrets of all accounts are derived. One identity works at
/// every registry without linking them.
#[derive(uniffi::Object)]
pub struct Identity {
    seed: Mutex<Option<Seed>>,
}

#[uniffi::export]
impl Identity {
    /// Generates a new identity. The user must write down its mnemonic before a deposit is made for it.
    #[uniffi::constructor]
    pub fn generate() -> Self {
        Self { seed: Mutex::new(Some(Seed::generate(&mut OsRng))) }
    }

    /// Restores the identity of a mnemonic; case and extra white space do not matter.
    ///
    /// # Errors
    /// `Mnemonic` says which word is wrong, or that the checksum is.
    #[uniffi::constructor]
    pub fn from_mnemonic(words: String) -> Result<Self, QuotapassError> {
        let words = Zeroizing::new(words);
        Ok(Self { seed: Mutex::new(Some(Seed::from_words(&words)?)) })
    }

    /// Returns the 24 words, for the backup. Anyone who has them can post and take the deposit. Only this method
    /// returns a secret of the identity.
    ///
    /// # Errors
    /// `Closed` after `wipe`.
    pub fn mnemonic(&self) -> Result<String, QuotapassError> {
        let words = lock(&self.seed).as_ref().and_then(Seed::words);
        words.map(|words| words.to_string()).ok_or_else(|| QuotapassError::closed("identity"))
    }

    /// Returns an account of the identity at a registry; the first has number 0. Deposits are made for its commitment.
    ///
    /// # Errors
    /// `BadInput` if the address is not valid, `Closed` after `wipe`.
    pub fn account(&self, registry: Registry, number: u32) -> Result<Arc<Account>, QuotapassError> {
        let registry = registry.id()?;
        let seed = lock(&self.seed);
        let seed = seed.as_ref().ok_or_else(|| QuotapassError::closed("identity"))?;
        let secret = seed.secret(&registry, number).map_err(|error| QuotapassError::bad_input("number", error))?;
        let commitment = secret.commitment();
        Ok(Arc::new(Account { registry, number, commitment, secret: Mutex::new(Some(secret)) }))
    }

    /// Zeroizes the seed now, even if the handle is still in use. Existing accounts keep their own secrets.
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
    /// The identity commitment, which the registry stores. Others need nothing else of the account.
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

    /// Zeroizes the secret now, even if the handle is still in use. Prepared provers keep their own copy.
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
