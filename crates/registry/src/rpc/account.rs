//! The key of the paying account. It pays deposits and gas, and makes the signature that an identity can be derived
//! from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::{
    consensus::SignableTransaction,
    network::TxSigner,
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_primitives::{Address, B256, Signature, hex};
use alloy_sol_types::{Eip712Domain, SolStruct};
use zeroize::Zeroizing;

use super::keystore;

/// Errors of account keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The text is not a private key.
    #[error("this is not a private key: give 64 hexadecimal digits, with or without 0x before them")]
    InvalidPrivateKey,
    /// The keystore file cannot be read.
    #[error("cannot read the keystore file {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The file is not an encrypted Ethereum key.
    #[error("{path} is not an encrypted Ethereum keystore (version 3): {reason}; check the path")]
    NotAKeystore {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The password does not open the keystore file.
    #[error("the password does not open the keystore file {0}; type it again")]
    WrongPassword(PathBuf),
    /// The Ledger did not answer, or refused.
    #[error("the Ledger failed: {0}; connect and unlock it, open its Ethereum app, and confirm there")]
    Ledger(String),
    /// A hardware wallet signs only data that it can display.
    #[error("a Ledger does not sign a bare hash; approve the amount in a separate transaction instead of a permit")]
    HashUnsupported,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// The key of an account, in memory or in a hardware wallet. It is zeroized on drop and prints only its address.
#[derive(Clone)]
pub struct AccountKey(Kind);

#[derive(Clone)]
enum Kind {
    Local(Arc<PrivateKeySigner>),
    #[cfg(feature = "ledger")]
    Ledger(Arc<alloy_signer_ledger::LedgerSigner>),
}

impl AccountKey {
    /// Reads a private key: 64 hexadecimal digits, with or without `0x`. Read it from an environment variable or a
    /// file, never from the command line, which other users of the machine can see.
    ///
    /// # Errors
    /// [`AccountError::InvalidPrivateKey`].
    pub fn from_private_key(digits: &str) -> Result<Self, AccountError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let digits = digits.trim_start_matches('\u{feff}').trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        hex::decode_to_slice(digits, &mut *bytes).map_err(|_| AccountError::InvalidPrivateKey)?;
        Self::from_bytes(&bytes[..]).ok_or(AccountError::InvalidPrivateKey)
    }

    /// Decrypts an Ethereum keystore file (Web3 Secret Storage, version 3), as written by geth, foundry, ethers and most
    /// wallets. The password is tried in all its [spellings](quotapass_text::spellings).
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`], and others if the file cannot be read or is not a keystore.
    pub fn from_keystore(path: &Path, password: &str) -> Result<Self, AccountError> {
        Self::from_bytes(&keystore::decrypt(path, password)?).ok_or_else(|| AccountError::NotAKeystore {
            path: path.into(),
            reason: "its content is not a private key".into(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let signer = PrivateKeySigner::from_slice(bytes).ok()?;
        Some(Self(Kind::Local(Arc::new(signer))))
    }

    /// Returns the n-th account of a Ledger, in the order of Ledger Live (`m/44'/60'/n'/0/0`). The device must be
    /// connected and unlocked, its Ethereum app open.
    ///
    /// # Errors
    /// [`AccountError::Ledger`].
    #[cfg(feature = "ledger")]
    pub fn from_ledger(n: u32) -> Result<Self, AccountError> {
        use alloy_signer_ledger::{HDPath, LedgerSigner};
        let signer = on_device(async move { LedgerSigner::new(HDPath::LedgerLive(n as usize), None).await })?;
        Ok(Self(Kind::Ledger(Arc::new(signer))))
    }

    /// The account.
    pub fn address(&self) -> Address {
        match &self.0 {
            Kind::Local(signer) => signer.address(),
            #[cfg(feature = "ledger")]
            Kind::Ledger(signer) => alloy::signers::Signer::address(&**signer),
        }
    }

    /// Signs a bare hash, such as the digest of an ERC-2612 permit.
    ///
    /// # Errors
    /// [`AccountError::HashUnsupported`] for a Ledger, which signs only data that it can display.
    pub fn sign_hash(&self, hash: &B256) -> Result<Signature, AccountError> {
        match &self.0 {
            Kind::Local(signer) => signer.sign_hash_sync(hash).map_err(signing),
            #[cfg(feature = "ledger")]
            Kind::Ledger(_) => Err(AccountError::HashUnsupported),
        }
    }

    /// Signs structured data (EIP-712). The nonce of the signature is derived from key and data (RFC 6979), both here
    /// and on a Ledger, so the same data always has the same signature.
    ///
    /// # Errors
    /// [`AccountError`] if a Ledger refuses.
    pub fn sign_typed_data<T: SolStruct + Clone + Send + Sync + 'static>(
        &self,
        data: &T,
        domain: &Eip712Domain,
    ) -> Result<Signature, AccountError> {
        match &self.0 {
            Kind::Local(signer) => signer.sign_hash_sync(&data.eip712_signing_hash(domain)).map_err(signing),
            #[cfg(feature = "ledger")]
            Kind::Ledger(signer) => {
                let (signer, data, domain) = (Arc::clone(signer), data.clone(), domain.clone());
                on_device(async move { alloy::signers::Signer::sign_typed_data(&*signer, &data, &domain).await })
            }
        }
    }

    /// Signs a transaction, on the runtime of the caller.
    pub(super) async fn sign_transaction(
        &self,
        transaction: &mut dyn SignableTransaction<Signature>,
    ) -> Result<Signature, AccountError> {
        match &self.0 {
            Kind::Local(signer) => signer.sign_transaction(transaction).await.map_err(signing),
            #[cfg(feature = "ledger")]
            Kind::Ledger(signer) => {
                signer.sign_transaction(transaction).await.map_err(|error| AccountError::Ledger(error.to_string()))
            }
        }
    }
}

impl core::fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AccountKey({})", self.address())
    }
}

fn signing(error: alloy::signers::Error) -> AccountError {
    AccountError::Signing(error.to_string())
}

/// Talks to a device from a separate thread, because the caller may be inside a runtime.
#[cfg(feature = "ledger")]
fn on_device<T: Send + 'static, E: core::fmt::Display + Send + 'static>(
    conversation: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, AccountError> {
    let ledger = |reason: String| AccountError::Ledger(reason);
    let talk = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(conversation).map_err(|error| error.to_string())
    };
    std::thread::spawn(talk).join().map_err(|_| ledger("its driver failed".into()))?.map_err(ledger)
}
