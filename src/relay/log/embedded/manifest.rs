//! What a log is, and whose: a small file of JSON beside the database.

use std::{fs, io::ErrorKind, path::Path};

use quotapass_circuits::registry_id::RegistryId;
use serde::{Deserialize, Serialize};

use super::{
    EmbeddedLogError,
    error::{damaged, failed},
};
use crate::files;

const FILE: &str = "nullifier-log.json";
/// 1 had records without a version.
const VERSION: u32 = 2;

/// The file's content. Fields that a later version adds are for the version number to announce.
#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    chain_id: u64,
    /// The registry's address in hex.
    registry: String,
}

/// Says that the folder is the log of a registry.
pub(super) fn write(folder: &Path, registry: &RegistryId) -> Result<(), EmbeddedLogError> {
    let manifest = Manifest { version: VERSION, chain_id: registry.chain_id, registry: hex::encode(registry.address) };
    let content = serde_json::to_vec_pretty(&manifest).map_err(|error| failed("create", folder, &error))?;
    files::create_new(&folder.join(FILE), &content).map_err(|error| failed("create", folder, &error))
}

/// Checks that the folder is the log of this registry.
pub(super) fn check(folder: &Path, registry: &RegistryId) -> Result<(), EmbeddedLogError> {
    let content = match fs::read(folder.join(FILE)) {
        Ok(content) => content,
        Err(_) if !folder.exists() => return Err(EmbeddedLogError::Missing(folder.into())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(EmbeddedLogError::Foreign(folder.into()));
        }
        Err(error) => return Err(failed("open", folder, &error)),
    };
    let unreadable = |error: &dyn core::fmt::Display| damaged(folder, &format_args!("{FILE}: {error}"));
    let manifest: Manifest = serde_json::from_slice(&content).map_err(|error| unreadable(&error))?;
    if manifest.version != VERSION {
        return Err(EmbeddedLogError::Version { path: folder.into(), found: manifest.version });
    }
    let address = hex::decode(&manifest.registry).map_err(|error| unreadable(&error))?;
    let address = address.try_into().map_err(|_| unreadable(&"the address does not have 20 bytes"))?;
    let found = RegistryId { chain_id: manifest.chain_id, address };
    if found != *registry {
        return Err(EmbeddedLogError::WrongRegistry { path: folder.into(), found, expected: *registry });
    }
    Ok(())
}
