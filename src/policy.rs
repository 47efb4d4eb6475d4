//! `quotapass policy`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{membership::Levels, registry_id::RegistryId};
use quotapass_protocol::{DatedPolicy, PoliciesStatement, PolicyHash, PolicyHistory, UnixSeconds, note::NotePublicKey};
use quotapass_text::EndpointUrl;
use quotapass_wallet::members::RelayMembers;
use serde::Deserialize;
use serde_json::json;

use super::{
    context::Context,
    exit_code::ExitKind,
    failure::{Failure, usage},
    output::note,
    time::{moment, now},
};

/// Policies that should be equal and differ.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum PolicyMismatch {
    /// The policies in force differ between the configuration and a relay, or between two relays.
    #[error(
        "{first} and {second} have different policies for `{scope}`: {first_hash} and {second_hash} are in force. \
         Find out why before you post: a relay can recognise your posts by a policy that it serves only to you"
    )]
    Differs { scope: String, first: String, second: String, first_hash: String, second_hash: String },
    /// The announced policies differ.
    #[error(
        "{first} and {second} announce different policies for `{scope}` after the one in force; ask their operators, \
         or run this again after the change"
    )]
    ListDiffers { scope: String, first: String, second: String },
    /// The hash of the policy is not pinned.
    #[error("the policy of `{scope}` in {source_name} has the hash {found}, which is not pinned; do not post under it")]
    NotPinned { scope: String, source_name: String, found: PolicyHash },
    /// The relay belongs to another registry.
    #[error("{0} publishes policies of another registry; use a relay of this one")]
    OtherRegistry(String),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of a scope [default: all scopes of the configuration]
    #[arg(long)]
    scope: Option<String>,
    /// Compare with the policies that this relay publishes; repeat it for several
    ///
    /// Several relays are compared with each other too. Run this at fixed times, for example once a day, and not before
    /// each message. The request uses --members-proxy.
    #[arg(long, value_name = "URL")]
    relay: Vec<EndpointUrl>,
    /// Public key that a relay must sign its policies with [default: the key that the relay states]
    #[arg(long, value_name = "NAME+HASH+KEY", requires = "relay")]
    key: Vec<NotePublicKey>,
    /// Hash that the policy in force must have; repeat it if a change is announced
    #[arg(long, value_name = "SHA256", requires = "scope")]
    pin: Vec<PolicyHash>,
}

/// A list of policies: the configuration or a relay.
struct Source {
    name: String,
    /// The policies by scope name.
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
        let listed = self.scopes.get(scope).with_context(|| usage(format!("{} has no scope `{scope}`", self.name)))?;
        Ok(PolicyHistory::new(listed.iter().cloned())?)
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (registry, now) = (context.registry_id()?, now()?);
    let mut sources = vec![Source::new("the configuration".into(), context.config().scopes().iter().cloned())];
    let mut keys = Vec::new();
    for relay in &arguments.relay {
        let (key, policies) = fetch(context, &registry, relay, &arguments.key)?;
        if arguments.key.is_empty() {
            note(format!("{relay} signs with {key}; pass this key as --key to notice if it changes."));
        }
        sources.push(Source::new(relay.to_string(), policies));
        keys.push(json!({ "relay": relay.to_string(), "key": key.to_string() }));
    }
    let names: Vec<String> = match &arguments.scope {
        Some(scope) => {
            // If the configuration lacks this scope, only the relays are compared.
            if !arguments.relay.is_empty() && !sources[0].scopes.contains_key(scope) {
                sources.remove(0);
            }
            vec![scope.clone()]
        }
        None => sources[0].scopes.keys().cloned().collect(),
    };
    if names.is_empty() {
        bail!(usage("no scope is configured; name one with --scope, and a relay with --relay"));
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
        count => format!("\n{count} relays have signed the same policies."),
    };
    let policies: Vec<_> = answers.iter().map(|(_, json)| json.clone()).collect();
    context.output().result(&format!("{}{agreed}", texts.join("\n")), json!({ "policies": policies, "relays": keys }))
}

/// Refuses a relay that has other policies of a scope than the configuration, in force or announced.
pub(super) fn require_same(context: &Context, registry: &RegistryId, relay: &EndpointUrl, scope: &str) -> Result<()> {
    let own = Source::new("the configuration".into(), context.config().scopes().iter().cloned());
    let other = Source::new(relay.to_string(), fetch(context, registry, relay, &[])?.1);
    compare(registry, scope, (&own, &own.history(scope)?), (&other, &other.history(scope)?), now()?)
}

/// Compares the policies in force and the announced ones.
fn compare(
    registry: &RegistryId,
    scope: &str,
    (first, one): (&Source, &PolicyHistory),
    (second, other): (&Source, &PolicyHistory),
    now: UnixSeconds,
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
    now: UnixSeconds,
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

/// The part of the response of `/v1/policy` that belongs to the signed note.
#[derive(Deserialize)]
struct Answer {
    key: Option<String>,
    note: Option<String>,
}

/// Fetches the signed policies of a relay; returns them with the key that signed them. Without `keys`, any key will do.
pub(super) fn fetch(
    context: &Context,
    registry: &RegistryId,
    relay: &EndpointUrl,
    keys: &[NotePublicKey],
) -> Result<(NotePublicKey, Vec<DatedPolicy>)> {
    let body = RelayMembers::new(relay.expose(), Levels::STANDARD, &context.relay_options()?)?.policy()?;
    let unfit = |text: String| Failure::new(ExitKind::Endpoint, text);
    let answer: Answer = serde_json::from_slice(&body)
        .with_context(|| unfit(format!("the response of {relay} at /v1/policy is not a relay's; check the address")))?;
    let (Some(key), Some(signed)) = (answer.key, answer.note) else {
        bail!(unfit(format!("{relay} does not sign its policies; use another relay")));
    };
    let stated: NotePublicKey = key.parse().with_context(|| unfit(relay.to_string()))?;
    let key = keys.iter().find(|key| **key == stated);
    let key = match (key, keys.is_empty()) {
        (Some(key), _) => key.clone(),
        (None, true) => stated,
        (None, false) => bail!("{relay} signs with {stated}, which is not a key given with --key; do not trust it"),
    };
    let (found, policies) = PoliciesStatement::open(&key, &signed).with_context(|| unfit(relay.to_string()))?;
    if found != *registry {
        return Err(PolicyMismatch::OtherRegistry(relay.to_string()).into());
    }
    Ok((key, policies))
}
