//! Attacks on the membership clauses, the same for `post` and `badge`.

use ark_bn254::Fr;
use ark_ff::{Field, Zero};

use super::{Bench, force_commitment, member, secret, tree};
use crate::{
    constraints::Circuit,
    membership::{
        ARITY, Levels, Member, MemberIndex, MemberTree, Root,
        gadget::{MembershipWitness, clause},
    },
};

/// A statement about a member, with any secret, terms and path.
pub(crate) trait MembershipStatement: Circuit {
    fn state(secret: Fr, membership: MembershipWitness, root: Root) -> (Self::Public, Self::Witness);

    fn honest() -> (Self::Public, Self::Witness) {
        Self::state(secret(VICTIM).to_field(), honest_membership(VICTIM), tree().root())
    }

    #[allow(private_interfaces)]
    fn forge(bench: &Bench<Self>, secret: Fr, membership: MembershipWitness, root: Root) -> Vec<Fr>
    where
        Self: Sized,
    {
        let (public, witness) = Self::state(secret, membership, root);
        bench.forge(&public, &witness)
    }
}

/// The victim is a member, and the attacker is not.
const VICTIM: u64 = 0;
const ATTACKER: u64 = 100;

fn honest_membership(number: u64) -> MembershipWitness {
    MembershipWitness::new(&member(number), &tree().path(MemberIndex(number as u32)).unwrap())
}

pub(super) fn attacks<C: MembershipStatement>(bench: &mut Bench<C>) {
    let root = tree().root();
    let victim = C::forge(bench, secret(VICTIM).to_field(), honest_membership(VICTIM), root);
    bench.honest(&victim);
    for other in [1, 5, 8] {
        bench.honest(&C::forge(bench, secret(other).to_field(), honest_membership(other), root));
    }
    let attacker = secret(ATTACKER).to_field();
    let attempt = C::forge(bench, attacker, honest_membership(VICTIM), root);
    let upper = [clause::CHILD, clause::NODE_HASH];

    // The victim's commitment with the attacker's secret.
    let mut forged = attempt.clone();
    for clause in [clause::IDENTITY, clause::SELECTOR, clause::SELECTION, clause::BOTTOM_HASH].into_iter().chain(upper)
    {
        bench.graft(&mut forged, &victim, clause, None);
    }
    bench.only(clause::IDENTITY, &forged);

    non_boolean_selector(bench);

    // The attacker's pair, moved to the victim's place by selection values that do not match the selector.
    let mut forged = attempt.clone();
    for clause in [clause::BOTTOM_HASH].into_iter().chain(upper) {
        bench.graft(&mut forged, &victim, clause, None);
    }
    let selection = bench.variables(clause::SELECTION).start;
    let [left, right] = [VICTIM, VICTIM + 1].map(|number| member(number).commitment.to_field());
    let moved = left - secret(ATTACKER).commitment().to_field();
    forged[selection] = right + moved;
    forged[selection + 2] = moved;
    bench.only(clause::SELECTION, &forged);

    // The attacker's pair in a bottom node that has the hash of the victim's bottom node.
    let mut forged = attempt.clone();
    for clause in [clause::BOTTOM_HASH].into_iter().chain(upper) {
        bench.graft(&mut forged, &victim, clause, None);
    }
    bench.only(clause::BOTTOM_HASH, &forged);

    // A bottom node that is not one of the children of the node above.
    bench.only(clause::CHILD, &attempt);

    // The attacker's bottom node among the children of a node whose hash is unchanged.
    let mut membership = honest_membership(VICTIM);
    let terms = member(VICTIM).terms.word().to_field();
    let commitment = secret(ATTACKER).commitment().to_field();
    let own = crate::poseidon::hash(&[commitment, terms, membership.neighbour[0], membership.neighbour[1]]);
    membership.children[0][0] = own;
    let mut forged = C::forge(bench, attacker, membership, root);
    bench.graft(&mut forged, &victim, clause::NODE_HASH, Some(0));
    for level in 1..Levels::STANDARD.get() - 1 {
        bench.graft(&mut forged, &victim, clause::CHILD, Some(level));
        bench.graft(&mut forged, &victim, clause::NODE_HASH, Some(level));
    }
    bench.only(clause::NODE_HASH, &forged);

    // A tree that the attacker made.
    let mut own_tree = MemberTree::new(Levels::STANDARD);
    let own_member = Member { commitment: secret(ATTACKER).commitment(), ..member(VICTIM) };
    own_tree.append(own_member).unwrap();
    let membership = MembershipWitness::new(&own_member, &own_tree.path(MemberIndex(0)).unwrap());
    bench.only(clause::ROOT, &C::forge(bench, attacker, membership.clone(), root));
    bench.honest(&C::forge(bench, attacker, membership, own_tree.root()));

    sibling_order(bench);
    upper_node_as_bottom_node(bench);
    empty_slot(bench);
}

/// Two neighbours have the same terms. With a selector that is not a boolean, every commitment is a linear combination
/// of theirs.
fn non_boolean_selector<C: MembershipStatement>(bench: &mut Bench<C>) {
    let [left, right] = [VICTIM, VICTIM + 1].map(|number| member(number).commitment.to_field());
    let own = secret(ATTACKER).commitment().to_field();
    let mut membership = honest_membership(VICTIM);
    let neighbour = left + right - own;
    membership.neighbour[0] = neighbour;
    membership.is_right = (left - own) * (neighbour - own).inverse().unwrap();
    bench.only(clause::SELECTOR, &C::forge(bench, secret(ATTACKER).to_field(), membership, tree().root()));
}

/// Members or nodes in another order give another root.
fn sibling_order<C: MembershipStatement>(bench: &Bench<C>) {
    let root = tree().root();
    let only_root = std::collections::BTreeSet::from([clause::ROOT]);

    let honest = honest_membership(VICTIM);
    let mut swapped = honest.clone();
    swapped.is_right = Fr::from(1) - swapped.is_right;
    let forged = C::forge(bench, secret(VICTIM).to_field(), swapped, root);
    assert_eq!(bench.refused_by(&forged), [clause::CHILD].into());

    for level in 0..honest.children.len() {
        let mut permuted = honest.clone();
        permuted.children[level].swap(0, 1);
        if permuted.children[level] == honest.children[level] {
            continue;
        }
        let mut hash = crate::poseidon::hash(&permuted.children[level]);
        for above in level + 1..permuted.children.len() {
            permuted.children[above][0] = hash;
            hash = crate::poseidon::hash(&permuted.children[above]);
        }
        let forged = C::forge(bench, secret(VICTIM).to_field(), permuted, root);
        assert_eq!(bench.refused_by(&forged), only_root, "level {level}");
    }
}

/// The children of an upper node, read as the two pairs of a bottom node.
fn upper_node_as_bottom_node<C: MembershipStatement>(bench: &Bench<C>) {
    let root = tree().root();
    let honest = honest_membership(VICTIM);
    let [c0, c1, c2, c3] = honest.children[0];
    let mut membership = honest.clone();
    membership.stake = c1;
    membership.message_limit = Fr::from(20);
    membership.stake -= Fr::from(20u128 << 40) + membership.since * Fr::from(1u128 << 64);
    membership.neighbour = [c2, c3];
    // The path has one level less, so one level above the root is added.
    membership.children.remove(0);
    membership.children.push([root.to_field(), Fr::zero(), Fr::zero(), Fr::zero()]);
    let mut forged = C::forge(bench, secret(ATTACKER).to_field(), membership.clone(), root);
    force_commitment(bench, &mut forged, c0);
    // The commitment is forced, and the values computed from it must be consistent: use the hash of the real node.
    let consistent = consistent_bottom(bench, &forged, [c0, c1, c2, c3]);
    assert_eq!(bench.refused_by(&consistent), [clause::IDENTITY, clause::STAKE, clause::ROOT].into());
}

/// An empty slot is (0, 0): its secret is unknown, and its terms allow no message.
fn empty_slot<C: MembershipStatement>(bench: &Bench<C>) {
    let tree = tree();
    // Slot 7 was removed; its neighbour is member 6.
    let sixth = MembershipWitness::new(&member(6), &tree.path(MemberIndex(6)).unwrap());
    let membership = MembershipWitness {
        stake: Fr::zero(),
        message_limit: Fr::zero(),
        since: Fr::zero(),
        is_right: Fr::from(1),
        neighbour: [member(6).commitment.to_field(), member(6).terms.word().to_field()],
        children: sixth.children,
    };
    let mut forged = C::forge(bench, secret(ATTACKER).to_field(), membership, tree.root());
    force_commitment(bench, &mut forged, Fr::zero());
    let [idc, word] = [member(6).commitment.to_field(), member(6).terms.word().to_field()];
    let consistent = consistent_bottom(bench, &forged, [idc, word, Fr::zero(), Fr::zero()]);
    let refused = bench.refused_by(&consistent);
    assert!(refused.contains(clause::IDENTITY), "{refused:?}");
    assert!(!refused.contains(clause::BOTTOM_HASH) && !refused.contains(clause::ROOT), "{refused:?}");
}

/// Fills in the selection, the bottom hash and the first comparison, for a bottom node with these cells.
fn consistent_bottom<C: MembershipStatement>(bench: &Bench<C>, values: &[Fr], cells: [Fr; ARITY]) -> Vec<Fr> {
    let mut values = values.to_vec();
    let selection = bench.variables(clause::SELECTION).start;
    let is_right = values[bench.variables(clause::SELECTOR).start];
    let own_is_right = !is_right.is_zero();
    let (own, other) = if own_is_right {
        ([cells[2], cells[3]], [cells[0], cells[1]])
    } else {
        ([cells[0], cells[1]], [cells[2], cells[3]])
    };
    for i in 0..2 {
        values[selection + i] = other[i];
        values[selection + 2 + i] = is_right * (other[i] - own[i]);
    }
    recompute(bench, &mut values, clause::BOTTOM_HASH);
    recompute(bench, &mut values, clause::CHILD);
    values
}

/// Recomputes the products of a clause's first occurrence, row by row, as an honest prover would.
fn recompute<C: Circuit>(bench: &Bench<C>, values: &mut [Fr], clause: crate::constraints::Clause) {
    let place = bench.shape.clauses.iter().find(|c| c.clause == clause).unwrap();
    let [a, b, c] = &bench.shape.matrices;
    for row in place.constraints.clone() {
        let evaluate = |terms: &[(Fr, usize)], values: &[Fr]| terms.iter().map(|(k, i)| *k * values[*i]).sum::<Fr>();
        if let [(_, output)] = c[row][..] {
            values[output] = evaluate(&a[row], values) * evaluate(&b[row], values);
        }
    }
}
