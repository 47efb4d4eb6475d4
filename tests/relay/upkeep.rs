//! Epochs that expire, by a clock that jumps.

use std::{sync::Arc, time::Duration};

use quotapass::{
    circuits::registry_id::RegistryId,
    relay::{
        Entry, LogEpoch, LogError, MemoryLog, NullifierLog, Outcome, RelayContext, SettableClock,
        upkeep::{Upkeep, UpkeepSettings},
    },
};

use crate::{
    bench::{START, secret},
    evidence, relay_on,
};

#[test]
fn a_jump_closes_no_epoch_before_it_has_lasted() {
    const YEAR: u64 = 31_536_000;
    let registry = RegistryId { chain_id: 31_337, address: [1; 20] };
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(SettableClock::at(START)));
    let context = RelayContext::new(clock.clone());
    let mut upkeep = Upkeep::new(relay_on(registry, log.clone()), context.clone(), UpkeepSettings::default());
    let evidence = evidence(&registry, &secret(0));
    let epoch = LogEpoch::new(evidence.scope, evidence.epoch);
    let entry = Entry::new(epoch, evidence.nullifier, evidence.recorded);
    assert_eq!(log.record(&entry), Ok(Outcome::New));

    let mut round = |passed: u64, ahead: u64| {
        clock.set(START + passed + ahead);
        upkeep.round(Duration::from_secs(passed)).unwrap();
        context.status.clock_jumps()
    };
    for passed in (0..=610).step_by(10) {
        assert_eq!(round(passed, 0), 0);
    }
    // A year ahead for five minutes, and back.
    for passed in (620..=920).step_by(10) {
        assert_eq!(round(passed, YEAR), 1);
    }
    assert_eq!(round(930, 0), 2);
    assert_eq!(log.record(&entry), Ok(Outcome::Replay));
    assert_eq!(context.status.log().nullifiers, Some(1));
    // Ahead once more: the epoch expires when its time has passed, and not when the clock says so.
    for passed in (940..1_200).step_by(10) {
        assert_eq!(round(passed, YEAR), 3);
    }
    assert_eq!(log.record(&entry), Ok(Outcome::Replay));
    assert_eq!(round(1_200, YEAR), 3);
    assert_eq!(log.record(&entry), Err(LogError::Expired));
    assert_eq!(context.status.log().nullifiers, Some(0));
}

#[test]
fn after_a_start_nothing_expires_for_a_while() {
    let registry = RegistryId { chain_id: 31_337, address: [1; 20] };
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(SettableClock::at(START + 86_400)));
    let context = RelayContext::new(clock.clone());
    let mut upkeep = Upkeep::new(relay_on(registry, log.clone()), context, UpkeepSettings::default());
    let evidence = evidence(&registry, &secret(0));
    let epoch = LogEpoch::new(evidence.scope, evidence.epoch);
    let entry = Entry::new(epoch, evidence.nullifier, evidence.recorded);
    assert_eq!(log.record(&entry), Ok(Outcome::New));
    upkeep.round(Duration::ZERO).unwrap();
    clock.advance(599);
    upkeep.round(Duration::from_secs(599)).unwrap();
    assert_eq!(log.record(&entry), Ok(Outcome::Replay));
    clock.advance(1);
    upkeep.round(Duration::from_secs(600)).unwrap();
    assert_eq!(log.record(&entry), Err(LogError::Expired));
}
