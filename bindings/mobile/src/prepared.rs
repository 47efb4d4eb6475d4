//! Posting.

use std::sync::{Arc, Mutex};

use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{self, Member, MemberPath},
    moderation::Entry,
};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::{BoundPolicy, Poster, PosterError};
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, EpochTimes, Ledger, Lists, Membership, PostEntry, Prover, QuotapassError, Room,
    SourceFailure, lock,
    progress::{Progress, Step},
};

/// The verdict on a post that is about other versions of the lists than a relay accepts.
const LIST_MISMATCH: &str = "list_mismatch";

/// A message's pass, and the number of messages left after it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PostPass {
    /// The pass in its wire format: 246 bytes, and in a room with lists at most 1,371 bytes.
    pub encoded: Vec<u8>,
    /// The same as text: base64url without padding.
    pub text: String,
    /// What others see of the post. Keep it to delete the post later.
    pub entry: PostEntry,
    /// The epoch that the message counts in.
    pub epoch: EpochTimes,
    /// Number of messages that this device can still send in this epoch.
    pub left: u16,
}

/// A prover with precomputed values for the messages of an account in one room under one root. It keeps a copy of the
/// secret, which is zeroized with the last handle or by `wipe`.
///
/// Message ids come only from the ledger.
#[derive(uniffi::Object)]
pub struct PreparedProver {
    poster: Mutex<Option<Poster>>,
    lists: Option<Arc<Lists>>,
}

/// Sends posts to a relay. Implement it with the app's HTTP client.
#[uniffi::export(foreign)]
pub trait PostSender: Send + Sync {
    /// Sends a post, and returns the name of the relay's verdict: the field `verdict` of its answer to `POST /v1/verify`.
    ///
    /// # Errors
    /// `SourceFailure` if the relay does not answer.
    fn send(&self, post: PostPass) -> Result<String, SourceFailure>;
}

#[uniffi::export]
impl Prover {
    /// Prepares for messages of an account in a room at `now` (Unix seconds), under the root of the membership's last
    /// sync. In a room with lists, pass them after a sync: the proofs that the account wrote none of the listed posts are
    /// prepared too. `stake` is the stake level to prove, one of the room's, the lowest if not given; a post at a higher
    /// level hides its author among fewer members, which `Membership.meeting` counts.
    ///
    /// # Errors
    /// `Struck` if the account wrote a listed post: it says which, why, until when, and where to appeal. `Ineligible` if the
    /// deposit does not meet the room's requirement, `Mismatch` if account, membership and room do not match,
    /// `ListsMissing`, `KeyNeeded`, `Closed` if the account was wiped, `Cancelled`; those of the membership.
    #[uniffi::method(default(token = None, lists = None, stake = None))]
    #[allow(clippy::too_many_arguments, reason = "the parts of one preparation")]
    pub fn prepare(
        &self,
        account: &Account,
        membership: &Membership,
        room: &Room,
        now: u64,
        token: Option<Arc<CancelToken>>,
        lists: Option<Arc<Lists>>,
        stake: Option<u32>,
    ) -> Result<PreparedProver, QuotapassError> {
        let progress = Progress::of(token);
        let (secret, member, path) = together(account, membership, room)?;
        if lists.is_none() && !room.bound_policy().values().lists().is_empty() {
            return Err(QuotapassError::lists_missing());
        }
        if let Some(lists) = &lists {
            lists.require_for(room)?;
            lists.check(account, &progress)?;
        }
        progress.begin(Step::Prepare)?;
        let own = membership::Membership { secret: &secret, member: &member, path: &path };
        let policy = at_level(room, stake)?;
        let mut poster = Poster::new(&self.post(), policy, own, UnixSeconds(now))?;
        if let Some(lists) = &lists {
            self.set_lists(&mut poster, lists, &progress)?;
        }
        Ok(PreparedProver { poster: Mutex::new(Some(poster)), lists })
    }
}

impl Prover {
    /// Prepares the records of a poster for the lists in use.
    fn set_lists(&self, poster: &mut Poster, lists: &Lists, progress: &Progress) -> Result<(), QuotapassError> {
        let current = lists.current()?;
        let provers = self.records(&current)?;
        let mut cancelled = Ok(());
        poster.set_lists(&provers, &current, |step| {
            // The preparation of one list is not interrupted. The last step is its end.
            if cancelled.is_ok() && step.list < step.lists {
                cancelled = progress.begin(Step::PrepareRecords);
            }
        })?;
        cancelled
    }
}

#[uniffi::export]
impl PreparedProver {
    /// The root that messages are proved against.
    ///
    /// # Errors
    /// `Closed` after `wipe`.
    pub fn root(&self) -> Result<String, QuotapassError> {
        self.with(|poster| Ok(poster.root().to_string()))
    }

    /// Moves to the root of the membership's last sync. Only the changed part is computed again.
    ///
    /// # Errors
    /// `Mismatch` if the membership belongs to another account, `Closed` after `wipe`, `Cancelled`; those of the
    /// membership. Nothing changes then.
    #[uniffi::method(default(token = None))]
    pub fn update(&self, membership: &Membership, token: Option<Arc<CancelToken>>) -> Result<(), QuotapassError> {
        let progress = Progress::of(token);
        let (member, path) = membership.locate()?;
        self.with(|poster| {
            progress.begin(Step::Prepare)?;
            Ok(poster.update(&member, &path)?)
        })
    }

    /// Reads the newest lists of the room at `now` (Unix seconds), and prepares the proofs for them: only what changed in a
    /// list is computed again. Call it at fixed times, and if a relay answers `list_mismatch`. Nothing is done in a room
    /// without lists.
    ///
    /// # Errors
    /// Those of `Lists.sync`; `Struck`, `KeyNeeded`, `Closed` after `wipe`, `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn refresh(
        &self,
        prover: &Prover,
        account: &Account,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<(), QuotapassError> {
        let Some(lists) = &self.lists else { return Ok(()) };
        lists.sync(now, token.clone())?;
        let progress = Progress::of(token);
        lists.check(account, &progress)?;
        self.with(|poster| prover.set_lists(poster, lists, &progress))
    }

    /// Posts a message at `now` (Unix seconds), and gives the post to `sender`. If the relay answers `list_mismatch`, this
    /// reads the newest lists, proves again under the same message id, and sends once more. Returns the name of the verdict.
    ///
    /// # Errors
    /// `NotSent` if the relay does not answer; those of `post` and `refresh`.
    #[uniffi::method(default(token = None))]
    #[allow(clippy::too_many_arguments, reason = "the parts of posting, and those of a refresh")]
    pub fn send(
        &self,
        prover: &Prover,
        account: &Account,
        message: Vec<u8>,
        ledger: &Ledger,
        sender: Arc<dyn PostSender>,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<String, QuotapassError> {
        let send = |post: PostPass| {
            sender
                .send(post)
                .map_err(|error| QuotapassError::NotSent { reason: format!("the relay did not answer: {error}") })
        };
        let verdict = send(self.post(message.clone(), ledger, now, token.clone())?)?;
        if verdict != LIST_MISMATCH || self.lists.is_none() {
            return Ok(verdict);
        }
        self.refresh(prover, account, now, token.clone())?;
        send(self.post(message, ledger, now, token)?)
    }

    /// Reserves a message id of the epoch at `now` (Unix seconds), and proves the message with it. All steps that can
    /// fail run before the reservation where possible. A reserved id stays used, even if there is no proof.
    ///
    /// The same message has the same id when it is posted again in the same epoch, for example because the relay did not
    /// answer, or with a newer list: the relay then takes it as a replay, and not as a second message.
    ///
    /// If the room's requirement differs from the prepared one, the prover is prepared again first. This happens at the
    /// start of a day if deposits must have a minimum age.
    ///
    /// # Errors
    /// `QuotaUsed`, `NothingForDevice`, `EpochLeft` or `MayBeStale` if no id can be reserved now; `Ineligible`;
    /// `Mismatch` if the ledger belongs to another account; `Ledger` if the disk cannot store the reservation; `Closed`
    /// if the prover was wiped or the ledger released; `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn post(
        &self,
        message: Vec<u8>,
        ledger: &Ledger,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<PostPass, QuotapassError> {
        let (progress, now) = (Progress::of(token), UnixSeconds(now));
        self.with(|poster| {
            if *ledger.owner() != poster.owner() {
                return Err(QuotapassError::mismatch("this ledger does not belong to the prepared account"));
            }
            if !poster.is_ready(now) {
                progress.begin(Step::Prepare)?;
                poster.ready(now)?;
            }
            progress.begin(Step::Reserve)?;
            let reservation = ledger.with(|ledger| Ok(ledger.reserve_message(now, &poster.quota(), &message)?))?;
            let left = reservation.left();
            progress.begin(Step::Prove)?;
            let pass = poster.prove(reservation, &message, &mut OsRng)?;
            let public = pass.post().public(poster.policy().scope(), &message).map_err(PosterError::from)?;
            let (encoded, text) = (pass.to_bytes(), pass.to_text());
            Ok(PostPass { encoded, text, entry: Entry::of(&public).into(), epoch: pass.post().epoch.into(), left })
        })
    }

    /// Zeroizes the secret now, even if the handle is still in use.
    pub fn wipe(&self) {
        lock(&self.poster).take();
    }
}

impl PreparedProver {
    fn with<T>(&self, use_poster: impl FnOnce(&mut Poster) -> Result<T, QuotapassError>) -> Result<T, QuotapassError> {
        let mut poster = lock(&self.poster);
        use_poster(poster.as_mut().ok_or_else(|| QuotapassError::closed("prepared prover"))?)
    }
}

/// Returns the policy of a room for passes of a stake level; the lowest if none is given.
pub(crate) fn at_level(room: &Room, stake: Option<u32>) -> Result<BoundPolicy, QuotapassError> {
    let policy = room.bound_policy().clone();
    match stake {
        Some(level) => Ok(policy.at_level(level)?),
        None => Ok(policy),
    }
}

/// Returns the secret, the member and its path, if account, membership and room match.
pub(crate) fn together(
    account: &Account,
    membership: &Membership,
    room: &Room,
) -> Result<(IdentitySecret, Member, MemberPath), QuotapassError> {
    if account.registry_id() != *room.bound_policy().registry() {
        return Err(QuotapassError::mismatch("account and room are at different registries"));
    }
    let (member, path) = membership.locate()?;
    if member.commitment != account.identity_commitment() {
        return Err(QuotapassError::mismatch("this membership does not belong to the account"));
    }
    Ok((account.secret()?, member, path))
}
