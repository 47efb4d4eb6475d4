//! The events of moderation: numbered without a gap, by all relays that share a store.
//!
//! An event with the number n is written only if it is the first with that number, and after the event n - 1. A case
//! chooses the number of its next event and stores it before it writes the event, so that a crash between both, or two
//! relays that finish the same case, write the event once: the number was taken by this very event, or by another one, and
//! then a new number is chosen.

use quotapass_protocol::{
    LogError, UnixSeconds,
    moderation::{EventKind, ModerationEvent},
};
use serde::{Deserialize, Serialize};

use super::{Swap, case::Unsent, keys};
use crate::ModerationStore;

/// The time for which events are kept, in seconds: a year.
const EVENT_SECONDS: u64 = 365 * 86_400;
/// Maximum number of attempts to move the head, which other relays move at the same time.
const ATTEMPTS: usize = 16;

/// A stored event. The number of the change tells two events of one case apart that are otherwise the same.
#[derive(Serialize, Deserialize)]
struct StoredEvent {
    change: u64,
    event: ModerationEvent,
}

fn encode(event: ModerationEvent, change: u64) -> Result<Vec<u8>, LogError> {
    serde_json::to_vec(&StoredEvent { change, event }).map_err(|_| LogError::Unfit("an event cannot be written".into()))
}

/// Returns the number of the last event.
///
/// The stored number may be behind: a call that finds a later event moves it, so that numbers are not given again when events
/// are dropped.
pub(super) fn head(store: &dyn ModerationStore) -> Result<u64, LogError> {
    let mut known = store.read(keys::HEAD)?;
    for _ in 0..ATTEMPTS {
        let stored = known.as_deref().map_or(Ok(0), |bytes| keys::number_at(bytes, 0))?;
        let mut head = stored;
        while store.read(&keys::event(head + 1))?.is_some() {
            head += 1;
        }
        if head == stored {
            return Ok(head);
        }
        let new = Some(head.to_be_bytes().to_vec());
        let moved = Swap { key: keys::HEAD.to_vec(), expected: known, new, keep_until: None };
        if store.swap(&moved)? {
            return Ok(head);
        }
        known = store.read(keys::HEAD)?;
    }
    Err(LogError::Unavailable("other relays write events at the same time".into()))
}

/// Writes an event at the number that its case has chosen. Returns whether it stands there now, because this call or
/// another one wrote it.
pub(super) fn write(
    store: &dyn ModerationStore,
    unsent: &Unsent,
    number: u64,
    event: ModerationEvent,
) -> Result<bool, LogError> {
    let until = event.at.saturating_add(EVENT_SECONDS);
    let value = encode(event.clone(), unsent.change)?;
    if store.swap(&Swap::create(keys::event(number), value, Some(until)))? {
        return Ok(true);
    }
    is_written(store, unsent, number, event)
}

/// Returns whether this very event stands at a number.
pub(super) fn is_written(
    store: &dyn ModerationStore,
    unsent: &Unsent,
    number: u64,
    event: ModerationEvent,
) -> Result<bool, LogError> {
    let value = encode(event, unsent.change)?;
    Ok(store.read(&keys::event(number))?.is_some_and(|known| known == value))
}

/// Returns the events after the number `since`, at most `limit`.
pub(super) fn read(store: &dyn ModerationStore, since: u64, limit: usize) -> Result<Vec<ModerationEvent>, LogError> {
    let found = store.scan(keys::EVENTS, Some(&keys::event(since)), limit)?;
    let event = |(_, value): (Vec<u8>, Vec<u8>)| {
        serde_json::from_slice(&value).map(|stored: StoredEvent| stored.event).map_err(|_| LogError::Damaged)
    };
    found.into_iter().map(event).collect()
}

/// Whether an event of this kind is about a strike.
pub(super) fn is_of_strike(kind: EventKind) -> bool {
    matches!(kind, EventKind::Struck | EventKind::Lifted | EventKind::Appealed | EventKind::Answered)
}

/// Returns an event of a case.
pub(super) fn event(
    unsent: &Unsent,
    number: u64,
    scope: &str,
    nullifier: quotapass_circuits::share::Nullifier,
) -> ModerationEvent {
    let strike = unsent.strike.clone().filter(|_| is_of_strike(unsent.kind));
    let at: UnixSeconds = unsent.at;
    ModerationEvent { number, at, kind: unsent.kind, scope: scope.into(), nullifier, strike }
}
