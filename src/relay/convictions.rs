//! From a double post to the refusal of its member.

use core::num::NonZeroU16;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    share::{Share, recover_line},
};

use super::{
    Conviction, Evidence, LogEpoch, LogError, NullifierLog, Outcome, QuotaExceeded, Relay, Verdict,
    pipeline::{Candidate, failed, unanswered},
    read,
    slashed::{Offender, Quota},
    write,
};

/// A cap from which on a member's own limit is worth looking up: finding it is a pass over all members.
const LOOK_UP_FROM: u16 = 1_024;
/// How long before an epoch begins its refused nullifiers are computed, in seconds.
const PREPARE_BEFORE: u64 = 60;

/// Message limits of members, from a copy of the registry.
pub trait MessageLimits: Send + Sync {
    /// The greatest message limit of all memberships with this commitment; none if there is none now.
    fn message_limit(&self, commitment: IdentityCommitment) -> Option<NonZeroU16>;
}

/// A double post whose secret is recovered.
struct Caught {
    /// Its place in the batch.
    place: usize,
    secret: IdentitySecret,
    conviction: Conviction,
}

impl Caught {
    fn verdict(self, candidate: &Candidate) -> Verdict {
        let (evidence, within_grace) = (self.conviction.evidence, candidate.grace > 0);
        Verdict::QuotaExceeded(Box::new(QuotaExceeded { secret: self.secret, evidence, within_grace }))
    }
}

impl<L: NullifierLog> Relay<L> {
    /// The verdicts on posts whose proof verified and which went to the log, with what the log said of each.
    ///
    /// First all evidence of the batch is kept, in one write; then its members are refused; then all is answered. In
    /// [shadow mode](super::PolicyTable::is_shadow) a double post has its verdict, and no evidence is kept.
    pub(super) fn conclude(
        &self,
        candidates: &[Candidate],
        outcomes: Vec<Result<Outcome, LogError>>,
        now: u64,
    ) -> Vec<Verdict> {
        // A secret may have become known since the cheap checks.
        let before = self.offenders(candidates);
        let mut caught = Vec::new();
        // A log that answers for fewer entries than it was given has recorded an unknown part of them.
        let outcomes = outcomes.into_iter().chain(core::iter::repeat_with(|| Err(unanswered())));
        let mut verdict = |place: usize, outcome| {
            let candidate: &Candidate = &candidates[place];
            match (outcome, before[place]) {
                (Err(error), _) => failed(error, candidate.epoch, now),
                (Ok(_), Some(offender)) => candidate.slashed(offender, now),
                (Ok(Outcome::New), None) => Verdict::Accepted,
                (Ok(Outcome::Replay), None) => Verdict::Replay,
                (Ok(Outcome::Conflict(recorded)), None) => match candidate.catch(recorded, place, now) {
                    Ok(found) if candidate.is_shadow => found.verdict(candidate),
                    Ok(found) => {
                        caught.push(found);
                        Verdict::SlashedMember { within_grace: true }
                    }
                    Err(error) => failed(error, candidate.epoch, now),
                },
            }
        };
        let places = (0..candidates.len()).zip(outcomes);
        let mut verdicts: Vec<Verdict> = places.map(|(place, outcome)| verdict(place, outcome)).collect();
        if caught.is_empty() {
            return verdicts;
        }

        let convictions: Vec<Conviction> = caught.iter().map(|caught| caught.conviction.clone()).collect();
        let kept = self.log.convict_all(&convictions).into_iter().chain(core::iter::repeat_with(|| Err(unanswered())));
        // Where in the batch each of its members was caught, by number.
        let mut caught_at = HashMap::new();
        for (caught, kept) in caught.into_iter().zip(kept) {
            let (place, candidate) = (caught.place, &candidates[caught.place]);
            match kept {
                Ok(is_first) => {
                    let number = self.refuse(caught.secret.clone(), candidate.cap, now);
                    caught_at.entry(number).or_insert(place);
                    // Another thread, or another relay, may have been first: a secret is announced once.
                    if is_first {
                        verdicts[place] = caught.verdict(candidate);
                    }
                }
                // Nothing follows from it; the next post of the nullifier gives it again.
                Err(error) => verdicts[place] = failed(error, candidate.epoch, now),
            }
        }
        for (place, offender) in self.offenders(candidates).into_iter().enumerate() {
            let Some(offender) = offender.filter(|_| before[place].is_none()) else { continue };
            // What the member sent before it was caught stands, as if each post had come alone.
            if caught_at.get(&offender.number).is_none_or(|caught| *caught < place)
                && !matches!(
                    verdicts[place],
                    Verdict::QuotaExceeded(_) | Verdict::Overloaded(_) | Verdict::EpochOutOfRange { .. }
                )
            {
                verdicts[place] = candidates[place].slashed(offender, now);
            }
        }
        verdicts
    }

    /// The members behind posts, as far as their secret is known now.
    fn offenders(&self, candidates: &[Candidate]) -> Vec<Option<Offender>> {
        let refused = self.slashed.refused(candidates.iter().map(Candidate::quota));
        candidates.iter().map(|candidate| refused.offender(&candidate.quota(), candidate.entry.nullifier)).collect()
    }

    /// Refuses all that a member could still say, whose secret is known since Unix second `since`. Its message limit is
    /// looked up where it makes a difference, in this order: see [`SlashedMembers::learn_limit`](super::SlashedMembers::learn_limit).
    fn refuse(&self, secret: IdentitySecret, cap: NonZeroU16, since: u64) -> u64 {
        let commitment = secret.commitment();
        let (number, is_news) = self.slashed.learn(secret, None, since);
        if is_news && cap.get() >= LOOK_UP_FROM {
            let limits = read(&self.limits).as_ref().map(Arc::clone);
            if let Some(limit) = limits.and_then(|limits| limits.message_limit(commitment)) {
                self.slashed.learn_limit(commitment, limit);
            }
        }
        number
    }

    /// Tells where message limits of members are found.
    pub fn set_message_limits(&self, limits: Arc<dyn MessageLimits>) {
        *write(&self.limits) = Some(limits);
    }

    /// Refuses at Unix second `now` all that members could still say whose evidence was kept since the last time, here or
    /// by another relay that shares the log. Every batch begins with it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn learn_convictions(&self, now: u64) -> Result<(), LogError> {
        // Nobody waits for another's look at the log. Two may read the same, and each knows of it when it is done.
        let from = self.convictions_seen.load(Ordering::Acquire);
        let convictions = self.log.convictions(from)?;
        if convictions.is_empty() {
            return Ok(());
        }
        let cap = self.highest_cap(now);
        for conviction in &convictions {
            if let Some(secret) = conviction.secret() {
                // A relay whose clock is fast does not make the grace time longer.
                self.refuse(secret, cap, conviction.at.min(now));
            }
        }
        self.convictions_seen.fetch_max(from.saturating_add(convictions.len() as u64), Ordering::AcqRel);
        Ok(())
    }

    /// Keeps evidence that was found elsewhere, at Unix second `now`, and refuses all that the member could still say.
    /// Returns whether it is the first against its member.
    ///
    /// Whether it is a member's secret at all is for the caller to check, by its commitment: see
    /// [`Evidence::secret_below`].
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Damaged`] if the shares give no secret.
    pub fn import(&self, evidence: &Evidence, now: u64) -> Result<bool, LogError> {
        let secret = evidence.secret().ok_or(LogError::Damaged)?;
        let is_first = self.log.convict(&Conviction::new(evidence.clone(), now))?;
        self.refuse(secret, self.highest_cap(now), now);
        Ok(is_first)
    }

    /// A member's secret became known elsewhere, at Unix second `now`. It takes effect at once, whatever the root; those
    /// recovered here already have. Returns whether it is news.
    ///
    /// Whether it is a member's secret at all is for the caller to check, by its commitment.
    pub fn slash(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>, now: u64) -> bool {
        self.slashed.insert(secret, message_limit, now)
    }

    /// Computes at Unix second `now` what is refused in the epochs that begin soon, so that their first posts need not
    /// wait for it. Call it every few seconds, on a thread that has the time.
    pub fn prepare(&self, now: u64) {
        if self.slashed.is_empty() {
            return;
        }
        let mut quotas: Vec<(Quota, Quota)> = Vec::new();
        {
            let policies = self.policies();
            for entry in policies.iter() {
                let cap = entry.history().highest_cap(now);
                for policy in entry.history().holding(now) {
                    let quota = |at| (LogEpoch::new(entry.scope(), policy.epoch_at(at)), cap);
                    if policy.epoch_at(now) != policy.epoch_at(now.saturating_add(PREPARE_BEFORE)) {
                        quotas.push((quota(now), quota(now.saturating_add(PREPARE_BEFORE))));
                    }
                }
            }
        }
        self.slashed.prepare(quotas);
    }

    /// The highest cap of all scopes.
    fn highest_cap(&self, now: u64) -> NonZeroU16 {
        let policies = self.policies();
        policies.iter().map(|entry| entry.history().highest_cap(now)).max().unwrap_or(NonZeroU16::MIN)
    }
}

impl Candidate {
    /// The verdict on a post of a member whose secret is known.
    pub(super) fn slashed(&self, offender: Offender, now: u64) -> Verdict {
        Verdict::SlashedMember { within_grace: offender.is_within(self.grace, now) }
    }

    /// Recovers the secret behind the share that the log has and that of this post, whose proof verified.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if no line of this nullifier goes through both: the recorded share then never had a proof,
    /// for this one does. See [`recover_line`] for why the nullifier is enough.
    fn catch(&self, recorded: Share, place: usize, now: u64) -> Result<Caught, LogError> {
        let (nullifier, second) = (self.entry.nullifier, self.entry.share);
        let (secret, line) = recover_line(&recorded, &second).map_err(|_| LogError::Damaged)?;
        if line.nullifier() != nullifier {
            return Err(LogError::Damaged);
        }
        let evidence = Evidence { scope: self.scope, epoch: self.epoch, nullifier, recorded, second };
        Ok(Caught { place, secret, conviction: Conviction::new(evidence, now) })
    }
}
