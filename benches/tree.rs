//! Time to build a tree of all members, to change it and to read a path, and its memory.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{
    Run, memory_of,
    ours::other,
    theirs::{self, Tree},
};
use quotapass_circuits::membership::{Levels, MemberIndex, MemberTree};
use zerokit_utils::merkle_tree::ZerokitMerkleTree;

fn our_tree(members: usize) -> MemberTree {
    MemberTree::build(Levels::STANDARD, (0..members as u64).map(|number| Some(other(number)))).unwrap()
}

fn their_tree(members: usize) -> Tree {
    let mut tree = Tree::default(theirs::DEPTH).unwrap();
    tree.set_range(0, (0..members).map(theirs::leaf)).unwrap();
    tree
}

fn main() {
    let in_child = memory_of(|side, members| {
        let members = members.parse().unwrap();
        match side {
            "ours" => Box::new(our_tree(members)),
            _ => Box::new(their_tree(members)),
        }
    });
    if in_child {
        return;
    }

    let mut run = Run::new("tree");
    let members: usize = if run.is_short() { 1 << 10 } else { 1 << 20 };
    run.compare(
        &format!("build a tree of {members} members"),
        1,
        &mut || {
            black_box(our_tree(members));
        },
        &mut || {
            black_box(their_tree(members));
        },
    );

    let (mut tree, mut their_full_tree) = (our_tree(members), their_tree(members));
    let (mut number, mut their_number) = (members, members);
    run.compare(
        "insert one member",
        1,
        &mut || {
            number += 1;
            tree.append(other(number as u64)).unwrap();
        },
        &mut || {
            their_number += 1;
            their_full_tree.set(their_number % members, theirs::leaf(their_number)).unwrap();
        },
    );
    let (mut index, mut their_index) = (0, 0);
    run.compare(
        "path of one member",
        1,
        &mut || {
            index = (index + 7919) % members;
            black_box(tree.path(MemberIndex(index as u32)).unwrap());
        },
        &mut || {
            their_index = (their_index + 7919) % members;
            black_box(their_full_tree.proof(their_index).unwrap());
        },
    );
    drop((tree, their_full_tree));

    match (run.memory("ours", &members.to_string()), run.memory("theirs", &members.to_string())) {
        (Some(ours), Some(theirs)) => {
            run.row(&format!("resident, {members} members"), "MiB", Some(ours.0), Some(theirs.0));
            run.row(&format!("resident at most, {members} members"), "MiB", Some(ours.1), Some(theirs.1));
        }
        _ => println!("memory is not measured: this system has no /proc"),
    }

    if run.with_growth() {
        for power in if run.is_short() { vec![10, 11] } else { vec![10, 12, 14, 16, 18, 20, 21] } {
            let members = 1 << power;
            let mut ours = || {
                black_box(our_tree(members));
            };
            let mut theirs = || {
                black_box(their_tree(members));
            };
            // The tree of `rln` holds 2^20 members, and this size is measured above.
            let theirs: Option<common::Work<'_>> = if power < 20 { Some(&mut theirs) } else { None };
            run.point("build a tree", members, 1, Some(&mut ours), theirs);
        }
    }
    run.finish();
}
