//! How much may be spent on posts that may be forged, and how many posts of unproven sources go together.

use super::standing::LaneName;

/// What doubtful lanes may take while there are other posts.
///
/// **Attack.** Forgeries in any number, from any number of addresses, take the work that honest posts need.
///
/// **Answer.** For what doubtful lanes waste there is one budget, whatever the number of sources: a fixed share of the work
/// on other posts. Good posts among them are not charged, so that people who share an address with a forger are served.
#[derive(Debug)]
pub(super) struct Budget {
    /// One post in this many may be wasted.
    share: f64,
    /// The most that is saved, in posts.
    most: f64,
    /// Work on other posts since, less work on doubtful ones: half of all is theirs if they waste nothing.
    work: f64,
    /// What may be wasted.
    waste: f64,
    /// Work on unproven posts less work on suspicious ones, while both wait.
    balance: f64,
}

impl Budget {
    pub(super) fn new(share: f64, most: f64) -> Self {
        Self { share, most, work: 0.0, waste: 0.0, balance: 0.0 }
    }

    /// Whether a doubtful batch may go before others.
    pub(super) fn allows(&self) -> bool {
        self.work > 0.0 && self.waste > 0.0
    }

    /// Other posts were verified while there were doubtful ones.
    pub(super) fn earn(&mut self, work: f64) {
        self.work = (self.work + work).min(self.most);
        self.waste = (self.waste + work / self.share).min(self.most);
    }

    /// Doubtful posts were verified while others waited.
    pub(super) fn spend(&mut self, work: f64, wasted: f64) {
        self.work -= work;
        self.waste -= wasted;
    }

    /// The doubtful lane that goes next, of those in which something waits.
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

    /// A batch of a doubtful lane made this work.
    pub(super) fn weigh(&mut self, lane: LaneName, work: f64) {
        match lane {
            LaneName::Proven => {}
            LaneName::Unproven => self.balance += work,
            LaneName::Suspicious => self.balance -= work,
        }
    }
}

/// How many posts of unproven sources go together.
///
/// **Attack.** Each forgery comes from an address that was never seen, so that there is nothing to know its source by. No
/// search saves a large batch that many forgeries are mixed into: to tell n posts of which a share p is forged apart takes
/// n H(p) answers of yes or no, each a final exponentiation.
///
/// **Answer.** If more than one in some 64 unproven posts is forged, unproven posts go in small batches of their own. With
/// fewer, they go in large batches with those of proven sources, as searching for a rare forgery costs less than small
/// batches do; a few of each source, so that an attack that begins spoils little before it is noticed. A relay that has just
/// started trusts nobody until a few hundred good posts came.
#[derive(Debug)]
pub(super) struct Trust {
    /// Good posts less forgeries, which weigh more.
    level: usize,
    max_batch: usize,
}

impl Trust {
    pub(super) fn new(max_batch: usize) -> Self {
        Self { level: 0, max_batch }
    }

    /// Whether unproven posts go with those of proven sources.
    pub(super) fn is_merged(&self) -> bool {
        self.level >= self.max_batch
    }

    /// The size of a batch of unproven posts.
    pub(super) fn batch(&self) -> usize {
        self.level.clamp(self.max_batch.div_ceil(8), self.max_batch)
    }

    /// Posts of unproven sources came out like this.
    pub(super) fn note(&mut self, good: usize, forged: usize) {
        let lost = forged.saturating_mul(self.max_batch.div_ceil(4));
        self.level = (self.level + good).saturating_sub(lost).min(2 * self.max_batch);
    }
}
