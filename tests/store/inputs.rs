//! Inputs for the logs.

use std::num::NonZeroU32;

use quotapass_circuits::{
    identity::IdentitySecret,
    share::{Line, Nullifier, Pseudonym, Share, ShareValue},
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::{Evidence, UnixSeconds};
use quotapass_relay::{BoundKey, Conviction, Entry, LogEpoch, Persona};
use quotapass_testkit::process::now;

use crate::REGISTRY;

pub const EPOCH_SECONDS: u64 = 600;

pub fn number(value: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&value.to_be_bytes());
    bytes
}

pub fn scope(name: &str) -> Scope {
    Scope::new(&REGISTRY, name)
}

/// Returns the epoch that is `ahead` epochs after a future one: a server that expires by its own clock must keep it.
pub fn epoch(ahead: u64) -> Epoch {
    // At least an hour ahead, so that no epoch of a test ends while it runs.
    let hour = UnixSeconds((now().0 / 3600 + 2) * 3600);
    Epoch::at(NonZeroU32::new(EPOCH_SECONDS as u32).unwrap(), hour + ahead * EPOCH_SECONDS)
}

pub fn log_epoch(ahead: u64) -> LogEpoch {
    LogEpoch::new(scope("room"), epoch(ahead))
}

pub fn share(x: u64) -> Share {
    Share {
        x: SignalHash::from_be_bytes(&number(x + 1)).unwrap(),
        y: ShareValue::from_be_bytes(&number(x + 1000)).unwrap(),
    }
}

pub fn nullifier(value: u64) -> Nullifier {
    Nullifier::from_be_bytes(&number(value)).unwrap()
}

/// Returns the entry of a nullifier and an x in an epoch.
pub fn entry(ahead: u64, of: u64, x: u64) -> Entry {
    Entry::new(log_epoch(ahead), nullifier(of), share(x))
}

/// Returns an entry whose nullifier is spread over the field, as real ones are.
pub fn scattered(of: u64) -> Entry {
    let mut bytes = number(of);
    let mut state = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    for word in bytes[..24].chunks_exact_mut(8) {
        // splitmix64
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(state ^ (state >> 31)).to_be_bytes());
    }
    bytes[0] &= 0x1f;
    Entry { nullifier: Nullifier::from_be_bytes(&bytes).unwrap(), ..entry(0, 0, of) }
}

pub fn secret(member: u64) -> IdentitySecret {
    IdentitySecret::from_be_bytes(&number(member + 1)).unwrap()
}

/// Returns the conviction from two messages of a member under one id.
pub fn conviction(member: u64, x: u64) -> Conviction {
    let (scope, epoch) = (scope("room"), epoch(0));
    let line = Line::new(&secret(member), ExternalNullifier::new(scope, epoch), 0);
    let share = |x| line.share(share(x).x);
    let evidence = Evidence { scope, epoch, nullifier: line.nullifier(), recorded: share(x), second: share(x + 1) };
    Conviction::new(evidence, UnixSeconds(1_800_000_000 + x))
}

/// Returns a pseudonym in a scope.
pub fn persona(number: u64) -> Persona {
    Persona { scope: scope("room"), pseudonym: Pseudonym::new(&secret(number), scope("room")) }
}

/// Returns a chat key.
pub fn key(number: u64) -> BoundKey {
    ChatKeyHash::new(&number.to_be_bytes()).into()
}
