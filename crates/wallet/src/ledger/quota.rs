//! Quotas, their owners, and reservations.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::Terms,
    registry_id::RegistryId,
    signal::{Epoch, Scope, SignalHash},
};
use quotapass_protocol::UnixSeconds;

use crate::bytes::Checksum;

/// Owner of a ledger: an identity at a registry. There must be exactly one ledger for it on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerOwner {
    /// The registry.
    pub registry: RegistryId,
    /// The identity's commitment.
    pub commitment: IdentityCommitment,
}

impl LedgerOwner {
    /// The name of its files: 32 hexadecimal digits of SHA-256 over chain id (32 bytes big-endian), the registry's
    /// address and the commitment.
    pub fn file_name(&self) -> String {
        let bytes = [&self.registry.to_bytes()[..], &self.commitment.to_be_bytes()].concat();
        hex::encode(&Checksum::of(&bytes).0[..16])
    }
}

/// Error: the device number is not below the number of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no device {device} among {devices}: devices are numbered from 0")]
pub struct NoSuchDevice {
    /// The device's number.
    pub device: u16,
    /// Number of devices.
    pub devices: NonZeroU16,
}

/// A device's share of the message ids, if several devices share one identity: device `k` of `n` has the ids with
/// remainder `k` when divided by `n`.
///
/// The shares are disjoint for every limit. Ranges computed from a limit would overlap when a scope's cap changes
/// within an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceShare {
    device: u16,
    devices: NonZeroU16,
}

impl DeviceShare {
    /// The only device.
    pub const SOLE: Self = Self { device: 0, devices: NonZeroU16::MIN };

    /// Device `device`, from 0, of `devices`.
    ///
    /// # Errors
    /// [`NoSuchDevice`] unless `device < devices`.
    pub const fn new(device: u16, devices: NonZeroU16) -> Result<Self, NoSuchDevice> {
        if device < devices.get() { Ok(Self { device, devices }) } else { Err(NoSuchDevice { device, devices }) }
    }

    /// The device's number, from 0.
    pub const fn device(self) -> u16 {
        self.device
    }

    /// Number of devices that share the identity.
    pub const fn devices(self) -> NonZeroU16 {
        self.devices
    }

    /// Number of the device's ids below a limit.
    pub const fn ids_below(self, limit: NonZeroU16) -> u16 {
        match limit.get().checked_sub(self.device) {
            None => 0,
            Some(above) => above.div_ceil(self.devices.get()),
        }
    }

    /// The device's id number `position`, from 0; `None` if it is not below the highest possible limit.
    pub(super) fn id(self, position: u16) -> Option<u16> {
        let id = position.checked_mul(self.devices.get())?.checked_add(self.device)?;
        (id < u16::MAX).then_some(id)
    }

    /// The position of an id; `None` if it is not the device's.
    pub(super) fn position(self, id: u16) -> Option<u16> {
        let above = id.checked_sub(self.device)?;
        (above % self.devices == 0).then(|| above / self.devices)
    }
}

impl core::fmt::Display for DeviceShare {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "device {} of {}", self.device, self.devices)
    }
}

/// Number of messages that a member may send in a scope in an epoch of a given length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The scope.
    pub scope: Scope,
    /// Length of its epochs in seconds.
    pub epoch_seconds: NonZeroU32,
    /// The lower of the member's own limit and the scope's cap, for all devices together.
    pub limit: NonZeroU16,
}

impl Quota {
    /// The quota of a member with these terms in a scope that caps messages at `limit_cap`.
    pub fn new(scope: Scope, epoch_seconds: NonZeroU32, terms: &Terms, limit_cap: NonZeroU16) -> Self {
        // Valid terms never have a message limit of zero; if a struct literal has zero, it counts as one message.
        let own = NonZeroU16::new(terms.message_limit).unwrap_or(NonZeroU16::MIN);
        Self { scope, epoch_seconds, limit: own.min(limit_cap) }
    }
}

/// A reserved message id. [`Poster::prove`](crate::Poster::prove) consumes it.
///
/// Two messages under one id reveal the secret. Only a ledger makes a reservation, and it has no `Clone`, so one
/// reservation proves at most one message. An id is given out again for the same message alone, whose pass then has the
/// same share and the same nullifier: such a reservation proves no other message.
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation {
    pub(super) epoch: Epoch,
    pub(super) message_id: u16,
    pub(super) left: u16,
    pub(super) signal: Option<SignalHash>,
    pub(super) is_again: bool,
}

impl Reservation {
    /// Returns the epoch to prove in, even if the clock has left it by then.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the message id.
    pub const fn message_id(&self) -> u16 {
        self.message_id
    }

    /// Returns the number of ids that this device can still reserve in this epoch.
    pub const fn left(&self) -> u16 {
        self.left
    }

    /// Returns the only message that the id may be used for, by its signal hash; `None` if the id was never given out
    /// before and never will be again.
    pub const fn signal(&self) -> Option<SignalHash> {
        self.signal
    }

    /// Returns whether the message had this id before, so that nothing was used up. A relay that has accepted the earlier
    /// pass answers that the new one is a replay.
    pub const fn is_again(&self) -> bool {
        self.is_again
    }

    /// The reservation of message id 0 for a report, which needs no ledger: the message of a report follows from its
    /// scope, so that all devices of a member make the same share, and a second report is a replay.
    pub(crate) const fn of_report(epoch: Epoch, signal: SignalHash) -> Self {
        Self { epoch, message_id: 0, left: 0, signal: Some(signal), is_again: false }
    }
}

/// Status of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaStatus {
    /// The epoch at the requested time.
    pub epoch: Epoch,
    /// Number of ids that this device has used in it.
    pub used: u16,
    /// Number of ids that it can still reserve in it.
    pub left: u16,
    /// Start of the next epoch in which ids can be reserved.
    pub next_begins: UnixSeconds,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn devices_split_all_ids_whatever_the_limit(limit in 1..=u16::MAX, devices in 1..=9u16) {
            let (limit, devices) = (NonZeroU16::new(limit).unwrap(), NonZeroU16::new(devices).unwrap());
            let mut ids: Vec<u16> = (0..devices.get())
                .map(|device| DeviceShare::new(device, devices).unwrap())
                .flat_map(|share| (0..share.ids_below(limit)).map(move |position| share.id(position).unwrap()))
                .collect();
            ids.sort_unstable();
            prop_assert!(ids.iter().copied().eq(0..limit.get()));
        }
    }

    #[test]
    fn a_device_beyond_their_number_is_refused() {
        let devices = NonZeroU16::new(2).unwrap();
        assert_eq!(DeviceShare::new(2, devices), Err(NoSuchDevice { device: 2, devices }));
    }
}
