//! Events of a relay, published to listeners.

use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use quotapass_circuits::{identity::IdentityCommitment, membership::Root};
use quotapass_protocol::UnixSeconds;
use serde::Serialize;
use tokio::sync::broadcast;

use super::Settlement;

/// The number of past events that are kept for listeners that reconnect.
const KEPT: usize = 256;

/// An event of a relay. It contains no secrets.
///
/// As JSON: only the fields; the name is [`name`](Self::name).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum RelayEvent {
    /// The tree has another root.
    RootChanged {
        /// The current root.
        root: Root,
        /// The time since when it is current.
        since: UnixSeconds,
        /// Members with a deposit.
        members: u64,
    },
    /// A reorganisation of the chain undid roots.
    Reorganised {
        /// The number of undone roots.
        undone: usize,
        /// The current root; none if no root is left.
        root: Option<Root>,
    },
    /// A member exceeded a quota, and its secret is known.
    Convicted {
        /// The member's commitment.
        commitment: IdentityCommitment,
        /// The time of the event.
        at: UnixSeconds,
    },
    /// The case of a convicted member was closed.
    Slashed {
        /// The member's commitment.
        commitment: IdentityCommitment,
        /// The outcome of the case.
        settlement: Settlement,
        /// The time of the event.
        at: UnixSeconds,
    },
    /// The configuration was reloaded and is in force.
    Reloaded {
        /// The time of the event.
        at: UnixSeconds,
    },
    /// A reload failed because the configuration is not valid; the previous one stays in force.
    ReloadRefused {
        /// The time of the event.
        at: UnixSeconds,
    },
    /// The chain's endpoint no longer answers.
    ChainLost {
        /// The time of the event.
        at: UnixSeconds,
    },
    /// The chain's endpoint answers again.
    ChainBack {
        /// The time of the event.
        at: UnixSeconds,
    },
}

impl RelayEvent {
    /// Returns the stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RootChanged { .. } => "root_changed",
            Self::Reorganised { .. } => "reorganised",
            Self::Convicted { .. } => "convicted",
            Self::Slashed { .. } => "slashed",
            Self::Reloaded { .. } => "reloaded",
            Self::ReloadRefused { .. } => "reload_refused",
            Self::ChainLost { .. } => "chain_lost",
            Self::ChainBack { .. } => "chain_back",
        }
    }
}

/// The id of an event: the run of the relay and the position in it. Positions count from zero in each run. As text:
/// `run-position`, both in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    run: u64,
    position: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.run, self.position)
    }
}

/// Error: the text is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an event id; give an id that came with an event, or none")]
pub struct EventIdError;

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let (run, position) = text.split_once('-').ok_or(EventIdError)?;
        let number = |digits| u64::from_str_radix(digits, 16).map_err(|_| EventIdError);
        Ok(Self { run: number(run)?, position: number(position)? })
    }
}

/// An event with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The event's id.
    pub id: EventId,
    /// The event.
    pub event: RelayEvent,
}

/// A subscription for all events after a given event.
#[derive(Debug)]
pub struct Subscription {
    /// The events since then, oldest first.
    pub missed: Vec<Arc<Occurrence>>,
    /// Whether events are missing because more happened than are kept. The listener should then read the whole state
    /// again.
    pub incomplete: bool,
    /// The events from now on. A receiver that falls behind gets the number of lost events.
    pub next: broadcast::Receiver<Arc<Occurrence>>,
}

/// A bus that publishes events to all listeners. A clone is the same bus.
#[derive(Clone, Debug)]
pub struct EventBus(Arc<Bus>);

#[derive(Debug)]
struct Bus {
    run: u64,
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Occurrence>>,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    latest: VecDeque<Arc<Occurrence>>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBus {
    /// Creates a bus without events.
    pub fn new() -> Self {
        // It distinguishes one run of a relay from the next; nothing else depends on it.
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let (sender, _) = broadcast::channel(KEPT);
        Self(Arc::new(Bus { run, kept: Mutex::default(), sender }))
    }

    /// Publishes an event.
    pub fn publish(&self, event: RelayEvent) {
        let mut kept = self.0.kept.lock();
        let occurrence = Arc::new(Occurrence { id: EventId { run: self.0.run, position: kept.next }, event });
        kept.next += 1;
        if kept.latest.len() == KEPT {
            kept.latest.pop_front();
        }
        kept.latest.push_back(occurrence.clone());
        // An error means that there are no listeners.
        let _ = self.0.sender.send(occurrence);
    }

    /// Subscribes to events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Occurrence>> {
        self.0.sender.subscribe()
    }

    /// Subscribes to all events after an event. After an event of another run, or one too long ago, it returns all kept
    /// events.
    pub fn subscribe_after(&self, last: EventId) -> Subscription {
        let kept = self.0.kept.lock();
        let oldest = kept.latest.front().map_or(kept.next, |first| first.id.position);
        let known = last.run == self.0.run && last.position < kept.next;
        let after = if known { last.position + 1 } else { 0 };
        let missed = kept.latest.iter().filter(|occurrence| occurrence.id.position >= after).cloned().collect();
        // The lock is still held, so no event is lost between the kept and the coming events.
        Subscription { missed, incomplete: !known || after < oldest, next: self.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(bus: &EventBus, times: core::ops::Range<u64>) {
        times.for_each(|at| bus.publish(RelayEvent::Reloaded { at: UnixSeconds(at) }));
    }

    fn times(subscription: &Subscription) -> Vec<u64> {
        let time = |occurrence: &Arc<Occurrence>| match occurrence.event {
            RelayEvent::Reloaded { at } => at.0,
            _ => panic!("{occurrence:?}"),
        };
        subscription.missed.iter().map(time).collect()
    }

    #[test]
    fn a_listener_that_comes_back_gets_what_it_missed() {
        let bus = EventBus::new();
        let mut listener = bus.subscribe();
        publish(&bus, 0..5);
        let id = |listener: &mut broadcast::Receiver<Arc<Occurrence>>| listener.try_recv().unwrap().id;
        let (first, second) = (id(&mut listener), id(&mut listener));
        assert_eq!(second.to_string().parse(), Ok(second));
        let mut back = bus.subscribe_after(second);
        assert_eq!((times(&back), back.incomplete), (vec![2, 3, 4], false));
        publish(&bus, 5..6);
        assert_eq!(back.next.try_recv().unwrap().event, RelayEvent::Reloaded { at: UnixSeconds(5) });
        let all = bus.subscribe_after(first);
        assert_eq!((times(&all).len(), all.incomplete), (5, false));
    }

    #[test]
    fn whoever_missed_too_much_is_told() {
        let bus = EventBus::new();
        let first = EventId { run: bus.0.run, position: 0 };
        publish(&bus, 0..257);
        let back = bus.subscribe_after(first);
        assert_eq!((times(&back).len(), back.incomplete), (256, false));
        publish(&bus, 257..258);
        let back = bus.subscribe_after(first);
        assert_eq!((times(&back).len(), back.incomplete), (256, true));
        // An id of another run, or a position that does not exist yet.
        for id in [EventId { run: 1, position: 3 }, EventId { run: bus.0.run, position: 9999 }] {
            assert!(bus.subscribe_after(id).incomplete);
        }
    }

    #[test]
    fn ids_that_are_none_are_refused() {
        for text in ["", "-", "1", "1-", "x-1", "1-2-3", "11111111111111111-1"] {
            assert_eq!(text.parse::<EventId>(), Err(EventIdError), "{text}");
        }
    }
}
