//! Identities in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Identity, IdentityFileError, Passphrase};
use crate::files::create_new;

const EXTENSION: &str = "age";

/// An identity that cannot be kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityStoreError {
    /// The name would not be a plain file name.
    #[error("`{0}` is no name for an identity: use 1 to 64 letters, digits, hyphens and underscores")]
    Name(String),
    /// There is one of this name.
    #[error("there is an identity `{name}` already; choose another name, or move {} away", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// There is none of this name.
    #[error(
        "there is no identity `{0}`; `quotapass identity list` shows those there are, `quotapass identity new` makes one"
    )]
    Unknown(String),
    /// The file is there and does not open.
    #[error("identity `{name}`: {reason}")]
    File {
        /// The identity's name.
        name: String,
        /// Why it does not open.
        reason: IdentityFileError,
    },
    /// The file system says no.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A folder with one encrypted file an identity.
#[derive(Clone, Debug)]
pub struct IdentityStore {
    folder: PathBuf,
}

impl IdentityStore {
    /// The store in this folder, which is made when it is needed.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where an identity of this name is, or would be.
    ///
    /// # Errors
    /// [`IdentityStoreError::Name`].
    pub fn path(&self, name: &str) -> Result<PathBuf, IdentityStoreError> {
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(IdentityStoreError::Name(name.into()));
        }
        Ok(self.folder.join(name).with_extension(EXTENSION))
    }

    /// Whether a name can be given to a new identity.
    ///
    /// # Errors
    /// [`IdentityStoreError::Name`] and [`IdentityStoreError::Exists`].
    pub fn must_be_free(&self, name: &str) -> Result<PathBuf, IdentityStoreError> {
        let path = self.path(name)?;
        if path.exists() { Err(IdentityStoreError::Exists { name: name.into(), path }) } else { Ok(path) }
    }

    /// Keeps a new identity, readable by its owner alone. An identity that is there already is never overwritten.
    ///
    /// # Errors
    /// [`IdentityStoreError`]; nothing is half-written then.
    pub fn add(&self, name: &str, identity: &Identity, passphrase: &Passphrase) -> Result<PathBuf, IdentityStoreError> {
        // Encryption takes half a second, which a name that is taken need not wait for.
        let path = self.must_be_free(name)?;
        let content =
            identity.encrypt(passphrase).map_err(|reason| IdentityStoreError::File { name: name.into(), reason })?;
        match create_new(&path, &content) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(IdentityStoreError::Exists { name: name.into(), path })
            }
            Err(error) => Err(IdentityStoreError::Io { action: "write", path, error }),
        }
    }

    /// Opens an identity.
    ///
    /// # Errors
    /// [`IdentityStoreError`].
    pub fn open(&self, name: &str, passphrase: &Passphrase) -> Result<Identity, IdentityStoreError> {
        Identity::decrypt(&self.read(name)?, passphrase)
            .map_err(|reason| IdentityStoreError::File { name: name.into(), reason })
    }

    /// The encrypted file of an identity, as it is.
    ///
    /// # Errors
    /// [`IdentityStoreError`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, IdentityStoreError> {
        let path = self.path(name)?;
        match fs::read(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(IdentityStoreError::Unknown(name.into())),
            Err(error) => Err(IdentityStoreError::Io { action: "read", path, error }),
        }
    }

    /// The names of all identities, in order.
    ///
    /// # Errors
    /// [`IdentityStoreError::Io`] if the folder cannot be read; a folder that is not there has none.
    pub fn names(&self) -> Result<Vec<String>, IdentityStoreError> {
        let failed = |error| IdentityStoreError::Io { action: "read", path: self.folder.clone(), error };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{identity::Seed, wallet::ledger::DeviceShare};

    #[test]
    fn an_identity_is_kept_for_its_owner_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::in_folder(&folder.path().join("identities"));
        assert!(store.names().unwrap().is_empty());
        let passphrase = Passphrase::new("p".into()).unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let [one, two] = [(); 2].map(|()| Identity { seed: Seed::generate(&mut rng), device: DeviceShare::SOLE });
        let path = store.add("main", &one, &passphrase).unwrap();
        assert!(matches!(store.add("main", &two, &passphrase), Err(IdentityStoreError::Exists { .. })));
        assert_eq!(store.open("main", &passphrase).unwrap(), one);
        assert_eq!(store.names().unwrap(), ["main"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_file(path).unwrap();
        assert!(matches!(store.open("main", &passphrase), Err(IdentityStoreError::Unknown(_))));
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        let store = IdentityStore::in_folder(Path::new("identities"));
        for name in ["", "..", "a/b", "a.b", "a b", "\u{e9}", &"x".repeat(65)] {
            assert!(matches!(store.path(name), Err(IdentityStoreError::Name(_))), "{name}");
        }
    }
}
