//! Keys that a ceremony made, in the store's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::{
    ceremony::{CeremonyError, verify_whole_transcript},
    constraints::{Circuit, CircuitKind},
    formats::iden3::{Iden3Error, Zkey},
    membership::Levels,
    prover::{CeremonyHash, KeyOrigin, Prover, ProvingKey, ZkeyError, pin},
};

use super::{KeyProgress, KeyStore, KeyStoreError};
use crate::files::{create_new, write_atomically};

/// The trusted key of a ceremony cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyKeyError {
    /// It is not there.
    #[error(
        "`trusted_keys` is set, so that only keys of ceremonies are used, and none is installed for the circuit `{circuit}`: \
         get its .zkey file from where the ceremony was published, and run `quotapass keys install FILE`"
    )]
    Missing {
        /// The circuit.
        circuit: CircuitKind,
    },
    /// It is there, and not among those trusted.
    #[error(
        "the installed key of the circuit `{circuit}` has the SHA-256 {found}, which `trusted_keys` does not list: install \
         the key that it lists, or list this one if you have checked its ceremony (`quotapass keys check`)"
    )]
    Untrusted {
        /// The circuit.
        circuit: CircuitKind,
        /// The key's hash.
        found: CeremonyHash,
    },
    /// It is no key of its circuit.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ZkeyError,
    },
}

/// A key that cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// It cannot be read.
    #[error("the .zkey file cannot be read: {0}")]
    Format(#[from] Iden3Error),
    /// It is no key of the circuit.
    #[error(transparent)]
    Key(#[from] ZkeyError),
    /// Its ceremony is not whole.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// Another key is installed.
    #[error("{} is there already and holds another key; replace it with --force", .0.display())]
    Occupied(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl KeyStore {
    /// Trusts keys of ceremonies with these hashes, and from then on no others: development keys neither.
    #[must_use]
    pub fn trusting(mut self, hashes: Vec<CeremonyHash>) -> Self {
        self.trusted = hashes;
        self
    }

    /// The hashes of the keys that are trusted; without any, development keys are used.
    pub fn trusted(&self) -> &[CeremonyHash] {
        &self.trusted
    }

    /// The prover of a circuit of the standard tree with the keys in force: the installed key of a ceremony if any is
    /// trusted, and **insecure** development keys otherwise, for test chains alone.
    ///
    /// # Errors
    /// [`KeyStoreError`]. If keys are trusted, one that is missing or not among them is an error, and development keys
    /// never take its place.
    pub fn prover<C: Circuit>(&self, progress: impl FnMut(KeyProgress)) -> Result<Prover<C>, KeyStoreError> {
        if self.trusted.is_empty() {
            return self.development_prover(Levels::STANDARD, progress);
        }
        let key = self.installed::<C>()?.ok_or(CeremonyKeyError::Missing { circuit: C::KIND })?;
        match key.origin() {
            KeyOrigin::Ceremony(hash) if self.trusted.contains(&hash) => Ok(Prover::new(key)?),
            KeyOrigin::Ceremony(found) => Err(CeremonyKeyError::Untrusted { circuit: C::KIND, found }.into()),
            _ => Err(CeremonyKeyError::Missing { circuit: C::KIND }.into()),
        }
    }

    /// The key of a ceremony that is installed for a circuit, trusted or not.
    ///
    /// # Errors
    /// [`KeyStoreError`] if there is one that is no key of the circuit as it is.
    pub fn installed<C: Circuit>(&self) -> Result<Option<ProvingKey>, KeyStoreError> {
        let path = self.installed_path(C::KIND);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeyStoreError::Io { action: "read", path, error }),
        };
        match ProvingKey::from_zkey::<C>(Levels::STANDARD, &file) {
            Ok(key) => Ok(Some(key)),
            Err(reason) => Err(CeremonyKeyError::Unusable { path, reason }.into()),
        }
    }

    /// Installs the `.zkey` file that ended a ceremony as the key of a circuit. Its transcript must hold and end with a
    /// beacon. Installing makes nothing trusted: that is what the list of hashes is for.
    ///
    /// # Errors
    /// [`InstallError`]; another key that is installed stays, unless it is to be replaced.
    pub fn install<C: Circuit>(&self, file: &[u8], replace: bool) -> Result<(PathBuf, CeremonyHash), InstallError> {
        verify_whole_transcript(&Zkey::from_bytes(file)?)?;
        let key = ProvingKey::from_zkey::<C>(Levels::STANDARD, file)?;
        let KeyOrigin::Ceremony(hash) = key.origin() else { return Err(ZkeyError::NoContribution.into()) };
        let path = self.installed_path(C::KIND);
        let written = if replace { write_atomically(&path, file) } else { create_new(&path, file) };
        match written {
            Ok(()) => Ok((path, hash)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match holds(&path, file) {
                true => Ok((path, hash)),
                false => Err(InstallError::Occupied(path)),
            },
            Err(error) => Err(InstallError::Io { path, error }),
        }
    }

    /// Where the installed key of a circuit is, or would be: a `.zkey` file as its ceremony ended.
    pub fn installed_path(&self, kind: CircuitKind) -> PathBuf {
        let circuit = pin(kind).circuit.to_string();
        self.folder.join(format!("{kind}-{}-{}.ceremony.zkey", Levels::STANDARD.get(), &circuit[..16]))
    }
}

fn holds(path: &Path, content: &[u8]) -> bool {
    fs::read(path).is_ok_and(|found| found == content)
}
