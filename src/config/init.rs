//! `quotapass config init`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::membership::Levels;
use quotapass_registry::{RegistryReader, node::Node};
use quotapass_text::{EndpointUrl, EvmAddress};
use quotapass_wallet::{
    files::{create_new, write_atomically},
    members::{ClientError, RelayMembers},
};
use reqwest::Proxy;
use serde_json::json;

use super::{FILE_VARIABLE, Key, Origin};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Replace an existing file, which is kept beside the new one with the ending `.old`
    #[arg(long)]
    force: bool,
    /// Do not ask the endpoint for its chain and the registry
    #[arg(long)]
    offline: bool,
}

/// What the endpoint answers.
struct Found {
    chain_id: u64,
    /// The number of members that were ever added, if the settings name a registry.
    members: Option<u64>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let file = &context.config().file;
    let is_there = file.exists();
    if is_there && !arguments.force {
        bail!(
            "{} exists (an existing file is not overwritten; replace it with --force, or name another with --config or \
             {FILE_VARIABLE})",
            file.display()
        );
    }
    check(context)?;
    let found = if arguments.offline { None } else { ask(context)? };
    let chain_id = match &found {
        Some(found) => Some(found.chain_id),
        None => context.config().get(Key::ChainId)?,
    };
    let text = content(context, chain_id);
    let cannot = || format!("cannot write {}", file.display());
    let former = match is_there {
        true => {
            let former = former(file.clone());
            fs::copy(file, &former).with_context(|| format!("cannot write {}", former.display()))?;
            write_atomically(file, text.as_bytes()).with_context(cannot)?;
            Some(former)
        }
        false => {
            create_new(file, text.as_bytes()).with_context(cannot)?;
            None
        }
    };
    let members = found.as_ref().and_then(|found| found.members);
    let mut sentence = format!("wrote {}", file.display());
    if let Some(Found { chain_id, .. }) = found {
        sentence += &format!("; the endpoint is on chain {chain_id}");
    }
    if let Some(members) = members {
        sentence += &format!(", and {members} members were ever added to the registry");
    }
    if let Some(former) = &former {
        sentence += &format!("; the former file is {}", former.display());
    }
    context
        .output()
        .result(&sentence, json!({ "file": file, "chain_id": chain_id, "members": members, "former": former }))
}

fn former(file: PathBuf) -> PathBuf {
    let mut name = file.into_os_string();
    name.push(".old");
    name.into()
}

/// Checks that each given setting is valid by itself.
fn check(context: &Context) -> Result<()> {
    let config = context.config();
    if config.values.contains_key(&Key::RpcUrl) {
        context.rpc_url()?;
    }
    config.get::<EvmAddress>(Key::Registry)?;
    context.account()?;
    config.get::<u32>(Key::WalletLedger)?;
    for number in
        [Key::ChainId, Key::RpcTimeout, Key::FirstBlock, Key::Confirmations, Key::MaxReorgDepth, Key::MaxMessageBytes]
    {
        config.get::<u64>(number)?;
    }
    config.min_anonymity()?;
    config.trusted_keys()?;
    config.trusted_code()?;
    config.is_test_chain(0)?;
    let options = context.relay_options()?;
    if let Some(proxy) = &options.proxy {
        Proxy::all(proxy.expose()).map_err(|_| ClientError::Proxy(proxy.clone()))?;
    }
    if let Some(relay) = config.get::<EndpointUrl>(Key::MembersFrom)? {
        RelayMembers::new(relay.expose(), Levels::STANDARD, &options)?;
    }
    Ok(())
}

/// Asks the endpoint, if the settings name one. An endpoint of another chain is an error, and an address that is not a
/// registry's.
fn ask(context: &Context) -> Result<Option<Found>> {
    let config = context.config();
    if !config.values.contains_key(&Key::RpcUrl) {
        return Ok(None);
    }
    if !config.values.contains_key(&Key::Registry) {
        return Ok(Some(Found { chain_id: context.node()?.chain_id(), members: None }));
    }
    let registry = context.registry()?;
    Ok(Some(Found { chain_id: registry.id().chain_id, members: Some(registry.info()?.member_count) }))
}

fn content(context: &Context, chain_id: Option<u64>) -> String {
    let mut text = String::from(
        "# Configuration of quotapass. Each setting can also be given by its flag, or as QUOTAPASS_<SETTING> in the\n\
         # environment; both take precedence over this file. `quotapass config show` prints the settings in force.\n\n",
    );
    for key in Key::ALL {
        let given = context.config().values.get(&key).filter(|(_, origin)| *origin != Origin::Default);
        let given = match chain_id.filter(|_| key == Key::ChainId) {
            Some(chain_id) => Some(chain_id.to_string()),
            None => given.map(|(value, _)| value.clone()),
        };
        text += &match given {
            Some(value) if value.parse::<u64>().is_ok() => format!("{} = {value}\n", key.name()),
            Some(value) => format!("{} = {}\n", key.name(), toml::Value::from(value)),
            None => format!("# {} = {}\n", key.name(), key.example()),
        };
    }
    text + EXAMPLE
}

/// The example of a scope in a new file.
pub(super) const EXAMPLE: &str = r#"
# A scope is a room, or everything that a relay carries. Its policy must be that of the relay: a pass that is made for
# other values is refused. `quotapass config add-scope --from URL` copies it from a relay, in place of this example, and
# `quotapass policy --relay URL` compares it with the policies of relays. A later policy is another section with the
# same name, a higher `version` and the time `from` which it holds.
[[scopes]]
name = "lobby"
# length of an epoch in seconds
epoch_seconds = 3600
# most messages per epoch, even if the deposit allows more
limit_cap = 10
# minimum stake, in the registry's stake units
min_stake = 1
# minimum age of the deposit in days
min_age_days = 0
# seconds for which a superseded root or policy is accepted
root_window = 3600
# seconds by which clocks may differ
max_clock_skew = 60
"#;
