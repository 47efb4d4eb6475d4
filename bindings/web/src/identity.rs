//! Identities and their accounts.

use js_sys::{JsString, Uint8Array};
use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId};
use quotapass_wallet::{identity::Seed, ledger::LedgerOwner};
use rand::rngs::OsRng;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use crate::{argument, error::Failure};

/// A seed; its mnemonic is its backup.
#[wasm_bindgen]
pub struct Identity {
    seed: Seed,
}

#[wasm_bindgen]
impl Identity {
    /// Generates a new mnemonic from the browser's randomness.
    pub fn generate() -> Self {
        Self { seed: Seed::generate(&mut OsRng) }
    }

    /// Restores the identity of 24 words.
    ///
    /// # Errors
    /// `invalid_mnemonic` says which word is wrong, or that the checksum is.
    #[wasm_bindgen(js_name = fromMnemonic)]
    pub fn from_mnemonic(words: String) -> Result<Self, Failure> {
        let words = Zeroizing::new(words);
        Ok(Self { seed: Seed::from_words(&words)? })
    }

    /// Restores the identity of 24 words in UTF-8, in the form of [`words`](Self::words).
    ///
    /// # Errors
    /// `invalid_mnemonic`.
    #[wasm_bindgen(js_name = fromWords)]
    pub fn from_words(words: &Uint8Array) -> Result<Self, Failure> {
        let words = Zeroizing::new(words.to_vec());
        let words = core::str::from_utf8(&words).map_err(|_| Failure::argument("the words are not UTF-8"))?;
        Ok(Self { seed: Seed::from_words(words)? })
    }

    /// The 24 words, for the backup.
    pub fn mnemonic(&self) -> JsString {
        JsString::from(self.text().as_str())
    }

    /// The 24 words in UTF-8, which are encrypted for the next module.
    pub fn words(&self) -> Uint8Array {
        Uint8Array::from(self.text().as_bytes())
    }

    /// Returns the account with this number at a registry.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn account(&self, registry: &str, number: f64) -> Result<Account, Failure> {
        let registry = argument::registry(registry)?;
        let number = argument::whole("number of the account", number)?;
        let secret = self.seed.secret(&registry, number).map_err(|reason| Failure::Field { what: "secret", reason })?;
        Ok(Account { registry, secret })
    }
}

impl Identity {
    /// The words as text.
    #[allow(clippy::expect_used, reason = "only the seed of a wallet has no words, and this module makes no such seed")]
    fn text(&self) -> Zeroizing<String> {
        self.seed.words().expect("the seed is a mnemonic")
    }
}

/// One account of an identity at a registry.
#[wasm_bindgen]
pub struct Account {
    pub(crate) registry: RegistryId,
    pub(crate) secret: IdentitySecret,
}

#[wasm_bindgen]
impl Account {
    /// The commitment to deposit for.
    pub fn commitment(&self) -> String {
        self.secret.commitment().to_string()
    }

    /// The name of the account's ledger.
    #[wasm_bindgen(js_name = ledgerName)]
    pub fn ledger_name(&self) -> String {
        self.owner().file_name()
    }
}

impl Account {
    pub(crate) fn owner(&self) -> LedgerOwner {
        LedgerOwner { registry: self.registry, commitment: self.secret.commitment() }
    }
}
