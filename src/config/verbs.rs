//! `quotapass config`.

use anyhow::{Context as _, Result};
use clap::Subcommand;
use quotapass_protocol::{DatedPolicy, UnixSeconds};
use quotapass_text::EvmAddress;
use quotapass_wallet::files::create_new;
use serde_json::{Value, json};

use super::{Config, FILE_VARIABLE, Key};
use crate::{context::Context, output::Output, time::moment};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show all settings in force, and the source of each value
    Show,
    /// Write a configuration file with the settings from flags and environment, and an example of a scope
    Init,
}

pub(crate) fn run(verb: &Verb, context: &Context) -> Result<()> {
    let (config, output) = (context.config(), context.output());
    match verb {
        Verb::Show => show(config, output),
        Verb::Init => init(config, output),
    }
}

fn show(config: &Config, output: &Output) -> Result<()> {
    let set = |key| config.values.get(&key);
    if output.is_json() {
        let settings: serde_json::Map<_, _> = Key::ALL
            .into_iter()
            .map(|key| {
                let value =
                    set(key).map(|(value, origin)| json!({ "value": key.shown(value), "from": origin.to_string() }));
                (key.name().to_owned(), json!(value))
            })
            .collect();
        let scopes = config.scopes.iter().map(scope_json).collect::<Result<Vec<_>>>()?;
        return output.json(&json!({ "file": config.file, "settings": settings, "scopes": scopes }));
    }
    let presence = if config.file.exists() { "" } else { " (does not exist)" };
    output.line(format!("file {}{presence}", config.file.display()))?;
    for key in Key::ALL {
        let (value, origin) = set(key).map_or(("-".into(), "not set".into()), |(v, o)| (key.shown(v), o.to_string()));
        output.line(format!("{:<22}{value:<46}{origin}", key.name()))?;
    }
    for DatedPolicy { policy, version, from } in &config.scopes {
        let dated = match *from {
            UnixSeconds(0) => String::new(),
            from => format!(", version {version} from {} on", moment(from)),
        };
        output.line(format!(
            "scope `{}`{dated}: {} messages in {} s, stake {} or more, {} days old or more",
            policy.name, policy.limit_cap, policy.epoch_seconds, policy.min_stake, policy.min_age_days
        ))?;
    }
    Ok(())
}

fn scope_json(DatedPolicy { policy, version, from }: &DatedPolicy) -> Result<Value> {
    let mut value = serde_json::to_value(policy)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("version".into(), json!(version));
        members.insert("from".into(), json!(from));
    }
    Ok(value)
}

fn init(config: &Config, output: &Output) -> Result<()> {
    config.get::<EvmAddress>(Key::Registry)?;
    let mut text = String::from(
        "# Configuration of quotapass. Each setting can also be given by its flag, or as QUOTAPASS_<SETTING> in the\n\
         # environment; both take precedence over this file. `quotapass config show` prints the settings in force.\n\n",
    );
    for key in Key::ALL {
        let given = config.values.get(&key).filter(|(_, origin)| *origin != super::Origin::Default);
        text += &match given {
            Some((value, _)) if value.parse::<u64>().is_ok() => format!("{} = {value}\n", key.name()),
            Some((value, _)) => format!("{} = {}\n", key.name(), toml::Value::from(value.as_str())),
            None => format!("# {} = {}\n", key.name(), key.example()),
        };
    }
    text += SCOPE;
    create_new(&config.file, text.as_bytes()).with_context(|| {
        format!(
            "cannot write {} (an existing file is not overwritten; name another with --config or {FILE_VARIABLE})",
            config.file.display()
        )
    })?;
    output.result(&format!("wrote {}", config.file.display()), json!({ "file": config.file }))
}

/// The example of a scope in a new file.
const SCOPE: &str = r#"
# A scope is a room, or everything that a relay carries. Copy its policy from the relay: a pass that is made for other
# values is refused. `quotapass policy --relay URL` compares it with the policies of relays. A later policy is another
# section with the same name, a higher `version` and the time `from` which it holds.
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
