//! `quotapass moderate policy`.

use core::num::NonZeroU32;

use anyhow::{Result, bail};
use clap::Args;
use quotapass_log::{
    Trust,
    moderation::{Body, Entry, LIST_INTERVAL, LogPolicy, State},
};
use quotapass_protocol::note::NotePublicKey;
use rand::rngs::OsRng;

use super::{action::Action, follow, signing::Signing};
use crate::{context::Context, failure::usage, time::now};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Public key that signs checkpoints; the relay prints it [default: those of the policy in force]
    #[arg(long, value_name = "NAME+HASH+KEY")]
    working_key: Vec<NotePublicKey>,
    /// Public key of a moderator; repeat it for all of them [default: those of the policy in force]
    ///
    /// A policy replaces the one before. Moderators who are not named lose their say.
    #[arg(long, value_name = "NAME+HASH+KEY")]
    moderator: Vec<NotePublicKey>,
    /// Number of moderators that must sign a decision [default: that of the policy in force, or 1]
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u16>,
    /// Least seconds between two checkpoints [default: those of the policy in force, or 600]
    #[arg(long, value_name = "SECONDS")]
    list_interval: Option<NonZeroU32>,
    #[command(flatten)]
    signing: Signing,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { working_key, moderator, threshold, list_interval, signing } = arguments;
    let name = signing.place.name()?;
    let is_whole = !working_key.is_empty() && !moderator.is_empty() && threshold.is_some();
    let in_force = match signing.place.relay()? {
        None if !is_whole => {
            bail!(usage(
                "a policy is whole: state --working-key, --moderator and --threshold, or with --relay the relay of the \
                 log, which has the policy in force"
            ));
        }
        None => None,
        Some(_) => {
            let client = signing.place.client(context)?;
            follow::follow(context, &client, Trust::of_witness(name.clone()))?
        }
    };
    let former = in_force.as_ref().map(follow::Followed::state).and_then(State::policy);
    let keys = |stated: &Vec<NotePublicKey>, former: Option<&Vec<NotePublicKey>>| match former {
        Some(former) if stated.is_empty() => former.clone(),
        _ => stated.clone(),
    };
    let policy = LogPolicy {
        working_keys: keys(working_key, former.map(|policy| &policy.working_keys)),
        moderators: keys(moderator, former.map(|policy| &policy.moderators)),
        threshold: threshold.or(former.map(|policy| policy.threshold)).unwrap_or(1),
        list_interval: list_interval.or(former.map(|policy| policy.list_interval)).unwrap_or(LIST_INTERVAL),
    };
    if let Some(key) = policy.working_keys.iter().find(|key| key.name() != name.origin.as_str()) {
        bail!(usage(format!("the working key {key} is not named `{}`, the origin of the log", name.origin)));
    }
    // The copy of the log is opened again.
    drop(in_force);
    let action = Action::new(name, Entry::new(Body::Policy(policy), now()?, &mut OsRng))?;
    signing.finish(action, context)
}
