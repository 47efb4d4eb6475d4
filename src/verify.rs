//! `quotapass verify`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::Badge, formats::wire::BadgePass, moderation::record::Record, post::Post, prover::KeyOrigin,
};
use quotapass_protocol::{Malformed, PolicyTable, RootHistory, UnixSeconds, Verdict};
use quotapass_registry::RegistryReader;
use quotapass_relay::{BadgeRequest, MemoryLog, PostRequest, Relay};
use quotapass_wallet::MessagePass;
use serde_json::{Value, json};

use super::{
    context::Context,
    envelope::{self, Envelope},
    evidence,
    exit_code::ExitKind,
    failure::Failure,
    keys::{prover, require_test_chain, warn_of},
    lists::publish,
    output::note,
    time::now,
};

/// Returns the failure for posts or a badge that were not accepted, after their verdicts were printed.
fn not_accepted(count: usize) -> anyhow::Error {
    Failure::new(ExitKind::NotAccepted, format!("{count} not accepted")).into()
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of posts, written by `quotapass post`, in the order of verification; `-` is standard input
    ///
    /// All posts of one call share a nullifier log: a post that occurs twice is a replay, and two messages under one
    /// nullifier exceed a quota. The log is not kept for later calls.
    ///
    /// The records of posts are verified against the lists as they are now, from the logs in the configuration.
    #[arg(required_unless_present = "badge")]
    posts: Vec<PathBuf>,
    /// File with a badge to verify instead of posts
    #[arg(long, value_name = "FILE", requires = "scope", conflicts_with = "posts")]
    badge: Option<PathBuf>,
    /// Scope of the badge
    #[arg(long, requires = "badge")]
    scope: Option<String>,
    /// Write the evidence of a double post to a new file, for `quotapass slash`
    ///
    /// Keep this file private: it reveals the offender's secret.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let envelopes = arguments.posts.iter().map(|path| envelope::read(path)).collect::<Result<Vec<_>>>()?.concat();
    let registry = context.registry()?;
    require_test_chain(context.config(), registry.id().chain_id)?;
    let (copy, _) = context.synced_copy(&registry)?;
    let now = now()?;
    let mut roots = RootHistory::new();
    let window = context.config().scopes().iter().map(|dated| dated.policy.root_window).max().unwrap_or(0);
    for change in copy.roots_since(&registry, now.saturating_sub(window.into()))? {
        roots.advance(change.root, change.since);
    }
    // Other programs can use the copy during the proofs.
    drop(copy);
    let keys = context.keys()?;
    let (posts, badges) = (prover::<Post>(&keys)?, prover::<Badge>(&keys)?);
    let origin = if arguments.badge.is_some() { badges.origin() } else { posts.origin() };
    warn_of(origin);
    let mut relay = Relay::new(
        posts.verifier()?,
        badges.verifier()?,
        PolicyTable::new(registry.id(), context.config().scopes().iter().cloned())?,
        roots,
        Arc::new(MemoryLog::new()),
    );
    let listed = listed_scopes(&envelopes, context, now);
    if !listed.is_empty() {
        let (small, large) = (prover::<Record<16>>(&keys)?, prover::<Record<128>>(&keys)?);
        relay = relay.with_records(small.verifier()?, large.verifier()?);
        publish(context, registry.id(), &relay, &listed, now)?;
    }
    if let (Some(path), Some(scope)) = (&arguments.badge, &arguments.scope) {
        return badge(path, scope, &relay, now, context, origin);
    }
    let mut refused = 0;
    for post in &envelopes {
        let verdict = judge(post, &relay, now)?;
        refused += usize::from(verdict != Verdict::Accepted);
        if let (Verdict::QuotaExceeded(exceeded), Some(path)) = (&verdict, &arguments.evidence) {
            evidence::write(&exceeded.evidence, path)?;
            note(format!("Evidence against {} is in {}.", exceeded.commitment(), path.display()));
        }
        show(&verdict, context, origin)?;
    }
    if refused == 0 { Ok(()) } else { Err(not_accepted(refused)) }
}

/// Returns the scopes of posts that enforce lists.
fn listed_scopes(posts: &[Envelope], context: &Context, now: UnixSeconds) -> BTreeSet<String> {
    let has_lists = |name: &&str| context.config().scope(name, now).is_ok_and(|dated| !dated.policy.lists().is_empty());
    posts.iter().map(|post| post.scope.as_str()).filter(has_lists).map(str::to_owned).collect()
}

fn judge(post: &Envelope, relay: &Relay, now: UnixSeconds) -> Result<Verdict> {
    Ok(match MessagePass::from_text(&post.pass) {
        Err(error) => Verdict::Malformed(Malformed::Pass(error)),
        Ok(pass) => {
            let (message, pass) = (post.message()?, pass.to_bytes());
            relay.verify_post(PostRequest { scope: &post.scope, message: &message, pass: &pass }, now)
        }
    })
}

fn badge(
    path: &Path,
    scope: &str,
    relay: &Relay,
    now: UnixSeconds,
    context: &Context,
    origin: KeyOrigin,
) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (verdict, holder) = match BadgePass::from_text(text.trim()) {
        Err(error) => (Verdict::Malformed(Malformed::Pass(error)), None),
        Ok(pass) => {
            let answer = relay.verify_badge(BadgeRequest { scope, pass: &pass.to_bytes() }, now);
            (answer.verdict, answer.holder.map(|holder| (holder.pseudonym, hex::encode(pass.chat_key()))))
        }
    };
    match &holder {
        Some((pseudonym, chat_key)) => {
            let value = json!({ "verdict": "accepted", "pseudonym": pseudonym, "chat_key": chat_key, "keys": origin.to_string() });
            context.output().result(&format!("accepted: chat key {chat_key} is pseudonym {pseudonym}"), value)
        }
        None => {
            show(&verdict, context, origin)?;
            Err(not_accepted(1))
        }
    }
}

fn show(verdict: &Verdict, context: &Context, origin: KeyOrigin) -> Result<()> {
    let mut value: Value = serde_json::to_value(verdict)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("keys".into(), origin.to_string().into());
    }
    context.output().result(&verdict.to_string(), value)
}
