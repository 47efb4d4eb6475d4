//! The logs of a relay: one suite for every kind, and tests of the faults that only one kind can have.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cluster;
mod damage;
mod disk;
mod inputs;
mod kills;
mod loss;
mod model;
mod moderation;
mod sentinel;
mod server;
mod suite;
mod valkey;
mod volume;

use std::{path::Path, sync::Arc};

use quotapass_circuits::registry_id::RegistryId;
use quotapass_relay::{EmbeddedLog, EmbeddedLogError, EmbeddedSettings, MemoryLog, RelayStore};
use tempfile::TempDir;

use crate::server::{Cluster, Server};

/// A store of one kind, initially empty.
trait Fixture {
    /// Returns a handle of the store: the same log if only one process can have it open, otherwise a separate
    /// connection.
    fn handle(&self) -> Arc<dyn RelayStore>;
}

struct Memory(Arc<MemoryLog>);

impl Memory {
    fn new() -> Self {
        Self(Arc::default())
    }
}

impl Fixture for Memory {
    fn handle(&self) -> Arc<dyn RelayStore> {
        Arc::clone(&self.0) as _
    }
}

struct Embedded {
    log: Arc<EmbeddedLog>,
    _folder: TempDir,
}

impl Embedded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = create(&folder.path().join("log")).unwrap();
        Self { log: Arc::new(log), _folder: folder }
    }
}

impl Fixture for Embedded {
    fn handle(&self) -> Arc<dyn RelayStore> {
        Arc::clone(&self.log) as _
    }
}

/// Each handle has a separate connection.
struct Valkey(Server);

impl Fixture for Valkey {
    fn handle(&self) -> Arc<dyn RelayStore> {
        Arc::new(self.0.log())
    }
}

struct ValkeyCluster(Cluster);

impl Fixture for ValkeyCluster {
    fn handle(&self) -> Arc<dyn RelayStore> {
        Arc::new(self.0.log())
    }
}

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [0x11; 20] };

fn create(path: &Path) -> Result<EmbeddedLog, EmbeddedLogError> {
    EmbeddedLog::create(path, &REGISTRY, &EmbeddedSettings::default())
}

fn open(path: &Path) -> Result<EmbeddedLog, EmbeddedLogError> {
    EmbeddedLog::open(path, &REGISTRY, &EmbeddedSettings::default())
}

/// The suite for every kind of store.
macro_rules! every_store {
    ($($test:ident)*) => {
        every_store!(in on_memory: Memory::new(), $($test)*);
        every_store!(in on_embedded: Embedded::new(), $($test)*);
        every_store!(in on_valkey: Valkey(Server::durable()), $($test)*);
        every_store!(in on_a_cluster: ValkeyCluster(Cluster::start()), $($test)*);
    };
    (in $kind:ident: $fixture:expr, $($test:ident)*) => {
        mod $kind {
            $(
                #[test]
                fn $test() {
                    use crate::*;
                    suite::$test(&$fixture);
                }
            )*
        }
    };
}

every_store! {
    first_replay_and_conflict_are_told_apart
    order_holds_within_a_batch
    epochs_and_scopes_are_kept_apart
    of_many_threads_exactly_one_is_new
    batches_that_overlap_record_each_once_and_catch_each_double_post_once
    epochs_expire_as_a_whole_and_stay_expired
    optional_fields_return_as_they_were_recorded
    what_was_closed_ahead_is_opened_and_forgets_nothing
    evidence_is_kept_once_and_in_order
    evidence_of_a_batch_is_kept_at_once
    of_many_threads_one_convicts
    a_case_is_one_workers_at_a_time_until_it_is_settled
    of_many_threads_one_binds_a_chat_key
    chat_keys_and_restrictions_are_shared_and_last
    restrictions_that_are_over_are_dropped
    any_sequence_gives_what_the_model_gives
    statistics_count_what_is_there
    a_record_changes_only_from_the_value_that_was_read
    changes_of_a_batch_are_made_in_order
    of_many_threads_one_makes_each_change
    records_are_read_in_the_order_of_their_keys
    long_ranges_are_read_whole
    records_whose_time_is_over_are_dropped
    statistics_count_no_record_of_moderation
    events_of_many_relays_have_no_gap_and_no_double
}
