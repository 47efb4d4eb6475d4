//! `quotapass moderate log`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use quotapass_log::{
    CosignerPublicKey, Trust,
    moderation::{Block, Body, Digest, Entry, EntryId, Strike},
};
use quotapass_protocol::UnixSeconds;
use serde_json::{Value, json};

use super::{
    follow::{Followed, follow},
    place::Place,
    post::digits,
};
use crate::{
    context::Context,
    failure::{refused, usage},
    text::{counted, plain},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Verify all entries of a log, and show what is in force
    ///
    /// A copy stays in the data folder. The next run fetches only new entries, and refuses a log that was changed, cut or
    /// forked since.
    Verify(Arguments),
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Witness whose cosignature is required; repeat it for more
    #[arg(long, value_name = "NAME+HASH+KEY")]
    witness: Vec<CosignerPublicKey>,
    /// Number of witnesses that must have cosigned [default: all that are named]
    #[arg(long, value_name = "NUMBER", requires = "witness")]
    required: Option<usize>,
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Verify(arguments) => verify(arguments, context),
    }
}

/// What is in force in a log, from its entries.
#[derive(Default)]
struct InForce {
    strikes: BTreeMap<EntryId, (u64, UnixSeconds, Strike)>,
    blocked: BTreeMap<Digest, Block>,
}

impl InForce {
    fn of(followed: &Followed) -> Result<Self> {
        let mut found = Self::default();
        followed.each(|index, Entry { id, at, body }| {
            match body {
                Body::Strike(strike) => {
                    found.strikes.insert(*id, (index, *at, (**strike).clone()));
                }
                Body::Lift(lift) => {
                    found.strikes.remove(&lift.strike);
                }
                Body::Block(block) => {
                    found.blocked.insert(block.subject, block.clone());
                }
                Body::Unblock(block) => {
                    found.blocked.remove(&block.subject);
                }
                Body::Active(_) | Body::Policy(_) => {}
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn verify(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { place, witness, required } = arguments;
    let name = place.name()?;
    let trust = match witness.as_slice() {
        [] => Trust::of_witness(name.clone()),
        witnesses => Trust::new(name.clone(), witnesses.to_vec(), required.unwrap_or(witnesses.len()))
            .context(usage("--witness and --required do not fit"))?,
    };
    let client = place.client(context)?;
    let Some(followed) = follow(context, &client, trust)? else {
        return Err(
            refused(format!("the log {} has no checkpoint yet; try again after its interval", name.origin)).into()
        );
    };
    let in_force = InForce::of(&followed)?;
    context.output().result(&text(&followed, &in_force), value(&followed, &in_force)?)
}

fn text(followed: &Followed, InForce { strikes, blocked }: &InForce) -> String {
    let (state, checkpoint) = (followed.state(), &followed.checkpoint);
    let mut lines = vec![
        format!("log {}, identity {}", state.name().origin, state.name().id()),
        format!("all {} entries are valid; root {}", checkpoint.size, checkpoint.root),
    ];
    if let Some(policy) = state.policy() {
        lines.push(format!(
            "policy: {} of {} moderators decide; a checkpoint at most each {} s",
            policy.threshold,
            policy.moderators.len(),
            policy.list_interval
        ));
        lines.extend(policy.moderators.iter().map(|key| format!("  moderator {key}")));
        lines.extend(policy.working_keys.iter().map(|key| format!("  working key {key}")));
    }
    for list in state.index() {
        lines.push(format!("list of `{}`: {}", plain(&list.scope), counted(list.count.into(), "post")));
    }
    for (id, (index, _, strike)) in strikes {
        lines.push(format!(
            "strike {id} at place {index}: post {} in `{}`, {}, until {}",
            digits(strike.entry.nullifier),
            plain(&strike.scope),
            strike.reason.name(),
            strike.until
        ));
    }
    for block in blocked.values() {
        lines.push(format!("blocked: {} ({})", block.subject, block.reason.name()));
    }
    lines.join("\n")
}

fn value(followed: &Followed, InForce { strikes, blocked }: &InForce) -> Result<Value> {
    let (state, checkpoint) = (followed.state(), &followed.checkpoint);
    let strikes = strikes.iter().map(|(id, (index, at, strike))| {
        let entry = Entry { id: *id, at: *at, body: Body::Strike(Box::new(strike.clone())) };
        let mut value: Value = serde_json::from_str(&entry.to_json()?)?;
        value["index"] = json!(index.to_string());
        Ok(value)
    });
    Ok(json!({
        "log": state.name().id().to_string(),
        "origin": state.name().origin.to_string(),
        "size": checkpoint.size.to_string(),
        "root": checkpoint.root.to_string(),
        "policy": state.policy(),
        "lists": state.index(),
        "strikes": strikes.collect::<Result<Vec<_>>>()?,
        "blocked": blocked.values().collect::<Vec<_>>(),
    }))
}
