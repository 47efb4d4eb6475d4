//! `quotapass ledger`, and the reasons of a ledger in words.

use core::num::NonZeroU16;

use anyhow::{Result, bail};
use clap::Subcommand;
use quotapass_circuits::signal::Scope;
use quotapass_protocol::{ErrorCode, Policy, UnixSeconds};
use quotapass_wallet::ledger::{History, Ledger, LedgerError, LedgerOwner, LedgerRefusal, Quota};
use serde_json::json;

use super::{
    context::Context,
    time::{moment, now},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create a ledger on this device for an identity that may have posted before
    ///
    /// Posting begins when the current epoch and the next are over. `post` does the same if there is no ledger; this verb
    /// also replaces a ledger that is damaged, or that has another share of the message ids.
    New {
        /// Move an existing ledger aside; its new name ends with .old
        #[arg(long)]
        set_aside: bool,
    },
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    let Verb::New { set_aside } = verb;
    let (registry, now) = (context.registry_id()?, now()?);
    let identity = context.open_identity(&context.identity_name()?)?;
    let commitment = identity.seed.secret(&registry, context.account()?)?.commitment();
    let owner = LedgerOwner { registry, commitment };
    let files = context.ledger_files(&owner)?;
    let former = (*set_aside && files.exists()?).then(|| files.former());
    let created = match *set_aside {
        true => Ledger::replace(&files, &owner, identity.device, now),
        false => Ledger::create(&files, &owner, identity.device, now, History::Unknown),
    };
    let ledger = match created {
        Err(LedgerError::Exists(path)) => {
            bail!("{} exists; `quotapass status` shows its state, and --set-aside moves it away first", path.display())
        }
        created => created?,
    };
    let mut text = format!("Created the ledger {}.", files.ledger().display());
    if let Some(former) = &former {
        text += &format!(" The former one is now {}.", former.display());
    }
    let mut scopes = Vec::new();
    for dated in context.config().in_force(now) {
        let (policy, name) = (&dated.policy, &dated.policy.name);
        let begins = ledger.status(now, &quota(&owner, policy, policy.limit_cap)).next_begins;
        text += &format!("\nPosting in `{name}` begins at {}.", moment(begins));
        scopes.push(json!({ "scope": name, "posting_begins": begins }));
    }
    context.output().result(
        &text,
        json!({ "commitment": commitment, "ledger": files.ledger(), "former": former, "scopes": scopes }),
    )
}

/// Returns the quota of a member with this message limit under a policy.
pub(super) fn quota(owner: &LedgerOwner, policy: &Policy, message_limit: NonZeroU16) -> Quota {
    Quota {
        scope: Scope::new(&owner.registry, &policy.name),
        epoch_seconds: policy.epoch_seconds,
        limit: message_limit.min(policy.limit_cap),
    }
}

/// Formats the reason why no message can be sent now, with times for people.
pub(super) fn in_words(refusal: &LedgerRefusal) -> String {
    match refusal {
        LedgerRefusal::QuotaUsed { used, next_begins, .. } => format!(
            "the quota is used up: this device has sent all its {used} messages; the next epoch begins at {}",
            moment(*next_begins)
        ),
        LedgerRefusal::EpochLeft { next_begins, .. } => format!(
            "the clock has gone back to an earlier epoch; check the clock, or wait until {}",
            moment(*next_begins)
        ),
        LedgerRefusal::MayBeStale { resumes_at } => format!(
            "the ledger may be stale, and a message id that is used twice costs the deposit; posting resumes at {}. \
             If you are sure that nothing was posted since, pass --trust-ledger to `post`",
            moment(*resumes_at)
        ),
        refusal => refusal.to_string(),
    }
}

/// Formats the reason why a ledger cannot be used, with the verb that makes a new one where this is the cure.
pub(super) fn unusable(error: &LedgerError) -> String {
    match error {
        LedgerError::Damaged { .. } | LedgerError::OtherShare { .. } => format!(
            "{error}. `quotapass ledger new --set-aside` makes a new ledger, which waits until the next epoch is over"
        ),
        error => error.to_string(),
    }
}

/// Returns the stable name of the reason, and the time at which it ends, if it ends.
pub(super) fn reason(refusal: &LedgerRefusal) -> (&'static str, Option<UnixSeconds>) {
    match refusal {
        LedgerRefusal::QuotaUsed { next_begins, .. } => (ErrorCode::QUOTA_USED.name(), Some(*next_begins)),
        LedgerRefusal::NothingForDevice { .. } => (ErrorCode::NOTHING_FOR_DEVICE.name(), None),
        LedgerRefusal::EpochLeft { next_begins, .. } => (ErrorCode::EPOCH_LEFT.name(), Some(*next_begins)),
        LedgerRefusal::MayBeStale { resumes_at } => (ErrorCode::MAY_BE_STALE.name(), Some(*resumes_at)),
        _ => ("refused", None),
    }
}
