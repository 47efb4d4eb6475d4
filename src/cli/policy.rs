//! `quotapass policy`.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{membership::Levels, registry_id::RegistryId};
use serde::Deserialize;
use serde_json::json;

use super::{
    config::Key,
    context::Context,
    output::note,
    time::{moment, now},
};
use crate::{
    note::NotePublicKey,
    relay::{DatedPolicy, PoliciesStatement, PolicyHash, PolicyHistory},
    wallet::members::{ClientOptions, RelayMembers},
};

/// Policies that should be the same and are not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum PolicyMismatch {
    /// The configuration and a relay, or two relays.
    #[error(
        "{first} and {second} have different policies for `{scope}`: {first_hash} and {second_hash} are in force. Do not \
         post before you know why: a relay that serves you a policy of your own knows your posts by it"
    )]
    Differs { scope: String, first: String, second: String, first_hash: String, second_hash: String },
    /// What is to come differs, or what was before and still holds.
    #[error(
        "{first} and {second} list different policies for `{scope}` beside the one in force; ask their operators, or again \
         after the change"
    )]
    ListDiffers { scope: String, first: String, second: String },
    /// A hash that is not pinned.
    #[error(
        "the policy of `{scope}` in {source_name} has the hash {found}, and none of those pinned; do not post under it"
    )]
    NotPinned { scope: String, source_name: String, found: PolicyHash },
    /// A relay of another registry.
    #[error("{0} states policies of another registry; ask a relay of this one")]
    OtherRegistry(String),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One scope; all that the configuration lists without it
    #[arg(long)]
    scope: Option<String>,
    /// Compare with what this relay publishes; give several to compare them with each other, too
    ///
    /// Do it by the clock, for example once a day, and not before each message. --members-proxy goes for it as well.
    #[arg(long, value_name = "URL")]
    relay: Vec<String>,
    /// A key that a relay must have signed its policies with; the one that it states without any
    #[arg(long, value_name = "NAME+HASH+KEY", requires = "relay")]
    key: Vec<NotePublicKey>,
    /// A hash that the policy in force must have; give several if a change is announced
    #[arg(long, value_name = "SHA256", requires = "scope")]
    pin: Vec<PolicyHash>,
}

/// Where policies are listed.
struct Source {
    name: String,
    /// By the name of the scope.
    scopes: BTreeMap<String, Vec<DatedPolicy>>,
}

impl Source {
    fn new(name: String, policies: impl IntoIterator<Item = DatedPolicy>) -> Self {
        let mut scopes: BTreeMap<String, Vec<DatedPolicy>> = BTreeMap::new();
        for dated in policies {
            scopes.entry(dated.policy.name.clone()).or_default().push(dated);
        }
        Self { name, scopes }
    }

    fn history(&self, scope: &str) -> Result<PolicyHistory> {
        let listed = self.scopes.get(scope).with_context(|| format!("{} has no scope `{scope}`", self.name))?;
        Ok(PolicyHistory::new(listed.iter().cloned())?)
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (registry, now) = (context.registry_id()?, now()?);
    let mut sources = vec![Source::new("the configuration".into(), context.config().scopes().iter().cloned())];
    let mut keys = Vec::new();
    for relay in &arguments.relay {
        let (key, policies) = fetch(context, &registry, relay, &arguments.key)?;
        sources.push(Source::new(relay.clone(), policies));
        keys.push(json!({ "relay": relay, "key": key.to_string() }));
    }
    let names: Vec<String> = match &arguments.scope {
        Some(scope) => {
            // A wallet without this scope compares the relays alone.
            if !arguments.relay.is_empty() && !sources[0].scopes.contains_key(scope) {
                sources.remove(0);
            }
            vec![scope.clone()]
        }
        None => sources[0].scopes.keys().cloned().collect(),
    };
    if names.is_empty() {
        bail!("no scope is configured; name one with --scope, and a relay with --relay");
    }
    let mut answers = Vec::new();
    for scope in &names {
        let (first, others) = sources.split_first().context("there is nothing to compare")?;
        let history = first.history(scope)?;
        for other in others {
            compare(&registry, scope, (first, &history), (other, &other.history(scope)?), now)?;
        }
        let found = PolicyHash::of(&registry, history.current(now))?;
        if !arguments.pin.is_empty() && !arguments.pin.contains(&found) {
            let (scope, source_name) = (scope.clone(), first.name.clone());
            return Err(PolicyMismatch::NotPinned { scope, source_name, found }.into());
        }
        answers.push(describe(&registry, scope, &history, now)?);
    }
    let texts: Vec<&str> = answers.iter().map(|(text, _)| text.as_str()).collect();
    let agreed = match arguments.relay.len() {
        0 => String::new(),
        count => format!("\n{count} relays have signed the same."),
    };
    let policies: Vec<_> = answers.iter().map(|(_, json)| json.clone()).collect();
    context.output().result(&format!("{}{agreed}", texts.join("\n")), json!({ "policies": policies, "relays": keys }))
}

/// Compares the policies in force, and those that are listed with them.
fn compare(
    registry: &RegistryId,
    scope: &str,
    (first, one): (&Source, &PolicyHistory),
    (second, other): (&Source, &PolicyHistory),
    now: u64,
) -> Result<()> {
    let (scope, names) = (scope.to_owned(), (first.name.clone(), second.name.clone()));
    let (mine, theirs) = (one.current(now), other.current(now));
    if mine != theirs {
        let [first_hash, second_hash] =
            [mine, theirs].map(|dated| PolicyHash::of(registry, dated).map(|it| it.to_string()));
        let (first_hash, second_hash) = (first_hash?, second_hash?);
        return Err(PolicyMismatch::Differs { scope, first: names.0, second: names.1, first_hash, second_hash }.into());
    }
    let coming = |history: &PolicyHistory| -> Vec<DatedPolicy> {
        history.all().filter(|dated| dated.from > now).cloned().collect()
    };
    if coming(one) != coming(other) {
        return Err(PolicyMismatch::ListDiffers { scope, first: names.0, second: names.1 }.into());
    }
    Ok(())
}

fn describe(
    registry: &RegistryId,
    scope: &str,
    history: &PolicyHistory,
    now: u64,
) -> Result<(String, serde_json::Value)> {
    let of = |dated: &DatedPolicy| -> Result<serde_json::Value> {
        let hash = PolicyHash::of(registry, dated)?.to_string();
        Ok(json!({ "version": dated.version, "from": dated.from, "hash": hash, "policy": dated.policy }))
    };
    let current = history.current(now);
    let mut text = format!("scope `{scope}`, version {}: {}", current.version, PolicyHash::of(registry, current)?);
    let mut coming = Vec::new();
    for dated in history.all().filter(|dated| dated.from > now) {
        let hash = PolicyHash::of(registry, dated)?;
        text += &format!("\n  from {} on, version {}: {hash}", moment(dated.from), dated.version);
        coming.push(of(dated)?);
    }
    Ok((text, json!({ "scope": scope, "in_force": of(current)?, "coming": coming })))
}

/// What `/v1/policy` answers, as far as the note goes.
#[derive(Deserialize)]
struct Answer {
    key: Option<String>,
    note: Option<String>,
}

/// The signed policies of a relay, and the key that it signed with.
fn fetch(
    context: &Context,
    registry: &RegistryId,
    relay: &str,
    keys: &[NotePublicKey],
) -> Result<(NotePublicKey, Vec<DatedPolicy>)> {
    let options = ClientOptions {
        timeout: Duration::from_secs(context.config().require(Key::RpcTimeout)?),
        proxy: context.config().get(Key::MembersProxy)?,
    };
    let body = RelayMembers::new(relay, Levels::STANDARD, &options)?.policy()?;
    let answer: Answer = serde_json::from_slice(&body)
        .with_context(|| format!("{relay} does not answer at /v1/policy as a relay does; check the address"))?;
    let (Some(key), Some(signed)) = (answer.key, answer.note) else {
        bail!("{relay} does not sign its policies; ask another relay");
    };
    let stated: NotePublicKey = key.parse()?;
    if keys.is_empty() {
        note(format!("{relay} signs with {stated}; pass it as --key to see a change of it."));
    }
    let key = keys.iter().find(|key| **key == stated);
    let key = match (key, keys.is_empty()) {
        (Some(key), _) => key.clone(),
        (None, true) => stated,
        (None, false) => bail!("{relay} signs with {stated}, which is none of the keys given; do not trust it"),
    };
    let (found, policies) = PoliciesStatement::open(&key, &signed).with_context(|| relay.to_owned())?;
    if found != *registry {
        return Err(PolicyMismatch::OtherRegistry(relay.into()).into());
    }
    Ok((key, policies))
}
