//! Tests of roots, members and status while the chain advances, reorganises, and becomes unreachable.

use core::num::NonZeroU16;
use std::{path::PathBuf, sync::Arc, time::Duration};

use quotapass_circuits::{
    membership::{MemberIndex, Root},
    share::Line,
    signal::{Epoch, ExternalNullifier, Scope},
};
use quotapass_protocol::{Horizon, Policy, RootStatus, UnixSeconds};
use quotapass_registry::{Follower, FollowerSettings, RegistryReader, RegistryWriter};
use quotapass_relay::{
    LogEpoch, MemoryLog, Relay, RelayContext, SettableClock, TroubleKind,
    chain::{ChainError, ChainFollower, ChainParts, ChainSettings},
    upkeep::{Upkeep, UpkeepSettings},
};
use quotapass_testkit::{
    bench::{Bench, EXIT_DELAY, EmbeddedBench, MIDDLE, SMALL, START, join, secret, slash_proof},
    world::{SCOPE, evidence},
};
use tempfile::TempDir;

use crate::{WINDOW, node::Endpoint, policy, relay_on};

struct World {
    bench: EmbeddedBench,
    endpoint: Endpoint,
    log: Arc<MemoryLog>,
    clock: Arc<SettableClock>,
    folder: TempDir,
}

/// One run of a relay.
struct Run {
    relay: Arc<Relay>,
    follower: ChainFollower,
    context: RelayContext,
}

impl World {
    fn new() -> Self {
        let bench = EmbeddedBench::new();
        let endpoint = Endpoint::new(bench.chain.clone());
        let clock = Arc::new(SettableClock::at(START));
        Self { bench, endpoint, log: Arc::default(), clock, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("members.redb")
    }

    fn start(&self) -> Run {
        self.start_with(|_| Ok(()))
    }

    fn start_with(&self, check: impl Fn(&dyn RegistryReader) -> Result<(), ChainError> + Send + 'static) -> Run {
        self.start_as(check, ChainSettings::default())
    }

    fn start_with_settings(&self, settings: ChainSettings) -> Run {
        self.start_as(|_| Ok(()), settings)
    }

    fn start_as(
        &self,
        check: impl Fn(&dyn RegistryReader) -> Result<(), ChainError> + Send + 'static,
        chain_settings: ChainSettings,
    ) -> Run {
        let id = self.bench.registry.id();
        let relay = relay_on(id, self.log.clone());
        let settings = FollowerSettings { history: core::time::Duration::MAX, ..FollowerSettings::default() };
        let context = RelayContext::new(self.clock.clone());
        let parts = ChainParts {
            relay: relay.clone(),
            registry: self.endpoint.link(id.address),
            copy: Follower::open_or_create(&self.path(), id, settings).unwrap(),
            check: Box::new(check),
            context: context.clone(),
        };
        let follower = ChainFollower::new(parts, chain_settings, Some(&self.path())).unwrap();
        Run { relay, follower, context }
    }

    /// Advances the time of chain and relay.
    fn advance(&self, seconds: u64) {
        self.bench.advance(seconds);
        self.clock.advance(seconds);
    }

    fn root(&self) -> Root {
        self.bench.registry.root().unwrap()
    }
}

impl Run {
    fn status_of(&self, world: &World, root: Root) -> RootStatus {
        use quotapass_relay::Clock;
        self.relay.roots().status(root, world.clock.now(), WINDOW)
    }

    /// Returns the names of the events that `act` causes.
    fn events_of(&mut self, act: impl FnOnce(&mut ChainFollower)) -> Vec<&'static str> {
        let mut listener = self.context.events.subscribe();
        act(&mut self.follower);
        core::iter::from_fn(|| listener.try_recv().ok()).map(|occurrence| occurrence.event.name()).collect()
    }

    /// Checks that relay, routes and chain have the same root.
    fn is_in_step(&self, world: &World) {
        let tree = self.follower.members().get();
        assert_eq!((self.relay.roots().current(), tree.root()), (Some(world.root()), world.root()));
        assert_eq!(self.follower.root(), Some(world.root()));
        let occupied = (0..tree.len() as u32).filter(|index| tree.member(MemberIndex(*index)).is_some()).count();
        assert_eq!(self.context.status.chain().members, occupied as u64);
    }
}

#[test]
fn relay_and_routes_follow_the_chain() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    let mut run = world.start();
    assert!(run.relay.roots().is_empty());
    assert_eq!(run.events_of(|follower| follower.step().unwrap()), ["root_changed"]);
    run.is_in_step(&world);
    assert!(run.events_of(|follower| follower.step().unwrap()).is_empty());

    let mut roots = vec![world.root()];
    for n in 1..4 {
        world.advance(100);
        join(&world.bench, 0, n, SMALL);
        roots.push(world.root());
    }
    world.bench.registry.request_exit(world.bench.account(0), MemberIndex(1)).unwrap();
    assert_eq!(run.events_of(|follower| follower.step().unwrap()), ["root_changed"]);
    run.is_in_step(&world);
    assert_eq!(run.context.status.chain().members, 3);
    for (root, at) in roots[..3].iter().zip([100, 200, 300]) {
        assert_eq!(run.status_of(&world, *root), RootStatus::Recent { superseded_at: START + at });
    }
    world.advance(u64::from(WINDOW) - 100);
    assert!(matches!(run.status_of(&world, roots[0]), RootStatus::Stale { .. }));
    assert!(matches!(run.status_of(&world, roots[2]), RootStatus::Recent { .. }));
    let chain = run.context.status.chain();
    assert_eq!((chain.failures, chain.head, chain.head == chain.synced), (0, Some(chain.head.unwrap()), true));
}

#[test]
fn the_history_survives_a_restart_without_the_chain() {
    let world = World::new();
    let mut run = world.start();
    let mut roots = Vec::new();
    for n in 0..4 {
        join(&world.bench, 0, n, SMALL);
        roots.push(world.root());
        world.advance(1_000);
        run.follower.step().unwrap();
    }
    drop(run);
    world.endpoint.set_down(true);
    let mut run = world.start();
    let known = |run: &Run| {
        assert_eq!(run.status_of(&world, roots[3]), RootStatus::Current);
        for (root, at) in roots[..3].iter().zip([1_000, 2_000, 3_000]) {
            assert_eq!(run.status_of(&world, *root), RootStatus::Recent { superseded_at: START + at });
        }
        run.is_in_step(&world);
    };
    known(&run);
    assert_eq!(run.events_of(|follower| drop(follower.step().unwrap_err())), ["chain_lost"]);
    assert!(run.events_of(|follower| drop(follower.step().unwrap_err())).is_empty());
    let chain = run.context.status.chain();
    assert_eq!((chain.failures, chain.answered_at), (2, None));
    assert!(chain.error.unwrap().contains("cannot reach test"));
    known(&run);
    world.endpoint.set_down(false);
    assert_eq!(run.events_of(|follower| follower.step().unwrap()), ["chain_back"]);
    known(&run);
    assert_eq!((run.context.status.chain().failures, run.context.status.chain().error), (0, None));
    drop(run);

    // Saved roots of another state are not used: only the copy's own root remains.
    let saved = world.folder.path().join("members.roots.json");
    let text = std::fs::read_to_string(&saved).unwrap();
    std::fs::write(&saved, text.replace(&roots[3].to_string(), &roots[0].to_string())).unwrap();
    world.endpoint.set_down(true);
    let run = world.start();
    assert_eq!(run.status_of(&world, roots[3]), RootStatus::Current);
    assert_eq!(run.status_of(&world, roots[2]), RootStatus::Unknown);
}

#[test]
fn a_reorganisation_undoes_roots_and_no_others() {
    let world = World::new();
    let mut run = world.start();
    join(&world.bench, 0, 0, SMALL);
    let first = world.root();
    world.advance(10);
    // Two members in one block give only one root.
    let block = world.bench.chain.open_block().unwrap();
    join(&world.bench, 0, 1, SMALL);
    join(&world.bench, 0, 2, SMALL);
    drop(block);
    let both = world.root();
    run.follower.step().unwrap();
    drop(run);
    let mut run = world.start();
    run.follower.step().unwrap();
    let before = world.bench.chain.snapshot().unwrap();
    world.advance(10);
    join(&world.bench, 0, 3, SMALL);
    let undone = world.root();
    run.follower.step().unwrap();
    assert_eq!(run.status_of(&world, undone), RootStatus::Current);

    world.bench.chain.revert(&before).unwrap();
    world.bench.advance(20);
    join(&world.bench, 0, 4, SMALL);
    world.bench.chain.mine().unwrap();
    let events = run.events_of(|follower| follower.step().unwrap());
    assert_eq!(events, ["reorganised", "root_changed"]);
    run.is_in_step(&world);
    assert_eq!(run.status_of(&world, undone), RootStatus::Unknown);
    assert_eq!(run.status_of(&world, both), RootStatus::Recent { superseded_at: START + 30 });
    assert_eq!(run.status_of(&world, first), RootStatus::Recent { superseded_at: START + 10 });
}

/// Honest posts of new members stay accepted while an endpoint's answers come from a server that is behind.
#[test]
fn an_endpoint_that_is_behind_undoes_no_root() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    let mut run = world.start();
    run.follower.step().unwrap();
    let before = world.bench.chain.snapshot().unwrap();
    world.advance(10);
    join(&world.bench, 0, 1, SMALL);
    let root = world.root();
    run.follower.step().unwrap();
    let ahead = world.bench.chain.snapshot().unwrap();
    world.bench.chain.revert(&before).unwrap();
    let is_waiting = |run: &mut Run| {
        assert!(run.events_of(|follower| follower.step().unwrap()).is_empty());
        assert_eq!((run.context.status.chain().behind, run.status_of(&world, root)), (3, RootStatus::Current));
    };
    is_waiting(&mut run);
    drop(run);
    // After a restart, too.
    let mut run = world.start();
    is_waiting(&mut run);
    world.bench.chain.revert(&ahead).unwrap();
    assert!(run.events_of(|follower| follower.step().unwrap()).is_empty());
    assert_eq!(run.context.status.chain().behind, 0);
    run.is_in_step(&world);
}

#[test]
fn a_reorganisation_that_is_too_deep_is_reported_with_its_way_out() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    let mut run = world.start();
    run.follower.step().unwrap();
    let before = world.bench.chain.snapshot().unwrap();
    let branch = |n: u64| {
        world.advance(10);
        join(&world.bench, 0, n, SMALL);
        for _ in 0..300 {
            world.bench.chain.mine().unwrap();
        }
        world.root()
    };
    let abandoned = branch(1);
    run.follower.step().unwrap();
    world.bench.chain.revert(&before).unwrap();
    branch(2);
    let trouble = |run: &Run| run.context.status.troubles().get(TroubleKind::ChainReorganised);
    assert_eq!(trouble(&run), None);
    run.follower.step().unwrap_err();
    assert!(trouble(&run).unwrap().cause.contains("`quotapass relay resync`"));
    assert_eq!(run.status_of(&world, abandoned), RootStatus::Current);
    drop(run);

    assert_eq!(Follower::set_aside(&world.path()).unwrap(), Some(world.folder.path().join("members.old")));
    let mut run = world.start();
    run.follower.step().unwrap();
    assert_eq!((trouble(&run), run.status_of(&world, abandoned)), (None, RootStatus::Unknown));
    run.is_in_step(&world);
}

#[test]
fn a_registry_that_does_not_fit_is_refused() {
    let world = World::new();
    let mut run = world
        .start_with(|registry| Err(ChainError::Unfit(format!("the exit delay is {} s", registry.info()?.exit_delay))));
    match run.follower.step() {
        Err(ChainError::Unfit(reason)) => assert_eq!(reason, "the exit delay is 604800 s"),
        other => panic!("{other:?}"),
    }
    assert!(run.relay.roots().is_empty());
}

#[test]
fn slashed_members_are_forgotten_when_their_roots_are_stale() {
    let world = World::new();
    let (registry, from) = (&world.bench.registry, world.bench.account(0));
    for n in 0..3 {
        join(&world.bench, 0, n, SMALL);
    }
    let mut run = world.start();
    run.follower.step().unwrap();
    for n in 0..3 {
        run.relay.import(&evidence(&registry.id(), &secret(n)), START).unwrap();
    }
    for n in 0..2 {
        registry.slash(from, MemberIndex(n), from, &slash_proof(registry, &secret(u64::from(n)), from)).unwrap();
    }
    run.follower.step().unwrap();
    let known = |run: &Run| [0, 1, 2].map(|n| run.relay.slashed().contains(secret(n).commitment()));
    assert_eq!(known(&run), [true; 3]);
    world.advance(u64::from(WINDOW) + 86_400);
    run.follower.step().unwrap();
    assert_eq!(known(&run), [true; 3]);
    drop(run);
    // Another run learns them from the log, and forgets the members that left.
    let mut run = world.start();
    run.follower.step().unwrap();
    assert_eq!(known(&run), [true; 3]);
    world.advance(1);
    run.follower.step().unwrap();
    assert_eq!(known(&run), [false, false, true]);
}

/// Attack: a convicted member has also deposited for the same commitment from a second account. If the secret were
/// forgotten after one slash, it would continue to post with the other deposit.
#[test]
fn a_convicted_member_stays_known_while_a_copy_of_its_commitment_is_in_the_tree() {
    let world = World::new();
    let (registry, from) = (&world.bench.registry, world.bench.account(0));
    let slots = [join(&world.bench, 0, 0, SMALL), join(&world.bench, 1, 0, SMALL)];
    let mut run = world.start();
    run.follower.step().unwrap();
    run.relay.import(&evidence(&registry.id(), &secret(0)), START).unwrap();
    let proof = slash_proof(registry, &secret(0), from);
    for index in slots {
        registry.slash(from, index, from, &proof).unwrap();
        run.follower.step().unwrap();
        assert!(run.relay.slashed().contains(secret(0).commitment()));
        world.advance(u64::from(WINDOW) + 86_401);
        run.follower.step().unwrap();
    }
    assert!(!run.relay.slashed().contains(secret(0).commitment()));
}

/// The member was not slashed before it had its deposit back, so the registry accepts its commitment again.
#[test]
fn a_convicted_member_that_comes_back_is_known() {
    let world = World::new();
    let (registry, from) = (&world.bench.registry, world.bench.account(0));
    let index = join(&world.bench, 0, 0, SMALL);
    let mut run = world.start();
    run.follower.step().unwrap();
    run.relay.import(&evidence(&registry.id(), &secret(0)), START).unwrap();
    registry.request_exit(from, index).unwrap();
    run.follower.step().unwrap();
    world.advance(u64::from(WINDOW) + 86_401);
    run.follower.step().unwrap();
    assert!(!run.relay.slashed().contains(secret(0).commitment()));
    join(&world.bench, 1, 0, SMALL);
    run.follower.step().unwrap();
    assert!(run.relay.slashed().contains(secret(0).commitment()));
}

/// Attack: a convicted member deposits its commitment again from a second account for a lower limit, perhaps after the
/// first deposit left the tree, and continues to post with the message ids above that limit on roots that are accepted.
#[test]
fn a_second_deposit_for_a_lower_limit_frees_no_message_ids_of_the_first() {
    // From this cap on, the limit of a convicted member is looked up.
    let limit_cap = NonZeroU16::new(1_024).unwrap();
    let is_refused = |run: &Run, n: u64, id: u16| {
        let scope = Scope::new(&run.relay.policies().registry(), SCOPE);
        let epoch = Epoch::at(policy().epoch_seconds, START);
        let line = Line::new(&secret(n), ExternalNullifier::new(scope, epoch), id);
        run.relay.slashed().has_nullifier(&LogEpoch::new(scope, epoch), limit_cap, line.nullifier())
    };
    let convict = |run: &Run, world: &World, n: u64| {
        run.relay.import(&evidence(&world.bench.registry.id(), &secret(n)), START).unwrap();
    };
    for cap in [policy().limit_cap, limit_cap] {
        let world = World::new();
        for n in 0..3 {
            join(&world.bench, 0, n, MIDDLE);
        }
        let mut run = world.start();
        run.relay.change_policies([Policy { limit_cap: cap, ..policy() }], START).unwrap();
        run.follower.step().unwrap();
        // The copy comes after the conviction, before it, or before it and after the exit of the original.
        convict(&run, &world, 0);
        join(&world.bench, 1, 0, SMALL);
        join(&world.bench, 1, 1, SMALL);
        run.follower.step().unwrap();
        convict(&run, &world, 1);
        world.bench.registry.request_exit(world.bench.account(0), MemberIndex(2)).unwrap();
        join(&world.bench, 1, 2, SMALL);
        run.follower.step().unwrap();
        convict(&run, &world, 2);
        for n in 0..3 {
            assert!(is_refused(&run, n, 9) && is_refused(&run, n, 10) && is_refused(&run, n, 99), "{n}");
        }
        // After a restart, too.
        drop(run);
        let mut run = world.start();
        run.relay.change_policies([Policy { limit_cap: cap, ..policy() }], START).unwrap();
        run.follower.step().unwrap();
        for n in 0..3 {
            assert!(is_refused(&run, n, 10) && is_refused(&run, n, 99), "{n} after a restart");
        }
    }
}

/// A relay whose endpoint is unreachable reports when it will refuse all posts, and when it does; also after a restart.
#[test]
fn a_relay_that_is_cut_off_says_when_it_stops() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    world.bench.chain.mine().unwrap();
    let mut run = world.start();
    run.follower.step().unwrap();
    let head_time = run.context.status.chain().head_time.unwrap();
    let horizon = Horizon { head_time, exit_delay: EXIT_DELAY };
    assert_eq!(run.relay.horizon(), Some(horizon));
    let until = horizon.accepts_until(policy().exposure());
    assert_eq!(until, head_time + u64::from(EXIT_DELAY - WINDOW - 600 - 20 - 3_600));
    let troubles = |run: &Run, now: UnixSeconds| {
        world.clock.set(now);
        let upkeep = UpkeepSettings::default();
        Upkeep::new(run.relay.clone(), run.context.clone(), upkeep).round(Duration::ZERO).unwrap();
        let troubles = run.context.status.troubles();
        let aging = troubles.get(TroubleKind::ChainAging).map(|trouble| trouble.worse_at.unwrap().since(now));
        (aging, troubles.get(TroubleKind::ChainStale).is_some())
    };
    world.endpoint.set_down(true);
    assert!(run.follower.step().is_err());
    assert_eq!(troubles(&run, head_time + 3_600), (None, false));
    assert_eq!(troubles(&run, until - 59), (Some(60), false));
    assert_eq!(troubles(&run, until + 1), (None, true));
    drop(run);

    // The horizon is also known without the chain.
    let mut run = world.start();
    assert_eq!(run.relay.horizon(), Some(horizon));
    assert_eq!(troubles(&run, until + 1), (None, true));
    // An endpoint that always shows the old block is no better than an unreachable one.
    world.endpoint.set_down(false);
    run.follower.step().unwrap();
    assert_eq!(troubles(&run, until + 1), (None, true));
    world.bench.advance(until.since(head_time));
    world.bench.chain.mine().unwrap();
    run.follower.step().unwrap();
    assert_eq!(troubles(&run, until + 1), (None, false));
    drop(run);

    // A copy without a saved exit delay is no better either.
    std::fs::remove_file(world.folder.path().join("members.roots.json")).unwrap();
    world.endpoint.set_down(true);
    let run = world.start();
    assert_eq!(run.relay.horizon().map(|horizon| horizon.exit_delay), Some(0));
    drop(run);
    // A chain in this process cannot be hidden.
    let mut own = world.start_with_settings(ChainSettings { is_own: true, ..ChainSettings::default() });
    world.endpoint.set_down(false);
    own.follower.step().unwrap();
    assert_eq!(own.relay.horizon().map(|horizon| horizon.head_time), Some(until + 1));
}

#[test]
fn roots_of_the_whole_history_are_found_after_their_windows() {
    let world = World::new();
    join(&world.bench, 0, 0, SMALL);
    let first = world.root();
    world.advance(u64::from(WINDOW) + 100);
    join(&world.bench, 0, 1, SMALL);
    world.advance(u64::from(WINDOW) + 100);
    let mut run = world.start();
    run.follower.step().unwrap();
    assert!(!matches!(run.status_of(&world, first), RootStatus::Current | RootStatus::Recent { .. }));
    let archive = run.follower.archive();
    let had = |run: &mut Run, root: Root| {
        let archive = archive.clone();
        let asked = std::thread::spawn(move || archive.had(root));
        // The question comes at some moment of the loop.
        while !asked.is_finished() {
            run.follower.step().unwrap();
        }
        asked.join().unwrap()
    };
    assert_eq!(had(&mut run, first), Ok(true));
    let elsewhere = EmbeddedBench::new();
    join(&elsewhere, 0, 9, SMALL);
    assert_eq!(had(&mut run, elsewhere.registry.root().unwrap()), Ok(false));
    drop(run);
    assert!(archive.had(first).is_err(), "a relay that has stopped answers nothing");
}
