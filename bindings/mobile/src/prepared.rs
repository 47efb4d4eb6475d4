//! Posting.

use std::sync::{Arc, Mutex};

use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{self, Member, MemberPath},
};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::Poster;
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, EpochTimes, Ledger, Membership, Prover, QuotapassError, Room, lock,
    progress::{Progress, Step},
};

/// A message's pass, and the number of messages left after it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PostPass {
    /// The pass in its wire format: 246 bytes.
    pub encoded: Vec<u8>,
    /// The same as text: base64url without padding.
    pub text: String,
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
}

#[uniffi::export]
impl Prover {
    /// Prepares for messages of an account in a room at `now` (Unix seconds), under the root of the membership's last
    /// sync.
    ///
    /// # Errors
    /// `Ineligible` if the deposit does not meet the room's requirement, `Mismatch` if account, membership and room do
    /// not match, `Closed` if the account was wiped, `Cancelled`; those of the membership.
    #[uniffi::method(default(token = None))]
    pub fn prepare(
        &self,
        account: &Account,
        membership: &Membership,
        room: &Room,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<PreparedProver, QuotapassError> {
        let progress = Progress::of(token);
        let (secret, member, path) = together(account, membership, room)?;
        progress.begin(Step::Prepare)?;
        let own = membership::Membership { secret: &secret, member: &member, path: &path };
        let poster = Poster::new(&self.post(), room.bound_policy().clone(), own, UnixSeconds(now))?;
        Ok(PreparedProver { poster: Mutex::new(Some(poster)) })
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

    /// Reserves a message id of the epoch at `now` (Unix seconds), and proves the message with it. All steps that can
    /// fail run before the reservation where possible. A reserved id stays used, even if there is no proof.
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
            let reservation = ledger.with(|ledger| Ok(ledger.reserve(now, &poster.quota())?))?;
            let left = reservation.left();
            progress.begin(Step::Prove)?;
            let pass = poster.prove(reservation, &message, &mut OsRng)?;
            Ok(PostPass { encoded: pass.to_bytes().to_vec(), text: pass.to_text(), epoch: pass.epoch.into(), left })
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
