//! Tests of the quota ledger with real files and real processes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod files;
mod kills;
mod processes;

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::Path,
};

use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId, signal::Scope};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::ledger::{DeviceShare, History, Ledger, LedgerError, LedgerFiles, LedgerOwner, Quota};

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [0x11; 20] };
const NOON: UnixSeconds = UnixSeconds(1_800_000_000);
const EPOCH_SECONDS: u64 = 600;

fn owner() -> LedgerOwner {
    let secret = IdentitySecret::from_seed(b"the ledger's tests", &REGISTRY, 0).unwrap();
    LedgerOwner { registry: REGISTRY, commitment: secret.commitment() }
}

fn quota(limit: u16) -> Quota {
    Quota {
        scope: Scope::new(&REGISTRY, "room"),
        epoch_seconds: NonZeroU32::new(EPOCH_SECONDS as u32).unwrap(),
        limit: NonZeroU16::new(limit).unwrap(),
    }
}

fn files(folder: &Path) -> LedgerFiles {
    LedgerFiles::in_folders(&folder.join("data"), &folder.join("state"), &owner())
}

fn create(files: &LedgerFiles) -> Ledger {
    Ledger::create(files, &owner(), DeviceShare::SOLE, NOON, History::None).unwrap()
}

fn open(files: &LedgerFiles) -> Result<Ledger, LedgerError> {
    Ledger::open(files, &owner(), DeviceShare::SOLE)
}

fn reserve(ledger: &mut Ledger, now: UnixSeconds) -> Result<u16, LedgerError> {
    ledger.reserve(now, &quota(u16::MAX)).map(|reservation| reservation.message_id())
}
