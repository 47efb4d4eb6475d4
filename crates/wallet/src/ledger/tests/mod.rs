//! Tests of the book, its bytes, and its protocol on a disk that loses unflushed data.

mod book;
mod bytes;
mod disk;
mod model;
mod store;

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId, signal::Scope};
use quotapass_protocol::UnixSeconds;

use super::{DeviceShare, LedgerOwner, Quota};

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [0x11; 20] };

fn owner(account: u32) -> LedgerOwner {
    let secret = IdentitySecret::from_seed(b"the ledger's tests", &REGISTRY, account).unwrap();
    LedgerOwner { registry: REGISTRY, commitment: secret.commitment() }
}

fn share(device: u16, devices: u16) -> DeviceShare {
    DeviceShare::new(device, NonZeroU16::new(devices).unwrap()).unwrap()
}

fn quota(scope: &str, epoch_seconds: u32, limit: u16) -> Quota {
    Quota {
        scope: Scope::new(&REGISTRY, scope),
        epoch_seconds: NonZeroU32::new(epoch_seconds).unwrap(),
        limit: NonZeroU16::new(limit).unwrap(),
    }
}
