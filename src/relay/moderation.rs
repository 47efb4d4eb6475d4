//! The moderation logs of a relay: their keys, stores and host.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{post::Post, registry_id::RegistryId, verifier::Verifier};
use quotapass_log::{CosignerKey, EmbeddedStore, LogName, LogStore, Origin};
use quotapass_protocol::note::NoteKey;
use quotapass_relay::{
    Relay, RelayContext,
    chain::RootArchive,
    moderation::host::{HostParts, ModerationHost, OwnLogParts},
};
use quotapass_wallet::files::create_new;
use rand::{RngCore as _, rngs::OsRng};
use tracing::info;
use zeroize::Zeroizing;

use super::{
    settings::{ModerationSection, NamedLog},
    surroundings::Folders,
};
use crate::moderate::key_file::digits;

/// The store of the own log.
const OWN: &str = "own";
/// The key that signs the checkpoints of the own log.
const WORKING_KEY: &str = "working.key";
/// The key that cosigns followed logs.
const WITNESS_KEY: &str = "witness.key";

/// Opens the logs that the settings name; none if they name none. Missing keys and stores are created.
pub(super) fn open(
    settings: &ModerationSection,
    folders: &Folders,
    registry: &RegistryId,
    (relay, context): (&Arc<Relay>, &RelayContext),
    posts: Verifier<Post>,
    archive: RootArchive,
) -> Result<Option<Arc<ModerationHost>>> {
    if !settings.is_used() {
        return Ok(None);
    }
    let folder = folders.moderation(registry);
    create_private(&folder)?;
    let own = match &settings.log {
        Some(NamedLog(name)) => Some(OwnLogParts {
            name: name.clone(),
            store: store(&folder.join(OWN), &name.origin)?,
            key: working_key(&folder, name)?,
            witnesses: settings.witnesses.clone(),
        }),
        None => None,
    };
    let witness = settings.witness_name().map(|name| witness_key(&folder, name)).transpose()?;
    let mut follow = Vec::new();
    for log in settings.followed()? {
        let store = store(&folder.join(log.name.id().to_string()), &log.name.origin)?;
        follow.push((log, store));
    }
    let parts = HostParts {
        relay: Arc::clone(relay),
        context: context.clone(),
        posts,
        archive: Some(archive),
        own,
        follow,
        witness,
    };
    Ok(Some(ModerationHost::open(parts)?))
}

/// Opens the store of a log, or creates it. A store that cannot be opened is an error, never a new store.
fn store(path: &Path, origin: &Origin) -> Result<Arc<dyn LogStore>> {
    let opened = if path.exists() { EmbeddedStore::open(path, origin) } else { EmbeddedStore::create(path, origin) };
    Ok(Arc::new(opened?))
}

fn working_key(folder: &Path, name: &LogName) -> Result<NoteKey> {
    let (seed, is_new) = seed(&folder.join(WORKING_KEY), "signs the relay's moderation log")?;
    let key = NoteKey::from_seed(name.origin.as_str(), &seed)?;
    if is_new {
        info!(key = %key.public(), "a working key of the moderation log was created; let the root key name it in the log's policy");
    }
    Ok(key)
}

fn witness_key(folder: &Path, name: &str) -> Result<CosignerKey> {
    let (seed, is_new) = seed(&folder.join(WITNESS_KEY), "cosigns the logs of others")?;
    let key = CosignerKey::from_seed(name, &seed)?;
    if is_new {
        info!(key = %key.public(), "a witness key was created; give it to the operators of the followed logs, and to your rooms");
    }
    Ok(key)
}

/// Returns the seed in a file, and whether it was created now. The file is private to its user.
pub(super) fn seed(path: &Path, purpose: &str) -> Result<(Zeroizing<[u8; 32]>, bool)> {
    if let Some(known) = read_seed(path, purpose)? {
        return Ok((known, false));
    }
    let mut seed = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(&mut *seed);
    create_new(path, digits(&seed).as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((seed, true))
}

/// Reads a file with the seed of an Ed25519 key in hexadecimal. A file with permissions for all users is refused.
///
/// # Errors
/// If it cannot be read, is no seed, or is open to all users.
pub(super) fn read_seed(path: &Path, purpose: &str) -> Result<Option<Zeroizing<[u8; 32]>>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.permissions().mode();
        if mode & 0o007 != 0 {
            bail!("all users can access {}, which {purpose}: chmod 600 it", path.display());
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text.trim_end(), &mut *seed).is_err() {
        bail!(
            "{} does not hold the 64 hexadecimal digits of a key: restore it, or delete it and announce the new key",
            path.display()
        );
    }
    Ok(Some(seed))
}

/// Creates a folder that only its user may enter.
fn create_private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// The paths of a relay's keys of moderation, for checks.
pub(super) fn key_files(folder: &Path) -> [PathBuf; 2] {
    [WORKING_KEY, WITNESS_KEY].map(|name| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_key_is_created_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(WORKING_KEY);
        let (first, is_new) = seed(&path, "signs").unwrap();
        assert!(is_new && *first != [0; 32]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(seed(&path, "signs").unwrap(), (first, false));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(seed(&path, "signs").unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "00").unwrap();
        assert!(seed(&path, "signs").unwrap_err().to_string().contains("64 hexadecimal digits"));
    }
}
