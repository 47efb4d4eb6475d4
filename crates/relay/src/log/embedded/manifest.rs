//! The manifest of a log: a small JSON file beside the database, with version, registry and identity.

use std::{fs, io::ErrorKind, path::Path};

use quotapass_circuits::registry_id::RegistryId;
use quotapass_wallet::files;
use serde::{Deserialize, Serialize};

use super::{
    EmbeddedLogError,
    error::{damaged, failed},
};
use crate::log::LogIdentity;

const FILE: &str = "nullifier-log.json";
/// Version 1 had records without a version, and no identity.
const VERSION: u32 = 2;

/// Content of the file. A version that adds fields must raise the version number.
#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    chain_id: u64,
    /// The registry's address in hex.
    registry: String,
    /// The log's identity in hex.
    identity: String,
}

/// The field that all versions have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Writes the manifest of a new log of a registry.
pub(super) fn write(folder: &Path, registry: &RegistryId) -> Result<(), EmbeddedLogError> {
    let manifest = Manifest {
        version: VERSION,
        chain_id: registry.chain_id,
        registry: hex::encode(registry.address),
        identity: LogIdentity::random().to_string(),
    };
    let content = serde_json::to_vec_pretty(&manifest).map_err(|error| failed("create", folder, &error))?;
    files::create_new(&folder.join(FILE), &content).map_err(|error| failed("create", folder, &error))
}

/// Checks that the folder is the log of this registry, and returns its identity.
pub(super) fn check(folder: &Path, registry: &RegistryId) -> Result<LogIdentity, EmbeddedLogError> {
    let content = match fs::read(folder.join(FILE)) {
        Ok(content) => content,
        Err(_) if !folder.exists() => return Err(EmbeddedLogError::Missing(folder.into())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(EmbeddedLogError::Foreign(folder.into()));
        }
        Err(error) => return Err(failed("open", folder, &error)),
    };
    let unreadable = |error: &dyn core::fmt::Display| damaged(folder, &format_args!("{FILE}: {error}"));
    let Version { version } = serde_json::from_slice(&content).map_err(|error| unreadable(&error))?;
    if version != VERSION {
        return Err(EmbeddedLogError::Version { path: folder.into(), found: version });
    }
    let manifest: Manifest = serde_json::from_slice(&content).map_err(|error| unreadable(&error))?;
    let address = hex::decode(&manifest.registry).map_err(|error| unreadable(&error))?;
    let address = address.try_into().map_err(|_| unreadable(&"the address does not have 20 bytes"))?;
    let found = RegistryId { chain_id: manifest.chain_id, address };
    if found != *registry {
        return Err(EmbeddedLogError::WrongRegistry { path: folder.into(), found, expected: *registry });
    }
    manifest.identity.parse().map_err(|error| unreadable(&error))
}
