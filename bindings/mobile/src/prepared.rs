//! Posting.

use core::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use quotapass_circuits::{
    formats::wire,
    identity::IdentitySecret,
    membership::{self, Member, MemberPath},
    post::Post,
    prover,
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{ExternalNullifier, SignalHash},
};
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, EpochTimes, Ledger, Membership, Prover, QuotapassError, Room,
    ledger::quota,
    lock,
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

/// A prover that has done once what does not change between two messages of an account under one root. It keeps a copy of
/// the secret, zeroized with the last handle or by `wipe`.
///
/// Message ids come from the ledger, and from nowhere else.
#[derive(uniffi::Object)]
pub struct PreparedProver {
    registry: RegistryId,
    state: Mutex<Option<State>>,
}

struct State {
    prover: prover::Prover<Post>,
    secret: IdentitySecret,
    member: Member,
    path: MemberPath,
    requirement: Requirement,
    limit_cap: NonZeroU16,
    prepared: prover::PreparedProver,
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
        let policy = room.rules();
        let (requirement, limit_cap) = (policy.requirement(policy.epoch_at(now)), policy.limit_cap);
        let prover = self.post();
        progress.begin(Step::Prepare)?;
        let own = membership::Membership { secret: &secret, member: &member, path: &path };
        let prepared = prover.prepare(own, requirement, limit_cap)?;
        let state = State { prover, secret, member, path, requirement, limit_cap, prepared };
        Ok(PreparedProver { registry: room.registry_id(), state: Mutex::new(Some(state)) })
    }
}

#[uniffi::export]
impl PreparedProver {
    /// The root that messages are proved under.
    ///
    /// # Errors
    /// `Closed` after `wipe`.
    pub fn root(&self) -> Result<String, QuotapassError> {
        self.with(|state| Ok(state.prepared.root().to_string()))
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
        self.with(|state| {
            if member != state.member {
                return Err(QuotapassError::mismatch("this membership is not that of the prepared account"));
            }
            progress.begin(Step::Prepare)?;
            state.prepared.update(&path)?;
            state.path = path;
            Ok(())
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
    /// room or ledger are another's; `Ledger` if the disk does not take the reservation; `Closed` if prover or ledger
    /// were given up; `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn post(
        &self,
        room: &Room,
        message: Vec<u8>,
        ledger: &Ledger,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<PostPass, QuotapassError> {
        let progress = Progress::of(token);
        ledger.check(room)?;
        if room.registry_id() != self.registry {
            return Err(QuotapassError::mismatch("the room is at another registry than the prepared account"));
        }
        self.with(|state| {
            if ledger.owner().commitment != state.member.commitment {
                return Err(QuotapassError::mismatch("this ledger is not that of the prepared account"));
            }
            let (policy, scope) = (room.rules(), room.scope_hash());
            let epoch = policy.epoch_at(now);
            state.meet(policy.requirement(epoch), policy.limit_cap, &progress)?;
            let x =
                SignalHash::new(scope, epoch, &message).map_err(|error| QuotapassError::bad_input("message", error))?;
            progress.begin(Step::Reserve)?;
            // It reserves in the epoch of `now`, which is the one above.
            let reserved = ledger.with(|ledger| Ok(ledger.reserve(now, &quota(room, &state.member.terms))?))?;
            progress.begin(Step::Prove)?;
            let external = ExternalNullifier::new(scope, reserved.epoch);
            let (public, proof) = state.prepared.prove(external, x, reserved.message_id, &mut OsRng)?;
            let pass = wire::PostPass::new(reserved.epoch, &public, proof);
            Ok(PostPass {
                encoded: pass.to_bytes().to_vec(),
                text: pass.to_text(),
                epoch: reserved.epoch.into(),
                left: reserved.left,
            })
        })
    }

    /// Zeroizes the secret now, whoever still holds the handle.
    pub fn wipe(&self) {
        lock(&self.state).take();
    }
}

impl PreparedProver {
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> Result<T, QuotapassError>) -> Result<T, QuotapassError> {
        let mut state = lock(&self.state);
        use_state(state.as_mut().ok_or_else(|| QuotapassError::closed("prepared prover"))?)
    }
}

impl State {
    /// Prepares anew if it was done for another requirement.
    fn meet(
        &mut self,
        requirement: Requirement,
        limit_cap: NonZeroU16,
        progress: &Progress,
    ) -> Result<(), QuotapassError> {
        if (self.requirement, self.limit_cap) == (requirement, limit_cap) {
            return Ok(());
        }
        progress.begin(Step::Prepare)?;
        let own = membership::Membership { secret: &self.secret, member: &self.member, path: &self.path };
        self.prepared = self.prover.prepare(own, requirement, limit_cap)?;
        (self.requirement, self.limit_cap) = (requirement, limit_cap);
        Ok(())
    }
}

/// The secret, the member and its path, if account, membership and room belong together.
pub(crate) fn together(
    account: &Account,
    membership: &Membership,
    room: &Room,
) -> Result<(IdentitySecret, Member, MemberPath), QuotapassError> {
    if account.registry_id() != room.registry_id() {
        return Err(QuotapassError::mismatch("account and room are at different registries"));
    }
    let (member, path) = membership.locate()?;
    if member.commitment != account.identity_commitment() {
        return Err(QuotapassError::mismatch("this membership is not that of the account"));
    }
    Ok((account.secret()?, member, path))
}
