//! A folder of identities.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Identity, IdentityFileError, Passphrase};
use crate::files::create_new;

const EXTENSION: &str = "age";

/// Error of an [`IdentityStore`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityStoreError {
    /// The name is not a plain file name.
    #[error("`{0}` is not a valid identity name: use 1 to 64 letters, digits, hyphens and underscores")]
    Name(String),
    /// An identity of this name exists already.
    #[error("the identity `{name}` already exists; choose another name, or move {} away", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// No identity of this name exists.
    #[error(
        "there is no identity `{0}`; `quotapass identity list` lists all identities, `quotapass identity new` makes one"
    )]
    Unknown(String),
    /// The file exists but cannot be opened.
    #[error("identity `{name}`: {reason}")]
    File {
        /// The identity's name.
        name: String,
        /// The reason.
        reason: IdentityFileError,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// A folder with one encrypted file per identity.
#[derive(Clone, Debug)]
pub struct IdentityStore {
    folder: PathBuf,
}

impl IdentityStore {
    /// The store in this folder. The folder is created when it is first needed.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Path of the identity of this name, whether or not the file exists.
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

    /// Checks that a new identity can have this name, and returns the path of its file.
    ///
    /// # Errors
    /// [`IdentityStoreError::Name`] and [`IdentityStoreError::Exists`].
    pub fn must_be_free(&self, name: &str) -> Result<PathBuf, IdentityStoreError> {
        let path = self.path(name)?;
        if path.exists() { Err(IdentityStoreError::Exists { name: name.into(), path }) } else { Ok(path) }
    }

    /// Stores a new identity in a file that only its owner can read. An existing identity is never overwritten.
    ///
    /// # Errors
    /// [`IdentityStoreError`]; no partial file is left then.
    pub fn add(&self, name: &str, identity: &Identity, passphrase: &Passphrase) -> Result<PathBuf, IdentityStoreError> {
        // Encryption takes half a second; a name that is taken fails before it.
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

    /// Reads the encrypted file of an identity without decrypting it.
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
    /// [`IdentityStoreError::Io`] if the folder cannot be read; a folder that does not exist counts as empty.
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
    use crate::{identity::Seed, ledger::DeviceShare};

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
