//! Reports of posts.
//!
//! A report is a post in the scope of the reports of another post, and its pass is verified with all other posts. Its
//! nullifier does not go to the nullifier log: the epoch of reports ends in 2106, and the record of the report, which is
//! dropped with the reported post, takes its place. One atomic operation creates this record, so that of any number of
//! reports of one member the first counts, and all others are replays, whatever they say. They are never offences: the
//! message of a report is the reported nullifier, so that all of them have the same x.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use quotapass_circuits::{
    formats::{recorded::RecordedHead, wire::PostHead},
    moderation::{ActionHash, Entry as PostEntry, author::AuthorPublic},
    proof::Proof,
    share::Nullifier,
};
use quotapass_protocol::{
    LogError, ReportScope, UnixSeconds, Verdict,
    moderation::{ActionResult, Reason, ReportBody, ReportRequest},
};
use serde::{Deserialize, Serialize};

use sha2::{Digest, Sha256};

use super::{
    Moderation, ModerationError, ModerationStore, Swap, keys,
    metrics::{Outcome, Request},
};
use crate::OwnedPost;

/// Maximum number of reports with one pass that are verified at the same time.
///
/// Attack prevented: a sender that sees a report on its way sends its pass with other bodies. None of them has a proof of
/// the author, and the report itself is verified beside them.
const MAX_STAGED: usize = 8;
/// The beginning of a file that is encrypted with age.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// The record of a report. Its body is beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportRecord {
    /// The time at which the relay accepted it.
    pub(super) at: UnixSeconds,
    /// The scope of the reported post.
    pub(super) scope: String,
    /// The time until which the reported post can be reported.
    pub(super) until: UnixSeconds,
    /// The report's own entry, in hexadecimal digits, by which a false report is struck.
    entry: String,
    /// The SHA-256 of its body, in hexadecimal digits. Body and pass are beside the record, so that reports are counted
    /// without them.
    body: String,
    pub(super) reason: Option<Reason>,
}

/// Returns what is kept beside the record of a report: the length of the pass u64, the report's own pass, the body.
fn join_body(pass: &[u8], body: &[u8]) -> Vec<u8> {
    [&(pass.len() as u64).to_be_bytes()[..], pass, body].concat()
}

/// Returns the body of a report from what is kept beside its record.
pub(super) fn body_of(kept: &[u8]) -> Result<Vec<u8>, LogError> {
    let length = usize::try_from(keys::number_at(kept, 0)?).map_err(|_| LogError::Damaged)?;
    let (_, body) = kept.get(8..).and_then(|rest| rest.split_at_checked(length)).ok_or(LogError::Damaged)?;
    Ok(body.to_vec())
}

impl ReportRecord {
    /// Returns the key of the body of a report with this nullifier.
    pub(super) fn body_key(&self, nullifier: Nullifier, own: Nullifier) -> Result<Vec<u8>, LogError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(&self.body, &mut digest).map_err(|_| LogError::Damaged)?;
        Ok(keys::body(nullifier, own, &digest))
    }
}

/// A report whose pass is being verified.
#[derive(Debug)]
pub(crate) struct Staged {
    report: ReportScope,
    entry: PostEntry,
    action: ActionHash,
    proof: Proof,
    body: Vec<u8>,
    pass: Vec<u8>,
    reason: Option<Reason>,
    until: UnixSeconds,
    /// The key of the mark that is written with the report.
    mark: Vec<u8>,
}

/// The reports whose passes are being verified, by their entries. A pass in a scope of reports is accepted only with one:
/// a report without a body that its author signed is none.
#[derive(Debug, Default)]
pub(crate) struct StagedReports(Mutex<HashMap<PostEntry, Vec<Arc<Staged>>>>);

impl StagedReports {
    /// Returns the reports of a post with this entry.
    pub(crate) fn of(&self, report: &ReportScope, entry: &PostEntry) -> Vec<Arc<Staged>> {
        let staged = self.0.lock();
        let of_entry = staged.get(entry).map(Vec::as_slice).unwrap_or_default();
        of_entry.iter().filter(|staged| staged.report == *report).cloned().collect()
    }

    fn add(&self, report: Arc<Staged>) -> Result<(), ModerationError> {
        let mut staged = self.0.lock();
        let of_entry = staged.entry(report.entry).or_default();
        if of_entry.len() >= MAX_STAGED {
            return Err(ModerationError::Busy);
        }
        of_entry.push(report);
        Ok(())
    }

    fn remove(&self, report: &Arc<Staged>) {
        let mut staged = self.0.lock();
        if let Some(of_entry) = staged.get_mut(&report.entry) {
            of_entry.retain(|other| !Arc::ptr_eq(other, report));
            if of_entry.is_empty() {
                staged.remove(&report.entry);
            }
        }
    }
}

/// A report that passed the cheap checks. Submit its [post](Self::post) to the engine, and give the verdict to
/// [`Moderation::conclude_report`]. Dropping it withdraws the report, unless it is already recorded.
pub struct PendingReport {
    staged: Arc<Staged>,
    all: Arc<StagedReports>,
}

impl PendingReport {
    /// Returns the post that is to be verified.
    pub fn post(&self) -> OwnedPost {
        let Staged { report, pass, .. } = &*self.staged;
        let message = Bytes::copy_from_slice(&report.message());
        OwnedPost { scope: report.to_string(), message, pass: Ok(Bytes::copy_from_slice(pass)) }
    }
}

impl Drop for PendingReport {
    fn drop(&mut self) {
        self.all.remove(&self.staged);
    }
}

impl core::fmt::Debug for PendingReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PendingReport(..)")
    }
}

/// What becomes of a report before its pass is verified.
#[derive(Debug)]
pub enum ReportStage {
    /// The member has reported this post before: nothing changes.
    Repeated,
    /// The pass is to be verified.
    Pending(PendingReport),
}

/// Reads the entry that a pass in a scope of reports states.
fn entry_of(pass: &[u8], report: &ReportScope, scope: quotapass_circuits::signal::Scope) -> Result<PostEntry, Verdict> {
    let head = match PostHead::from_bytes(pass) {
        Ok((head, _)) => head,
        Err(error) => RecordedHead::from_bytes(pass).map_err(|_| error)?.post,
    };
    Ok(PostEntry::of(&head.public(scope, &report.message())?))
}

impl Moderation<'_> {
    /// Makes the cheap checks of a report at `now`: the scope takes reports, the relay has accepted the reported post
    /// within the scope's `report_days`, and the body is one that the scope takes.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing is recorded.
    pub fn report(&self, request: &ReportRequest, now: UnixSeconds) -> Result<ReportStage, ModerationError> {
        let staged = self.stage(request, now);
        match &staged {
            Ok(ReportStage::Pending(_)) => {}
            Ok(ReportStage::Repeated) => self.metrics().count(Request::Report, Outcome::Repeated),
            Err(_) => self.metrics().count(Request::Report, Outcome::Refused),
        }
        staged
    }

    fn stage(&self, request: &ReportRequest, now: UnixSeconds) -> Result<ReportStage, ModerationError> {
        let action = request.action()?;
        self.author_verifier()?;
        let report = request.report_scope();
        if request.scope.parse::<ReportScope>().is_ok() {
            return Err(ModerationError::Report);
        }
        let name = report.to_string();
        let no_reports = || ModerationError::NoReports(request.scope.clone());
        let (scope, days, skew, takes_text) = {
            let policies = self.relay.policies();
            let view = policies.get(&name).map_err(|_| no_reports())?;
            let history = view.listed().history();
            let current = &history.current(now).policy;
            let recipients = current.moderation.as_ref().is_some_and(|policy| !policy.report_recipients.is_empty());
            (view.scope(), history.report_days(now), current.max_clock_skew, recipients)
        };
        if days == 0 {
            return Err(no_reports());
        }
        let reason = check_body(&request.body, takes_text)?;
        if request.time.abs_diff(now) > skew.into() {
            return Err(ModerationError::Clock { stated: request.time, now });
        }
        let post = self.post(request.nullifier, now)?.filter(|post| post.scope == request.scope);
        let post = post.ok_or(ModerationError::UnknownPost)?;
        let until = post.accepted_at.saturating_add(u64::from(days) * super::DAY);
        if until <= now {
            return Err(ModerationError::UnknownPost);
        }
        let entry = entry_of(&request.pass, &report, scope)?;
        if self.store().read(&keys::report(report.nullifier, entry.nullifier))?.is_some() {
            return Ok(ReportStage::Repeated);
        }
        let proof = Proof::from_bytes(&request.proof).map_err(|_| ModerationError::InvalidProof)?;
        let staged = Arc::new(Staged {
            mark: keys::mark(report.nullifier, rand::random()),
            entry,
            action: action.hash(scope, request.time),
            proof,
            body: request.body.clone(),
            pass: request.pass.clone(),
            reason,
            until,
            report,
        });
        self.parts().staged.add(staged.clone())?;
        Ok(ReportStage::Pending(PendingReport { staged, all: self.parts().staged.clone() }))
    }

    /// Finishes a report after the verdict on its pass at `now`: the reports of the post are counted, and the post is held
    /// if there are enough.
    ///
    /// # Errors
    /// [`ModerationError::Refused`] with the verdict, if the pass is not accepted.
    pub fn conclude_report(
        &self,
        pending: &PendingReport,
        verdict: Verdict,
        now: UnixSeconds,
    ) -> Result<ActionResult, ModerationError> {
        let Staged { report, mark, .. } = &*pending.staged;
        let result = match verdict {
            Verdict::Accepted => Ok(ActionResult::Accepted),
            // Another report of the member was recorded first.
            Verdict::Replay => Ok(ActionResult::Repeated),
            refused => Err(refused.into()),
        };
        // After a failure it is not known whether the report was recorded.
        if !matches!(&result, Err(ModerationError::Refused(verdict)) if !matches!(**verdict, Verdict::Overloaded(_))) {
            self.finish(report.nullifier, mark.clone(), now);
        }
        self.metrics().count_result(Request::Report, &result);
        result
    }

    /// Returns the records of reports of a post, at most `limit`, each with the report's own nullifier.
    pub(super) fn report_records(
        &self,
        nullifier: Nullifier,
        limit: usize,
    ) -> Result<Vec<(Nullifier, ReportRecord)>, LogError> {
        let found = self.store().scan(&keys::reports(nullifier), None, limit)?;
        let record = |(key, value): (Vec<u8>, Vec<u8>)| {
            let own = keys::nullifier_at(&key, 33)?;
            Ok((own, serde_json::from_slice(&value).map_err(|_| LogError::Damaged)?))
        };
        found.into_iter().map(record).collect()
    }
}

/// Checks that a body is one that the scope takes, and returns its reason if it is in clear. Words about a post are for
/// moderators alone: they are encrypted, and a scope without recipients takes none.
fn check_body(body: &[u8], takes_text: bool) -> Result<Option<Reason>, ModerationError> {
    if body.starts_with(AGE) {
        let refused = "this scope has no recipients for encrypted reports; send the reason alone, in clear";
        return if takes_text { Ok(None) } else { Err(ModerationError::Body(refused)) };
    }
    let body: ReportBody = serde_json::from_slice(body).map_err(|_| {
        ModerationError::Body("the body is neither the JSON of a report nor encrypted with age; see the documentation")
    })?;
    if !body.is_reason_alone() {
        return Err(ModerationError::Body(
            "a comment, the message or the pass must not be sent in clear; encrypt the body to the scope's recipients, or \
             send the reason alone",
        ));
    }
    Ok(Some(body.reason))
}

impl Staged {
    /// Returns the statement and the proof that the author of the report's pass sent its body.
    pub(crate) fn statement(&self) -> (AuthorPublic, &Proof) {
        (AuthorPublic { entry: self.entry, action: self.action }, &self.proof)
    }

    /// Returns the records of the report at `now`: a mark, the body, and the record that counts, last.
    fn swaps(&self, now: UnixSeconds) -> Result<[Swap; 3], LogError> {
        let Self { report, entry, body, pass, reason, until, mark, .. } = self;
        let digest: [u8; 32] = Sha256::digest(body).into();
        let record = ReportRecord {
            at: now,
            scope: report.scope.clone(),
            until: *until,
            entry: hex::encode(entry.to_bytes()),
            body: hex::encode(digest),
            reason: *reason,
        };
        let record = serde_json::to_vec(&record).map_err(|_| LogError::Unfit("a report cannot be written".into()))?;
        Ok([
            Swap::create(mark.clone(), now.0.to_be_bytes().to_vec(), None),
            Swap::create(keys::body(report.nullifier, entry.nullifier, &digest), join_body(pass, body), Some(*until)),
            Swap::create(keys::report(report.nullifier, entry.nullifier), record, Some(*until)),
        ])
    }
}

/// Records reports whose passes and bodies verified, all in one write. The first of a member is new, a later one a replay.
pub(super) fn record_all(
    store: &dyn ModerationStore,
    reports: &[Arc<Staged>],
    now: UnixSeconds,
) -> Vec<Result<crate::Outcome, LogError>> {
    let swaps: Vec<_> = reports.iter().map(|report| report.swaps(now)).collect();
    let sent: Vec<Swap> = swaps.iter().flatten().flatten().cloned().collect();
    let mut answers = store.swap_all(&sent).into_iter();
    let mut recorded = |swaps: Result<[Swap; 3], LogError>| {
        swaps?;
        let unanswered = || Err(LogError::Unavailable("it gave no answer for a report".into()));
        let [mark, body, record] = core::array::from_fn(|_| answers.next().unwrap_or_else(unanswered));
        // Without its mark a report could be forgotten by the count, and without its body it says nothing.
        mark.and(body).and(record).map(|is_first| if is_first { crate::Outcome::New } else { crate::Outcome::Replay })
    };
    swaps.into_iter().map(&mut recorded).collect()
}
