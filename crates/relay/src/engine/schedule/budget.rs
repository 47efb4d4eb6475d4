//! The budget for posts that may be forged, and the batch size for posts of unproven sources.

use super::standing::LaneName;

/// The work that doubtful lanes may use while there are other posts.
///
/// **Attack.** Any number of forgeries, from any number of addresses, uses up the work that honest posts need.
///
/// **Defence.** One budget limits the work that doubtful lanes waste, whatever the number of sources: a fixed share of
/// the work on other posts. Good posts in these lanes are not charged, so people who share an address with a forger are
/// served.
#[derive(Debug)]
pub(super) struct Budget {
    /// One post in this many may be wasted.
    share: f64,
    /// The maximum that is saved, in posts.
    most: f64,
    /// Work on other posts minus work on doubtful posts: doubtful posts get half of all work if they waste nothing.
    work: f64,
    /// The work that may be wasted.
    waste: f64,
    /// Work on unproven posts minus work on suspicious posts, while both wait.
    balance: f64,
}

impl Budget {
    pub(super) fn new(share: f64, most: f64) -> Self {
        Self { share, most, work: 0.0, waste: 0.0, balance: 0.0 }
    }

    /// Returns whether a doubtful batch may go before others.
    pub(super) fn allows(&self) -> bool {
        self.work > 0.0 && self.waste > 0.0
    }

    /// Records work on other posts while doubtful posts waited or were verified.
    pub(super) fn earn(&mut self, work: f64) {
        self.work = (self.work + work).min(self.most);
        self.waste = (self.waste + work / self.share).min(self.most);
    }

    /// Records work on doubtful posts while other posts waited or were verified.
    pub(super) fn spend(&mut self, work: f64, wasted: f64) {
        self.work -= work;
        self.waste -= wasted;
    }

    /// Returns the doubtful lane that goes next, of those with waiting posts.
    pub(super) fn choose(&mut self, unproven_waits: bool, suspicious_waits: bool) -> Option<LaneName> {
        if unproven_waits != suspicious_waits {
            self.balance = 0.0;
        }
        match (unproven_waits, suspicious_waits) {
            (true, true) if self.balance > 0.0 => Some(LaneName::Suspicious),
            (true, _) => Some(LaneName::Unproven),
            (false, true) => Some(LaneName::Suspicious),
            (false, false) => None,
        }
    }

    /// Records the work of a batch from a doubtful lane.
    pub(super) fn weigh(&mut self, lane: LaneName, work: f64) {
        match lane {
            LaneName::Proven => {}
            LaneName::Unproven => self.balance += work,
            LaneName::Suspicious => self.balance -= work,
        }
    }
}

/// The trust in posts of unproven sources, which sets their batch size.
///
/// **Attack.** Each forgery comes from a new address, so its source has no history. No search saves a large batch with
/// many forgeries: to find the forgeries among n posts, a share p of which is forged, takes n H(p) yes-or-no answers,
/// each with a final exponentiation.
///
/// **Defence.** If more than about one in 64 unproven posts is forged, unproven posts go in separate small batches.
/// With fewer forgeries, they go in large batches together with posts of proven sources, because the search for a rare
/// forgery costs less than small batches. A large batch takes only a few posts of each unproven source, so that a new
/// attack does little harm before it is noticed. A relay that has just started trusts no unproven source until a few
/// hundred good posts have arrived.
#[derive(Debug)]
pub(super) struct Trust {
    /// Good posts minus forgeries, which weigh more.
    level: usize,
    /// The part of the latest posts that was forged.
    forged: f64,
    max_batch: usize,
}

impl Trust {
    pub(super) fn new(max_batch: usize) -> Self {
        Self { level: 0, forged: 0.0, max_batch }
    }

    /// Returns whether unproven posts go in batches with posts of proven sources.
    pub(super) fn is_merged(&self) -> bool {
        self.level >= self.max_batch
    }

    /// Returns the size of a batch of unproven posts.
    pub(super) fn batch(&self) -> usize {
        self.level.clamp(self.max_batch.div_ceil(8), self.max_batch)
    }

    /// Returns the expected share of forgeries among unproven posts.
    pub(super) fn forged(&self) -> f64 {
        self.forged
    }

    /// Records the results of posts from unproven sources.
    pub(super) fn note(&mut self, good: usize, forged: usize) {
        let posts = good + forged;
        if posts > 0 {
            // The latest eighth of a large batch counts.
            let weight = (posts as f64 / self.max_batch.div_ceil(8) as f64).min(1.0);
            self.forged += weight * (forged as f64 / posts as f64 - self.forged);
        }
        let lost = forged.saturating_mul(self.max_batch.div_ceil(4));
        self.level = (self.level + good).saturating_sub(lost).min(2 * self.max_batch);
    }
}
