//! Number of blocks to request at once.

use core::time::Duration;

/// Number of blocks in the first range. The width doubles from there, so the first answers are small even if the
/// members are dense.
const FIRST: u64 = 16;
/// Target maximum of events in a range: they are all in memory at the same time.
const EVENTS: u64 = 10_000;
/// If an answer takes longer, the next ranges are narrower.
const SLOW: Duration = Duration::from_secs(8);
/// Number of answers after which a refused width is tried again.
const FORGET: u32 = 32;

/// The width of the next range, which grows with every answer and shrinks with every refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeWidth {
    width: u64,
    /// The widest range that was recently answered.
    good: u64,
    /// The narrowest range that was recently refused.
    refused: Option<u64>,
    answers: u32,
    /// Number of consecutive refusals.
    refusals: u32,
}

impl RangeWidth {
    pub(super) fn new() -> Self {
        Self { width: FIRST, good: 0, refused: None, answers: 0, refusals: 0 }
    }

    /// Number of blocks to request next.
    pub(super) fn get(&self) -> u64 {
        self.width
    }

    /// Records that a range was answered.
    pub(super) fn answered(&mut self, blocks: u64, events: u64, took: Duration) {
        (self.refusals, self.answers) = (0, self.answers + 1);
        if self.answers >= FORGET {
            (self.answers, self.refused) = (0, None);
        }
        let dense = (events > 0).then(|| (blocks.saturating_mul(EVENTS) / events).max(1));
        if took > SLOW {
            self.width = (blocks / 2).max(1);
        } else if blocks >= self.width {
            self.good = blocks;
            self.width = match self.refused {
                None => blocks.saturating_mul(2),
                // Halfway to the limit, until the width is close to it.
                Some(refused) if blocks + blocks / 8 < refused => blocks + (refused - blocks) / 2,
                Some(_) => blocks,
            };
        }
        self.width = dense.map_or(self.width, |dense| self.width.min(dense));
    }

    /// Records that a range was refused or not answered. Returns false if it cannot be narrower.
    pub(super) fn refused(&mut self, blocks: u64) -> bool {
        if blocks <= 1 {
            return false;
        }
        (self.refused, self.answers) = (Some(blocks), 0);
        if self.good >= blocks {
            self.good = 0;
        }
        // Consecutive refusals divide the range by 2, 4, 16 and so on, so an endpoint that answers nothing at all is
        // given up on after a few requests.
        let part = (blocks >> (1_u32 << self.refusals.min(5))).max(1);
        self.refusals += 1;
        self.width = if self.good > 0 { self.good } else { part };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads blocks up to `head` from an endpoint; returns how many requests were answered and refused.
    fn read(head: u64, allowed: impl Fn(u64, u64) -> bool, events: impl Fn(u64, u64) -> u64) -> (u32, u32) {
        let (mut range, mut from, mut counts) = (RangeWidth::new(), 0, (0, 0));
        while from <= head {
            let to = head.min(from + range.get() - 1);
            let blocks = to - from + 1;
            if allowed(from, to) {
                range.answered(blocks, events(from, to), Duration::ZERO);
                from = to + 1;
                counts.0 += 1;
            } else {
                assert!(range.refused(blocks));
                counts.1 += 1;
            }
        }
        counts
    }

    #[test]
    fn an_endpoint_without_limits_is_read_in_few_requests() {
        let (answered, refused) = read(20_000_000, |_, _| true, |_, _| 0);
        assert!(answered <= 24 && refused == 0, "{answered}");
    }

    #[test]
    fn a_limit_of_blocks_is_found_and_kept_close_to() {
        for limit in [1, 10, 500, 10_000] {
            let head = limit * 200;
            let (answered, refused) = read(head, |from, to| to - from < limit, |_, _| 0);
            assert!(answered <= 270 && refused <= 80, "{limit}: {answered} {refused}");
        }
    }

    #[test]
    fn a_limit_of_logs_is_followed_where_members_are_dense() {
        // 100 members a block between blocks 5,000 and 6,000, and one in a hundred blocks elsewhere.
        let events = |from: u64, to: u64| {
            let dense = (to + 1).min(6_000).saturating_sub(from.max(5_000));
            dense * 100 + (to - from + 1) / 100
        };
        let (answered, refused) = read(100_000, |from, to| events(from, to) <= 2_000, events);
        assert!(answered <= 140 && refused <= 60, "{answered} {refused}");
    }

    #[test]
    fn a_range_has_no_more_events_than_fit() {
        let mut range = RangeWidth::new();
        range.answered(FIRST, 50_000, Duration::ZERO);
        assert_eq!(range.get(), 3);
        (0..6).for_each(|_| range.answered(range.get(), 0, Duration::ZERO));
        assert_eq!(range.get(), 192);
        range.answered(200, 4_000, Duration::ZERO);
        range.answered(200, 100, Duration::from_secs(60));
        assert_eq!(range.get(), 100);
    }

    #[test]
    fn an_endpoint_that_answers_nothing_is_given_up_on_soon() {
        let mut range = RangeWidth::new();
        (0..20).for_each(|_| range.answered(range.get(), 0, Duration::ZERO));
        let refusals = core::iter::from_fn(|| range.refused(range.get()).then_some(())).count();
        assert_eq!((range.get(), refusals), (1, 5));
    }

    #[test]
    fn a_single_block_cannot_be_divided() {
        assert!(!RangeWidth::new().refused(1));
    }
}
