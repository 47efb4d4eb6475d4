//! `quotapass badge`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::{Badge, badge},
    formats::wire::BadgePass,
    membership::{Day, Membership},
    signal::{ChatKeyHash, Scope},
};
use quotapass_wallet::files::create_new;
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    context::Context,
    failure::usage,
    keys::{prover, require_test_chain, warn_of},
    time::now,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Chat key that the badge certifies, in hexadecimal, for example an Ed25519 public key
    #[arg(long, value_name = "HEX")]
    chat_key: String,
    /// Scope of the badge, by its name in the configuration
    #[arg(long)]
    scope: String,
    /// Index of the member, if this device does not know it: with --members-from, after a deposit on another device
    #[arg(long, hide_short_help = true)]
    index: Option<u32>,
    /// Write the badge to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let now = now()?;
    let policy = &context.config().scope(&arguments.scope, now)?.policy;
    let digits = arguments.chat_key.strip_prefix("0x").unwrap_or(&arguments.chat_key);
    let chat_key = hex::decode(digits).with_context(|| usage("--chat-key is not hexadecimal"))?;
    let registry = context.registry_id()?;
    require_test_chain(context.config(), registry.chain_id)?;
    let secret = context.open_secret(&registry)?;
    let prover = prover::<Badge>(&context.keys()?)?;
    let requirement = policy.requirement_on(Day::at(now));
    let located = context.locate(&secret, arguments.index, &requirement)?;
    located.crowd.warn(context.config(), &arguments.scope)?;
    let (public, witness) = badge(
        Membership { secret: &secret, member: &located.member, path: &located.path },
        Scope::new(&registry, &arguments.scope),
        ChatKeyHash::new(&chat_key),
        requirement,
    )?;
    let pass = BadgePass::new(&public, chat_key, prover.prove(&public, &witness, &mut OsRng)?)?;
    let text = pass.to_text();
    if let Some(path) = &arguments.out {
        create_new(path, format!("{text}\n").as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let written = arguments.out.as_ref().map(|path| format!("Wrote the badge to {}.", path.display()));
    warn_of(prover.origin());
    context.output().result(
        written.as_ref().unwrap_or(&text),
        json!({
            "scope": arguments.scope,
            "badge": text,
            "pseudonym": public.pseudonym,
            "file": arguments.out,
            "anonymity": located.crowd,
            "keys": prover.origin().to_string(),
        }),
    )
}
