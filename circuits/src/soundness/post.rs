//! Attacks on `post`.

use core::num::NonZeroU16;

use ark_bn254::Fr;

use super::{
    Bench, TODAY, member,
    membership::{self, MembershipStatement},
    secret, tree,
};
use crate::{
    membership::{
        MemberIndex, Root,
        gadget::{self, MembershipWitness},
    },
    poseidon,
    post::{Post, PostPublic, PostWitness, clause},
    requirement::Requirement,
    share::{Nullifier, Share, ShareValue},
    signal::{ExternalNullifier, SignalHash},
};

const CAP: u16 = 10;

impl MembershipStatement for Post {
    fn state(secret: Fr, membership: MembershipWitness, root: Root) -> (PostPublic, PostWitness) {
        Draft { secret, membership, root, ..Draft::honest() }.state()
    }
}

/// A statement with arbitrary values, whose share and nullifier are computed as in the circuit.
struct Draft {
    secret: Fr,
    membership: MembershipWitness,
    root: Root,
    message_id: Fr,
    external: Fr,
    min_stake: u32,
    cap: u16,
}

impl Draft {
    fn honest() -> Self {
        let tree = tree();
        Self {
            secret: secret(0).to_field(),
            membership: MembershipWitness::new(&member(0), &tree.path(MemberIndex(0)).unwrap()),
            root: tree.root(),
            message_id: Fr::from(3),
            external: Fr::from(77),
            min_stake: 100,
            cap: CAP,
        }
    }

    fn state(self) -> (PostPublic, PostWitness) {
        let x = Fr::from(123_456_789);
        let slope = poseidon::hash(&[self.secret, self.external, self.message_id]);
        let public = PostPublic {
            root: self.root,
            external_nullifier: ExternalNullifier::from_field(self.external),
            requirement: Requirement { min_stake: self.min_stake, since_max: TODAY },
            limit_cap: NonZeroU16::new(self.cap).unwrap(),
            share: Share { x: SignalHash::from_field(x).unwrap(), y: ShareValue::from_field(self.secret + slope * x) },
            nullifier: Nullifier::from_field(poseidon::hash(&[slope])),
        };
        let witness = PostWitness { secret: self.secret, message_id: self.message_id, membership: self.membership };
        (public, witness)
    }

    fn forge(self, bench: &Bench<Post>) -> Vec<Fr> {
        let (public, witness) = self.state();
        bench.forge(&public, &witness)
    }
}

#[test]
fn each_clause_of_post_is_needed() {
    let mut bench = Bench::<Post>::new();
    membership::attacks(&mut bench);
    quota(&mut bench);
    terms(&mut bench);
    share(&mut bench);
    bench.all_covered();
}

fn quota(bench: &mut Bench<Post>) {
    let draft = Draft::honest;
    let limit = member(0).terms.message_limit;

    // The last id below the cap and the last id below the member's limit are accepted; the next ids are refused.
    bench.honest(&Draft { message_id: Fr::from(CAP - 1), ..draft() }.forge(bench));
    bench.only(clause::CAP, &Draft { message_id: Fr::from(CAP), ..draft() }.forge(bench));
    bench.honest(&Draft { message_id: Fr::from(limit - 1), cap: 1000, ..draft() }.forge(bench));
    bench.only(clause::LIMIT, &Draft { message_id: Fr::from(limit), cap: 1000, ..draft() }.forge(bench));

    // An id below zero keeps the other two differences small.
    bench.only(clause::MESSAGE_ID, &Draft { message_id: -Fr::from(1), ..draft() }.forge(bench));
}

fn terms(bench: &mut Bench<Post>) {
    let honest = Draft::honest;
    let with = |change: fn(&mut MembershipWitness)| {
        let mut draft = Draft::honest();
        change(&mut draft.membership);
        draft
    };

    // A stake of exactly the minimum; then a minimum of one more.
    bench.honest(&honest().forge(bench));
    bench.only(gadget::clause::STAKE, &Draft { min_stake: 101, ..honest() }.forge(bench));

    // A deposit of the last allowed day; then a deposit one day later.
    let mut tree = tree();
    for (late, day) in [TODAY, crate::membership::Day(TODAY.0 + 1)].into_iter().enumerate() {
        let mut newcomer = member(50);
        newcomer.terms.since = day;
        let index = tree.append(newcomer).unwrap().index;
        let membership = MembershipWitness::new(&newcomer, &tree.path(index).unwrap());
        let forged = Draft { secret: secret(50).to_field(), membership, root: tree.root(), ..honest() }.forge(bench);
        if late == 0 {
            bench.honest(&forged);
        } else {
            bench.only(gadget::clause::AGE, &forged);
        }
    }

    // The same word, decoded differently: one field larger, the adjacent field smaller.
    let shifted = with(|m| {
        m.stake += Fr::from(1u64 << 40);
        m.message_limit -= Fr::from(1);
    });
    bench.only(gadget::clause::STAKE, &shifted.forge(bench));
    let borrowed = with(|m| {
        m.stake -= Fr::from(1u64 << 40);
        m.message_limit += Fr::from(1);
    });
    bench.only(gadget::clause::STAKE, &borrowed.forge(bench));
    let carried = with(|m| {
        m.message_limit += Fr::from(1u64 << 24);
        m.since -= Fr::from(1);
    });
    bench.only(clause::LIMIT, &carried.forge(bench));
    // A stake larger by 2^32 and a limit smaller by one give another word: refused by the range and by the tree.
    let overflowing = with(|m| {
        m.stake += Fr::from(1u64 << 32);
        m.message_limit -= Fr::from(1);
    });
    assert_eq!(bench.refused_by(&overflowing.forge(bench)), [gadget::clause::STAKE, gadget::clause::CHILD].into());

    // A member of day 0 who claims an earlier day: first without compensation, then with a larger limit.
    let mut first_day = member(51);
    first_day.terms.since = crate::membership::Day(0);
    let index = tree.append(first_day).unwrap().index;
    let mut membership = MembershipWitness::new(&first_day, &tree.path(index).unwrap());
    membership.since = -Fr::from(1);
    let outright =
        Draft { secret: secret(51).to_field(), membership: membership.clone(), root: tree.root(), ..honest() };
    assert_eq!(bench.refused_by(&outright.forge(bench)), [gadget::clause::CHILD].into());
    membership.message_limit += Fr::from(1u64 << 24);
    let balanced = Draft { secret: secret(51).to_field(), membership, root: tree.root(), ..honest() };
    bench.only(clause::LIMIT, &balanced.forge(bench));
    let mut ancient = with(|_| {});
    ancient.membership.since -= Fr::from(1u64 << 40);
    ancient.membership.message_limit += Fr::from(1u128 << 64);
    assert_eq!(bench.refused_by(&ancient.forge(bench)), [gadget::clause::AGE, clause::LIMIT].into());
}

fn share(bench: &mut Bench<Post>) {
    let honest = Draft::honest().forge(bench);

    // The slope of another message id, which gives an unused nullifier.
    let other = Draft { message_id: Fr::from(4), ..Draft::honest() }.forge(bench);
    let mut forged = other.clone();
    let message_id = bench.variables("message id").start;
    forged[message_id] = Fr::from(3);
    for clause in [clause::MESSAGE_ID, clause::LIMIT, clause::CAP] {
        bench.graft(&mut forged, &honest, clause, None);
    }
    bench.only(clause::SLOPE, &forged);

    // The slope of another epoch.
    let other = Draft { external: Fr::from(78), ..Draft::honest() }.forge(bench);
    let mut forged = other.clone();
    forged[2] = honest[2];
    bench.only(clause::SLOPE, &forged);

    // A share that is not on the line, so that it reveals nothing.
    let mut forged = honest.clone();
    forged[7] += Fr::from(1);
    bench.only(clause::SHARE, &forged);

    // An invented nullifier, and the nullifier of another slope.
    let mut forged = honest.clone();
    forged[8] += Fr::from(1);
    bench.only(clause::NULLIFIER, &forged);
    let mut forged = honest.clone();
    forged[8] = other[8];
    bench.graft(&mut forged, &other, clause::NULLIFIER, None);
    bench.only(clause::NULLIFIER, &forged);
}
