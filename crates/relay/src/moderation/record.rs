//! The records of passes whose proofs verified: posts of moderated scopes go to the book and then to the nullifier log,
//! reports to the store of moderation alone, and all other posts to the nullifier log alone.

use std::sync::Arc;

use quotapass_circuits::moderation::Entry as PostEntry;
use quotapass_protocol::{LogError, PolicyHistory, ScopeView, UnixSeconds, Verdict};

use super::{AcceptedPost, DAY, book, kept_days, report, report::Staged};
use crate::{
    Entry, Outcome, PostRequest, Relay,
    pipeline::{Candidate, unanswered},
    slashed::Offender,
};

/// What moderation needs to know of a candidate.
pub(crate) enum Moderated {
    /// A post of a scope with moderation, and the time until which the book keeps it.
    Post { post: Box<AcceptedPost>, until: UnixSeconds },
    /// A report, and those of the reports with its pass whose body may be its author's.
    Report { reports: Vec<Arc<Staged>> },
}

impl Moderated {
    /// Returns what moderation needs to know of a pass at `now`; none in scopes without moderation.
    pub(crate) fn of(
        relay: &Relay,
        view: &ScopeView<'_>,
        request: &PostRequest<'_>,
        entry: &Entry,
        epoch: quotapass_circuits::signal::Epoch,
        now: UnixSeconds,
    ) -> Option<Self> {
        let post = PostEntry { x: entry.share.x, y: entry.share.y, nullifier: entry.nullifier };
        if let Some(scope) = view.report_scope() {
            return Some(Self::Report { reports: relay.moderation_parts().staged.of(scope, &post) });
        }
        let is_moderated = |history: &PolicyHistory| history.holding(now).any(|policy| policy.moderation.is_some());
        let history = view.history();
        is_moderated(history).then(|| Self::Post {
            post: Box::new(AcceptedPost {
                scope: view.name().into(),
                epoch,
                entry: post,
                pass: request.pass.to_vec(),
                accepted_at: now,
            }),
            until: now.saturating_add(kept_days(history.report_days(now)) * DAY),
        })
    }

    /// Returns whether it is a report without a body: its pass was sent as a post.
    pub(crate) fn is_stray(&self) -> bool {
        matches!(self, Self::Report { reports } if reports.is_empty())
    }
}

impl Candidate {
    /// Returns whether it is a report.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self.moderated, Some(Moderated::Report { .. }))
    }

    /// Returns whether the known secrets are tested against the verified post itself: for reports, and in scopes of a pattern.
    ///
    /// **Attack prevented**: there are as many of these scopes as strangers make posts and rooms. Forged passes that name one
    /// after the other would make the relay compute all nullifiers of all known secrets in each of them, and keep them.
    pub(crate) fn is_tested(&self) -> bool {
        self.is_of_pattern || self.is_report()
    }

    /// Returns the entry, for the author test.
    pub(crate) fn post_entry(&self) -> PostEntry {
        PostEntry { x: self.entry.share.x, y: self.entry.share.y, nullifier: self.entry.nullifier }
    }
}

impl Relay {
    /// Checks a report whose pass verified, at `now`, and keeps the one whose body the author of the pass sent. Other
    /// candidates are left alone.
    ///
    /// This is done after the pass is verified, so that only members can make the relay do it.
    ///
    /// # Errors
    /// The verdict, if there is no such body, or if the secret of the pass's author is known: its finder could report
    /// everything in the member's name.
    pub(crate) fn check_report(&self, candidate: &mut Candidate, now: UnixSeconds) -> Result<(), Verdict> {
        let entry = candidate.post_entry();
        let Some(Moderated::Report { reports }) = &mut candidate.moderated else { return Ok(()) };
        let verifier = self.moderation_parts().author.get().ok_or(Verdict::InvalidProof)?;
        let is_bound = |report: &Arc<Staged>| {
            let (public, proof) = report.statement();
            verifier.verify(&public, proof).is_ok()
        };
        let bound = reports.iter().find(|report| is_bound(report)).cloned();
        *reports = vec![bound.ok_or(Verdict::InvalidProof)?];
        // The nullifiers of reports are not computed ahead: there is an epoch of them for each post.
        self.slashed.author_of(&entry).map_or(Ok(()), |offender| Err(candidate.slashed(offender, now)))
    }

    /// Tests the known secrets against a verified post in a scope of a pattern, at `now`. Other candidates are left alone.
    ///
    /// # Errors
    /// The verdict, if the secret of the post's author is known.
    pub(crate) fn check_author(&self, candidate: &Candidate, now: UnixSeconds) -> Result<(), Verdict> {
        let offender = self.offender_of_pattern(candidate);
        offender.map_or(Ok(()), |offender| Err(candidate.slashed(offender, now)))
    }

    /// Returns the member behind a post in a scope of a pattern, if its secret is known. Reports were tested before.
    pub(crate) fn offender_of_pattern(&self, candidate: &Candidate) -> Option<Offender> {
        let is_of_pattern = candidate.is_of_pattern && !candidate.is_report();
        if is_of_pattern { self.slashed.author_of(&candidate.post_entry()) } else { None }
    }

    /// Records candidates whose proofs verified, at `now`.
    pub(crate) fn record_all(&self, candidates: &[Candidate], now: UnixSeconds) -> Vec<Result<Outcome, LogError>> {
        let mut outcomes: Vec<Option<Result<Outcome, LogError>>> = vec![None; candidates.len()];
        let (mut reported, mut reports, mut booked, mut posts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (place, candidate) in candidates.iter().enumerate() {
            match &candidate.moderated {
                Some(Moderated::Report { reports: found }) => {
                    if let Some(report) = found.first() {
                        reported.push(place);
                        reports.push(report.clone());
                    } else {
                        outcomes[place] = Some(Err(unanswered()));
                    }
                }
                // A nullifier that is recorded with another share stays a double post, and is not accepted.
                Some(Moderated::Post { post, until }) if !candidate.is_known => {
                    booked.push(place);
                    posts.push(((**post).clone(), *until));
                }
                _ => {}
            }
        }
        let store = self.log.moderation();
        if !reports.is_empty() {
            for (place, outcome) in reported.into_iter().zip(report::record_all(store, &reports, now)) {
                outcomes[place] = Some(outcome);
            }
        }
        if !posts.is_empty() {
            for (place, written) in booked.into_iter().zip(book::write_all(store, &posts)) {
                // A post that cannot be reported is not accepted.
                outcomes[place] = written.err().map(Err);
            }
        }
        let open: Vec<usize> = (0..candidates.len()).filter(|place| outcomes[*place].is_none()).collect();
        let entries: Vec<Entry> = open.iter().map(|place| candidates[*place].entry.clone()).collect();
        for (place, outcome) in open.into_iter().zip(self.log.record_all(&entries)) {
            if let (Ok(Outcome::Conflict(_)), Some(Moderated::Post { post, until })) =
                (&outcome, &candidates[place].moderated)
            {
                // If this fails, the log still knows which of both is accepted, as long as it has the epoch.
                let _ = book::forget(store, post, *until);
            }
            outcomes[place] = Some(outcome);
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered()))).collect()
    }
}
