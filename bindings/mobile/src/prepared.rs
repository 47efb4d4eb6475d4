//! Posting.

use std::sync::{Arc, Mutex};

use quotapass::client::Poster;
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{self, Member, MemberPath},
};
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, EpochTimes, Ledger, Membership, Prover, QuotapassError, Room, lock,
    progress::{Progress, Step},
};

/// A message's pass, and what is left after it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PostPass {
    /// The pass as it is sent: 246 bytes.
    pub encoded: Vec<u8>,
    /// The same as text: base64url without padding.
    pub text: String,
    /// The epoch that the message counts in.
    pub epoch: EpochTimes,
    /// How many more messages this device can send in this epoch.
    pub left: u16,
}

/// A prover that has done once what does not change between two messages of an account in one room under one root. It
/// keeps a copy of the secret, zeroized with the last handle or by `wipe`.
///
/// Message ids come from the ledger, and from nowhere else.
#[derive(uniffi::Object)]
pub struct PreparedProver {
    poster: Mutex<Option<Poster>>,
}

#[uniffi::export]
impl Prover {
    /// Prepares for messages of an account in a room at `now` (Unix seconds), under the root that the membership was
    /// synced to last.
    ///
    /// # Errors
    /// `Ineligible` if the deposit is not what the room asks for, `Mismatch` if account, membership and room do not
    /// belong together, `Closed` if the account was wiped, `Cancelled`; those of the membership.
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
        let poster = Poster::new(&self.post(), room.client().clone(), own, now)?;
        Ok(PreparedProver { poster: Mutex::new(Some(poster)) })
    }
}

#[uniffi::export]
impl PreparedProver {
    /// The root that messages are proved under.
    ///
    /// # Errors
    /// `Closed` after `wipe`.
    pub fn root(&self) -> Result<String, QuotapassError> {
        self.with(|poster| Ok(poster.root().to_string()))
    }

    /// Follows the membership to the root that it was synced to last. Only what changed is computed anew.
    ///
    /// # Errors
    /// `Mismatch` if the membership is another's, `Closed` after `wipe`, `Cancelled`; those of the membership. Nothing
    /// has changed then.
    #[uniffi::method(default(token = None))]
    pub fn update(&self, membership: &Membership, token: Option<Arc<CancelToken>>) -> Result<(), QuotapassError> {
        let progress = Progress::of(token);
        let (member, path) = membership.locate()?;
        self.with(|poster| {
            progress.begin(Step::Prepare)?;
            Ok(poster.update(&member, &path)?)
        })
    }

    /// Reserves a message id of the epoch that `now` (Unix seconds) lies in, and proves the message with it. Whatever can
    /// fail is tried before the id is reserved; once it is, it stays used, whether there is a proof or not.
    ///
    /// If the room asks for something else than was prepared for, as it does when a new day begins and deposits must have
    /// an age, the prover is prepared anew first.
    ///
    /// # Errors
    /// `QuotaUsed`, `NothingForDevice`, `EpochLeft` or `MayBeStale` if no id can be had now; `Ineligible`; `Mismatch` if
    /// the ledger is another account's; `Ledger` if the disk does not take the reservation; `Closed` if prover or ledger
    /// were given up; `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn post(
        &self,
        message: Vec<u8>,
        ledger: &Ledger,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<PostPass, QuotapassError> {
        let progress = Progress::of(token);
        self.with(|poster| {
            if *ledger.owner() != poster.owner() {
                return Err(QuotapassError::mismatch("this ledger is not that of the prepared account"));
            }
            if !poster.is_ready(now) {
                progress.begin(Step::Prepare)?;
                poster.ready(now)?;
            }
            progress.begin(Step::Reserve)?;
            let reservation = ledger.with(|ledger| Ok(ledger.reserve(now, &poster.quota())?))?;
            let left = reservation.left;
            progress.begin(Step::Prove)?;
            let pass = poster.prove(reservation, &message, &mut OsRng)?;
            Ok(PostPass { encoded: pass.to_bytes().to_vec(), text: pass.to_text(), epoch: pass.epoch.into(), left })
        })
    }

    /// Zeroizes the secret now, whoever still holds the handle.
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

/// The secret, the member and its path, if account, membership and room belong together.
pub(crate) fn together(
    account: &Account,
    membership: &Membership,
    room: &Room,
) -> Result<(IdentitySecret, Member, MemberPath), QuotapassError> {
    if account.registry_id() != *room.client().registry() {
        return Err(QuotapassError::mismatch("account and room are at different registries"));
    }
    let (member, path) = membership.locate()?;
    if member.commitment != account.identity_commitment() {
        return Err(QuotapassError::mismatch("this membership is not that of the account"));
    }
    Ok((account.secret()?, member, path))
}
