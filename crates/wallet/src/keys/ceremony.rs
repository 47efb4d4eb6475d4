//! Ceremony keys in the store's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::{
    constraints::{Circuit, CircuitKind},
    key_id::KeyId,
    pins::pin,
    prover::{Prover, ProvingKey},
};
use quotapass_setup::{
    ZkeyError,
    ceremony::{CeremonyError, verify_whole_transcript},
    iden3::{Iden3Error, Zkey},
    proving_key,
};

use super::{KeyProgress, KeyStore, KeyStoreError};
use crate::files::{create_new, write_atomically};

/// Error of a trusted ceremony key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyKeyError {
    /// No key is installed.
    #[error(
        "`trusted_keys` is set, so only ceremony keys are used, and none is installed for the circuit `{circuit}`: \
         download the .zkey file that its ceremony published, and run `quotapass keys install FILE`"
    )]
    Missing {
        /// The circuit.
        circuit: CircuitKind,
    },
    /// The installed key is not among the trusted ones.
    #[error(
        "the installed key of the circuit `{circuit}` has the id {found}, which `trusted_keys` does not list: install the \
         key that it lists, or list this one if you have checked its ceremony (`quotapass keys check`)"
    )]
    Untrusted {
        /// The circuit.
        circuit: CircuitKind,
        /// The key's identifier.
        found: KeyId,
    },
    /// The file is not a key of its circuit.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: ZkeyError,
    },
}

/// Error of [`KeyStore::install`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The file cannot be parsed.
    #[error("the .zkey file cannot be read: {0}")]
    Format(#[from] Iden3Error),
    /// The file is not a key of the circuit.
    #[error(transparent)]
    Key(#[from] ZkeyError),
    /// The transcript of the ceremony is not complete.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// Another key is installed.
    #[error("{} already exists and holds another key; replace it with --force", .0.display())]
    Occupied(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl KeyStore {
    /// Trusts these ceremony keys and no other keys, not even development keys.
    #[must_use]
    pub fn trusting(mut self, keys: Vec<KeyId>) -> Self {
        self.trusted = keys;
        self
    }

    /// The trusted keys. If there are none, development keys are used.
    pub fn trusted(&self) -> &[KeyId] {
        &self.trusted
    }

    /// Returns the prover of a standard circuit with the key in force: the installed ceremony key if any is
    /// trusted, and otherwise the **insecure** development key, which is only for test chains.
    ///
    /// # Errors
    /// [`KeyStoreError`]. If `trusted` is not empty, a key that is missing or not trusted is an error; a development
    /// key never replaces it.
    pub fn prover<C: Circuit>(&self, progress: impl FnMut(KeyProgress)) -> Result<Prover<C>, KeyStoreError> {
        if self.trusted.is_empty() {
            return self.development_prover(C::STANDARD, progress);
        }
        let key = self.installed::<C>()?.ok_or(CeremonyKeyError::Missing { circuit: C::KIND })?;
        if !self.trusted.contains(&key.id()) {
            return Err(CeremonyKeyError::Untrusted { circuit: C::KIND, found: key.id() }.into());
        }
        Ok(Prover::new(key)?)
    }

    /// Returns the ceremony key that is installed for a circuit, trusted or not.
    ///
    /// # Errors
    /// [`KeyStoreError`] if the installed file is not a key of the circuit in its present form, or cannot be read.
    pub fn installed<C: Circuit>(&self) -> Result<Option<ProvingKey>, KeyStoreError> {
        let path = self.installed_path::<C>();
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeyStoreError::Io { action: "read", path, error }),
        };
        match proving_key(C::STANDARD, &file) {
            Ok(key) => Ok(Some(key)),
            Err(reason) => Err(CeremonyKeyError::Unusable { path, reason }.into()),
        }
    }

    /// Installs the final `.zkey` file of a ceremony as the key of a circuit. Its transcript must be valid and end with
    /// a beacon. Installing a key does not make it trusted; the list of identifiers does.
    ///
    /// # Errors
    /// [`InstallError`]; another installed key is kept unless `replace` is set.
    pub fn install<C: Circuit>(&self, file: &[u8], replace: bool) -> Result<(PathBuf, KeyId), InstallError> {
        verify_whole_transcript(&Zkey::from_bytes(file)?)?;
        let id = proving_key(C::STANDARD, file)?.id();
        let path = self.installed_path::<C>();
        let written = if replace { write_atomically(&path, file) } else { create_new(&path, file) };
        match written {
            Ok(()) => Ok((path, id)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match holds(&path, file) {
                true => Ok((path, id)),
                false => Err(InstallError::Occupied(path)),
            },
            Err(error) => Err(InstallError::Io { path, error }),
        }
    }

    /// Path of the installed key of a circuit, whether or not the file exists. It is the final `.zkey` file of the
    /// ceremony.
    pub fn installed_path<C: Circuit>(&self) -> PathBuf {
        let hash = pin(C::KIND).circuit.to_string();
        self.folder.join(format!("{}-{}-{}.ceremony.zkey", C::KIND, C::STANDARD.variant(), &hash[..16]))
    }
}

fn holds(path: &Path, content: &[u8]) -> bool {
    fs::read(path).is_ok_and(|found| found == content)
}
