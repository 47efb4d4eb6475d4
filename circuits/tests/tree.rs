//! Compares the member tree with its definition, at 11 and 16 levels.
#![allow(clippy::unwrap_used, clippy::panic)]

use ark_bn254::Fr;
use ark_ff::UniformRand;
use proptest::prelude::*;
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{
        Day, Levels, Member, MemberIndex, MemberPath, MemberTree, RestoreError, Root, Terms, TreeChange, TreeError,
        TreeNode,
    },
    poseidon::hash,
};

/// Computes the root by the definition: all slots up to the last, level by level, followed by empty subtrees.
fn root_by_definition(levels: Levels, slots: &[Option<Member>]) -> Root {
    let cell = |i: usize| match slots.get(i) {
        Some(Some(member)) => [member.commitment.to_field(), member.terms.word().to_field()],
        _ => [Fr::from(0); 2],
    };
    let bottom = slots.len().div_ceil(2).max(1);
    let mut row: Vec<Fr> = (0..bottom)
        .map(|node| {
            let ([a, b], [c, d]) = (cell(2 * node), cell(2 * node + 1));
            hash(&[a, b, c, d])
        })
        .collect();
    let mut empty = hash(&[Fr::from(0); 4]);
    for _ in 1..levels.get() {
        row = row.chunks(4).map(|c| hash::<4>(&std::array::from_fn(|i| c.get(i).copied().unwrap_or(empty)))).collect();
        empty = hash(&[empty; 4]);
    }
    assert_eq!(row.len(), 1);
    Root::from_field(row[0])
}

fn member(number: u64) -> Member {
    let mut rng = ark_std::test_rng();
    let offset = Fr::rand(&mut rng);
    let terms = Terms::new(number as u32 + 1, (number % 65_535) as u16 + 1, Day(number as u16)).unwrap();
    Member { commitment: IdentityCommitment::from_field(offset + Fr::from(number)), terms }
}

#[test]
fn empty_roots_of_the_protocol() {
    let roots = Levels::STANDARD.empty_roots();
    let decimal = |i: usize| roots[i].to_field().to_string();
    assert_eq!(decimal(0), "2351654555892372227640888372176282444150254868378439619268573230312091195718");
    assert_eq!(decimal(1), "13867732332339151465497925642082178974038372652152621168903203076445231043372");
    assert_eq!(decimal(10), "3579753298464347968175446964060349222759138522794226670675282662699379573112");
    assert_eq!(MemberTree::new(Levels::STANDARD).root(), roots[10]);
}

#[test]
fn levels_and_capacity() {
    assert_eq!(Levels::STANDARD.capacity(), 2_097_152);
    assert_eq!(Levels::new(16).unwrap().capacity(), 2_147_483_648);
    assert!(Levels::new(0).is_err());
    assert!(Levels::new(17).is_err());
}

#[test]
fn a_full_tree_refuses_and_stays() {
    let levels = Levels::new(2).unwrap();
    let mut tree = MemberTree::build(levels, (0..8).map(|i| Some(member(i)))).unwrap();
    let root = tree.root();
    assert_eq!(tree.append(member(8)), Err(TreeError::Full(8)));
    assert_eq!(tree.remove(MemberIndex(8)), Err(TreeError::NoSuchIndex(MemberIndex(8))));
    assert_eq!((tree.root(), tree.len()), (root, 8));
    tree.remove(MemberIndex(3)).unwrap();
    assert_eq!(tree.remove(MemberIndex(3)), Err(TreeError::Removed(MemberIndex(3))));
    assert_eq!(tree.path(MemberIndex(3)), Err(TreeError::Removed(MemberIndex(3))));
    assert_eq!(tree.append(member(9)), Err(TreeError::Full(8)), "a removed slot is not used again");
    let zero = Member { commitment: IdentityCommitment::from_field(Fr::from(0)), ..member(1) };
    assert_eq!(MemberTree::new(levels).append(zero), Err(TreeError::ZeroCommitment));
}

/// Checks appends and removals in any order: the tree agrees with a batch build and with the definition, and an updated
/// path equals a new one.
fn operations(levels: Levels, operations: &[(bool, u16)]) {
    let mut tree = MemberTree::new(levels);
    let mut slots: Vec<Option<Member>> = Vec::new();
    let mut followed: Option<MemberPath> = None;
    for (append, choice) in operations {
        let update = if *append || slots.is_empty() {
            let member = member(slots.len() as u64);
            slots.push(Some(member));
            tree.append(member).unwrap()
        } else {
            let index = usize::from(*choice) % slots.len();
            let result = tree.remove(MemberIndex(index as u32));
            if slots[index].take().is_none() {
                assert_eq!(result, Err(TreeError::Removed(MemberIndex(index as u32))));
                continue;
            }
            result.unwrap()
        };
        assert_eq!(update.nodes.last().copied(), Some(tree.root().to_field()));
        match &mut followed {
            Some(path) if path.index() == update.index => {
                assert!(path.apply(&update).is_err());
                followed = None;
            }
            Some(path) => {
                path.apply(&update).unwrap();
                assert_eq!(*path, tree.path(path.index()).unwrap());
            }
            None => {
                let index = u32::from(choice % slots.len() as u16);
                followed = tree.path(MemberIndex(index)).ok();
            }
        }
    }
    assert_eq!(tree.root(), root_by_definition(levels, &slots));
    assert_eq!(MemberTree::build(levels, slots.clone()).unwrap().root(), tree.root());
    for (i, slot) in slots.iter().enumerate() {
        let index = MemberIndex(i as u32);
        assert_eq!(tree.member(index), *slot);
        if let Some(member) = slot {
            assert_eq!(tree.path(index).unwrap().root(member), tree.root());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_sequence_at_11_and_16_levels(
        sequence in prop::collection::vec((prop::bool::weighted(0.7), any::<u16>()), 1..80),
        levels in prop_oneof![Just(11u32), Just(16)],
    ) {
        operations(Levels::new(levels).unwrap(), &sequence);
    }
}

/// This includes counts where the number of a level's nodes is not a multiple of the number that is hashed together.
#[test]
fn builds_agree_with_appends() {
    let levels = Levels::STANDARD;
    let mut appended = MemberTree::new(levels);
    for count in 1..=1000 {
        appended.append(member(count - 1)).unwrap();
        if count <= 40 || [127, 129, 255, 256, 271, 513, 1000].contains(&count) {
            same(&MemberTree::build(levels, (0..count).map(|i| Some(member(i)))).unwrap(), &appended);
        }
    }
}

/// Returns random changes that a tree of `slots` accepts.
fn changes(slots: &mut Vec<Option<Member>>, choices: &[(bool, u16)]) -> Vec<TreeChange> {
    let mut changes = Vec::new();
    for (append, choice) in choices {
        let index = usize::from(*choice) % slots.len().max(1);
        if *append || slots.get(index).copied().flatten().is_none() {
            let member = member(slots.len() as u64);
            slots.push(Some(member));
            changes.push(TreeChange::Append(member));
        } else {
            slots[index] = None;
            changes.push(TreeChange::Remove(MemberIndex(index as u32)));
        }
    }
    changes
}

fn same(left: &MemberTree, right: &MemberTree) {
    assert_eq!(left.len(), right.len());
    assert_eq!(left.nodes().collect::<Vec<_>>(), right.nodes().collect::<Vec<_>>());
    for index in (0..left.len() as u32).map(MemberIndex) {
        assert_eq!(left.member(index), right.member(index));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn changes_at_once_are_changes_one_by_one_and_can_be_taken_back(
        before in prop::collection::vec((prop::bool::weighted(0.7), any::<u16>()), 0..60),
        after in prop::collection::vec((prop::bool::weighted(0.6), any::<u16>()), 0..60),
    ) {
        let mut slots = Vec::new();
        let mut tree = MemberTree::new(Levels::STANDARD);
        let stored = tree.extend(changes(&mut slots, &before)).unwrap();
        prop_assert_eq!(tree.root(), root_by_definition(Levels::STANDARD, &slots));
        // The tree was empty, so the changed nodes are all its nodes.
        prop_assert_eq!(stored, tree.nodes().collect::<Vec<_>>());

        let (former, former_slots) = (tree.clone(), slots.clone());
        let further = changes(&mut slots, &after);
        let mut single = tree.clone();
        for change in &further {
            match change {
                TreeChange::Append(member) => single.append(*member).unwrap(),
                TreeChange::Remove(index) => single.remove(*index).unwrap(),
            };
        }
        let changed = tree.extend(further).unwrap();
        same(&tree, &single);

        // The stored changed nodes are enough to restore the tree.
        let mut store: std::collections::BTreeMap<_, _> =
            former.nodes().map(|node| ((node.level, node.place), node)).collect();
        store.extend(changed.into_iter().map(|node| ((node.level, node.place), node)));
        let restored = MemberTree::restore(Levels::STANDARD, slots.clone(), store.values().copied()).unwrap();
        same(&restored, &tree);

        let gone: Vec<_> = former_slots.iter().zip(&slots).enumerate()
            .filter(|(_, (former, now))| former != now)
            .map(|(index, (former, _))| (MemberIndex(index as u32), former.unwrap()))
            .collect();
        let changed = tree.rewind(former.len(), &gone).unwrap();
        same(&tree, &former);
        store.extend(changed.into_iter().map(|node| ((node.level, node.place), node)));
        store.retain(|(level, place), _| (*place as usize) < tree.node_count(usize::from(*level)));
        let restored = MemberTree::restore(Levels::STANDARD, former_slots, store.values().copied()).unwrap();
        same(&restored, &tree);
    }
}

#[test]
fn a_snapshot_stays_while_the_tree_goes_on() {
    let slots: Vec<_> = (0..4_100).map(|n| Some(member(n))).collect();
    let mut tree = MemberTree::build(Levels::STANDARD, slots.clone()).unwrap();
    let snapshot = tree.clone();
    let reader = std::thread::spawn(move || {
        for index in (0..4_100).step_by(100).map(MemberIndex) {
            let member = snapshot.member(index).unwrap();
            assert_eq!(snapshot.path(index).unwrap().root(&member), snapshot.root());
        }
        snapshot
    });
    tree.append(member(4_100)).unwrap();
    tree.remove(MemberIndex(100)).unwrap();
    let later = tree.clone();
    tree.extend((4_101..4_200).map(|n| TreeChange::Append(member(n)))).unwrap();
    tree.rewind(2_050, &[(MemberIndex(100), member(100))]).unwrap();
    same(&tree, &MemberTree::build(Levels::STANDARD, slots[..2_050].to_vec()).unwrap());
    same(&reader.join().unwrap(), &MemberTree::build(Levels::STANDARD, slots.clone()).unwrap());
    let mut changed = slots;
    changed.push(Some(member(4_100)));
    changed[100] = None;
    same(&later, &MemberTree::build(Levels::STANDARD, changed).unwrap());
}

#[test]
fn a_refused_change_leaves_the_tree_as_it_was() {
    let mut tree = MemberTree::new(Levels::new(2).unwrap());
    tree.extend((0..3).map(|n| TreeChange::Append(member(n)))).unwrap();
    let before = tree.clone();
    let append = |n| TreeChange::Append(member(n));
    let remove = |index| TreeChange::Remove(MemberIndex(index));
    let zero = TreeChange::Append(Member { commitment: IdentityCommitment::from_field(Fr::from(0)), ..member(1) });
    let refused = [
        (vec![append(3), remove(0), remove(0)], TreeError::Removed(MemberIndex(0))),
        (vec![remove(1), append(3), remove(4)], TreeError::NoSuchIndex(MemberIndex(4))),
        (vec![remove(2), zero], TreeError::ZeroCommitment),
        ((3..9).map(append).collect(), TreeError::Full(8)),
    ];
    for (changes, error) in refused {
        assert_eq!(tree.extend(changes), Err(error));
        same(&tree, &before);
    }
    assert_eq!(tree.rewind(2, &[(MemberIndex(2), member(2))]), Err(TreeError::NoSuchIndex(MemberIndex(2))));
    same(&tree, &before);
}

#[test]
fn what_is_no_stored_tree_is_not_restored() {
    let mut tree = MemberTree::new(Levels::STANDARD);
    tree.extend((0..20).map(|n| TreeChange::Append(member(n)))).unwrap();
    let members = || (0..20).map(|n| Some(member(n)));
    let nodes: Vec<TreeNode> = tree.nodes().collect();
    let restore = |members: usize, nodes: &[TreeNode]| {
        MemberTree::restore(Levels::STANDARD, (0..members as u64).map(|n| Some(member(n))), nodes.iter().copied())
    };
    same(&restore(20, &nodes).unwrap(), &tree);
    assert_eq!(members().count(), tree.len());
    let expected = RestoreError::Nodes { level: 0, found: 10, expected: 9 };
    assert_eq!(restore(18, &nodes).map(|tree| tree.root()), Err(expected));
    assert_eq!(
        restore(20, &nodes[..nodes.len() - 1]).map(|tree| tree.root()),
        Err(RestoreError::Nodes { level: 10, found: 0, expected: 1 })
    );
    let mut swapped = nodes.clone();
    swapped.swap(0, 1);
    assert_eq!(restore(20, &swapped).map(|tree| tree.root()), Err(RestoreError::OutOfPlace { level: 0, place: 1 }));
    let beyond = TreeNode { level: 11, ..nodes[0] };
    assert_eq!(restore(20, &[beyond]).map(|tree| tree.root()), Err(RestoreError::OutOfPlace { level: 11, place: 0 }));
}

#[test]
fn a_path_of_another_tree_is_refused() {
    let mut small = MemberTree::new(Levels::new(3).unwrap());
    small.append(member(0)).unwrap();
    let mut path = small.path(MemberIndex(0)).unwrap();
    let mut standard = MemberTree::new(Levels::STANDARD);
    standard.append(member(0)).unwrap();
    let update = standard.append(member(1)).unwrap();
    let before = path.clone();
    assert!(path.apply(&update).is_err());
    assert_eq!(path, before);
}
