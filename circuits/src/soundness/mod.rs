//! Soundness tests of each clause. For every clause of every circuit they forge an assignment that violates only this
//! clause. Every violated row belongs to the clause, so without the clause the forgery would be accepted.
#![allow(clippy::unwrap_used)]

mod badge;
mod membership;
mod moderation;
mod post;
mod slash;

use std::collections::BTreeSet;

pub(crate) use membership::MembershipStatement;

use ark_bn254::Fr;
use ark_ff::{One, Zero};

use crate::{
    constraints::{Circuit, Clause, assignment::Assignment, shape::Shape},
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms},
};

const TODAY: Day = Day(20_800);

/// A circuit's constraints, and the clauses for which an attack was refused by this clause alone.
struct Bench<C> {
    shape: Shape,
    covered: BTreeSet<Clause>,
    circuit: core::marker::PhantomData<C>,
}

impl<C: Circuit> Bench<C> {
    fn new() -> Self {
        let shape = Shape::of(C::STANDARD).unwrap();
        Self { shape, covered: BTreeSet::new(), circuit: core::marker::PhantomData }
    }

    fn forge(&self, public: &C::Public, witness: &C::Witness) -> Vec<Fr> {
        let assignment = Assignment::forge(C::STANDARD, public, witness);
        assert_eq!(assignment.values().len(), self.shape.variables);
        assignment.values().to_vec()
    }

    /// Returns the clauses whose rows an assignment violates.
    fn refused_by(&self, values: &[Fr]) -> BTreeSet<Clause> {
        self.shape.violated(values).into_iter().map(|row| self.shape.clause_of(row)).collect()
    }

    /// Asserts that an attack is refused by this clause alone.
    fn only(&mut self, clause: Clause, values: &[Fr]) {
        assert_eq!(self.refused_by(values), BTreeSet::from([clause]));
        self.covered.insert(clause);
    }

    /// Replaces the variables that a clause adds by the variables of another assignment, in all occurrences of the
    /// clause or only in occurrence number `place`.
    fn graft(&self, values: &mut [Fr], from: &[Fr], clause: Clause, place: Option<usize>) {
        let places: Vec<_> = self.shape.clauses.iter().filter(|c| c.clause == clause).collect();
        assert!(!places.is_empty(), "no clause {clause}");
        for (number, shape) in places.into_iter().enumerate() {
            if place.is_none_or(|place| place == number) {
                values[shape.variables.clone()].copy_from_slice(&from[shape.variables.clone()]);
            }
        }
    }

    fn variables(&self, clause: Clause) -> core::ops::Range<usize> {
        self.shape.clauses.iter().find(|c| c.clause == clause).unwrap().variables.clone()
    }

    /// Asserts that every clause with constraints was covered by an attack on it alone.
    fn all_covered(&self) {
        let clauses: BTreeSet<_> =
            self.shape.clauses.iter().filter(|c| !c.constraints.is_empty()).map(|c| c.clause).collect();
        assert_eq!(self.covered, clauses);
        let rows: usize = self.shape.clauses.iter().map(|c| c.constraints.len()).sum();
        assert_eq!(rows, self.shape.constraints(), "every constraint belongs to a clause");
    }

    /// Asserts that an honest assignment satisfies all constraints, and that no single public input can be changed.
    fn honest(&self, values: &[Fr]) {
        assert_eq!(self.refused_by(values), BTreeSet::new());
        for input in 1..self.shape.public {
            let mut changed = values.to_vec();
            changed[input] += Fr::one();
            assert!(!self.refused_by(&changed).is_empty(), "public input {input} is free");
        }
    }
}

fn secret(number: u64) -> IdentitySecret {
    IdentitySecret::from_field(Fr::from(1_000_000 + number)).unwrap()
}

fn member(number: u64) -> Member {
    // Members 0 and 1 share a bottom node and have the same terms, like depositors of the same day and tier.
    let terms = Terms::new(100, 20, Day(20_700)).unwrap();
    Member { commitment: secret(number).commitment(), terms }
}

/// Returns a tree of ten members, one of them removed.
fn tree() -> MemberTree {
    let mut tree = MemberTree::build(Levels::STANDARD, (0..10).map(|i| Some(member(i)))).unwrap();
    tree.remove(MemberIndex(7)).unwrap();
    tree
}

/// Changes the last variable of the identity hash so that the commitment is `target`. An attacker could do this if the
/// hash were not constrained.
fn force_commitment<C: Circuit>(bench: &Bench<C>, values: &mut [Fr], target: Fr) {
    use crate::membership::gadget::clause;
    // The row that selects the left commitment multiplies the selector by (neighbour - idc).
    let selection = bench.shape.clauses.iter().find(|c| c.clause == clause::SELECTION).unwrap();
    let row = &bench.shape.matrices[1][selection.constraints.start];
    let neighbour = selection.variables.start;
    let idc = values[neighbour] - row.iter().map(|(c, i)| *c * values[*i]).sum::<Fr>();
    let last = bench.variables(clause::IDENTITY).end - 1;
    let coefficient = -row.iter().find(|(_, i)| *i == last).unwrap().0;
    assert!(!coefficient.is_zero());
    values[last] += (target - idc) / coefficient;
}
