//! Tests of a copy's file: opened, refused, and damaged.

use std::{fs, path::Path, thread, time::Duration};

use quotapass_circuits::{
    membership::{Levels, MemberIndex},
    registry_id::RegistryId,
};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    FollowError, Follower, FollowerSettings, RegistryReader, RegistryWriter, StoreError, embedded::EmbeddedChain,
};
use quotapass_testkit::bench::{Bench, EmbeddedBench, SMALL, join};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

fn open(path: &Path, id: RegistryId) -> Result<Follower, FollowError> {
    Follower::open(path, id, FollowerSettings::default())
}

fn store_error<T>(result: Result<T, FollowError>) -> StoreError {
    match result.err().unwrap() {
        FollowError::Store(error) => error,
        other => panic!("expected an error of the store, got {other:?}"),
    }
}

/// A chain with members, and a copy of its registry in a file.
fn stored(path: &Path, members: u64) -> EmbeddedBench {
    let bench = EmbeddedBench::new();
    for n in 0..members {
        join(&bench, 0, n, SMALL);
    }
    bench.registry.request_exit(bench.account(0), MemberIndex(1)).unwrap();
    let mut follower = Follower::create(path, bench.registry.id(), FollowerSettings::default()).unwrap();
    follower.sync(&bench.registry).unwrap();
    bench
}

#[test]
fn a_file_has_what_was_synced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/members.redb");
    let bench = stored(&path, 20);
    let mut follower = open(&path, bench.registry.id()).unwrap();
    assert_eq!(follower.head(), Some(bench.registry.head().unwrap()));
    assert_eq!(follower.sync(&bench.registry).unwrap().events, 0);
    for index in (0..20).map(MemberIndex) {
        assert_eq!(follower.member(index).unwrap(), bench.registry.member_at(index).unwrap());
        assert_eq!(follower.record(index).unwrap(), Some(bench.registry.record(index).unwrap()));
    }
    // It continues as if it had never been closed.
    join(&bench, 0, 20, SMALL);
    assert_eq!(follower.sync(&bench.registry).unwrap().events, 1);
    drop(follower);
    assert_eq!(open(&path, bench.registry.id()).unwrap().root().unwrap(), bench.registry.root().unwrap());
}

#[test]
fn a_file_is_opened_once_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let id = RegistryId { chain_id: 1, address: [7; 20] };
    assert_eq!(store_error(open(&path, id)), StoreError::Missing(path.clone()));
    let create = || Follower::open_or_create(&path, id, FollowerSettings::default());
    let first = create().unwrap();
    assert_eq!(store_error(create()), StoreError::InUse(path.clone()));
    assert_eq!(store_error(open(&path, id)), StoreError::InUse(path.clone()));
    drop(first);
    drop(create().unwrap());
    let anew = Follower::create(&path, id, FollowerSettings::default());
    assert_eq!(store_error(anew), StoreError::Exists(path));
}

#[test]
fn a_copy_that_continues_in_memory_frees_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let bench = stored(&path, 20);
    let id = bench.registry.id();
    let mut watching = open(&path, id).unwrap().into_memory().unwrap();
    assert_eq!(watching.head(), Some(bench.registry.head().unwrap()));
    let mut other = open(&path, id).unwrap();
    join(&bench, 0, 20, SMALL);
    for copy in [&mut watching, &mut other] {
        let synced = copy.sync(&bench.registry).unwrap();
        assert_eq!((synced.events, copy.root().unwrap()), (1, bench.registry.root().unwrap()));
    }
    for index in (0..21).map(MemberIndex) {
        assert_eq!(watching.record(index).unwrap(), other.record(index).unwrap());
        assert_eq!(watching.path(index).ok(), other.path(index).ok());
    }
}

#[test]
fn several_programs_may_begin_one_copy_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let id = RegistryId { chain_id: 1, address: [7; 20] };
    let begin = || loop {
        match Follower::open_or_create(&path, id, FollowerSettings::default()) {
            Ok(_) => return,
            Err(FollowError::Store(StoreError::InUse(_))) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    };
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(begin))));
    open(&path, id).unwrap();
}

#[test]
fn a_file_of_another_registry_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let id = RegistryId { chain_id: 1, address: [7; 20] };
    drop(Follower::create(&path, id, FollowerSettings::default()).unwrap());
    for other in [RegistryId { chain_id: 5, ..id }, RegistryId { address: [8; 20], ..id }] {
        let refused = store_error(open(&path, other));
        assert_eq!(refused, StoreError::WrongRegistry { path: path.clone(), found: id, expected: other });
    }
    open(&path, id).unwrap();
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let id = RegistryId { chain_id: 1, address: [7; 20] };
    for content in ["", "quotapass", &"text ".repeat(10_000)] {
        fs::write(&path, content).unwrap();
        let refused = store_error(Follower::open_or_create(&path, id, FollowerSettings::default()));
        assert!(matches!(refused, StoreError::Foreign(_) | StoreError::Damaged { .. }), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    // A foreign database.
    fs::remove_file(&path).unwrap();
    drop(redb::Database::create(&path).unwrap());
    assert_eq!(store_error(open(&path, id)), StoreError::Foreign(path.clone()));
    // A store of a later version.
    fs::remove_file(&path).unwrap();
    drop(Follower::create(&path, id, FollowerSettings::default()).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let writing = database.begin_write().unwrap();
    {
        let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
        writing.open_table(meta).unwrap().insert("version", &[0, 0, 0, 9][..]).unwrap();
    }
    writing.commit().unwrap();
    drop(database);
    assert_eq!(store_error(open(&path, id)), StoreError::Version { path, found: 9 });
}

#[test]
fn a_damaged_file_is_noticed_and_never_answers_wrongly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let bench = stored(&path, 150);
    let id = bench.registry.id();
    let good = fs::read(&path).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut noticed = 0;
    for round in 0..60 {
        let mut bytes = good.clone();
        if round % 10 == 9 {
            bytes.truncate(rng.next_u32() as usize % good.len());
        } else {
            for _ in 0..20 {
                let place = rng.next_u32() as usize % good.len();
                bytes[place] ^= 1 << (rng.next_u32() % 8);
            }
        }
        fs::write(&path, &bytes).unwrap();
        match open(&path, id) {
            Err(FollowError::Store(_)) => noticed += 1,
            Err(other) => panic!("{other:?}"),
            // The damage is where nothing is stored.
            Ok(follower) => compare(&follower, &bench),
        }
    }
    assert!(noticed >= 10, "{noticed} of 60");
}

fn compare(follower: &Follower, bench: &EmbeddedBench) {
    let root = bench.registry.root().unwrap();
    for index in (0..150).map(MemberIndex) {
        if let Ok(path) = follower.path(index) {
            assert_eq!(path.root(&bench.registry.member_at(index).unwrap().unwrap()), root);
        }
    }
}

#[test]
fn nodes_that_do_not_fit_their_members_are_noticed_by_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let bench = stored(&path, 40);
    let database = redb::Database::open(&path).unwrap();
    let writing = database.begin_write().unwrap();
    {
        // The bottom node of members 10 and 11 gets another value, with all checksums valid.
        let nodes = redb::TableDefinition::<u64, [u8; 32]>::new("nodes");
        let mut number = [0; 32];
        number[31] = 9;
        writing.open_table(nodes).unwrap().insert(5, number).unwrap();
    }
    writing.commit().unwrap();
    drop(database);
    let follower = open(&path, bench.registry.id()).unwrap();
    // It is a sibling in the paths of its neighbours.
    for index in [8, 9, 12, 13].map(MemberIndex) {
        assert!(matches!(store_error(follower.path(index)), StoreError::Damaged { .. }));
    }
    for index in [16, 30, 39].map(MemberIndex) {
        let member = follower.member(index).unwrap().unwrap();
        assert_eq!(follower.path(index).unwrap().root(&member), bench.registry.root().unwrap());
    }
}

#[test]
fn an_empty_registry_is_synced() {
    let chain = EmbeddedChain::in_memory(quotapass_registry::embedded::ChainSettings {
        chain_id: 5,
        timestamp: UnixSeconds(1),
    });
    let bench = EmbeddedBench::on(chain);
    let mut follower = Follower::in_memory(bench.registry.id(), FollowerSettings::default()).unwrap();
    let synced = follower.sync(&bench.registry).unwrap();
    assert_eq!(Some(&synced.head.root), Levels::STANDARD.empty_roots().last());
    assert_eq!(follower.member_count().unwrap(), 0);
}
