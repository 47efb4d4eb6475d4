//! Proving keys on disk: ceremony keys, which are installed, and development keys, which are made on first use.

mod ceremony;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use etcetera::{BaseStrategy, choose_base_strategy};
use quotapass_circuits::{
    constraints::{Circuit, CircuitKind, shape::Shape},
    key_id::KeyId,
    pins::pin,
    prover::{
        KEY_VERSION, KeyError, KeyOrigin, ProveError, Prover, ProvingKey, Tables, TablesError, development_setup,
    },
};

use crate::files::{DATA_FOLDER_VARIABLE, write_atomically};

pub use ceremony::{CeremonyKeyError, InstallError};

/// Key store errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The platform has no data folder.
    #[error("this user has no data folder; set one in the environment variable {DATA_FOLDER_VARIABLE}")]
    NoFolder,
    /// The file is not the expected key.
    #[error(
        "the key file {} cannot be used: {reason}. Delete it and run again: a new development key is then made",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: KeyFault,
    },
    /// A key file or table file cannot be read or written.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The keys could not be made or used.
    #[error(transparent)]
    Prover(#[from] ProveError),
    /// The tables could not be used.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// A development key was requested from a store that trusts ceremony keys.
    #[error("only ceremony keys are trusted here, so development keys are not used")]
    DevelopmentRefused,
    /// The trusted ceremony key cannot be used.
    #[error(transparent)]
    Ceremony(#[from] CeremonyKeyError),
}

/// Fault of a key file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// It does not decode.
    #[error(transparent)]
    Decode(#[from] KeyError),
    /// The file decodes, but is not the key that this program pins.
    #[error("it is not the development key whose id this program pins")]
    NotPinned,
}

/// Progress of a store while it prepares a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyProgress {
    /// A key is being made.
    Making(CircuitKind),
    /// The key was made and saved.
    Made {
        /// The circuit.
        kind: CircuitKind,
        /// How long it took.
        elapsed: Duration,
        /// Path of the key file.
        path: PathBuf,
    },
    /// The tables of a key are being built.
    Building(CircuitKind),
    /// The tables were built and saved.
    Built {
        /// The circuit.
        kind: CircuitKind,
        /// How long it took.
        elapsed: Duration,
        /// Path of the table file.
        path: PathBuf,
    },
}

/// The user's data folder for quotapass: the value of [`QUOTAPASS_DATA_DIR`](DATA_FOLDER_VARIABLE), or the platform's
/// default.
///
/// # Errors
/// [`KeyStoreError::NoFolder`].
pub fn data_folder() -> Result<PathBuf, KeyStoreError> {
    match std::env::var_os(DATA_FOLDER_VARIABLE) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(choose_base_strategy().map_err(|_| KeyStoreError::NoFolder)?.data_dir().join("quotapass")),
    }
}

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyStore {
    folder: PathBuf,
    trusted: Vec<KeyId>,
}

impl KeyStore {
    /// The store in `keys` of the [user's data folder](data_folder).
    ///
    /// # Errors
    /// [`KeyStoreError::NoFolder`].
    pub fn of_user() -> Result<Self, KeyStoreError> {
        Ok(Self::in_folder(&data_folder()?.join("keys")))
    }

    /// The store in this folder. The folder is created when it is first needed.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), trusted: Vec::new() }
    }

    /// Returns the prover of a circuit with its **insecure** development key. The key is loaded if it exists, and made
    /// otherwise.
    ///
    /// # Errors
    /// [`KeyStoreError`]; a file that cannot be used is left unchanged. A store that [trusts](Self::trusting) ceremony
    /// keys refuses.
    pub fn development_prover<C: Circuit>(
        &self,
        circuit: C,
        mut progress: impl FnMut(KeyProgress),
    ) -> Result<Prover<C>, KeyStoreError> {
        if !self.trusted.is_empty() {
            return Err(KeyStoreError::DevelopmentRefused);
        }
        let path = self.path(circuit)?;
        let key = match fs::read(&path) {
            Ok(file) => {
                Self::check(circuit, &file).map_err(|reason| KeyStoreError::Damaged { path: path.clone(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                progress(KeyProgress::Making(C::KIND));
                let begun = Instant::now();
                let key = development_setup(circuit).map_err(ProveError::from)?;
                write_atomically(&path, &key.to_bytes()).map_err(|error| KeyStoreError::Io {
                    action: "write",
                    path: path.clone(),
                    error,
                })?;
                progress(KeyProgress::Made { kind: C::KIND, elapsed: begun.elapsed(), path });
                key
            }
            Err(error) => return Err(KeyStoreError::Io { action: "read", path, error }),
        };
        Ok(Prover::new(key)?)
    }

    /// Returns the same prover with [tables](Tables), for programs that prove many times. A table file of about 23 MiB
    /// is built in about a second and stored beside the key. It then saves three tenths of the time of each proof on
    /// machines without AVX-512 IFMA. For a single proof it is not worth the time.
    ///
    /// The table file is a cache: a file that is damaged, or belongs to another key or version, is built again.
    ///
    /// # Errors
    /// As [`development_prover`](Self::development_prover), and if the tables cannot be written.
    pub fn development_prover_with_tables<C: Circuit>(
        &self,
        circuit: C,
        mut progress: impl FnMut(KeyProgress),
    ) -> Result<Prover<C>, KeyStoreError> {
        let prover = self.development_prover(circuit, &mut progress)?;
        let path = self.path(circuit)?.with_extension("tables");
        let kept = match fs::read(&path) {
            Ok(file) => Tables::from_bytes(prover.key(), &file).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(KeyStoreError::Io { action: "read", path, error }),
        };
        let tables = match kept {
            Some(tables) => tables,
            None => {
                progress(KeyProgress::Building(C::KIND));
                let begun = Instant::now();
                let tables = Tables::build(prover.key());
                write_atomically(&path, &tables.to_bytes()).map_err(|error| KeyStoreError::Io {
                    action: "write",
                    path: path.clone(),
                    error,
                })?;
                progress(KeyProgress::Built { kind: C::KIND, elapsed: begun.elapsed(), path });
                tables
            }
        };
        Ok(prover.with_tables(tables)?)
    }

    /// The key file of a circuit. Its name contains the circuit's hash and the version, so a file of another version is
    /// neither used nor overwritten.
    fn path<C: Circuit>(&self, circuit: C) -> Result<PathBuf, KeyStoreError> {
        let hash = match circuit == C::STANDARD {
            true => pin(C::KIND).circuit,
            false => Shape::of(circuit).map_err(ProveError::from)?.hash(),
        }
        .to_string();
        let name = format!("{}-{}-{}.v{KEY_VERSION}.development.key", C::KIND, circuit.variant(), &hash[..16]);
        Ok(self.folder.join(name))
    }

    fn check<C: Circuit>(circuit: C, file: &[u8]) -> Result<ProvingKey, KeyFault> {
        let key = ProvingKey::from_bytes(circuit, file)?;
        let pinned = key.id() == pin(C::KIND).development_key;
        if circuit == C::STANDARD && key.origin() == KeyOrigin::Development && !pinned {
            return Err(KeyFault::NotPinned);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::slash::Slash;

    use super::*;

    fn events(store: &KeyStore) -> Result<usize, KeyStoreError> {
        let mut events = 0;
        store.development_prover(Slash, |_| events += 1)?;
        Ok(events)
    }

    #[test]
    fn keys_are_made_once_and_a_damaged_file_is_an_error_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::in_folder(&folder.path().join("keys"));
        assert_eq!(events(&store).unwrap(), 2);
        assert_eq!(events(&store).unwrap(), 0);

        let path = fs::read_dir(folder.path().join("keys")).unwrap().next().unwrap().unwrap().path();
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[5000] ^= 1;
        for content in [&bad[..], &good[..100], b""] {
            fs::write(&path, content).unwrap();
            let message = events(&store).unwrap_err().to_string();
            assert!(message.contains("Delete it and run again"), "{message}");
            assert_eq!(fs::read(&path).unwrap(), content, "a damaged file is not replaced silently");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(events(&store).unwrap(), 2);
        assert_eq!(fs::read(&path).unwrap(), good);
    }

    fn builds(store: &KeyStore) -> usize {
        let mut builds = 0;
        let count = |progress| builds += usize::from(matches!(progress, KeyProgress::Built { .. }));
        store.development_prover_with_tables(Slash, count).unwrap();
        builds
    }

    #[test]
    fn tables_are_built_once_and_anew_when_their_file_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::in_folder(folder.path());
        assert_eq!(builds(&store), 1);
        assert_eq!(builds(&store), 0);

        let path = store.path(Slash).unwrap().with_extension("tables");
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[5000] ^= 1;
        let mut of_another_key = good.clone();
        of_another_key[20] ^= 1;
        for content in [&bad[..], &of_another_key, &good[..100], b""] {
            fs::write(&path, content).unwrap();
            assert_eq!(builds(&store), 1);
            assert_eq!(fs::read(&path).unwrap(), good);
        }
    }

    #[test]
    fn a_key_that_is_whole_but_not_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::in_folder(folder.path());
        assert_eq!(events(&store).unwrap(), 2);
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let mut file = fs::read(&path).unwrap();
        // Another valid point in the place of alpha, and a checksum that matches. Before the points come the header and
        // the variables of A, B and C; the header has their numbers.
        let variables: usize = file[57..69].chunks(4).map(|n| u32::from_be_bytes(n.try_into().unwrap()) as usize).sum();
        let to = 69 + 4 * variables;
        let from = to + 64;
        let other = file[from..from + 64].to_vec();
        file[to..to + 64].copy_from_slice(&other);
        let end = file.len() - 32;
        let checksum = <sha2::Sha256 as sha2::Digest>::digest(&file[..end]);
        file[end..].copy_from_slice(&checksum);
        fs::write(&path, &file).unwrap();
        assert!(matches!(events(&store), Err(KeyStoreError::Damaged { reason: KeyFault::NotPinned, .. })));
    }
}
