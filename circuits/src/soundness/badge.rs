//! Attacks on `badge`.

use ark_bn254::Fr;

use super::{
    Bench, TODAY, member,
    membership::{self, MembershipStatement},
    secret, tree,
};
use crate::{
    badge::{Badge, BadgePublic, BadgeWitness, clause},
    membership::{
        MemberIndex, Root,
        gadget::{self, MembershipWitness},
    },
    poseidon,
    requirement::Requirement,
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

impl MembershipStatement for Badge {
    fn state(secret: Fr, membership: MembershipWitness, root: Root) -> (BadgePublic, BadgeWitness) {
        let scope = Fr::from(55);
        let public = BadgePublic {
            root,
            scope: Scope::from_field(scope),
            chat_key_hash: ChatKeyHash::new(b"key"),
            requirement: Requirement { min_stake: 100, since_max: TODAY },
            pseudonym: Pseudonym::from_field(poseidon::hash(&[secret, scope])),
        };
        (public, BadgeWitness { secret, membership })
    }
}

#[test]
fn each_clause_of_badge_is_needed() {
    let mut bench = Bench::<Badge>::new();
    membership::attacks(&mut bench);

    let tree = tree();
    let honest_membership = MembershipWitness::new(&member(0), &tree.path(MemberIndex(0)).unwrap());
    let forge = |bench: &Bench<Badge>, number: u64, membership: &MembershipWitness| {
        Badge::forge(bench, secret(number).to_field(), membership.clone(), tree.root())
    };
    let honest = forge(&bench, 0, &honest_membership);

    // The same word, decoded differently.
    let mut carried = honest_membership.clone();
    carried.message_limit += Fr::from(1u64 << 24);
    carried.since -= Fr::from(1);
    let carried = forge(&bench, 0, &carried);
    bench.only(clause::LIMIT, &carried);
    let mut shifted = honest_membership.clone();
    shifted.stake += Fr::from(1u64 << 40);
    shifted.message_limit -= Fr::from(1);
    let shifted = forge(&bench, 0, &shifted);
    bench.only(gadget::clause::STAKE, &shifted);

    // A stake one unit too low, and a deposit one day too late.
    let stated = |requirement: Requirement| {
        let (public, witness) = Badge::state(secret(0).to_field(), honest_membership.clone(), tree.root());
        (BadgePublic { requirement, ..public }, witness)
    };
    let (public, witness) = stated(Requirement { min_stake: 101, since_max: TODAY });
    let poor = bench.forge(&public, &witness);
    bench.only(gadget::clause::STAKE, &poor);
    let since = member(0).terms.since;
    let (public, witness) = stated(Requirement { min_stake: 100, since_max: since });
    bench.honest(&bench.forge(&public, &witness));
    let (public, witness) = stated(Requirement { min_stake: 100, since_max: crate::membership::Day(since.0 - 1) });
    let young = bench.forge(&public, &witness);
    bench.only(gadget::clause::AGE, &young);

    // An invented pseudonym, and the pseudonym of another member.
    let mut forged = honest.clone();
    forged[6] += Fr::from(1);
    bench.only(clause::PSEUDONYM, &forged);
    let other = forge(&bench, 1, &MembershipWitness::new(&member(1), &tree.path(MemberIndex(1)).unwrap()));
    let mut forged = honest.clone();
    forged[6] = other[6];
    bench.graft(&mut forged, &other, clause::PSEUDONYM, None);
    bench.only(clause::PSEUDONYM, &forged);

    // The same proof with another chat key.
    let mut forged = honest;
    forged[3] = ChatKeyHash::new(b"another key").to_field();
    bench.only(clause::CHAT_KEY, &forged);

    bench.all_covered();
}
