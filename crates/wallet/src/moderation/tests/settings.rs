//! Tests of the settings of logs.

use super::{super::*, *};

#[test]
fn settings_return_from_their_text_and_each_fault_is_named() {
    let settings = Operator::new(1).settings();
    let stated = StatedLog::from(&settings);
    assert_eq!(LogSettings::try_from(&stated).unwrap(), settings);
    let json = serde_json::to_string(&stated).unwrap();
    assert_eq!(serde_json::from_str::<StatedLog>(&json).unwrap(), stated);
    let fault = |change: fn(&mut StatedLog)| {
        let mut stated = stated.clone();
        change(&mut stated);
        LogSettings::try_from(&stated).unwrap_err()
    };
    assert!(matches!(fault(|log| log.origin = "two words".into()), LogSettingsError::Origin(_)));
    assert!(matches!(fault(|log| log.root_key = "key".into()), LogSettingsError::RootKey { .. }));
    assert!(matches!(fault(|log| log.witnesses[0].push('x')), LogSettingsError::Witness { .. }));
    assert!(matches!(fault(|log| log.servers.clear()), LogSettingsError::NoServer(_)));
    // Without a witness, the operator can show each wallet another log.
    assert!(matches!(fault(|log| log.cosignatures = 0), LogSettingsError::Trust { .. }));
    assert!(matches!(fault(|log| log.cosignatures = 2), LogSettingsError::Trust { .. }));
}

/// A relay that names a log of its own in the policy is refused, and so is a root key that is not the room's.
#[test]
fn a_log_that_the_settings_do_not_name_is_refused() {
    let [first, second] = [Operator::new(1), Operator::new(2)];
    let bound = policy(&[&first, &second]);
    let settings = [second.settings(), first.settings()];
    let logs: Vec<_> =
        enforced(bound.values(), &settings).unwrap().into_iter().map(|(log, limit)| (log.id(), limit)).collect();
    assert_eq!(logs, [(first.settings().id(), 128), (second.settings().id(), 128)]);
    match enforced(bound.values(), &settings[..1]) {
        Err(LogSettingsError::Unnamed { scope, log, known }) => {
            assert_eq!((scope.as_str(), log, known.len()), (ROOM, first.settings().identity(), 1));
        }
        other => panic!("{other:?}"),
    }
    let other_key = StatedLog { root_key: second.root_key().to_string(), ..StatedLog::from(&first.settings()) };
    let other_key = [LogSettings::try_from(&other_key).unwrap(), second.settings()];
    let refused = ScopeLists::open(&bound, &other_key, &TestMemory::default()).map(drop).unwrap_err();
    assert!(matches!(refused, ListError::Settings(LogSettingsError::Unnamed { .. })), "{refused}");

    let policies = || [bound.values()].into_iter();
    assert!(check_named(ROOM, policies(), &settings).is_ok());
    let twice = check_named(ROOM, policies(), &[first.settings(), first.settings()]);
    assert!(matches!(twice, Err(LogSettingsError::Twice(_))));
    let strange = check_named(ROOM, policies(), &[first.settings(), Operator::new(3).settings()]);
    assert!(matches!(strange, Err(LogSettingsError::NotEnforced { .. })));
}

#[cfg(feature = "files")]
#[test]
fn a_folder_keeps_the_newest_checkpoint_and_sees_a_fork() {
    let folder = tempfile::tempdir().unwrap();
    let files = MemoryFolder::new(&folder.path().join("logs"));
    let operator = Operator::new(1);
    let (log, source) = (operator.settings().id(), sources(&[&operator]));
    assert_eq!(files.load(log), Ok(None));
    let read = |now| {
        let mut lists = ScopeLists::open(&policy(&[&operator]), &[operator.settings()], &files).unwrap();
        lists.refresh(&source, &files, now).unwrap();
        files.load(log).unwrap().unwrap()
    };
    let first = read(NOW);
    operator.strike(post_of(1, b"buy"), "spam", NOW + INTERVAL);
    operator.publish(NOW + INTERVAL);
    let second = read(NOW + INTERVAL);
    assert_ne!(first, second);
    // A slower program does not bring the older one back.
    files.save(log, &first).unwrap();
    assert_eq!(files.load(log), Ok(Some(second.clone())));

    // Another log under the same keys, with as many entries.
    let fork = Operator::new(1);
    fork.strike(post_of(2, b"buy"), "spam", NOW + INTERVAL);
    fork.publish(NOW + INTERVAL);
    let memory = TestMemory::default();
    open(&[&fork], &memory).refresh(&sources(&[&fork]), &memory, NOW + INTERVAL).unwrap();
    assert_eq!(files.save(log, &memory.borrow()[&log]), Err(LogMemoryError::Forked { log }));
    let path = folder.path().join(format!("logs/{log}.json"));
    std::fs::write(&path, "{}").unwrap();
    let damaged = ScopeLists::open(&policy(&[&operator]), &[operator.settings()], &files).map(drop).unwrap_err();
    assert!(matches!(damaged, ListError::Memory(LogMemoryError::Damaged { .. })), "{damaged}");
    assert_eq!(std::fs::read(&path).unwrap(), b"{}");
}
