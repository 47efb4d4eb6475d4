//! Values for the tests of several modules.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{
    identity::IdentitySecret,
    registry_id::RegistryId,
    share::Line,
    signal::{ExternalNullifier, Scope, SignalHash},
    time::UnixSeconds,
};
use rand::{SeedableRng, rngs::StdRng};

use crate::{Evidence, Policy};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31337, address: [0x51; 20] };

pub fn policy() -> Policy {
    Policy {
        name: "room".into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        limit_cap: NonZeroU16::new(5).unwrap(),
        min_stake: 10,
        min_age_days: 7,
        root_window: 3600,
        max_clock_skew: 20,
        stake_levels: Vec::new(),
        moderation: None,
    }
}

/// Two messages of one member under one message id.
pub fn evidence() -> Evidence {
    let secret = IdentitySecret::generate(&mut StdRng::seed_from_u64(1));
    let (scope, epoch) = (Scope::new(&REGISTRY, "room"), policy().epoch_at(UnixSeconds(1_795_176_000)));
    let line = Line::new(&secret, ExternalNullifier::new(scope, epoch), 0);
    let share = |message: &[u8]| line.share(SignalHash::new(scope, epoch, message).unwrap());
    Evidence { scope, epoch, nullifier: line.nullifier(), recorded: share(b"first"), second: share(b"second") }
}
