//! The set of entered epochs, in bounded space.

/// Maximum number of spans. A correct clock needs one or two; each far jump of the clock needs one more.
const MAX_SPANS: usize = 8;

/// The numbers of the entered epochs, as ascending spans, first and last inclusive, with a gap between any two.
///
/// When there are too many spans, the two with the smallest gap between them become one, which includes epochs that
/// were never entered. So the set may contain more epochs than were entered, and never fewer. The highest entered epoch
/// alone would not be enough: one jump of the clock to the year 2100 would then lock the wallet until that year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EnteredEpochs {
    spans: Vec<(u64, u64)>,
}

impl EnteredEpochs {
    /// The set of one epoch.
    pub(super) fn new(epoch: u64) -> Self {
        Self { spans: vec![(epoch, epoch)] }
    }

    /// The set of all epochs up to and including `last`.
    pub(super) fn up_to(last: u64) -> Self {
        Self { spans: vec![(0, last)] }
    }

    /// Accepts only spans in the form that [`spans`](Self::spans) returns.
    pub(super) fn from_spans(spans: Vec<(u64, u64)>) -> Option<Self> {
        let ordered = spans.iter().all(|(first, last)| first <= last);
        let apart = spans.windows(2).all(|pair| pair[0].1 < pair[1].0 && pair[1].0 - pair[0].1 > 1);
        (!spans.is_empty() && spans.len() <= MAX_SPANS && ordered && apart).then_some(Self { spans })
    }

    pub(super) fn spans(&self) -> &[(u64, u64)] {
        &self.spans
    }

    /// The highest epoch.
    pub(super) fn last(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.1)
    }

    pub(super) fn contains(&self, epoch: u64) -> bool {
        self.spans.iter().any(|(first, last)| (*first..=*last).contains(&epoch))
    }

    /// The first epoch from `epoch` on that is not in the set; `u64::MAX` if there is none.
    pub(super) fn next_outside(&self, epoch: u64) -> u64 {
        self.spans.iter().fold(
            epoch,
            |next, (first, last)| {
                if (*first..=*last).contains(&next) { last.saturating_add(1) } else { next }
            },
        )
    }

    /// Adds an epoch.
    pub(super) fn enter(&mut self, epoch: u64) {
        if self.contains(epoch) {
            return;
        }
        let place = self.spans.partition_point(|span| span.0 < epoch);
        self.spans.insert(place, (epoch, epoch));
        while let Some(left) = self.mergeable() {
            let (_, last) = self.spans.remove(left + 1);
            self.spans[left].1 = last;
        }
    }

    /// The index of the left one of two spans that must be merged: two spans without a gap, or, if there are too many
    /// spans, the two with the smallest gap.
    fn mergeable(&self) -> Option<usize> {
        let gap = |left: usize| self.spans[left + 1].0 - self.spans[left].1;
        let left = (0..self.spans.len().saturating_sub(1)).min_by_key(|left| gap(*left))?;
        (gap(left) == 1 || self.spans.len() > MAX_SPANS).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn epoch() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0..60u64, 1 => 1_000..1_040u64, 1 => u64::MAX - 9..=u64::MAX]
    }

    proptest! {
        #[test]
        fn what_was_entered_stays_in_the_set(epochs in prop::collection::vec(epoch(), 1..80)) {
            let mut set = EnteredEpochs::new(epochs[0]);
            for (count, epoch) in epochs.iter().enumerate() {
                set.enter(*epoch);
                prop_assert!(epochs[..=count].iter().all(|entered| set.contains(*entered)));
                prop_assert_eq!(EnteredEpochs::from_spans(set.spans().to_vec()), Some(set.clone()));
                prop_assert_eq!(set.last(), *epochs[..=count].iter().max().unwrap());
                let next = set.next_outside(*epoch);
                prop_assert!(next > *epoch && !set.contains(next) || next == u64::MAX);
            }
        }

        #[test]
        fn few_jumps_are_kept_exactly(epochs in prop::collection::btree_set(epoch(), 1..=MAX_SPANS)) {
            let mut set = EnteredEpochs::new(*epochs.first().unwrap());
            epochs.iter().for_each(|epoch| set.enter(*epoch));
            let held: BTreeSet<u64> = set.spans().iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(held, epochs);
        }
    }

    #[test]
    fn a_jump_to_the_far_future_blocks_nothing_before_it() {
        let mut set = EnteredEpochs::new(100);
        (101..200).step_by(3).for_each(|epoch| set.enter(epoch));
        set.enter(1_000_000);
        (200..900).step_by(3).for_each(|epoch| set.enter(epoch));
        assert_eq!(set.next_outside(899), 900);
        assert_eq!(set.spans().last(), Some(&(1_000_000, 1_000_000)));
    }

    #[test]
    fn spans_in_another_form_are_refused() {
        for spans in [vec![], vec![(2, 1)], vec![(1, 2), (3, 4)], vec![(5, 6), (1, 2)], vec![(1, 3), (2, 5)]] {
            assert_eq!(EnteredEpochs::from_spans(spans), None);
        }
        assert_eq!(EnteredEpochs::from_spans((0..9).map(|n| (2 * n, 2 * n)).collect()), None);
    }
}
