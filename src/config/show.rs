//! `quotapass config show`.

use anyhow::Result;
use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    moderation::{author::Author, record::Record},
    post::Post,
    prover::ProvingKey,
    slash::Slash,
};
use quotapass_protocol::{DatedPolicy, ModerationPolicy, UnixSeconds};
use quotapass_wallet::moderation::{LogSettings, StatedLog};
use serde_json::{Map, Value, json};

use super::Key;
use crate::{context::Context, keys::in_force, prompt::passphrase_source, time::moment};

pub(super) fn run(context: &Context) -> Result<()> {
    let (config, output) = (context.config(), context.output());
    let set = |key| config.values.get(&key);
    let effects = effects(context);
    if output.is_json() {
        let settings: Map<_, _> = Key::ALL
            .into_iter()
            .map(|key| {
                let value =
                    set(key).map(|(value, origin)| json!({ "value": key.shown(value), "from": origin.to_string() }));
                (key.name().to_owned(), json!(value))
            })
            .collect();
        let effective: Map<_, _> = effects
            .into_iter()
            .map(|(name, effect)| {
                (name.to_owned(), effect.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })))
            })
            .collect();
        let logs: Map<_, _> = config
            .logs
            .iter()
            .map(|(scope, logs)| (scope.clone(), logs.iter().map(log_json).collect::<Vec<_>>().into()))
            .collect();
        let scopes = config.scopes.iter().map(scope_json).collect::<Result<Vec<_>>>()?;
        return output.json(&json!({
            "file": config.file,
            "settings": settings,
            "effective": effective,
            "scopes": scopes,
            "logs": logs,
        }));
    }
    let presence = if config.file.exists() { "" } else { " (does not exist)" };
    output.line(format!("file {}{presence}", config.file.display()))?;
    for key in Key::ALL {
        let (value, origin) = set(key).map_or(("-".into(), "not set".into()), |(v, o)| (key.shown(v), o.to_string()));
        output.line(format!("{:<22}{value:<46}{origin}", key.name()))?;
    }
    output.line("in force:")?;
    for (name, effect) in effects {
        let text = match effect {
            Ok(value) => value.as_str().unwrap_or("-").to_owned(),
            Err(error) => format!("error: {error:#}"),
        };
        output.line(format!("{name:<22}{text}"))?;
    }
    config.scopes.iter().try_for_each(|dated| output.line(sentence(dated)))?;
    config.logs.iter().flat_map(|(scope, logs)| logs.iter().map(move |log| (scope, log))).try_for_each(
        |(scope, log)| {
            let StatedLog { origin, witnesses, cosignatures, .. } = log.into();
            output.line(format!(
                "log `{origin}` of `{scope}`: {}, cosigned by {cosignatures} of {} witnesses, from {}",
                log.identity(),
                witnesses.len(),
                log.servers().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ))
        },
    )
}

/// Returns the settings of a log, with its identity, which the policy of the scope has.
fn log_json(log: &LogSettings) -> Value {
    let StatedLog { origin, root_key, witnesses, cosignatures, .. } = log.into();
    json!({
        "log": log.identity(),
        "origin": origin,
        "root_key": root_key,
        "servers": log.servers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "witnesses": witnesses,
        "cosignatures": cosignatures,
    })
}

/// Describes one policy of a scope.
pub(super) fn sentence(DatedPolicy { policy, version, from }: &DatedPolicy) -> String {
    let dated = match *from {
        UnixSeconds(0) => String::new(),
        from => format!(", version {version} from {} on", moment(from)),
    };
    let levels = match &policy.stake_levels[..] {
        [] => String::new(),
        levels => format!(" (levels {})", levels.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    };
    let moderated = match &policy.moderation {
        None => String::new(),
        Some(ModerationPolicy { lists, report_days, .. }) => {
            format!(", {} moderation lists, reports within {report_days} days", lists.len())
        }
    };
    format!(
        "scope `{}`{dated}: {} messages in {} s, stake {} or more{levels}, {} days old or more{moderated}",
        policy.name, policy.limit_cap, policy.epoch_seconds, policy.min_stake, policy.min_age_days
    )
}

/// Returns what follows from the settings: text, or null if there is none. No password is asked for, and no device.
fn effects(context: &Context) -> Vec<(&'static str, Result<Value>)> {
    let config = context.config();
    let (wallet, wallet_from) = match context.known_wallet() {
        Ok(known) => {
            let (from, address) = known.unzip();
            (Ok(json!(address.flatten())), from)
        }
        Err(error) => (Err(error), None),
    };
    vec![
        ("data_folder", config.data_folder().map(|folder| json!(folder.display().to_string()))),
        ("state_folder", context.state_folder().map(|folder| json!(folder.display().to_string()))),
        ("wallet_address", wallet),
        ("wallet_from", Ok(json!(wallet_from))),
        ("passphrase_from", passphrase_source(config).map(|source| json!(source))),
        ("wallet_password_from", context.wallet_password().map(|source| json!(source))),
        ("post_key", key::<Post>(context)),
        ("badge_key", key::<Badge>(context)),
        ("slash_key", key::<Slash>(context)),
        ("author_key", key::<Author>(context)),
        ("record16_key", key::<Record<16>>(context)),
        ("record128_key", key::<Record<128>>(context)),
    ]
}

fn key<C: Circuit>(context: &Context) -> Result<Value> {
    let store = context.keys()?;
    let installed = store.installed::<C>()?;
    Ok(json!(in_force(&store, installed.as_ref().map(ProvingKey::id))))
}

fn scope_json(DatedPolicy { policy, version, from }: &DatedPolicy) -> Result<Value> {
    let mut value = serde_json::to_value(policy)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("version".into(), json!(version));
        members.insert("from".into(), json!(from));
    }
    Ok(value)
}
