//! What a moderation log serves beside its tiles.

use std::collections::BTreeMap;

use quotapass_protocol::UnixSeconds;

use super::{Digest, EntryError, ListKey, ListedEntry, State, journal::ACTIVE_PATH, state::write_index, write_list};
use crate::{POLICY_PATH, Rules, write_policy};

/// How long former lists are served after they changed, in seconds: longer than any list window.
const KEPT_SECONDS: u64 = 86_400;
/// The most bytes of former lists that are served.
///
/// **Attack.** A followed log changes many long lists with each checkpoint, one a second, and the copies that relays keep
/// for a day fill their memory.
///
/// **Defence.** The oldest of them are dropped first. Lists in force are not.
const MAX_FORMER: usize = 64 << 20;

/// A list that a log states, with its entries in order.
pub type StatedList = (ListKey, Vec<ListedEntry>);

/// What a moderation log, or a mirror of it, serves beside its tiles: the lists in force at the last checkpoint, the index of
/// them, and the newest policy of the root key. Former lists are served for a day, so that a reader finds what the index
/// names that it has just read.
#[derive(Clone, Debug, Default)]
pub struct ServedLists {
    /// Lists and indexes by their hash, with the time at which another one took their place.
    by_digest: BTreeMap<Digest, (Vec<u8>, Option<UnixSeconds>)>,
    policy: Option<Vec<u8>>,
    size: u64,
    in_force: Vec<StatedList>,
}

impl ServedLists {
    /// Serves the lists of the state at a checkpoint from `now` on.
    ///
    /// # Errors
    /// [`EntryError::Form`] if the index has no canonical form; it has one. Nothing is changed then.
    pub fn serve(&mut self, state: &State, now: UnixSeconds) -> Result<(), EntryError> {
        let index = state.index();
        let written = write_index(&index)?.into_bytes();
        self.in_force = index.iter().map(|list| (list.key(), state.stated_list(&list.key()))).collect();
        let lists = self.in_force.iter().map(|(_, list)| write_list(list));
        let current: BTreeMap<_, _> =
            lists.chain([Vec::new(), written]).map(|bytes| (Digest::of(&bytes), (bytes, None))).collect();
        for (digest, (_, until)) in &mut self.by_digest {
            if !current.contains_key(digest) {
                until.get_or_insert(now);
            }
        }
        self.by_digest.retain(|_, (_, until)| until.is_none_or(|until| now.since(until) < KEPT_SECONDS));
        self.by_digest.extend(current);
        self.drop_former(MAX_FORMER);
        self.policy = state.root_policy().map(|(index, leaf)| write_policy(index, leaf));
        self.size = state.size();
        Ok(())
    }

    /// Drops the oldest former lists, until the others have at most this number of bytes.
    fn drop_former(&mut self, limit: usize) {
        let former = |(digest, (bytes, until)): (&Digest, &(Vec<u8>, Option<UnixSeconds>))| {
            until.map(|until| (until, *digest, bytes.len()))
        };
        let mut former: Vec<_> = self.by_digest.iter().filter_map(former).collect();
        former.sort_unstable();
        let mut total: usize = former.iter().map(|(.., bytes)| bytes).sum();
        for (_, digest, bytes) in former {
            if total <= limit {
                return;
            }
            self.by_digest.remove(&digest);
            total -= bytes;
        }
    }

    /// Returns what is served at a path: [`POLICY_PATH`], or `active/` and a hash.
    pub fn resource(&self, path: &str) -> Option<&[u8]> {
        if path == POLICY_PATH {
            return self.policy.as_deref();
        }
        let digest = path.strip_prefix(ACTIVE_PATH)?.parse().ok()?;
        self.by_digest.get(&digest).map(|(bytes, _)| bytes.as_slice())
    }

    /// The number of entries of the log at the checkpoint; zero before the first one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The lists in force at the checkpoint that are not empty, in the order of the index.
    pub fn in_force(&self) -> &[StatedList] {
        &self.in_force
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::*, *};

    #[test]
    fn former_lists_are_served_for_a_day() {
        let mut state = State::new(name());
        let apply = |state: &mut State, leaf: Vec<u8>| state.apply(&leaf).unwrap();
        let by_one = |entry| signed(&entry, &[&moderator(0)]);
        apply(&mut state, signed(&entry(1_000, NOW, super::super::Body::Policy(policy(1, 1))), &[&root()]));
        let first = strike(1, NOW);
        apply(&mut state, by_one(first.clone()));
        let mut served = ServedLists::default();
        assert_eq!((served.size(), served.resource(POLICY_PATH)), (0, None));
        served.serve(&state, NOW).unwrap();
        let path = |entries: &[ListedEntry]| format!("{ACTIVE_PATH}{}", Digest::of(&write_list(entries)));
        let old = path(&[post(1)]);
        assert_eq!(served.resource(&old), Some(&write_list(&[post(1)])[..]));
        assert!(served.resource(POLICY_PATH).is_some_and(|policy| policy.starts_with(b"0\n")));
        assert_eq!((served.size(), served.in_force().len(), served.in_force()[0].1.as_slice()), (2, 1, &[post(1)][..]));

        apply(&mut state, by_one(strike(2, NOW)));
        served.serve(&state, NOW + 600).unwrap();
        let new = path(&[post(1), post(2)]);
        assert!(served.resource(&old).is_some() && served.resource(&new).is_some());
        served.serve(&state, NOW + 600 + KEPT_SECONDS).unwrap();
        assert!(served.resource(&old).is_none() && served.resource(&new).is_some());
        // With too many bytes the oldest former lists go first, and those in force stay.
        apply(&mut state, by_one(strike(3, NOW)));
        served.serve(&state, NOW + 601 + KEPT_SECONDS).unwrap();
        apply(&mut state, by_one(strike(4, NOW)));
        served.serve(&state, NOW + 602 + KEPT_SECONDS).unwrap();
        let [third, fourth] = [3, 4].map(|last| path(&(1..=last).map(post).collect::<Vec<_>>()));
        let former: usize =
            served.by_digest.values().filter(|(_, until)| until.is_some()).map(|kept| kept.0.len()).sum();
        served.drop_former(former);
        assert!(served.resource(&new).is_some());
        served.drop_former(3 * ListedEntry::BYTES);
        assert!(served.resource(&new).is_none());
        served.drop_former(0);
        assert!(served.resource(&third).is_none() && served.resource(&fourth).is_some());
        for other in ["active/", "active/x", "text/x", "checkpoint"] {
            assert_eq!(served.resource(other), None);
        }
    }
}
