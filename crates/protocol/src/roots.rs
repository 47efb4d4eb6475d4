//! The history of the roots of the registry's tree, and the time until which each is accepted.

use std::collections::{HashMap, VecDeque};

use quotapass_circuits::{membership::Root, time::UnixSeconds};

use super::Verdict;

/// The minimum number of stale roots that are remembered: 40 bytes each, twice.
const REMEMBERED: usize = 16_384;

/// The status of a root in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootStatus {
    /// This is the tree's current root.
    Current,
    /// Superseded at this time, within the root window.
    Recent {
        /// When it was superseded.
        superseded_at: UnixSeconds,
    },
    /// Superseded at this time, longer ago than the root window.
    Stale {
        /// When it was superseded.
        superseded_at: UnixSeconds,
    },
    /// Never seen, undone by a reorganisation, or stale for so long that it was forgotten.
    Unknown,
}

impl RootStatus {
    /// Checks that passes on a root of this status are accepted: it must be current or recent.
    ///
    /// # Errors
    /// [`Verdict::StaleRoot`] or [`Verdict::UnknownRoot`].
    pub fn check(self) -> Result<(), Verdict> {
        match self {
            Self::Current | Self::Recent { .. } => Ok(()),
            Self::Stale { superseded_at } => Err(Verdict::StaleRoot { superseded_at }),
            Self::Unknown => Err(Verdict::UnknownRoot),
        }
    }
}

/// The roots in the order in which they were current.
///
/// A root is accepted while it is current and for a window after it was *superseded*. How long it was current, and how
/// many roots came after it, does not matter. An empty history accepts nothing.
///
/// Stale roots are remembered so that a late pass gets `stale_root` and not `unknown_root`, as long as they are among
/// the latest 16,384 roots. [Pruning](Self::prune) forgets older ones, but never roots within the window. A gossip node
/// answers `ignore` to both, so forgetting punishes no sender.
#[derive(Clone, Debug, Default)]
pub struct RootHistory {
    /// All roots except the current one, oldest first, each with the time at which it was superseded.
    superseded: VecDeque<(Root, UnixSeconds)>,
    current: Option<Root>,
    /// The latest time at which each root in `superseded` was superseded.
    latest: HashMap<Root, UnixSeconds>,
}

impl RootHistory {
    /// Creates a history without roots, which accepts nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a history that begins with a current root.
    pub fn starting_at(root: Root) -> Self {
        Self { current: Some(root), ..Self::default() }
    }

    /// The current root.
    pub fn current(&self) -> Option<Root> {
        self.current
    }

    /// Returns the remembered superseded roots, latest first, each with the time at which it was superseded. A root
    /// that was current several times appears as many times.
    pub fn superseded(&self) -> impl Iterator<Item = (Root, UnixSeconds)> + '_ {
        self.superseded.iter().rev().copied()
    }

    /// Returns the number of remembered roots, including the current one.
    pub fn len(&self) -> usize {
        self.superseded.len() + usize::from(self.current.is_some())
    }

    /// Returns whether the history has no root.
    pub fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Records that the tree has a new root since time `at`, which supersedes the previous one. The same root
    /// again changes nothing; a root that was current before becomes current again.
    pub fn advance(&mut self, root: Root, at: UnixSeconds) {
        if self.current == Some(root) {
            return;
        }
        if let Some(former) = self.current.replace(root) {
            self.superseded.push_back((former, at));
            self.latest.insert(former, at);
        }
    }

    /// Records a reorganisation of the chain: removes the last `undone` roots, and adds the roots of the other branch,
    /// each with the time since when it is current. Passes on undone roots are refused from now on, because a
    /// deposit on the abandoned branch may not exist.
    ///
    /// If more roots are undone than are remembered, only the new branch remains.
    pub fn reorganise(&mut self, undone: usize, branch: impl IntoIterator<Item = (Root, UnixSeconds)>) {
        if undone > 0 {
            // The root before the first undone one is current again, so its supersession is also undone.
            let kept = (self.superseded.len() + 1).saturating_sub(undone);
            self.superseded.truncate(kept);
            self.current = self.superseded.pop_back().map(|(root, _)| root);
            self.latest = self.superseded.iter().copied().collect();
        }
        for (root, at) in branch {
            self.advance(root, at);
        }
    }

    /// Returns the status of a root at `now`, under a root window in seconds.
    pub fn status(&self, root: Root, now: UnixSeconds, window: u32) -> RootStatus {
        if self.current == Some(root) {
            return RootStatus::Current;
        }
        match self.latest.get(&root) {
            None => RootStatus::Unknown,
            Some(&superseded_at) if is_over(superseded_at, now, window) => RootStatus::Stale { superseded_at },
            Some(&superseded_at) => RootStatus::Recent { superseded_at },
        }
    }

    /// Forgets the oldest roots that are stale under a window of this many seconds, while the history has more
    /// superseded roots than it must remember. `window` is the longest root window of all scopes.
    pub fn prune(&mut self, now: UnixSeconds, window: u32) {
        self.prune_to(REMEMBERED, now, window);
    }

    fn prune_to(&mut self, remembered: usize, now: UnixSeconds, window: u32) {
        while self.superseded.len() > remembered {
            match self.superseded.front() {
                Some(&(root, at)) if is_over(at, now, window) => {
                    self.superseded.pop_front();
                    // The root may have been current again since then.
                    if self.latest.get(&root) == Some(&at) {
                        self.latest.remove(&root);
                    }
                }
                _ => return,
            }
        }
    }
}

/// The relay's view of its chain: the age limit for the newest known block.
///
/// Attack prevented: a relay is cut off from its chain, or an endpoint shows it an old block forever. Its current root
/// then stays current, and members who left meanwhile post on it with nothing at stake. The first of them may have left
/// right after the newest block that the relay knows. That member has its deposit back one exit delay later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The time of the newest block that the relay knows.
    pub head_time: UnixSeconds,
    /// The registry's exit delay in seconds.
    pub exit_delay: u32,
}

impl Horizon {
    /// Returns the last second at which passes with this [exposure](super::Policy::exposure) in seconds are accepted,
    /// unless a newer block becomes known.
    pub fn accepts_until(&self, exposure: u64) -> UnixSeconds {
        self.head_time.saturating_add(u64::from(self.exit_delay).saturating_sub(exposure))
    }
}

/// Returns whether `ended` is more than `window` seconds before `now`.
pub(super) fn is_over(ended: UnixSeconds, now: UnixSeconds, window: u32) -> bool {
    now.since(ended) > u64::from(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 100;

    fn root(number: u8) -> Root {
        let mut bytes = [0; 32];
        bytes[31] = number;
        Root::from_be_bytes(&bytes).unwrap()
    }

    /// The status of a root at a Unix second.
    fn status(history: &RootHistory, number: u8, now: u64) -> RootStatus {
        history.status(root(number), UnixSeconds(now), WINDOW)
    }

    fn recent(superseded_at: u64) -> RootStatus {
        RootStatus::Recent { superseded_at: UnixSeconds(superseded_at) }
    }

    fn stale(superseded_at: u64) -> RootStatus {
        RootStatus::Stale { superseded_at: UnixSeconds(superseded_at) }
    }

    #[test]
    fn an_empty_history_accepts_nothing() {
        let history = RootHistory::new();
        assert!(history.is_empty());
        assert_eq!(history.status(root(0), UnixSeconds(0), u32::MAX), RootStatus::Unknown);
    }

    #[test]
    fn the_window_counts_from_supersession_not_from_creation() {
        let mut history = RootHistory::starting_at(root(1));
        // Current for a year, then superseded: it still has its whole window.
        let year = 31_536_000;
        assert_eq!(status(&history, 1, year), RootStatus::Current);
        history.advance(root(2), UnixSeconds(year));
        let at = |now| status(&history, 1, now);
        assert_eq!(at(year), recent(year));
        assert_eq!(at(year + 100), recent(year));
        assert_eq!(at(year + 101), stale(year));
        assert_eq!(status(&history, 2, year + 101), RootStatus::Current);
        assert_eq!(status(&history, 3, year), RootStatus::Unknown);
    }

    #[test]
    fn a_burst_of_deposits_does_not_shorten_the_window() {
        let mut history = RootHistory::starting_at(root(0));
        for number in 1..=200 {
            history.advance(root(number), UnixSeconds(1000));
        }
        for number in 0..200 {
            assert_eq!(status(&history, number, 1100), recent(1000));
        }
    }

    #[test]
    fn a_root_may_become_current_again() {
        let mut history = RootHistory::starting_at(root(1));
        history.advance(root(2), UnixSeconds(10));
        history.advance(root(2), UnixSeconds(15));
        history.advance(root(1), UnixSeconds(500));
        assert_eq!(status(&history, 1, 9999), RootStatus::Current);
        assert_eq!(status(&history, 2, 501), recent(500));
        history.advance(root(3), UnixSeconds(600));
        assert_eq!(status(&history, 1, 700), recent(600));
        // Its first supersession is long over and may be forgotten without forgetting the second.
        history.prune_to(1, UnixSeconds(700), WINDOW);
        assert_eq!(status(&history, 1, 700), recent(600));
    }

    #[test]
    fn only_what_is_stale_is_forgotten_and_the_oldest_first() {
        let mut history = RootHistory::starting_at(root(0));
        for number in 1..=10 {
            history.advance(root(number), UnixSeconds(u64::from(number) * 100));
        }
        history.prune_to(4, UnixSeconds(500), WINDOW);
        // Roots 0 to 2 were superseded by 300 and are stale at 500; root 3 is not.
        assert_eq!(status(&history, 2, 500), RootStatus::Unknown);
        assert_eq!(status(&history, 3, 500), recent(400));
        assert_eq!(history.len(), 8);
        history.prune_to(4, UnixSeconds(2000), WINDOW);
        assert_eq!(history.len(), 5);
        assert_eq!(status(&history, 6, 2000), stale(700));
        assert_eq!(status(&history, 10, 2000), RootStatus::Current);
    }

    #[test]
    fn a_reorganisation_undoes_roots_and_supersessions() {
        let mut history = RootHistory::starting_at(root(1));
        history.advance(root(2), UnixSeconds(10));
        history.advance(root(3), UnixSeconds(20));
        history.reorganise(2, [(root(4), UnixSeconds(300))]);
        for undone in [2, 3] {
            assert_eq!(status(&history, undone, 300), RootStatus::Unknown);
        }
        // It was current until 300 on the branch that holds.
        assert_eq!(status(&history, 1, 400), recent(300));
        assert_eq!(status(&history, 4, 400), RootStatus::Current);
        history.reorganise(0, []);
        assert_eq!(history.current(), Some(root(4)));
        history.reorganise(1, []);
        assert_eq!(history.current(), Some(root(1)));
        history.reorganise(1, []);
        assert!(history.is_empty());
        history.reorganise(5, [(root(9), UnixSeconds(1000))]);
        assert_eq!((history.current(), history.len()), (Some(root(9)), 1));
    }
}
