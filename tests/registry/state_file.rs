//! Tests of the file of an embedded chain: it is written atomically, and other files are refused.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use quotapass_circuits::membership::MemberIndex;
use quotapass_registry::{
    RegistryReader, RegistryWriter,
    alloy_primitives::Address,
    embedded::{ChainSettings, EmbeddedChain, StateFileError},
    node::Node,
};
use quotapass_testkit::{
    bench::{Bench, EXIT_DELAY, EmbeddedBench, LARGE, SMALL, START, join},
    process::child,
};
use tempfile::TempDir;

const SETTINGS: ChainSettings = ChainSettings { chain_id: 31_337, timestamp: START };
const CHILD: &str = "QUOTAPASS_TEST_CHAIN_OF_CHILD";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    (folder, path)
}

/// A saved chain with two members, one of them leaving; returns the registry's address.
fn saved(path: &Path) -> Address {
    let bench = EmbeddedBench::on(EmbeddedChain::create(path, SETTINGS).unwrap());
    join(&bench, 0, 0, SMALL);
    let leaving = join(&bench, 1, 1, LARGE);
    bench.registry.request_exit(bench.account(1), leaving).unwrap();
    bench.chain.advance(5).unwrap();
    bench.chain.save().unwrap();
    bench.registry.id().address.into()
}

#[test]
fn a_saved_chain_goes_on_where_it_was() {
    let (_folder, path) = folder();
    let address = saved(&path);
    let content = fs::read(&path).unwrap();
    let head = {
        let chain = EmbeddedChain::open(&path).unwrap();
        assert_eq!(chain.now().unwrap(), START + 5);
        chain.save().unwrap();
        chain.registry(address).unwrap().head().unwrap()
    };
    assert_eq!(fs::read(&path).unwrap(), content);
    let chain = EmbeddedChain::open(&path).unwrap();
    let bench = EmbeddedBench { registry: chain.registry(address).unwrap(), chain };
    assert_eq!(bench.registry.head().unwrap(), head);
    assert_eq!(bench.registry.events(0..=head.block.number).unwrap().len(), 4);
    bench.advance(u64::from(EXIT_DELAY));
    let (owner, index) = (bench.account(1), MemberIndex(1));
    bench.registry.withdraw(owner, index, owner).unwrap();
    join(&bench, 0, 2, SMALL);
}

#[test]
fn what_was_not_saved_is_gone() {
    let (_folder, path) = folder();
    let address = saved(&path);
    {
        let chain = EmbeddedChain::open(&path).unwrap();
        let bench = EmbeddedBench { registry: chain.registry(address).unwrap(), chain };
        join(&bench, 0, 2, SMALL);
    }
    let chain = EmbeddedChain::open(&path).unwrap();
    assert_eq!(chain.registry(address).unwrap().head().unwrap().member_count, 2);
}

#[test]
fn a_file_that_is_missing_or_there_or_in_use() {
    let (_folder, path) = folder();
    assert!(matches!(EmbeddedChain::open(&path), Err(StateFileError::Missing(_))));
    assert!(!path.exists());
    saved(&path);
    assert!(matches!(EmbeddedChain::create(&path, SETTINGS), Err(StateFileError::Exists(_))));
    let chain = EmbeddedChain::open(&path).unwrap();
    assert!(matches!(EmbeddedChain::open(&path), Err(StateFileError::InUse(_))));
    drop(chain);
    EmbeddedChain::open(&path).unwrap();
}

#[test]
fn damage_is_seen_and_the_file_left_alone() {
    let (_folder, path) = folder();
    saved(&path);
    let good = fs::read(&path).unwrap();
    let refused = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        let error = EmbeddedChain::open(&path).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), content);
        error
    };
    for place in (16..good.len()).step_by(good.len() / 40).chain([good.len() - 1]) {
        let mut content = good.clone();
        content[place] ^= 1;
        let error = refused(&content);
        assert!(matches!(error, StateFileError::Damaged(_) | StateFileError::Version { .. }), "{place}: {error}");
        assert!(matches!(refused(&good[..place]), StateFileError::Damaged(_)), "{place}");
    }
    assert!(matches!(refused(b""), StateFileError::Foreign(_)));
    assert!(matches!(refused(b"{\"some\":\"json\"}"), StateFileError::Foreign(_)));
    let newer = String::from_utf8(good.clone()).unwrap().replacen("chain 1 ", "chain 2 ", 1);
    assert!(matches!(refused(newer.as_bytes()), StateFileError::Version { found: 2, .. }));
    fs::write(&path, &good).unwrap();
    EmbeddedChain::open(&path).unwrap();
}

#[test]
fn a_kill_between_write_and_rename_leaves_the_old_state() {
    let (_folder, path) = folder();
    let address = saved(&path);
    let good = fs::read(&path).unwrap();
    // Such a kill leaves the draft, complete or partial, beside the file.
    for draft in [&good[..], &good[..good.len() / 2], b""] {
        fs::write(path.with_extension("new"), draft).unwrap();
        let chain = EmbeddedChain::open(&path).unwrap();
        assert_eq!(chain.registry(address).unwrap().head().unwrap().member_count, 2);
        chain.save().unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn a_failed_write_leaves_the_old_state() {
    let (_folder, path) = folder();
    saved(&path);
    let good = fs::read(&path).unwrap();
    let chain = EmbeddedChain::open(&path).unwrap();
    // A folder has the path of the draft.
    fs::create_dir(path.with_extension("new")).unwrap();
    chain.mine().unwrap();
    chain.save().unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), good);
    fs::remove_dir(path.with_extension("new")).unwrap();
    chain.save().unwrap();
    assert_ne!(fs::read(&path).unwrap(), good);
}

#[test]
fn a_process_killed_while_saving_leaves_a_whole_state() {
    let (_folder, path) = folder();
    saved(&path);
    let mut height = 0;
    for round in 0..20u64 {
        let mut child = child("state_file::child_that_saves_until_killed");
        let mut child = child.env(CHILD, &path).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let chain = EmbeddedChain::open(&path).unwrap();
        let mut latest = height;
        while chain.block(latest + 1).unwrap().is_some() {
            latest += 1;
        }
        height = latest;
    }
    assert!(height > 50, "the children saved only {height} blocks");
}

#[test]
#[ignore = "run by a_process_killed_while_saving_leaves_a_whole_state, which kills it"]
fn child_that_saves_until_killed() {
    let Some(path) = env::var_os(CHILD) else { return };
    let chain = EmbeddedChain::open(Path::new(&path)).unwrap();
    loop {
        chain.mine().unwrap();
        chain.save().unwrap();
    }
}
