//! Random sequences of calls, compared with the log in memory.

use proptest::{prelude::*, test_runner::TestRunner};
use quotapass_protocol::UnixSeconds;
use quotapass_relay::{BadgeBook, MemoryLog, NullifierLog, Restriction, SlashClaims, WorkerId};

use crate::{Fixture, inputs::*};

#[derive(Clone, Debug)]
enum Call {
    Record(Vec<(u64, u64, u64)>),
    Lookup(Vec<(u64, u64)>),
    Convict(u64, u64),
    Convictions(u64),
    Claim { member: u64, worker: u8, now: u64 },
    Expire(u64),
    Bind { persona: u64, key: u64, first: bool },
    Restrict { persona: u64, until: Option<u64> },
    Lift(u64),
    Persona(u64),
}

fn call() -> impl Strategy<Value = Call> {
    // Few values of each, so that they collide.
    prop_oneof![
        8 => prop::collection::vec((0..4u64, 0..12u64, 0..2u64), 0..10).prop_map(Call::Record),
        4 => prop::collection::vec((0..4u64, 0..12u64), 0..10).prop_map(Call::Lookup),
        2 => (0..4u64, 0..3u64).prop_map(|(member, x)| Call::Convict(member, x)),
        2 => (0..5u64).prop_map(Call::Convictions),
        2 => (0..4u64, 0..3u8, 0..10u64).prop_map(|(member, worker, now)| Call::Claim { member, worker, now }),
        1 => (0..3u64).prop_map(Call::Expire),
        2 => (0..4u64, 0..3u64, any::<bool>())
            .prop_map(|(persona, key, first)| Call::Bind { persona, key, first }),
        2 => (0..4u64, prop::option::of(1..5u64)).prop_map(|(persona, until)| Call::Restrict { persona, until }),
        1 => (0..4u64).prop_map(Call::Lift),
        2 => (0..4u64).prop_map(Call::Persona),
    ]
}

/// The log in memory is simple enough to be obviously correct; every other log behaves like it.
pub fn any_sequence_gives_what_the_model_gives(store: &dyn Fixture) {
    let (log, model) = (store.handle(), MemoryLog::new());
    // One store and one model for all cases.
    let mut runner = TestRunner::new(ProptestConfig { cases: 8, max_shrink_iters: 0, ..ProptestConfig::default() });
    let result = runner.run(&prop::collection::vec(call(), 1..25), |calls| {
        for call in calls {
            match &call {
                Call::Record(entries) => {
                    let entries: Vec<_> = entries.iter().map(|(epoch, of, x)| entry(*epoch, *of, *x)).collect();
                    prop_assert_eq!(log.record_all(&entries), model.record_all(&entries), "{:?}", call);
                }
                Call::Lookup(keys) => {
                    let keys: Vec<_> = keys.iter().map(|(epoch, of)| (log_epoch(*epoch), nullifier(*of))).collect();
                    prop_assert_eq!(log.lookup_all(&keys), model.lookup_all(&keys), "{:?}", call);
                }
                Call::Convict(member, x) => {
                    let conviction = conviction(*member, *x);
                    prop_assert_eq!(log.convict(&conviction), model.convict(&conviction), "{:?}", call);
                }
                Call::Convictions(from) => prop_assert_eq!(log.convictions(*from), model.convictions(*from)),
                Call::Claim { member, worker, now } => {
                    let (commitment, worker) = (secret(*member).commitment(), WorkerId(worker.to_string()));
                    let claim =
                        |log: &dyn SlashClaims| log.claim(commitment, &worker, UnixSeconds(*now), UnixSeconds(now + 3));
                    prop_assert_eq!(claim(log.cases()), claim(&model), "{:?}", call);
                }
                Call::Bind { persona: of, key: number, first } => {
                    let bind = |log: &dyn BadgeBook| match first {
                        true => log.bind_first(persona(*of), &key(*number)),
                        false => log.rebind(persona(*of), &key(*number)),
                    };
                    prop_assert_eq!(bind(log.badges()), bind(&model), "{:?}", call);
                }
                Call::Restrict { persona: of, until } => {
                    // Some ends are after the epochs of this test, and some are over at once.
                    let until = until.map(|until| log_epoch(until).keep_until() - 700);
                    let restriction = Restriction::new(until);
                    prop_assert_eq!(
                        log.badges().restrict(persona(*of), &restriction),
                        model.restrict(persona(*of), &restriction)
                    );
                }
                Call::Lift(of) => {
                    prop_assert_eq!(log.badges().lift(persona(*of)), model.lift(persona(*of)), "{:?}", call)
                }
                Call::Persona(of) => prop_assert_eq!(log.badges().persona(persona(*of)), model.persona(persona(*of))),
                Call::Expire(epoch) => {
                    let now = log_epoch(*epoch).keep_until() - 1;
                    prop_assert_eq!(log.expire(now), model.expire(now));
                }
            }
        }
        Ok(())
    });
    result.unwrap();
}
