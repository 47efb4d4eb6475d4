//! Tests of the expiry of epochs under a clock that jumps.

use std::{sync::Arc, time::Duration};

use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{LogError, UnixSeconds};
use quotapass_relay::{
    Entry, LogEpoch, MemoryLog, NullifierLog, Outcome, RelayContext, SettableClock, TroubleKind,
    upkeep::{Upkeep, UpkeepSettings},
};
use quotapass_testkit::{
    bench::{START, secret},
    world::evidence,
};

use crate::relay_on;

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
    // Ahead again, for good: the epoch expires when its time has passed, within the tolerance for a jump, and not when
    // the clock says so.
    for passed in (940..1_170).step_by(10) {
        assert_eq!(round(passed, YEAR), 3);
    }
    assert_eq!(log.record(&entry), Ok(Outcome::Replay));
    assert_eq!(round(1_170, YEAR), 3);
    assert_eq!(log.record(&entry), Err(LogError::Expired));
    assert_eq!(round(1_180, YEAR), 3);
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

/// B's clock jumps three days ahead. B must not close the epochs of three days for A, which has a correct clock and the
/// same log, nor for itself.
#[test]
fn one_wrong_clock_closes_no_epoch_for_others() {
    const DAYS: u64 = 3 * 86_400;
    const BLOCK: u64 = 12;
    let registry = RegistryId { chain_id: 31_337, address: [1; 20] };
    let log = Arc::new(MemoryLog::new());
    let clocks = [(); 2].map(|()| Arc::new(SettableClock::at(START)));
    let contexts = clocks.each_ref().map(|clock| RelayContext::new(clock.clone()));
    let [mut a, mut b] = contexts
        .each_ref()
        .map(|context| Upkeep::new(relay_on(registry, log.clone()), context.clone(), UpkeepSettings::default()));
    let mut round = |passed: u64, ahead: u64| {
        clocks[0].set(START + passed);
        clocks[1].set(START + passed + ahead);
        for context in &contexts {
            context
                .status
                .update_chain(|chain| chain.head_time = Some(UnixSeconds((START.0 + passed) / BLOCK * BLOCK)));
        }
        a.round(Duration::from_secs(passed)).unwrap();
        b.round(Duration::from_secs(passed)).unwrap();
    };
    let evidence = evidence(&registry, &secret(0));
    let entry_at = |passed: u64| {
        let epoch = quotapass_circuits::signal::Epoch::at(evidence.epoch.seconds(), START + passed);
        let epoch = LogEpoch::new(evidence.scope, epoch);
        Entry::new(epoch, evidence.nullifier, evidence.recorded)
    };
    for passed in (0..=700).step_by(5) {
        round(passed, 0);
    }
    // For an hour, which is longer than the time for which a clock must be steady.
    for passed in (705..=4_305).step_by(5) {
        round(passed, DAYS);
        assert_ne!(log.record(&entry_at(passed)), Err(LogError::Expired), "after {passed} s");
    }
    // Past epochs are still dropped.
    assert_eq!(log.record(&entry_at(0)), Err(LogError::Expired));
    let ahead = |context: &RelayContext| context.status.troubles().get(TroubleKind::LogClosedAhead);
    assert_eq!(contexts.each_ref().map(ahead), [None, None]);

    // If a program closes them anyway, all relays notice it until the epochs are reopened.
    log.expire(START + DAYS).unwrap();
    assert_eq!(log.record(&entry_at(4_310)), Err(LogError::Expired));
    round(4_310, 0);
    for context in &contexts {
        let cause = ahead(context).unwrap().cause;
        assert!(cause.contains("relay log reopen"), "{cause}");
        assert!(context.status.log().closed_ahead > DAYS - 4_400);
    }
    // The epoch that had nullifiers stays closed; the next ones are open.
    let until = log.reopen(START + 4_310).unwrap();
    assert_eq!(until, entry_at(4_310).epoch.keep_until());
    assert_eq!(log.record(&entry_at(4_310)), Err(LogError::Expired));
    assert_eq!(log.record(&entry_at(4_310 + 600)), Ok(Outcome::New));
    round(until.since(START), 0);
    assert_eq!(contexts.each_ref().map(ahead), [None, None]);
}
