//! What the host of logs asks of the relay: its lists, its accepted posts, and its events.

use std::sync::Arc;

use quotapass_circuits::{moderation::Entry as PostEntry, share::Nullifier};
use quotapass_log::{
    LogId, TreeHash,
    moderation::{ListKey, ListedEntry},
};
use quotapass_protocol::{LogIdentity, UnixSeconds};

use super::strike::of_post;
use crate::{LogState, Relay, moderation::AcceptedPost};

/// Returns the identity of a log in the form of policies.
pub(super) fn identity(log: LogId) -> LogIdentity {
    LogIdentity(*log.as_bytes())
}

/// Makes a version of a log's lists the one in force.
pub(super) fn publish(
    relay: &Relay,
    log: LogId,
    (size, root): (u64, TreeHash),
    lists: &[(ListKey, Vec<ListedEntry>)],
    at: UnixSeconds,
) {
    let list = |(key, entries): &(ListKey, Vec<ListedEntry>)| {
        let entries: Arc<[PostEntry]> = entries.iter().map(of_post).collect();
        (key.registry, key.scope.clone(), entries)
    };
    let lists = lists.iter().map(list).collect();
    relay.lists().publish(LogState { log: identity(log), size, root: *root.as_bytes(), lists, at });
}

/// Returns an accepted post of this scope, for as long as the relay keeps it.
///
/// # Errors
/// The reason if the store fails.
pub(super) fn accepted(
    relay: &Relay,
    scope: &str,
    nullifier: Nullifier,
    now: UnixSeconds,
) -> Result<Option<AcceptedPost>, String> {
    let post = relay.moderation().post(nullifier, now).map_err(|error| error.to_string())?;
    Ok(post.filter(|post| post.scope == scope))
}
