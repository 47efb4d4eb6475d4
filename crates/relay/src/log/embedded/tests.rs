//! Tests of databases whose contents differ from what the log wrote.

use quotapass_circuits::registry_id::RegistryId;

use super::{
    EmbeddedLog, EmbeddedLogError, EmbeddedSettings,
    store::{RECORDS, database, numbered, options},
};

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [0x11; 20] };

/// Attack prevented: a number that does not decode counts as zero, so that expired epochs are open again, or new
/// evidence replaces old evidence.
#[test]
fn a_number_that_does_not_decode_is_damage_and_not_zero() {
    let settings = EmbeddedSettings::default();
    for key in [b"w".to_vec(), b"l".to_vec(), b"c".to_vec(), b"e1".to_vec(), numbered(b'e', u64::MAX)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        drop(EmbeddedLog::create(&path, &REGISTRY, &settings).unwrap());
        {
            let database = database(&path, &settings).unwrap();
            let records = database.keyspace(RECORDS, options).unwrap();
            let mut batch = database.batch().durability(Some(fjall::PersistMode::SyncAll));
            batch.insert(&records, key.clone(), [1, 2, 3]);
            batch.commit().unwrap();
        }
        let opened = EmbeddedLog::open(&path, &REGISTRY, &settings);
        assert!(matches!(opened, Err(EmbeddedLogError::Damaged { .. })), "{key:?}: {opened:?}");
    }
}
