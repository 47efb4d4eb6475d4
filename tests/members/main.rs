//! Tests of paths for wallets without the whole tree: requests, verification, and answers over HTTP.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cache;
mod http;
mod sync;

use std::{cell::RefCell, sync::LazyLock};

use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Bucket, BucketNumber, Day, Levels, Member, MemberIndex, MemberTree, Terms, UpperNodes},
    registry_id::RegistryId,
};
use quotapass_wallet::members::{ChainHead, LightMembers, MembersSource, OwnMembership, SourceError};

/// Four full buckets and one with 300 members.
const MEMBERS: u32 = 4 * 2_048 + 300;

fn member(number: u32) -> Member {
    let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
    let secret = IdentitySecret::from_seed(b"members", &registry, number).unwrap();
    let terms = Terms::new(number + 1, 20, Day(20_700)).unwrap();
    Member { commitment: secret.commitment(), terms }
}

static TREE: LazyLock<MemberTree> =
    LazyLock::new(|| MemberTree::build(Levels::STANDARD, (0..MEMBERS).map(|number| Some(member(number)))).unwrap());

fn head(tree: &MemberTree) -> ChainHead {
    ChainHead { root: tree.root(), member_count: tree.len() as u64 }
}

fn wallet(number: u32) -> LightMembers {
    let own = OwnMembership { index: MemberIndex(number), commitment: member(number).commitment };
    LightMembers::new(Levels::STANDARD, own)
}

/// A source that records its requests, as a curious relay would; `None` stands for the upper nodes.
struct Curious<'a> {
    tree: &'a MemberTree,
    asked: RefCell<Vec<Option<u32>>>,
}

impl<'a> Curious<'a> {
    fn new(tree: &'a MemberTree) -> Self {
        Self { tree, asked: RefCell::default() }
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<Option<u32>> {
        self.asked.take()
    }
}

impl MembersSource for Curious<'_> {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        self.asked.borrow_mut().push(None);
        Ok(self.tree.upper_nodes())
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        self.asked.borrow_mut().push(Some(number.0));
        MembersSource::bucket(self.tree, number)
    }
}
