use std::fs;

use super::*;
use crate::{Log, Publication, log::LogError};
use quotapass_protocol::{UnixSeconds, note::NoteKey};

fn origin() -> Origin {
    "relay.example/log".parse().unwrap()
}

fn entries(range: Range<usize>) -> Vec<Vec<u8>> {
    range.map(|number| format!("entry {number}").into_bytes()).collect()
}

#[test]
fn a_store_has_what_was_written_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/log");
    let log = Log::open(origin(), EmbeddedStore::create(&path, &origin()).unwrap()).unwrap();
    log.append(entries(0..300)).unwrap();
    let key = NoteKey::from_seed("relay.example/log", &[1; 32]).unwrap();
    assert!(matches!(log.publish(&key, UnixSeconds(0), 600), Ok(Publication::New(_))));
    log.append(entries(300..301)).unwrap();
    let (root, published) = (log.root(301).unwrap(), log.published().unwrap());
    assert!(matches!(EmbeddedStore::open(&path, &origin()), Err(EmbeddedError::InUse(_))));
    drop(log);

    let log = Log::open(origin(), EmbeddedStore::open(&path, &origin()).unwrap()).unwrap();
    assert_eq!((log.size(), log.root(301), log.published()), (Ok(301), Ok(root), Ok(published)));
    assert_eq!(log.store().entries(250..301), Ok(entries(250..301)));
    assert!(matches!(log.store().entries(300..302), Err(StoreError::Damaged(_))));
    assert!(matches!(log.root(302), Err(LogError::Store(StoreError::Damaged(_)))));
    let raced = log.store().commit(&Change { base: 300, ..Change::default() });
    assert_eq!(raced, Err(StoreError::Raced { expected: 300, found: 301 }));
    let change = |value| Change { base: 301, values: [("name".into(), value)].into(), ..Change::default() };
    log.store().commit(&change(Some(vec![1]))).unwrap();
    assert_eq!(log.store().value("name"), Ok(Some(vec![1])));
    log.store().commit(&change(None)).unwrap();
    assert_eq!((log.store().value("name"), log.store().value("nam")), (Ok(None), Ok(None)));
}

#[test]
fn other_folders_are_not_opened_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    assert_eq!(EmbeddedStore::open(&path, &origin()).unwrap_err(), EmbeddedError::Missing(path.clone()));
    drop(EmbeddedStore::create(&path, &origin()).unwrap());
    assert_eq!(EmbeddedStore::create(&path, &origin()).unwrap_err(), EmbeddedError::Exists(path.clone()));
    let other = "other.example/log".parse().unwrap();
    assert!(matches!(EmbeddedStore::open(&path, &other), Err(EmbeddedError::WrongLog { .. })));
    assert_eq!(
        EmbeddedStore::open(folder.path(), &origin()).unwrap_err(),
        EmbeddedError::Foreign(folder.path().to_path_buf())
    );
    fs::write(path.join("log.json"), r#"{"version":2}"#).unwrap();
    assert_eq!(
        EmbeddedStore::open(&path, &origin()).unwrap_err(),
        EmbeddedError::Version { path: path.clone(), found: 2 }
    );
    // Nothing but the store is left in the folder.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_store_that_lost_answered_changes_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let store = EmbeddedStore::create(&path, &origin()).unwrap();
    let log = Log::open(origin(), store).unwrap();
    log.append(entries(0..10)).unwrap();
    drop(log);
    let witness = fs::read(path.join("witness")).unwrap();
    assert_eq!(witness[..8], 1u64.to_be_bytes());
    for (content, is_damaged) in [
        (&[&2u64.to_be_bytes()[..], &(!2u64).to_be_bytes()].concat(), true),
        (&vec![0; 16], true),
        (&Vec::new(), true),
        (&[&0u64.to_be_bytes()[..], &(!0u64).to_be_bytes()].concat(), false),
        (&witness, false),
    ] {
        fs::write(path.join("witness"), content).unwrap();
        let opened = EmbeddedStore::open(&path, &origin());
        assert_eq!(matches!(opened, Err(EmbeddedError::Damaged { .. })), is_damaged, "{opened:?}");
    }
    fs::remove_dir_all(path.join("database")).unwrap();
    assert!(matches!(EmbeddedStore::open(&path, &origin()), Err(EmbeddedError::Damaged { .. })));
}
