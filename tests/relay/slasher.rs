//! Tests of the slashing worker on the embedded chain, alone and with others, over an endpoint that fails.

use std::{sync::Arc, thread, time::Duration};

use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{MemberStatus, RegistryReader, RegistryWriter, alloy_primitives::Address};
use quotapass_relay::{
    Backoff, Conviction, MemoryLog, NullifierLog, RelayContext, SettableClock, Settlement, SlashClaims, StopSignal,
    WorkerId,
    slasher::{SlashSender, Slasher, SlasherParts, SlasherSettings},
};
use quotapass_testkit::{
    bench::{Bench, EXIT_DELAY, EmbeddedBench, MIDDLE, SMALL, START, join, prover, secret, slash_proof},
    world::evidence,
};

use crate::node::{Endpoint, Fault};

const RECEIVER: Address = Address::repeat_byte(0x4e);

/// A registry, an endpoint in front of it, and a log that relays share.
struct World {
    bench: EmbeddedBench,
    endpoint: Endpoint,
    log: Arc<MemoryLog>,
    clock: Arc<SettableClock>,
    context: RelayContext,
}

impl World {
    fn new() -> Self {
        let bench = EmbeddedBench::new();
        let endpoint = Endpoint::new(bench.chain.clone());
        let clock = Arc::new(SettableClock::at(START));
        let context = RelayContext::new(clock.clone());
        Self { bench, endpoint, log: Arc::default(), clock, context }
    }

    fn id(&self) -> RegistryId {
        self.bench.registry.id()
    }

    fn convict(&self, secret: &IdentitySecret) {
        self.convict_at(secret, START);
    }

    fn convict_at(&self, secret: &IdentitySecret, at: UnixSeconds) {
        assert_eq!(self.log.convict(&Conviction::new(evidence(&self.id(), secret), at)), Ok(true));
    }

    fn worker(&self, name: &str, confirmations: u64, sends: bool) -> Slasher {
        let sender = sends.then(|| SlashSender {
            account: Address::repeat_byte(0x0f).into(),
            receiver: Some(RECEIVER),
            prover: prover().clone(),
        });
        let parts = SlasherParts {
            store: self.log.clone(),
            registry: self.endpoint.link(self.id().address),
            sender,
            worker: WorkerId(name.into()),
            context: self.context.clone(),
        };
        let moment = Duration::from_millis(1);
        let backoff = Backoff { first: moment, longest: 2 * moment };
        Slasher::new(parts, SlasherSettings { confirmations, poll: Duration::ZERO, backoff, ..Default::default() })
    }

    fn settlement(&self, n: u64) -> Option<Settlement> {
        self.log.settlement(secret(n).commitment()).unwrap()
    }

    fn is_slashed(&self, n: u64) -> bool {
        let Some(Settlement::Slashed { transaction, reward, .. }) = self.settlement(n) else { return false };
        transaction.len() == 66 && reward.parse::<u128>().unwrap() > 0
    }
}

/// Works until no case is open.
fn finish(mut worker: Slasher) {
    let stop = StopSignal::new();
    for _ in 0..100_000 {
        worker.round(&stop).unwrap();
        if worker.open() == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{worker:?} does not come to an end");
}

/// Makes enough rounds to close every case that can be closed.
fn rounds(worker: &mut Slasher) {
    let stop = StopSignal::new();
    for _ in 0..8 {
        worker.round(&stop).unwrap();
        thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn two_workers_slash_each_member_once() {
    let world = World::new();
    let registry = &world.bench.registry;
    for n in 0..7 {
        join(&world.bench, 0, n, MIDDLE);
    }
    let from = world.bench.account(0);
    // One member has requested its exit, another has its deposit back, and a third was slashed by another party.
    let index = |n| registry.index_of(secret(n).commitment(), from).unwrap().unwrap();
    registry.request_exit(from, index(5)).unwrap();
    world.bench.advance(u64::from(EXIT_DELAY));
    registry.withdraw(from, index(5), from).unwrap();
    registry.request_exit(from, index(4)).unwrap();
    registry.slash(from, index(6), from, &slash_proof(registry, &secret(6), from)).unwrap();
    for n in [0, 1, 2, 3, 4, 5, 6, 99] {
        world.convict(&secret(n));
    }
    let workers = ["one", "two"].map(|name| world.worker(name, 0, true));
    thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| finish(worker));
        }
    });
    for n in 0..5 {
        assert!(world.is_slashed(n), "member {n}: {:?}", world.settlement(n));
    }
    assert_eq!([5, 6].map(|n| world.settlement(n)), [Some(Settlement::Gone), Some(Settlement::Gone)]);
    assert_eq!(world.settlement(99), Some(Settlement::NoMember));
    assert_eq!(world.endpoint.sent(), 5);
    let status = world.context.status.slashing();
    assert_eq!((status.open, status.failures), (0, 0));
    assert!(registry.balance_of(RECEIVER).unwrap() > registry.balance_of(Address::repeat_byte(1)).unwrap());
}

#[test]
fn what_fails_is_tried_again_and_what_arrived_is_not() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    join(&world.bench, 0, 1, SMALL);
    world.convict(&secret(0));
    world.endpoint.fail([Fault::Lost, Fault::Lost, Fault::Lost]);
    finish(world.worker("one", 0, true));
    assert!(world.is_slashed(0));
    assert_eq!(world.endpoint.sent(), 1);
    // More blocks follow than an endpoint searches in one request.
    for _ in 0..40 {
        world.bench.chain.mine().unwrap();
    }
    world.convict(&secret(1));
    world.endpoint.fail([Fault::AnswerLost]);
    finish(world.worker("one", 0, true));
    assert!(world.is_slashed(1));
    assert_eq!(world.endpoint.sent(), 2);
}

#[test]
fn a_case_outlives_its_worker() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    world.convict(&secret(0));
    world.endpoint.fail([Fault::AnswerLost]);
    let mut first = world.worker("first", 0, true);
    first.round(&StopSignal::new()).unwrap();
    assert_eq!((first.open(), world.settlement(0)), (1, None));
    drop(first);
    // The transaction is included, and the dead worker still has the case.
    let mut second = world.worker("second", 0, true);
    rounds(&mut second);
    assert_eq!((second.open(), world.settlement(0)), (1, None));
    world.clock.advance(120);
    finish(second);
    assert!(world.is_slashed(0));
    assert_eq!(world.endpoint.sent(), 1);
    // A worker that starts after the end has nothing to do.
    finish(world.worker("third", 0, true));
}

#[test]
fn an_endpoint_that_is_down_delays_and_no_more() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    world.convict(&secret(0));
    world.endpoint.set_down(true);
    let mut worker = world.worker("one", 0, true);
    rounds(&mut worker);
    assert_eq!((worker.open(), world.settlement(0)), (1, None));
    assert!(world.context.status.slashing().failures > 0);
    world.endpoint.set_down(false);
    finish(worker);
    assert!(world.is_slashed(0));
}

#[test]
fn without_a_wallet_it_waits_for_somebody_else() {
    let world = World::new();
    let index = join(&world.bench, 0, 0, SMALL);
    world.convict(&secret(0));
    let mut worker = world.worker("one", 0, false);
    rounds(&mut worker);
    assert_eq!((worker.open(), world.settlement(0), world.endpoint.sent()), (1, None, 0));
    let (registry, from) = (&world.bench.registry, world.bench.account(1));
    registry.slash(from, index, from, &slash_proof(registry, &secret(0), from)).unwrap();
    finish(worker);
    assert_eq!(world.settlement(0), Some(Settlement::Gone));
}

#[test]
fn a_slash_that_is_undone_is_sent_again() {
    let world = World::new();
    let index = join(&world.bench, 0, 0, SMALL);
    world.convict(&secret(0));
    let before = world.bench.chain.snapshot().unwrap();
    let mut worker = world.worker("one", 2, true);
    rounds(&mut worker);
    let status = || world.bench.registry.record(index).unwrap().status;
    assert_eq!((status(), worker.open(), world.settlement(0)), (MemberStatus::Slashed, 1, None));
    world.bench.chain.revert(&before).unwrap();
    assert_eq!(status(), MemberStatus::Active);
    rounds(&mut worker);
    assert_eq!((status(), world.endpoint.sent(), world.settlement(0)), (MemberStatus::Slashed, 2, None));
    for _ in 0..2 {
        world.bench.chain.mine().unwrap();
    }
    finish(worker);
    assert!(world.is_slashed(0));
    assert_eq!(world.endpoint.sent(), 2);
}

/// A secret is enough to take every deposit for its commitment, and the case stays open while one is left.
#[test]
fn every_membership_of_a_commitment_is_slashed() {
    let world = World::new();
    let registry = &world.bench.registry;
    let slots = [join(&world.bench, 0, 0, SMALL), join(&world.bench, 1, 0, MIDDLE), join(&world.bench, 2, 0, SMALL)];
    registry.request_exit(world.bench.account(1), slots[1]).unwrap();
    world.convict(&secret(0));
    finish(world.worker("one", 0, true));
    for index in slots {
        assert_eq!(registry.record(index).unwrap().status, MemberStatus::Slashed);
    }
    assert!(world.is_slashed(0));
    assert_eq!(world.endpoint.sent(), 3);
}

/// Attack: a member with a large deposit makes many small ones for its commitment, and withdraws the large one while the
/// small ones are taken one after the other.
#[test]
fn the_largest_deposit_of_a_commitment_is_taken_first() {
    let world = World::new();
    let registry = &world.bench.registry;
    let small: Vec<_> = (1..4).map(|account| join(&world.bench, account, 0, SMALL)).collect();
    let large = join(&world.bench, 0, 0, MIDDLE);
    registry.request_exit(world.bench.account(0), large).unwrap();
    world.convict(&secret(0));
    let mut worker = world.worker("one", 0, true);
    worker.round(&StopSignal::new()).unwrap();
    assert_eq!(registry.record(large).unwrap().status, MemberStatus::Slashed);
    assert!(small.iter().all(|index| registry.record(*index).unwrap().status == MemberStatus::Active));
    finish(worker);
    assert!(small.iter().all(|index| registry.record(*index).unwrap().status == MemberStatus::Slashed));
}

/// A relay claims a case while its clock is days ahead, and ends. If its claim counted, the member would have its deposit
/// back before another relay may slash it.
#[test]
fn a_claim_of_a_clock_that_is_ahead_holds_no_case() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    world.convict(&secret(0));
    let ahead = START + 3 * 86_400;
    world.log.claim(secret(0).commitment(), &WorkerId("ahead".into()), ahead, ahead + 120).unwrap();
    let mut worker = world.worker("right", 0, true);
    rounds(&mut worker);
    assert!(world.is_slashed(0));
    // A clock that differs a little is respected.
    join(&world.bench, 0, 1, SMALL);
    world.convict(&secret(1));
    world.log.claim(secret(1).commitment(), &WorkerId("ahead".into()), START + 30, START + 150).unwrap();
    rounds(&mut worker);
    assert_eq!((worker.open(), world.settlement(1)), (1, None));
}

/// Attack: a member deposits and posts twice at once. A relay whose endpoint is behind takes the case, and does not find
/// the member.
#[test]
fn an_endpoint_that_is_behind_closes_no_case_and_does_not_keep_it() {
    let world = World::new();
    world.convict_at(&secret(0), START + 600);
    let mut behind = world.worker("behind", 0, true);
    rounds(&mut behind);
    world.clock.advance(120);
    rounds(&mut behind);
    assert_eq!((behind.open(), world.settlement(0)), (1, None));
    // Another relay has newer blocks.
    world.bench.advance(600);
    join(&world.bench, 0, 0, SMALL);
    finish(world.worker("other", 0, true));
    assert!(world.is_slashed(0));
}
