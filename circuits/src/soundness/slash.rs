//! Attacks on `slash`.

use ark_bn254::Fr;

use super::{Bench, secret};
use crate::{
    signal::Receiver,
    slash::{Slash, SlashPublic, SlashWitness, clause, slash},
};

#[test]
fn each_clause_of_slash_is_needed() {
    let mut bench = Bench::<Slash>::new();
    let receiver = Receiver::from_field(Fr::from(99));
    let (public, witness) = slash(&secret(0), receiver);
    let honest = bench.forge(&public, &witness);
    bench.honest(&honest);

    // The commitment of another member.
    let theirs = SlashPublic { commitment: secret(1).commitment(), receiver };
    let forged = bench.forge(&theirs, &SlashWitness { secret: secret(0).to_field() });
    bench.only(clause::IDENTITY, &forged);

    // The same proof with another receiver.
    let mut forged = honest;
    forged[2] += Fr::from(1);
    bench.only(clause::RECEIVER, &forged);

    bench.all_covered();
}
