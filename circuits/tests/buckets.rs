//! Compares buckets and upper nodes with the whole tree, and tests their encoding.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use quotapass_circuits::{
    field::FieldError,
    formats::{
        members::{BUCKET_BYTES, SLOT_BYTES, UPPER_NODES_BYTES},
        wire::{DecodeError, DecodeErrorKind},
    },
    identity::IdentityCommitment,
    membership::{
        Bucket, BucketError, BucketNumber, Day, Levels, LevelsError, Member, MemberIndex, MemberTree, Root, Terms,
        TermsError, TreeError, UpperNodes,
    },
};

fn member(number: u32) -> Member {
    let mut bytes = [1; 32];
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    let terms = Terms::new(number, (number % 65_535) as u16 + 1, Day(number as u16)).unwrap();
    Member { commitment: IdentityCommitment::from_be_bytes(&bytes).unwrap(), terms }
}

/// Returns a tree with every seventh member removed.
fn tree(levels: u32, count: u32) -> MemberTree {
    let slots = (0..count).map(|number| (number % 7 != 3).then(|| member(number)));
    MemberTree::build(Levels::new(levels).unwrap(), slots).unwrap()
}

#[test]
fn every_path_from_a_bucket_is_that_of_the_whole_tree() {
    for (levels, count) in [(1, 2), (3, 20), (6, 2_048), (7, 5_000), (11, 4_500), (16, 2_049)] {
        let tree = tree(levels, count);
        let upper = tree.upper_nodes();
        assert_eq!(upper.root(), tree.root());
        upper.verify(tree.root()).unwrap();
        let mut found = 0;
        for (number, root) in (0..).map(BucketNumber).zip(upper.bucket_roots()) {
            let bucket = tree.bucket(number).unwrap().verify(&upper).unwrap();
            assert_eq!((Some(bucket.root()), Some(root)), (tree.bucket_root(number), upper.bucket_root(number)));
            found += bucket.bucket().members().len() as u32;
            for index in (0..count).map(MemberIndex).filter(|index| BucketNumber::of(tree.levels(), *index) == number) {
                assert_eq!(bucket.bucket().member(index), tree.member(index));
                match tree.path(index) {
                    Ok(path) => assert_eq!(bucket.path(&upper, index).unwrap(), path),
                    Err(error) => assert_eq!(bucket.path(&upper, index), Err(BucketError::Tree(error))),
                }
            }
        }
        assert_eq!(found, count);
        assert_eq!(tree.bucket(BucketNumber(upper.bucket_roots().len() as u32)), None);
    }
}

#[test]
fn a_tree_without_members_has_upper_nodes_and_no_bucket() {
    for levels in [1, 6, 7, 11] {
        let tree = tree(levels, 0);
        let upper = tree.upper_nodes();
        assert_eq!((upper.root(), upper.bucket_roots().len()), (tree.root(), 0));
        assert_eq!(tree.bucket(BucketNumber(0)), None);
        assert_eq!(UpperNodes::from_bytes(&upper.to_bytes()), Ok(upper));
    }
}

#[test]
fn other_roots_buckets_and_indices_are_refused() {
    let (tree, mut other) = (tree(11, 4_500), tree(11, 4_500));
    let upper = tree.upper_nodes();
    let expected = Root::from_field(0.into());
    assert_eq!(upper.verify(expected), Err(BucketError::Root { found: tree.root(), expected }));
    other.remove(MemberIndex(0)).unwrap();
    let number = BucketNumber(0);
    assert_eq!(other.bucket(number).unwrap().verify(&upper).unwrap_err(), BucketError::UpperNode(number));
    let first = tree.bucket(number).unwrap().verify(&upper).unwrap();
    assert_eq!(first.path(&other.upper_nodes(), MemberIndex(0)), Err(BucketError::UpperNode(number)));
    let elsewhere = MemberIndex(2_048);
    assert_eq!(first.path(&upper, elsewhere), Err(BucketError::Tree(TreeError::NoSuchIndex(elsewhere))));
    assert_eq!(first.path(&upper, MemberIndex(3)), Err(BucketError::Tree(TreeError::Removed(MemberIndex(3)))));
    // A change outside the bucket does not change the bucket's part of the path.
    other = tree.clone();
    other.append(member(9_000)).unwrap();
    assert_eq!(first.path(&other.upper_nodes(), MemberIndex(0)), Ok(other.path(MemberIndex(0)).unwrap()));
}

#[test]
fn the_layout_is_as_documented() {
    let tree = tree(11, 2_050);
    let upper = tree.upper_nodes().to_bytes();
    assert_eq!(upper.len(), UPPER_NODES_BYTES + 64);
    assert_eq!(upper[..7], [1, 3, 11, 0, 0, 8, 2]);
    assert_eq!(upper[7..39], tree.bucket_root(BucketNumber(0)).unwrap().to_be_bytes());
    let bucket = tree.bucket(BucketNumber(1)).unwrap().to_bytes();
    assert_eq!(bucket.len(), BUCKET_BYTES + 2 * SLOT_BYTES);
    assert_eq!(bucket[..9], [1, 4, 11, 0, 0, 0, 1, 0, 2]);
    assert_eq!(bucket[9..41], member(2_048).commitment.to_be_bytes());
    // since | message limit | stake
    assert_eq!(bucket[41..49], [8, 0, 8, 1, 0, 0, 8, 0]);
}

#[test]
fn each_fault_is_named_with_its_place() {
    use DecodeErrorKind as Kind;
    let tree = tree(11, 2_055);
    let upper = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = tree.upper_nodes().to_bytes();
        change(&mut bytes);
        UpperNodes::from_bytes(&bytes).unwrap_err()
    };
    let error = |offset, kind| DecodeError { offset, kind };
    assert_eq!(upper(&|b| b[0] = 2), error(0, Kind::UnknownVersion(2)));
    assert_eq!(upper(&|b| b[1] = 4), error(1, Kind::UnexpectedKind(4)));
    assert_eq!(upper(&|b| b[2] = 17), error(2, Kind::Levels(LevelsError(17))));
    assert_eq!(upper(&|b| b[3] = 1), error(3, Kind::Bucket(BucketError::TooMany((1 << 24) + 2_055))));
    assert_eq!(upper(&|b| b[7..39].fill(255)), error(7, Kind::Field(FieldError::NotCanonical)));
    assert_eq!(upper(&|b| b.truncate(70)), error(70, Kind::Truncated));
    assert_eq!(upper(&|b| b.push(0)), error(71, Kind::TrailingBytes));

    let bucket = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = tree.bucket(BucketNumber(1)).unwrap().to_bytes();
        change(&mut bytes);
        Bucket::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(bucket(&|b| b[5] = 4), error(3, Kind::Bucket(BucketError::NoSuchBucket(BucketNumber(1_025)))));
    assert_eq!(bucket(&|b| b[8] = 6), error(9 + 6 * 40, Kind::TrailingBytes));
    assert_eq!(bucket(&|b| b[8] = 8), error(9 + 7 * 40, Kind::Truncated));
    assert_eq!(bucket(&|b| b[9..41].fill(0)), error(9, Kind::Field(FieldError::Zero)));
    assert_eq!(bucket(&|b| b[43..45].fill(0)), error(41, Kind::Terms(TermsError::NoMessages)));
    assert_eq!(Bucket::from_bytes(&[1, 4, 11, 0, 0, 0, 0, 0, 0]).unwrap_err().offset, 3);
}

fn mutated(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((0..good.len(), any::<u8>()), 0..4);
    (changes, 0..=good.len(), prop::bool::weighted(0.8)).prop_map(move |(changes, cut, whole)| {
        let mut bytes = good.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn mutated_upper_nodes_are_read_only_as_written(bytes in mutated(tree(11, 5_000).upper_nodes().to_bytes())) {
        if let Ok(upper) = UpperNodes::from_bytes(&bytes) {
            prop_assert_eq!(upper.to_bytes(), bytes);
        }
    }

    #[test]
    fn mutated_buckets_are_read_only_as_written(bytes in mutated(tree(11, 40).bucket(BucketNumber(0)).unwrap().to_bytes())) {
        if let Ok(bucket) = Bucket::from_bytes(&bytes) {
            prop_assert_eq!(bucket.to_bytes(), bytes);
        }
    }

    #[test]
    fn random_bytes_do_not_panic(kind in 3..5u8, levels in 0..20u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[1, kind, levels][..], &bytes].concat();
        if let Ok(upper) = UpperNodes::from_bytes(&bytes) {
            prop_assert_eq!(upper.to_bytes(), bytes.clone());
        }
        if let Ok(bucket) = Bucket::from_bytes(&bytes) {
            prop_assert_eq!(bucket.to_bytes(), bytes);
        }
    }
}
