//! Actions of authors: deletions and appeals.

use quotapass_circuits::{
    moderation::{Action, Entry as PostEntry, author::AuthorPublic},
    proof::Proof,
    signal::Scope,
};
use quotapass_protocol::{
    UnixSeconds,
    moderation::{ActionResult, AppealState, AuthorKind, AuthorRequest, EventKind, PostState},
};

use super::{
    AcceptedPost, DAY, Moderation, ModerationError, Struck, Swap,
    case::{AppealRecord, Case},
    keys,
    metrics::Request,
};

/// The clock difference in scopes that the relay does not carry (any more), in seconds.
const CLOCK_DIFFERENCE: u32 = 60;
/// The time for which the case of a struck post is kept after its strike has ended, in days.
const CASE_DAYS: u64 = 180;

/// Why the relay knows a post.
pub(super) struct KnownPost {
    accepted: Option<AcceptedPost>,
    pub(super) struck: Option<Struck>,
}

impl KnownPost {
    /// Returns the case with which the post begins, and the time until which it is kept.
    pub(super) fn case(&self, scope: &str, days: u64) -> Case {
        let accepted = self.accepted.as_ref().map(|post| post.accepted_at.saturating_add(days * DAY));
        Case::new(scope, accepted.filter(|_| self.struck.is_none()))
    }
}

impl Moderation<'_> {
    /// Carries out the action of a post's author at `now`: a deletion, which is final, or an appeal against the strike in
    /// force.
    ///
    /// The post must have been accepted by this relay, or struck by its log. The stated time must lie within the scope's
    /// clock difference and exceed that of the post's last action: an action that somebody else sends again does nothing.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing is changed then.
    pub fn author(&self, request: &AuthorRequest, now: UnixSeconds) -> Result<ActionResult, ModerationError> {
        let result = self.act(request, now);
        let kind = match request.kind {
            AuthorKind::Delete => Request::Delete,
            AuthorKind::Appeal => Request::Appeal,
        };
        self.metrics().count_result(kind, &result);
        result
    }

    fn act(&self, request: &AuthorRequest, now: UnixSeconds) -> Result<ActionResult, ModerationError> {
        let action = request.action()?;
        let verifier = self.author_verifier()?;
        let entry = PostEntry::from(request.entry);
        let known = self.known_post(&request.scope, entry, now)?;
        let (scope, skew) = self.terms(&request.scope, now);
        if request.time.abs_diff(now) > skew.into() {
            return Err(ModerationError::Clock { stated: request.time, now });
        }
        // What would be refused is refused before a proof is verified.
        let case = self.case(entry.nullifier)?;
        let new = known.case(&request.scope, self.kept_days(&request.scope, now));
        if apply(&mut case.unwrap_or_else(|| new.clone()), &action, &known, request.time, now)?
            == ActionResult::Repeated
        {
            return Ok(ActionResult::Repeated);
        }
        let proof = Proof::from_bytes(&request.proof).map_err(|_| ModerationError::InvalidProof)?;
        let public = AuthorPublic { entry, action: action.hash(scope, request.time) };
        verifier.verify(&public, &proof).map_err(|_| ModerationError::InvalidProof)?;
        self.relay.learn_convictions(now)?;
        if self.relay.slashed.author_of(&entry).is_some() {
            return Err(ModerationError::SlashedMember);
        }
        if let (AuthorKind::Appeal, Some(struck)) = (request.kind, &known.struck) {
            // It is found by the strike after the strike has ended, too.
            let nullifier = entry.nullifier.to_be_bytes().to_vec();
            self.store().swap(&Swap::create(keys::appeal(&struck.id), nullifier, None))?;
        }
        self.change(entry.nullifier, &new, now, |case| apply(case, &action, &known, request.time, now))
    }

    /// Returns why the relay knows a post with exactly this entry in this scope.
    fn known_post(&self, scope: &str, entry: PostEntry, now: UnixSeconds) -> Result<KnownPost, ModerationError> {
        let accepted = self.post(entry.nullifier, now)?;
        let accepted = accepted.filter(|post| post.scope == scope && post.entry == entry);
        let struck = self.strike_of(entry.nullifier).filter(|struck| struck.scope == scope && struck.entry == entry);
        if accepted.is_none() && struck.is_none() {
            return Err(ModerationError::UnknownPost);
        }
        Ok(KnownPost { accepted, struck })
    }

    /// Returns the scope of a name, and its clock difference at `now` in seconds.
    fn terms(&self, name: &str, now: UnixSeconds) -> (Scope, u32) {
        let policies = self.relay.policies();
        let listed = policies.get(name).map(|view| view.history().current(now).policy.max_clock_skew);
        (Scope::new(&policies.registry(), name), listed.unwrap_or(CLOCK_DIFFERENCE))
    }

    /// Tells that the relay's log has a strike in force, at `now`. The log's host calls it for each strike; a second call
    /// for one strike changes nothing.
    ///
    /// # Errors
    /// [`ModerationError::Log`]; the host then calls it again later.
    pub fn struck(&self, struck: &Struck, now: UnixSeconds) -> Result<(), ModerationError> {
        self.change(struck.entry.nullifier, &Case::new(&struck.scope, None), now, |case| {
            case.struck(&struck.id, now);
            Ok(())
        })
    }

    /// Tells that the relay's log has lifted a strike, at `now`. An open appeal is thereby granted. A second call changes
    /// nothing.
    ///
    /// # Errors
    /// [`ModerationError::Log`]; the host then calls it again later.
    pub fn lifted(&self, struck: &Struck, now: UnixSeconds) -> Result<(), ModerationError> {
        self.change(struck.entry.nullifier, &Case::new(&struck.scope, None), now, |case| {
            case.lifted(&struck.id, CASE_DAYS * DAY, now);
            Ok(())
        })
    }
}

/// Applies an action to a case.
fn apply(
    case: &mut Case,
    action: &Action,
    known: &KnownPost,
    time: UnixSeconds,
    now: UnixSeconds,
) -> Result<ActionResult, ModerationError> {
    match action {
        Action::Delete if case.state == PostState::Deleted => return Ok(ActionResult::Repeated),
        Action::Appeal(appeal) => {
            let struck = known.struck.as_ref().ok_or(ModerationError::NoStrike)?;
            if let Some(open) = case.appeal.as_ref().filter(|open| open.state == AppealState::Open) {
                let is_same = open.strike == struck.id && open.text == appeal.as_str() && case.acted_at == Some(time);
                return if is_same { Ok(ActionResult::Repeated) } else { Err(ModerationError::OpenAppeal) };
            }
        }
        _ => {}
    }
    if let Some(last) = case.acted_at.filter(|last| time <= *last) {
        return Err(ModerationError::Superseded(last));
    }
    case.acted_at = Some(time);
    match (action, &known.struck) {
        (Action::Delete, _) => {
            case.state = PostState::Deleted;
            case.emit(EventKind::Deleted, now);
        }
        (Action::Appeal(appeal), Some(struck)) => {
            // Perhaps the log has not told of the strike yet.
            case.struck(&struck.id, now);
            case.appeal = Some(AppealRecord {
                strike: struck.id.clone(),
                state: AppealState::Open,
                made_at: now,
                at: now,
                text: appeal.as_str().into(),
                answer: None,
            });
            case.emit(EventKind::Appealed, now);
        }
        _ => return Err(ModerationError::NoStrike),
    }
    Ok(ActionResult::Accepted)
}
