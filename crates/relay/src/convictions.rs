//! Convictions: from a double post to the refusal of its member.

use core::num::NonZeroU16;
use std::{collections::HashMap, sync::Arc};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    share::{Share, recover_line},
};
use quotapass_protocol::{Evidence, LogError, QuotaExceeded, UnixSeconds, Verdict};

use super::{
    ConvictedMember, Conviction, LogEpoch, Outcome, Relay,
    pipeline::{Candidate, failed, unanswered},
    slashed::{Offender, Quota},
};

/// The cap from which on the relay looks up a member's own limit: the lookup scans all members.
const LOOK_UP_FROM: u16 = 1_024;
/// The time before the beginning of an epoch at which its refused nullifiers are computed, in seconds.
const PREPARE_BEFORE: u64 = 60;

/// A source of members' message limits: a copy of the registry.
pub trait MessageLimits: Send + Sync {
    /// Returns the greatest message limit of all memberships with this commitment whose roots may be accepted; none if
    /// there is no membership, or if the greatest limit is not known.
    fn message_limit(&self, commitment: IdentityCommitment) -> Option<NonZeroU16>;
}

/// A double post and the recovered secret.
struct Caught {
    /// The post's position in the batch.
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

impl Relay {
    /// Returns the verdicts on posts whose proof verified, given the log's outcome for each.
    ///
    /// First all evidence of the batch is kept, in one write; then its members are refused; then all posts are
    /// answered. In [shadow mode](quotapass_protocol::PolicyTable::is_shadow) a double post gets its verdict, but no evidence is
    /// kept.
    pub(super) fn conclude(
        &self,
        candidates: &[Candidate],
        outcomes: Vec<Result<Outcome, LogError>>,
        now: UnixSeconds,
    ) -> Vec<Verdict> {
        // Another secret may have become known since the cheap checks.
        let before = self.offenders(candidates);
        let mut caught = Vec::new();
        // If a log answers for fewer entries than it got, it is unknown which of the others it recorded.
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
        // The position in the batch at which each member was caught, by member number.
        let mut caught_at = HashMap::new();
        for (caught, kept) in caught.into_iter().zip(kept) {
            let (place, candidate) = (caught.place, &candidates[caught.place]);
            match kept {
                Ok(is_first) => {
                    let number = self.refuse(caught.secret.clone(), candidate.cap, now);
                    caught_at.entry(number).or_insert(place);
                    // Another thread or another relay may have been first: a secret is announced once.
                    if is_first {
                        verdicts[place] = caught.verdict(candidate);
                    }
                }
                // The double post has no consequence yet; the next post with this nullifier yields the evidence again.
                Err(error) => verdicts[place] = failed(error, candidate.epoch, now),
            }
        }
        for (place, offender) in self.offenders(candidates).into_iter().enumerate() {
            let Some(offender) = offender.filter(|_| before[place].is_none()) else { continue };
            // Posts that the member sent before it was caught keep their verdicts, as if each post had come alone.
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

    /// Returns the member behind each post whose secret is known now.
    fn offenders(&self, candidates: &[Candidate]) -> Vec<Option<Offender>> {
        // Before the lock of the others is held. Reports were tested before they were recorded.
        let tested: Vec<_> = candidates.iter().map(|candidate| self.offender_of_pattern(candidate)).collect();
        let quotas = candidates.iter().filter(|candidate| !candidate.is_tested()).map(Candidate::quota);
        let refused = self.slashed.refused(quotas);
        let offender = |(candidate, tested): (&Candidate, Option<Offender>)| match candidate.is_tested() {
            true => tested,
            false => refused.offender(&candidate.quota(), candidate.entry.nullifier),
        };
        candidates.iter().zip(tested).map(offender).collect()
    }

    /// Refuses all further passes of a member whose secret is known since the time `since`. If it makes a difference,
    /// the member's message limit is looked up afterwards; for the order see
    /// [`SlashedMembers::learn_limit`](super::SlashedMembers::learn_limit).
    fn refuse(&self, secret: IdentitySecret, cap: NonZeroU16, since: UnixSeconds) -> u64 {
        let commitment = secret.commitment();
        let (number, is_news) = self.slashed.learn(secret, None, since);
        if is_news && cap.get() >= LOOK_UP_FROM {
            let limits = self.limits.read().as_ref().map(Arc::clone);
            if let Some(limit) = limits.and_then(|limits| limits.message_limit(commitment)) {
                self.slashed.bound_limit(commitment, limit);
            }
        }
        number
    }

    /// Sets the source of members' message limits.
    pub fn set_message_limits(&self, limits: Arc<dyn MessageLimits>) {
        *self.limits.write() = Some(limits);
    }

    /// Refuses at `now` all further passes of members whose evidence was kept since the last call, here or by another
    /// relay that shares the log. Every batch begins with this call.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn learn_convictions(&self, now: UnixSeconds) -> Result<(), LogError> {
        // Threads do not wait for each other's read of the log. Two threads may read the same convictions; each knows
        // them when it is done.
        let before = self.convicted.position();
        let (position, convictions) = before.read_on(&*self.log)?;
        if position == before {
            return Ok(());
        }
        let cap = self.highest_cap(now);
        let learn = |Conviction { evidence, at, .. }: Conviction| {
            let secret = evidence.secret()?;
            let (commitment, scope, epoch) = (secret.commitment(), evidence.scope, evidence.epoch);
            // A relay with a fast clock does not extend the grace time.
            self.refuse(secret, cap, at.min(now));
            Some(ConvictedMember { commitment, scope, epoch, settlement: None })
        };
        // All are refused before they count as read.
        let members: Vec<_> = convictions.into_iter().filter_map(learn).collect();
        self.convicted.add(position, members);
        Ok(())
    }

    /// Keeps evidence that was found elsewhere, at `now`, and refuses all further passes of the member. Returns whether
    /// it is the first evidence against this member.
    ///
    /// The caller checks by the commitment that the secret belongs to a member: see [`Evidence::secret_below`].
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Damaged`] if no secret can be recovered from the shares.
    pub fn import(&self, evidence: &Evidence, now: UnixSeconds) -> Result<bool, LogError> {
        let secret = evidence.secret().ok_or(LogError::Damaged)?;
        let is_first = self.log.convict(&Conviction::new(evidence.clone(), now))?;
        self.refuse(secret, self.highest_cap(now), now);
        Ok(is_first)
    }

    /// Slashes a member whose secret became known elsewhere, at `now`. It takes effect at once, under every root.
    /// Secrets recovered here have already taken effect. Returns whether the secret was unknown before.
    ///
    /// The caller checks by the commitment that the secret belongs to a member.
    pub fn slash(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>, now: UnixSeconds) -> bool {
        self.slashed.insert(secret, message_limit, now)
    }

    /// Computes at `now` the refused nullifiers of epochs that begin soon, so that the first posts of these epochs do
    /// not wait for them. Call it every few seconds, on a background thread.
    pub fn prepare(&self, now: UnixSeconds) {
        if self.slashed.is_empty() {
            return;
        }
        let mut quotas: Vec<(Quota, Quota)> = Vec::new();
        {
            let policies = self.policies();
            // The scopes of a pattern are not known ahead.
            for entry in policies.iter().filter(|entry| !entry.is_pattern()) {
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

    /// Returns the highest cap of all scopes.
    fn highest_cap(&self, now: UnixSeconds) -> NonZeroU16 {
        let policies = self.policies();
        policies.iter().map(|entry| entry.history().highest_cap(now)).max().unwrap_or(NonZeroU16::MIN)
    }
}

impl Candidate {
    /// Returns the verdict on a post of a member whose secret is known.
    pub(super) fn slashed(&self, offender: Offender, now: UnixSeconds) -> Verdict {
        Verdict::SlashedMember { within_grace: offender.is_within(self.grace, now) }
    }

    /// Recovers the secret from the recorded share and the share of this post, whose proof verified.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if no line of this nullifier goes through both shares: the recorded share then never had a
    /// valid proof, because this post has one. [`recover_line`] explains why the nullifier is enough.
    fn catch(&self, recorded: Share, place: usize, now: UnixSeconds) -> Result<Caught, LogError> {
        let (nullifier, second) = (self.entry.nullifier, self.entry.share);
        let (secret, line) = recover_line(&recorded, &second).map_err(|_| LogError::Damaged)?;
        if line.nullifier() != nullifier {
            return Err(LogError::Damaged);
        }
        let evidence = Evidence { scope: self.scope, epoch: self.epoch, nullifier, recorded, second };
        Ok(Caught { place, secret, conviction: Conviction::new(evidence, now) })
    }
}
