//! Attacks on `author` and `record`.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{Bench, secret};
use crate::{
    moderation::{
        ActionHash, Entry, Segment,
        author::{self, Author, AuthorPublic, AuthorWitness},
        record::{Record, RecordPublic, clause, forged_witness},
    },
    share::{Line, Nullifier},
    signal::{ExternalNullifier, SignalHash},
};

const AUTHOR: u64 = 0;
const VICTIM: u64 = 1;

/// Returns the line of a post.
fn line(author: u64, number: u64) -> Line {
    Line::new(&secret(author), ExternalNullifier::from_field(Fr::from(77 + number)), 2)
}

/// Returns the entry of a post.
fn entry(author: u64, number: u64) -> Entry {
    let share = line(author, number).share(SignalHash::from_field(Fr::from(1_000 + number)).unwrap());
    Entry { x: share.x, y: share.y, nullifier: line(author, number).nullifier() }
}

fn slope(author: u64, number: u64) -> Fr {
    entry(author, number).slope(&secret(author)).unwrap().to_field()
}

/// Returns the slope of the line through an entry's point and a secret that did not write the post.
fn slope_through(entry: Entry, author: u64) -> Fr {
    (entry.y.to_field() - secret(author).to_field()) / entry.x.to_field()
}

#[test]
fn each_clause_of_author_is_needed() {
    let mut bench = Bench::<Author>::new();
    let action = ActionHash::from_field(Fr::from(99));
    let witness = |author: u64, slope| AuthorWitness { secret: secret(author).to_field(), slope };
    let public = |entry| AuthorPublic { entry, action };
    let own = entry(AUTHOR, 0);
    let honest = bench.forge(&public(own), &witness(AUTHOR, slope(AUTHOR, 0)));
    bench.honest(&honest);

    // The post of another member, with the slope that its nullifier needs, and with the slope of the attacker's line.
    let theirs = entry(VICTIM, 1);
    bench.only(author::clause::LINE, &bench.forge(&public(theirs), &witness(AUTHOR, slope(VICTIM, 1))));
    let through = slope_through(theirs, AUTHOR);
    bench.only(author::clause::NULLIFIER, &bench.forge(&public(theirs), &witness(AUTHOR, through)));
    let invented = Entry { nullifier: Nullifier::from_field(Fr::from(5)), ..own };
    bench.only(author::clause::NULLIFIER, &bench.forge(&public(invented), &witness(AUTHOR, slope(AUTHOR, 0))));
    // No member wrote the neutral entry.
    let through = slope_through(Entry::NEUTRAL, AUTHOR);
    bench.only(author::clause::NULLIFIER, &bench.forge(&public(Entry::NEUTRAL), &witness(AUTHOR, through)));

    // The same proof with another action.
    let mut forged = honest.clone();
    forged[4] += Fr::from(1);
    bench.only(author::clause::ACTION, &forged);

    // With x = 0 and y = a0, every secret would be the author of every post: the type of an entry refuses it.
    let mut forged = bench.forge(&public(theirs), &witness(AUTHOR, slope(VICTIM, 1)));
    (forged[1], forged[2]) = (Fr::zero(), secret(AUTHOR).to_field());
    assert!(bench.refused_by(&forged).is_empty());
    bench.all_covered();
}

/// Returns a segment of posts by other members.
fn others() -> Vec<Entry> {
    (0..16).map(|number| entry(VICTIM + number % 3, number)).collect()
}

fn forge(bench: &Bench<Record<16>>, entry: Entry, slope: Fr, entries: &[Entry]) -> Vec<Fr> {
    let segment = Segment::new(entries).unwrap();
    let witness = forged_witness(&secret(AUTHOR), slope, &segment);
    bench.forge(&RecordPublic { entry, segment }, &witness)
}

#[test]
fn each_clause_of_record_is_needed() {
    let mut bench = Bench::<Record<16>>::new();
    let (own, own_slope) = (entry(AUTHOR, 50), slope(AUTHOR, 50));
    bench.honest(&forge(&bench, own, own_slope, &others()));
    // A list with neutral entries only, and a post that is listed twice.
    bench.honest(&forge(&bench, own, own_slope, &[]));
    bench.honest(&forge(&bench, own, own_slope, &[others()[3]; 16]));

    // A listed author: at each edge, twice, among neutral entries, and with the post itself.
    for (places, listed) in [(vec![0], entry(AUTHOR, 51)), (vec![15], own), (vec![2, 9], entry(AUTHOR, 51))] {
        let mut entries = others();
        places.iter().for_each(|place| entries[*place] = listed);
        bench.only(clause::NOT_THE_AUTHOR, &forge(&bench, own, own_slope, &entries));
    }
    bench.only(clause::NOT_THE_AUTHOR, &forge(&bench, own, own_slope, &[own]));
    listed_author(&mut bench);

    // The post of another member, with the slope that its nullifier needs, and with the slope of the attacker's line.
    let theirs = entry(VICTIM, 52);
    bench.only(clause::LINE, &forge(&bench, theirs, slope(VICTIM, 52), &others()));
    bench.only(clause::NULLIFIER, &forge(&bench, theirs, slope_through(theirs, AUTHOR), &others()));
    // The nullifier of another member's post at the attacker's own point.
    let mixed = Entry { nullifier: theirs.nullifier, ..own };
    bench.only(clause::NULLIFIER, &forge(&bench, mixed, own_slope, &others()));
    bench.only(clause::LINE, &forge(&bench, mixed, slope(VICTIM, 52), &others()));

    bench.all_covered();
}

/// A listed author with other values for the listed entry.
fn listed_author(bench: &mut Bench<Record<16>>) {
    const PLACE: usize = 5;
    let (own, own_slope) = (entry(AUTHOR, 50), slope(AUTHOR, 50));
    let mut entries = others();
    entries[PLACE] = entry(AUTHOR, 51);
    let segment = Segment::<16>::new(&entries).unwrap();
    let public = RecordPublic { entry: own, segment: segment.clone() };
    let listed = forge(bench, own, own_slope, &entries);

    // An inverse that is not zero.
    let inverse = bench.shape.clauses.iter().filter(|c| c.clause == clause::NOT_THE_AUTHOR).nth(PLACE).unwrap();
    let inverse = inverse.variables.start;
    let mut forged = listed.clone();
    forged[inverse] = Fr::from(17);
    bench.only(clause::NOT_THE_AUTHOR, &forged);

    // The value of another secret for this entry.
    let mut witness = forged_witness(&secret(AUTHOR), own_slope, &segment);
    witness.listed[PLACE] = slope_through(entries[PLACE], VICTIM);
    let another = bench.forge(&public, &witness);
    bench.only(clause::LISTED_LINE, &another);

    // The hash of another value.
    let mut forged = listed.clone();
    for clause in [clause::LISTED_HASH, clause::NOT_THE_AUTHOR] {
        bench.graft(&mut forged, &another, clause, Some(PLACE));
    }
    bench.only(clause::LISTED_HASH, &forged);

    // Another secret for the whole list, and the author's for the post.
    let mut witness = forged_witness(&secret(VICTIM + 7), own_slope, &segment);
    bench.only(clause::LINE, &bench.forge(&public, &witness));
    *witness.secret = secret(AUTHOR).to_field();
    bench.only(clause::LISTED_LINE, &bench.forge(&public, &witness));

    // With x = 0 a listed entry would lock out every author: the type of an entry refuses it.
    let mut forged = forge(bench, own, own_slope, &others());
    forged[4 + 3 * PLACE] = Fr::zero();
    assert_eq!(bench.refused_by(&forged), [clause::LISTED_LINE].into());
}

#[test]
fn a_record_about_a_large_segment_refuses_a_listed_author_at_every_edge() {
    let bench = Bench::<Record<128>>::new();
    let (own, own_slope) = (entry(AUTHOR, 50), slope(AUTHOR, 50));
    let others: Vec<_> = (0..127).map(|number| entry(VICTIM + number % 3, number)).collect();
    for place in [None, Some(0), Some(64), Some(126)] {
        let mut entries = others.clone();
        if let Some(place) = place {
            entries[place] = entry(AUTHOR, 51);
        }
        let segment = Segment::<128>::new(&entries).unwrap();
        let witness = forged_witness(&secret(AUTHOR), own_slope, &segment);
        let forged = bench.forge(&RecordPublic { entry: own, segment }, &witness);
        let refused = place.map(|_| clause::NOT_THE_AUTHOR);
        assert_eq!(bench.refused_by(&forged), refused.into_iter().collect());
    }
}
