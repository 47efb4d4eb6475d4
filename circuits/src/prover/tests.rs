//! Checks that every optimised path computes the same points as plain arkworks.
#![allow(clippy::unwrap_used)]

use core::num::NonZeroU16;
use std::sync::LazyLock;

use ark_bn254::{Bn254, Fr};
use ark_ec::CurveGroup;
use ark_ff::{Field, UniformRand, Zero};
use ark_groth16::{Groth16, r1cs_to_qap::LibsnarkReduction};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_std::rand::{SeedableRng, rngs::StdRng};

use super::{
    blinding::{Blinding, Sums},
    *,
};
use crate::{
    badge::Badge,
    constraints::{
        Circuit,
        assignment::Assignment,
        shape::{Shape, Synthesizer},
    },
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberPath, MemberTree, Membership, Terms},
    moderation::{
        ActionHash, Entry, Segment,
        author::{Author, author},
        record::{Record, RecordError, record},
    },
    post::{Post, post},
    requirement::Requirement,
    share::Line,
    signal::{ExternalNullifier, Receiver, SignalHash},
    slash::{Slash, slash},
    soundness::MembershipStatement,
};

const REQUIREMENT: Requirement = Requirement { min_stake: 10, since_max: Day(20_800) };
const CAP: NonZeroU16 = NonZeroU16::new(30).unwrap();

static SECRET: LazyLock<IdentitySecret> = LazyLock::new(|| IdentitySecret::from_field(Fr::from(4711)).unwrap());
static POST: LazyLock<Prover<Post>> =
    LazyLock::new(|| Prover::new(development_setup(Post::STANDARD).unwrap()).unwrap());
static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables::build(POST.key()));
static FAST: LazyLock<Prover<Post>> = LazyLock::new(|| POST.clone().with_tables(TABLES.clone()).unwrap());

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

fn member() -> Member {
    Member { commitment: SECRET.commitment(), terms: Terms::new(100, 20, Day(20_700)).unwrap() }
}

fn tree() -> MemberTree {
    let mut tree = MemberTree::new(Levels::STANDARD);
    tree.append(member()).unwrap();
    tree
}

fn membership<'a>(member: &'a Member, path: &'a MemberPath) -> Membership<'a> {
    Membership { secret: &SECRET, member, path }
}

fn message(number: u64) -> (ExternalNullifier, SignalHash) {
    (ExternalNullifier::from_field(Fr::from(900 + number)), SignalHash::from_field(Fr::from(number + 1)).unwrap())
}

fn affine(sums: &Sums) -> ark_groth16::Proof<Bn254> {
    ark_groth16::Proof { a: sums.a.into_affine(), b: sums.b.into_affine(), c: sums.c.into_affine() }
}

/// A circuit with the values of an assignment, for arkworks' own prover.
struct Solved<'a> {
    shape: &'a Shape,
    values: &'a [Fr],
}

impl ConstraintSynthesizer<Fr> for Solved<'_> {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        use ark_relations::gr1cs::{LinearCombination, Variable};
        let public = self.shape.public;
        for value in &self.values[1..public] {
            let _ = system.new_input_variable(|| Ok(*value))?;
        }
        for value in &self.values[public..] {
            let _ = system.new_witness_variable(|| Ok(*value))?;
        }
        let variable = |index: usize| match index {
            0 => Variable::one(),
            _ if index < public => Variable::instance(index),
            _ => Variable::witness(index - public),
        };
        let combination = |row: &[(Fr, usize)]| {
            LinearCombination(row.iter().map(|(coefficient, index)| (*coefficient, variable(*index))).collect())
        };
        let [a, b, c] = &self.shape.matrices;
        for row in 0..self.shape.constraints() {
            system.enforce_r1cs_constraint(
                || combination(&a[row]),
                || combination(&b[row]),
                || combination(&c[row]),
            )?;
        }
        Ok(())
    }
}

/// Checks that the sums of our prover, with and without tables, equal the points of arkworks' prover without blinding.
/// Arkworks' key comes from the same randomness, but its quotient points are in the basis of powers.
fn agrees_with_arkworks<C: Circuit>(public: &C::Public, witness: &C::Witness) {
    let mut seed = rand_chacha::ChaCha20Rng::from_seed(DEVELOPMENT_SEED);
    let circuit = Synthesizer(C::STANDARD);
    let key =
        Groth16::<Bn254, LibsnarkReduction>::generate_random_parameters_with_reduction(circuit, &mut seed).unwrap();
    let assignment = Assignment::compute(C::STANDARD, public, witness).unwrap();
    let shape = Shape::of(C::STANDARD).unwrap();
    let solved = Solved { shape: &shape, values: assignment.values() };
    let plain = Groth16::<Bn254, LibsnarkReduction>::create_proof_with_reduction_no_zk(solved, &key).unwrap();

    let prover = Prover::<C>::new(development_setup(C::STANDARD).unwrap()).unwrap();
    assert_eq!(prover.verifying_key().as_groth16(), &key.vk);
    assert_eq!(affine(&prover.sums(&assignment, Fr::zero()).unwrap()), plain);
    let tables = Tables::build(prover.key());
    let prover = prover.with_tables(tables).unwrap();
    assert_eq!(affine(&prover.sums(&assignment, Fr::zero()).unwrap()), plain);
}

#[test]
fn sums_are_those_of_plain_groth16() {
    let (public, witness) = Post::honest();
    agrees_with_arkworks::<Post>(&public, &witness);
    let (public, witness) = Badge::honest();
    agrees_with_arkworks::<Badge>(&public, &witness);
    let (public, witness) = slash(&SECRET, Receiver::from_field(Fr::from(9)));
    agrees_with_arkworks::<Slash>(&public, &witness);
    let own = entry(&SECRET, 1);
    let (public, witness) = author(&SECRET, own, ActionHash::from_field(Fr::from(9))).unwrap();
    agrees_with_arkworks::<Author>(&public, &witness);
    let (public, witness) = record(&SECRET, own, segment(0..9)).unwrap();
    agrees_with_arkworks::<Record<16>>(&public, &witness);
}

/// Returns the entry of a post.
fn entry(secret: &IdentitySecret, number: u64) -> Entry {
    let (external, x) = message(number);
    let line = Line::new(secret, external, 3);
    Entry { x, y: line.share(x).y, nullifier: line.nullifier() }
}

/// Returns a segment of posts by another member.
fn segment(numbers: core::ops::Range<u64>) -> Segment<16> {
    let other = IdentitySecret::from_field(Fr::from(4712)).unwrap();
    Segment::new(&numbers.map(|number| entry(&other, number)).collect::<Vec<_>>()).unwrap()
}

#[test]
fn prepared_records_are_those_of_the_whole_and_follow_a_list() {
    let plain = Prover::<Record<16>>::new(development_setup(Record::<16>).unwrap()).unwrap();
    let fast = plain.clone().with_tables(Tables::build(plain.key())).unwrap();
    for prover in [&plain, &fast] {
        let mut prepared = prover.prepare_record(&SECRET, &segment(0..3)).unwrap();
        // A list that grows, that loses a post in its middle, and that is empty.
        for segment in [segment(0..3), segment(0..4), segment(2..16), segment(0..0)] {
            prepared.update(&segment).unwrap();
            assert_eq!(prepared.segment(), &segment);
            for number in [1, 2] {
                let own = entry(&SECRET, number);
                let (public, witness) = record(&SECRET, own, segment.clone()).unwrap();
                let assignment = Assignment::compute(Record::<16>, &public, &witness).unwrap();
                let whole = affine(&plain.sums(&assignment, Fr::zero()).unwrap());
                let slope = own.slope(&SECRET).unwrap();
                assert_eq!(affine(&prepared.sums(own, &slope, Fr::zero()).unwrap()), whole);
            }
        }
    }
}

#[test]
fn a_prepared_record_refuses_what_is_not_true_and_stays_as_it_was() {
    let prover = Prover::<Record<16>>::new(development_setup(Record::<16>).unwrap()).unwrap();
    let mut prepared = prover.prepare_record(&SECRET, &segment(0..3)).unwrap();
    let listed = Segment::new(&[segment(0..1).entries()[0], entry(&SECRET, 5)]).unwrap();
    let is_listed = |error: ProveError| matches!(error, ProveError::Record(RecordError::Listed { position: 1 }));
    assert!(is_listed(prover.prepare_record(&SECRET, &listed).err().unwrap()));
    assert!(is_listed(prepared.update(&listed).unwrap_err()));
    assert_eq!(prepared.segment(), &segment(0..3));
    let mut rng = rng();
    let theirs = segment(0..1).entries()[0];
    let error = prepared.prove(theirs, &mut rng).err().unwrap();
    assert!(matches!(error, ProveError::Record(RecordError::NotTheAuthor(_))), "{error}");

    let own = entry(&SECRET, 1);
    let [(public, first), (again, second)] = [0, 1].map(|_| prepared.prove(own, &mut rng).unwrap());
    assert_eq!(public, again);
    let [f, s] = [first.as_groth16(), second.as_groth16()];
    assert!(f.a != s.a && f.b != s.b && f.c != s.c);
    let verifier = prover.verifier().unwrap();
    for proof in [&first, &second] {
        verifier.verify(&public, proof).unwrap();
    }
}

#[test]
fn blinding_is_the_rerandomisation_of_arkworks() {
    let prover = Prover::<Slash>::new(development_setup(Slash).unwrap()).unwrap();
    let (public, witness) = slash(&SECRET, Receiver::from_field(Fr::from(9)));
    let assignment = Assignment::compute(Slash, &public, &witness).unwrap();
    let plain = affine(&prover.sums(&assignment, Fr::zero()).unwrap());
    let key = prover.verifying_key();
    let theirs = Groth16::<Bn254>::rerandomize_proof(key.as_groth16(), &plain, &mut rng());

    let mut rng = rng();
    let (r1, r2) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
    let blinding = Blinding::of(r1.inverse().unwrap(), r1 * r2);
    let ours = blinding.apply(&prover.sums(&assignment, blinding.delta()).unwrap()).unwrap();
    assert_eq!(ours.as_groth16(), &theirs);
}

/// Returns the sums of a statement that is proved without preparation.
fn whole(path: &MemberPath, number: u64, message_id: u16) -> ark_groth16::Proof<Bn254> {
    let (external, x) = message(number);
    let (public, witness) = post(membership(&member(), path), external, x, REQUIREMENT, CAP, message_id).unwrap();
    let assignment = Assignment::compute(Post::STANDARD, &public, &witness).unwrap();
    affine(&POST.sums(&assignment, Fr::zero()).unwrap())
}

#[test]
fn prepared_sums_are_those_of_the_whole() {
    let path = tree().path(MemberIndex(0)).unwrap();
    for prover in [&*POST, &*FAST] {
        let member = member();
        let prepared = prover.prepare(membership(&member, &path), REQUIREMENT, CAP).unwrap();
        assert_eq!(prepared.root(), tree().root());
        for (number, message_id) in [(0, 0), (1, 7), (2, 19)] {
            let (external, x) = message(number);
            let (public, _) = post(membership(&member, &path), external, x, REQUIREMENT, CAP, message_id).unwrap();
            let sums = prepared.sums(&public, message_id, Fr::zero()).unwrap();
            assert_eq!(affine(&sums), whole(&path, number, message_id), "message {number}");
        }
    }
}

#[test]
fn an_updated_prover_is_as_one_prepared_anew() {
    let mut tree = tree();
    let member = member();
    let mut path = tree.path(MemberIndex(0)).unwrap();
    let mut prepared = FAST.prepare(membership(&member, &path), REQUIREMENT, CAP).unwrap();
    // First the neighbour in the bottom node, then members that are farther and farther away.
    for number in 1..12 {
        let other = IdentitySecret::from_field(Fr::from(100 + number)).unwrap();
        let update = tree.append(Member { commitment: other.commitment(), ..member }).unwrap();
        path.apply(&update).unwrap();
        prepared.update(&path).unwrap();
        assert_eq!(prepared.root(), tree.root());
    }
    let (external, x) = message(5);
    let (public, _) = post(membership(&member, &path), external, x, REQUIREMENT, CAP, 3).unwrap();
    assert_eq!(affine(&prepared.sums(&public, 3, Fr::zero()).unwrap()), whole(&path, 5, 3));

    // A path of another tree is refused, and the prover stays unchanged.
    let small = MemberTree::build(Levels::new(3).unwrap(), [Some(member)]).unwrap();
    assert!(prepared.update(&small.path(MemberIndex(0)).unwrap()).is_err());
    let (public, proof) = prepared.prove(external, x, 3, &mut rng()).unwrap();
    POST.verifier().unwrap().verify(&public, &proof).unwrap();
    assert_eq!(public.root, tree.root());
}

#[test]
fn two_prepared_proofs_of_one_statement_differ_in_every_point() {
    let (member, path) = (member(), tree().path(MemberIndex(0)).unwrap());
    let prepared = FAST.prepare(membership(&member, &path), REQUIREMENT, CAP).unwrap();
    let (external, x) = message(1);
    let mut rng = rng();
    let [(public, first), (again, second)] = [0, 1].map(|_| prepared.prove(external, x, 2, &mut rng).unwrap());
    assert_eq!(public, again);
    let [f, s] = [first.as_groth16(), second.as_groth16()];
    assert!(f.a != s.a && f.b != s.b && f.c != s.c);
    for proof in [&first, &second] {
        POST.verifier().unwrap().verify(&public, proof).unwrap();
    }
    let over = prepared.prove(external, x, 20, &mut rng).err().unwrap().to_string();
    assert_eq!(over, "message id 20 is not below the limit of 20 messages per epoch");
    let poor = Requirement { min_stake: 101, ..REQUIREMENT };
    let error = FAST.prepare(membership(&member, &path), poor, CAP).err().unwrap();
    assert!(matches!(error, ProveError::Post(_)), "{error}");
}

#[test]
fn tables_return_and_each_fault_is_named() {
    let prover = Prover::<Slash>::new(development_setup(Slash).unwrap()).unwrap();
    let (key, tables) = (prover.key(), Tables::build(prover.key()));
    let file = tables.to_bytes();
    assert!(Tables::from_bytes(key, &file).unwrap() == tables);
    let change = |at: usize| {
        let mut bytes = file.clone();
        bytes[at] ^= 1;
        Tables::from_bytes(key, &bytes).unwrap_err()
    };
    assert_eq!(change(0), TablesError::NotTables);
    assert_eq!(change(9), TablesError::NotTables);
    assert_eq!(change(10), TablesError::OtherKey);
    assert_eq!(change(1000), TablesError::Damaged);
    assert_eq!(change(file.len() - 1), TablesError::Damaged);
    assert_eq!(Tables::from_bytes(key, &file[..20]).unwrap_err(), TablesError::NotTables);
    assert_eq!(Tables::from_bytes(key, &file[..file.len() - 1]).unwrap_err(), TablesError::Damaged);
    assert_eq!(Tables::from_bytes(POST.key(), &file).unwrap_err(), TablesError::OtherKey);
    assert_eq!(prover.clone().with_tables(TABLES.clone()).err(), Some(TablesError::OtherKey));
}
