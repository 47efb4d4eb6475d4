//! Records of a member, prepared for the lists of a scope.

use quotapass_circuits::{
    formats::recorded::{ListRecords, ListVersion},
    identity::IdentitySecret,
    moderation::Entry,
    prover::{PreparedList, ProveError, RecordProvers},
};
use quotapass_log::LogId;
use quotapass_protocol::PolicyList;
use rand::{CryptoRng, RngCore};

use super::CurrentList;

/// Progress of the preparation of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordProgress {
    /// The list that is prepared next, from 0; equal to `lists` at the end.
    pub list: usize,
    /// Number of lists.
    pub lists: usize,
    /// Number of its entries; 0 at the end.
    pub entries: usize,
}

/// Returns whether one of the lists is so long that its records need the large key, that of `record128`.
pub fn needs_large_key(lists: &[CurrentList]) -> bool {
    lists.iter().any(|list| RecordProvers::needs_large(list.entries.len()))
}

/// One list of a member.
struct Prepared {
    log: LogId,
    version: ListVersion,
    list: PreparedList,
}

/// The records of a member for all lists of a scope, up to each post's own entry. They are kept from post to post, and a
/// new version of a list costs only what changed in it.
///
/// It contains the identity secret and values that reveal the secret. All of them are zeroized on drop.
#[derive(Default)]
pub(crate) struct PreparedRecords(Vec<Prepared>);

impl PreparedRecords {
    /// Moves to these versions of the lists. After an error the failing list and those after it are not prepared, so that
    /// [`are_for`](Self::are_for) is false until a call succeeds.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the member wrote a listed post, [`ProveError::LargeKeyMissing`].
    pub(crate) fn update(
        &mut self,
        secret: &IdentitySecret,
        provers: &RecordProvers,
        lists: &[CurrentList],
        mut progress: impl FnMut(RecordProgress),
    ) -> Result<(), ProveError> {
        let mut former = core::mem::take(&mut self.0);
        let count = lists.len();
        for (place, current) in lists.iter().enumerate() {
            let (log, entries) = (current.reference.log, &current.entries);
            progress(RecordProgress { list: place, lists: count, entries: entries.len() });
            let known = former.iter().position(|prepared| prepared.log == log);
            let list = match known.map(|place| former.swap_remove(place)) {
                Some(mut prepared) => {
                    prepared.list.update(provers, entries)?;
                    prepared.list
                }
                None => PreparedList::new(provers, secret, entries)?,
            };
            self.0.push(Prepared { log, version: current.version(), list });
        }
        progress(RecordProgress { list: count, lists: count, entries: 0 });
        Ok(())
    }

    /// Whether these are the lists of a policy, in its order.
    pub(crate) fn are_for(&self, lists: &[PolicyList]) -> bool {
        let own = self.0.iter().map(|prepared| *prepared.log.as_bytes());
        own.eq(lists.iter().map(|list| list.log.0))
    }

    /// The versions of the lists.
    pub(crate) fn versions(&self) -> Vec<ListVersion> {
        self.0.iter().map(|prepared| prepared.version).collect()
    }

    /// Proves the records of a post.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the member did not write the post.
    pub(crate) fn prove(
        &self,
        entry: Entry,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<ListRecords>, ProveError> {
        let records = self.0.iter().map(|Prepared { version, list, .. }| {
            Ok(ListRecords { version: *version, proofs: list.prove(entry, rng)? })
        });
        records.collect()
    }
}
