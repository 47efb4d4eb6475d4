//! What happens to a relay, told to whoever listens.

use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use quotapass_circuits::{identity::IdentityCommitment, membership::Root};
use serde::Serialize;
use tokio::sync::broadcast;

use super::{Settlement, lock};

/// How many past events are kept for listeners that come back.
const KEPT: usize = 256;

/// Something that happened. Nothing in it is secret; times are Unix seconds.
///
/// As JSON: the fields alone; the name is [`name`](Self::name).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum RelayEvent {
    /// The tree has another root.
    RootChanged {
        /// The current root.
        root: Root,
        /// Since when it is current.
        since: u64,
        /// Members with a deposit.
        members: u64,
    },
    /// The chain was reorganised, and roots were undone.
    Reorganised {
        /// How many.
        undone: usize,
        /// The root that is current now; none if no root is left.
        root: Option<Root>,
    },
    /// A member exceeded a quota, and its secret is known.
    Convicted {
        /// The member's commitment.
        commitment: IdentityCommitment,
        /// When.
        at: u64,
    },
    /// The case of a convicted member was closed.
    Slashed {
        /// The member's commitment.
        commitment: IdentityCommitment,
        /// How.
        settlement: Settlement,
        /// When.
        at: u64,
    },
    /// The configuration was read again, and holds.
    Reloaded {
        /// When.
        at: u64,
    },
    /// A configuration was read that cannot be; the one before stays in force.
    ReloadRefused {
        /// When.
        at: u64,
    },
    /// The chain's endpoint does not answer any more.
    ChainLost {
        /// When.
        at: u64,
    },
    /// The chain's endpoint answers again.
    ChainBack {
        /// When.
        at: u64,
    },
}

impl RelayEvent {
    /// The stable name.
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

/// Which event of which run of the relay: positions count from zero in each run. As text: `run-position`, both in
/// hexadecimal.
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

/// Text that is no event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of an event; give one that came with an event, or none")]
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
    /// Which it is.
    pub id: EventId,
    /// What happened.
    pub event: RelayEvent,
}

/// What a listener gets that asks for all since an event.
#[derive(Debug)]
pub struct Subscription {
    /// What happened since, oldest first.
    pub missed: Vec<Arc<Occurrence>>,
    /// Whether more happened than is kept, so that the listener should look at everything anew.
    pub incomplete: bool,
    /// What happens from now on. A receiver that falls behind is told by how many.
    pub next: broadcast::Receiver<Arc<Occurrence>>,
}

/// Tells events to all who listen. A clone is the same bus.
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
    /// A bus on which nothing has happened.
    pub fn new() -> Self {
        // Tells one run of a relay from the next; nothing else depends on it.
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let (sender, _) = broadcast::channel(KEPT);
        Self(Arc::new(Bus { run, kept: Mutex::default(), sender }))
    }

    /// Tells what happened.
    pub fn publish(&self, event: RelayEvent) {
        let mut kept = lock(&self.0.kept);
        let occurrence = Arc::new(Occurrence { id: EventId { run: self.0.run, position: kept.next }, event });
        kept.next += 1;
        if kept.latest.len() == KEPT {
            kept.latest.pop_front();
        }
        kept.latest.push_back(occurrence.clone());
        // Without listeners there is nobody to tell.
        let _ = self.0.sender.send(occurrence);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Occurrence>> {
        self.0.sender.subscribe()
    }

    /// Listens from after an event on. An event of another run, or one too long ago, gives all that is kept.
    pub fn subscribe_after(&self, last: EventId) -> Subscription {
        let kept = lock(&self.0.kept);
        let oldest = kept.latest.front().map_or(kept.next, |first| first.id.position);
        let known = last.run == self.0.run && last.position < kept.next;
        let after = if known { last.position + 1 } else { 0 };
        let missed = kept.latest.iter().filter(|occurrence| occurrence.id.position >= after).cloned().collect();
        // The lock is still held, so that nothing falls between what is kept and what comes.
        Subscription { missed, incomplete: !known || after < oldest, next: self.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(bus: &EventBus, times: core::ops::Range<u64>) {
        times.for_each(|at| bus.publish(RelayEvent::Reloaded { at }));
    }

    fn times(subscription: &Subscription) -> Vec<u64> {
        let time = |occurrence: &Arc<Occurrence>| match occurrence.event {
            RelayEvent::Reloaded { at } => at,
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
        assert_eq!(back.next.try_recv().unwrap().event, RelayEvent::Reloaded { at: 5 });
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
        // An id of another run, or of the future.
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
