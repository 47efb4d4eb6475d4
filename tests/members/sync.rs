use quotapass_circuits::{formats::members::UPPER_NODES_BYTES, membership::BucketError};
use quotapass_wallet::members::{BucketGroup, SyncError};

use crate::*;

#[test]
fn a_member_anywhere_gets_the_path_that_the_whole_tree_gives() {
    for number in [0, 1, 2_047, 2_048, 5_000, 8_191, 8_192, MEMBERS - 1] {
        let mut wallet = wallet(number);
        wallet.sync(&*TREE, &head(&TREE)).unwrap();
        let (found, path) = wallet.membership().unwrap();
        assert_eq!((found, &path), (member(number), &TREE.path(MemberIndex(number)).unwrap()));
        assert_eq!(path.root(&found), TREE.root());
    }
}

#[test]
fn members_of_the_last_two_buckets_ask_for_both_and_others_for_one() {
    for (number, expected, hidden_among) in [
        (0, vec![None, Some(0)], 2_048),
        (6_143, vec![None, Some(2)], 2_048),
        (6_144, vec![None, Some(3), Some(4)], 2_348),
        (MEMBERS - 1, vec![None, Some(3), Some(4)], 2_348),
    ] {
        let source = Curious::new(&TREE);
        let synced = wallet(number).sync(&source, &head(&TREE)).unwrap();
        assert_eq!((source.asked(), synced.hidden_among), (expected, hidden_among));
    }
}

#[test]
fn what_is_asked_does_not_depend_on_the_own_bucket_within_the_group() {
    let mut tree = TREE.clone();
    let mut wallets = [wallet(7_000), wallet(8_200)];
    let sync = |wallets: &mut [LightMembers; 2], tree: &MemberTree, expected: &[Option<u32>]| {
        for wallet in wallets {
            let source = Curious::new(tree);
            wallet.sync(&source, &head(tree)).unwrap();
            assert_eq!(source.asked(), expected);
            let (member, path) = wallet.membership().unwrap();
            assert_eq!(path.root(&member), tree.root());
        }
    };
    sync(&mut wallets, &tree, &[None, Some(3), Some(4)]);
    sync(&mut wallets, &tree, &[]);
    tree.remove(MemberIndex(100)).unwrap();
    sync(&mut wallets, &tree, &[None]);
    tree.remove(MemberIndex(7_001)).unwrap();
    sync(&mut wallets, &tree, &[None, Some(3), Some(4)]);
    tree.append(member(MEMBERS)).unwrap();
    sync(&mut wallets, &tree, &[None, Some(3), Some(4)]);
    // The last bucket fills up and a new one begins, but the group stays.
    for number in MEMBERS + 1..5 * 2_048 + 1 {
        tree.append(member(number)).unwrap();
    }
    sync(&mut wallets, &tree, &[None, Some(3), Some(4)]);
    tree.append(member(20_000)).unwrap();
    sync(&mut wallets, &tree, &[None]);
}

#[test]
fn a_made_up_tree_of_one_member_is_refused_before_anything_else_is_asked() {
    let mut made_up = MemberTree::new(Levels::STANDARD);
    made_up.append(member(0)).unwrap();
    let (mut wallet, source) = (wallet(0), Curious::new(&made_up));
    let error = wallet.sync(&source, &head(&TREE)).unwrap_err();
    assert!(matches!(error, SyncError::NotTheChains(BucketError::Root { .. })), "{error}");
    assert_eq!(source.asked(), [None]);
    assert_eq!(wallet.membership().unwrap_err(), SyncError::NeverSynced);
}

/// A source that returns true upper nodes, but another bucket.
struct Liar<F>(F);

impl<F: Fn(BucketNumber) -> Option<Bucket>> MembersSource for Liar<F> {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        Ok(TREE.upper_nodes())
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        (self.0)(number).ok_or(SourceError::NoSuchBucket(number))
    }
}

#[test]
fn a_bucket_that_is_not_of_the_tree_is_refused() {
    let refused = |lie: &dyn Fn(BucketNumber) -> Option<Bucket>| {
        let mut wallet = wallet(0);
        let error = wallet.sync(&Liar(lie), &head(&TREE)).unwrap_err();
        assert_eq!(wallet.membership().unwrap_err(), SyncError::NeverSynced);
        error
    };
    let mut other = TREE.clone();
    other.remove(MemberIndex(9)).unwrap();
    let number = BucketNumber(0);
    assert_eq!(refused(&|number| other.bucket(number)), SyncError::Bucket(BucketError::UpperNode(number)));
    assert!(matches!(refused(&|_| TREE.bucket(BucketNumber(1))), SyncError::Bucket(BucketError::NoSuchBucket(_))));
    assert_eq!(refused(&|_| None), SyncError::Source(SourceError::NoSuchBucket(number)));
    let small = MemberTree::build(Levels::STANDARD, (0..99).map(|number| Some(member(number)))).unwrap();
    let length = BucketError::Length { number, found: 99, expected: 2_048 };
    assert_eq!(refused(&|number| small.bucket(number)), SyncError::Bucket(length));
    let low = Levels::new(7).unwrap();
    let low = MemberTree::build(low, (0..2_048).map(|number| Some(member(number)))).unwrap();
    let levels = BucketError::Levels { found: 7, expected: 11 };
    assert_eq!(refused(&|number| low.bucket(number)), SyncError::Bucket(levels));
}

#[test]
fn a_member_count_that_is_not_the_chains_is_refused() {
    // Zeroed slots at the end do not show in the root.
    let mut tree = TREE.clone();
    tree.append(member(MEMBERS)).unwrap();
    tree.remove(MemberIndex(MEMBERS)).unwrap();
    assert_eq!(tree.root(), TREE.root());
    let error = wallet(0).sync(&tree, &head(&TREE)).unwrap_err();
    let (found, expected) = (u64::from(MEMBERS) + 1, u64::from(MEMBERS));
    assert_eq!(error, SyncError::MemberCount { found, expected });
}

#[test]
fn who_has_no_membership_is_told_why() {
    let mut late = wallet(MEMBERS);
    assert_eq!(late.sync(&*TREE, &head(&TREE)), Err(SyncError::NotYet(MemberIndex(MEMBERS))));
    let mut tree = TREE.clone();
    tree.remove(MemberIndex(5)).unwrap();
    let mut gone = wallet(5);
    assert_eq!(gone.sync(&tree, &head(&tree)).unwrap().hidden_among, 2_047);
    assert_eq!(gone.membership().unwrap_err(), SyncError::Removed(MemberIndex(5)));
    let own = OwnMembership { index: MemberIndex(6), commitment: member(7).commitment };
    let mut other = LightMembers::new(Levels::STANDARD, own);
    other.sync(&*TREE, &head(&TREE)).unwrap();
    let found = member(6).commitment;
    assert_eq!(other.membership().unwrap_err(), SyncError::OtherMember { index: MemberIndex(6), found });
}

#[test]
fn what_was_known_survives_a_source_that_fails() {
    let mut wallet = wallet(0);
    wallet.sync(&*TREE, &head(&TREE)).unwrap();
    let mut tree = TREE.clone();
    tree.remove(MemberIndex(1)).unwrap();
    let lie = |_| None;
    wallet.sync(&Liar(lie), &head(&tree)).unwrap_err();
    assert_eq!(wallet.root(), Some(TREE.root()));
    wallet.membership().unwrap();
}

/// A tree of slightly more than 131,072 members, and the encoders' sizes for the full tree.
#[test]
fn the_download_stays_below_150_kb_for_two_million_members() {
    let levels = Levels::STANDARD;
    assert_eq!(levels.capacity(), 2_097_152);
    assert_eq!(UpperNodes::max_bytes(levels), 32_775);
    assert_eq!(Bucket::max_bytes(levels), 81_929);
    assert_eq!(UpperNodes::max_bytes(levels) + Bucket::max_bytes(levels), 114_704);
    assert_eq!(UpperNodes::max_bytes(levels) + 2 * Bucket::max_bytes(levels), 196_633);

    let count = (1 << 17) + 1;
    let members = (0..count).map(|number| {
        let terms = Terms::new(number, 20, Day(20_700)).unwrap();
        let mut bytes = [1; 32];
        bytes[4..8].copy_from_slice(&number.to_be_bytes());
        let commitment = quotapass_circuits::identity::IdentityCommitment::from_be_bytes(&bytes).unwrap();
        Some(Member { commitment, terms })
    });
    let tree = MemberTree::build(levels, members).unwrap();
    let upper = tree.upper_nodes();
    assert_eq!(upper.to_bytes().len(), UPPER_NODES_BYTES + 32 * 65);
    assert_eq!(tree.bucket(BucketNumber(63)).unwrap().to_bytes().len(), Bucket::max_bytes(levels));
    let index = MemberIndex(77_777);
    let own = OwnMembership { index, commitment: tree.member(index).unwrap().commitment };
    let mut wallet = LightMembers::new(levels, own);
    let synced = wallet.sync(&tree, &head(&tree)).unwrap();
    assert_eq!(synced.hidden_among, 2_048);
    assert_eq!(wallet.membership().unwrap().1, tree.path(index).unwrap());
    assert_eq!(synced.asked, Some(BucketGroup::of(levels, count.into(), index)));
}
