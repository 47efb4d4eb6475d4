//! `quotapass config add-scope`.

use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_protocol::{DatedPolicy, ModerationPolicy, PolicyList, UnixSeconds, note::NotePublicKey};
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    files::write_atomically,
    moderation::{LogSettings, StatedLog, enforced},
};
use serde_json::json;

use super::{file, init::EXAMPLE, show::sentence};
use crate::{
    context::Context,
    exit_code::ExitKind,
    failure::{Failure, usage},
    output::note,
    policy,
    time::moment,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Relay to copy from; the request uses --members-proxy
    #[arg(long, value_name = "URL")]
    from: EndpointUrl,
    /// Name of a scope; repeat it for several [default: all scopes of the relay]
    #[arg(long, value_name = "NAME")]
    scope: Vec<String>,
    /// Public key that the relay must sign its policies with [default: the key that the relay states]
    #[arg(long, value_name = "NAME+HASH+KEY")]
    key: Vec<NotePublicKey>,
    /// Replace a scope's policies in the file, if they differ from the relay's
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (path, relay) = (&context.config().file, &arguments.from);
    let (key, offered) = policy::fetch(context, &context.registry_id()?, relay, &arguments.key)?;
    let names = names(&arguments.scope, &offered, relay)?;
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => bail!(usage(format!("cannot read the configuration file {}: {error}", path.display()))),
    };
    let before = file::parse(&text)?;
    let example = if text.contains(EXAMPLE) { file::parse(EXAMPLE)?.scopes } else { Vec::new() };
    let mut scopes = before.scopes.clone();
    let (mut added, mut replaced, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names {
        let (own, new) = (of_scope(&scopes, name), of_scope(&offered, name));
        if own == new {
            unchanged.push(name);
            continue;
        }
        if own.is_empty() {
            added.push(name);
        } else if arguments.replace || own == example {
            text = without(&text, name);
            scopes.retain(|dated| dated.policy.name != *name);
            replaced.push(name);
        } else {
            let text = format!(
                "{} has other policies of `{name}` than {relay}, in force or announced. Find out why; --replace takes \
                 those of the relay",
                path.display()
            );
            return Err(Failure::new(ExitKind::PolicyMismatch, text).into());
        }
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            text.push('\n');
        }
        for dated in &new {
            text += &section(dated, relay, &key);
        }
        // The settings of logs are the wallet's own, and stay with their scope.
        let logs = before.logs.get(name).filter(|_| !own.is_empty());
        text += &logs.into_iter().flatten().map(log_section).collect::<String>();
        scopes.extend(new);
    }
    let after = file::parse(&text).ok();
    let is_same =
        |after: &file::Content| (&after.values, &after.scopes, &after.logs) == (&before.values, &scopes, &before.logs);
    if !after.as_ref().is_some_and(is_same) {
        bail!(
            "{} is not written in a way that this verb can change; write the sections yourself:\n{}",
            path.display(),
            offered.iter().map(|dated| section(dated, relay, &key)).collect::<String>()
        );
    }
    if !(added.is_empty() && replaced.is_empty()) {
        write_atomically(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for dated in scopes.iter().filter(|dated| names.contains(&dated.policy.name)) {
        if let Err(error) = enforced(&dated.policy, before.logs.get(&dated.policy.name).map_or(&[], Vec::as_slice)) {
            note(format!("{error}. Write them as [[scopes.logs]] below the scope in {}.", path.display()));
        }
    }
    if arguments.key.is_empty() {
        note(format!("{relay} signs with {key}. Compare this key with the one that its operator publishes."));
    }
    if context.output().is_json() {
        return context.output().json(&json!({
            "file": path,
            "relay": relay.to_string(),
            "key": key.to_string(),
            "added": added,
            "replaced": replaced,
            "unchanged": unchanged,
        }));
    }
    for (what, names) in [("added", added), ("replaced", replaced), ("unchanged", unchanged)] {
        for dated in names.into_iter().flat_map(|name| of_scope(&scopes, name)) {
            context.output().line(format!("{what} {}", sentence(&dated)))?;
        }
    }
    Ok(())
}

/// Returns the names of the scopes to copy, which the relay must have.
fn names(asked: &[String], offered: &[DatedPolicy], relay: &EndpointUrl) -> Result<Vec<String>> {
    let mut known: Vec<String> = offered.iter().map(|dated| dated.policy.name.clone()).collect();
    known.sort_unstable();
    known.dedup();
    if let Some(missing) = asked.iter().find(|name| !known.contains(name)) {
        bail!(usage(format!("{relay} has no scope `{missing}`; it has {}", known.join(", "))));
    }
    known.retain(|name| asked.is_empty() || asked.contains(name));
    Ok(known)
}

/// Returns the policies of a scope, ordered by their start.
fn of_scope(policies: &[DatedPolicy], name: &str) -> Vec<DatedPolicy> {
    let mut found: Vec<_> = policies.iter().filter(|dated| dated.policy.name == name).cloned().collect();
    found.sort_by_key(|dated| dated.from);
    found
}

/// Writes a policy as a section of the file.
fn section(DatedPolicy { policy, version, from }: &DatedPolicy, relay: &EndpointUrl, key: &NotePublicKey) -> String {
    let mut text = format!(
        "\n[[scopes]]\n# copied from {relay}, which signs with {key}\nname = {}\n",
        toml::Value::from(policy.name.as_str())
    );
    if *version != 1 {
        text += &format!("version = {version}\n");
    }
    if *from != UnixSeconds(0) {
        text += &format!("from = {}\n", moment(*from).replace(' ', "T"));
    }
    text += &format!(
        "epoch_seconds = {}\nlimit_cap = {}\nmin_stake = {}\nmin_age_days = {}\nroot_window = {}\n\
         max_clock_skew = {}\n",
        policy.epoch_seconds,
        policy.limit_cap,
        policy.min_stake,
        policy.min_age_days,
        policy.root_window,
        policy.max_clock_skew
    );
    if !policy.stake_levels.is_empty() {
        text += &format!("stake_levels = {:?}\n", policy.stake_levels);
    }
    if let Some(moderation) = &policy.moderation {
        text += &moderation_section(moderation);
    }
    text
}

/// Writes how a scope is moderated.
fn moderation_section(moderation: &ModerationPolicy) -> String {
    let ModerationPolicy { lists, list_window, report_days, hide_at, report_recipients } = moderation;
    let mut text = format!("[scopes.moderation]\nlist_window = {list_window}\nreport_days = {report_days}\n");
    if let Some(reports) = hide_at {
        text += &format!("hide_at = {reports}\n");
    }
    let recipients = toml::Value::from(report_recipients.clone());
    text += &format!("report_recipients = {recipients}\n");
    for PolicyList { log, limit } in lists {
        text += &format!("[[scopes.moderation.lists]]\nlog = \"{log}\"\nlimit = {limit}\n");
    }
    text
}

/// Writes the settings of a scope's log.
fn log_section(log: &LogSettings) -> String {
    let StatedLog { origin, root_key, servers, witnesses, cosignatures } = log.into();
    let text = |value: &str| toml::Value::from(value);
    format!(
        "[[scopes.logs]]\norigin = {}\nroot_key = {}\nservers = {}\nwitnesses = {}\ncosignatures = {cosignatures}\n",
        text(&origin),
        text(&root_key),
        toml::Value::from(servers),
        toml::Value::from(witnesses),
    )
}

/// Removes the sections of a scope, with the sections below them.
fn without(text: &str, scope: &str) -> String {
    let (mut kept, mut section) = (String::new(), String::new());
    for line in text.split_inclusive('\n') {
        let is_part = ["[scopes.", "[[scopes."].iter().any(|start| line.trim_start().starts_with(start));
        if line.trim_start().starts_with('[') && !is_part {
            kept += rest(&section, scope);
            section.clear();
        }
        section += line;
    }
    kept + rest(&section, scope)
}

/// Returns what is left of a section without the policy of this scope: the comments after it, which belong to the next
/// section.
fn rest<'a>(section: &'a str, scope: &str) -> &'a str {
    let content = file::parse(section).unwrap_or_default();
    if content.scopes.iter().all(|dated| dated.policy.name != scope) {
        return section;
    }
    let (mut read, mut end) = (0, 0);
    for line in section.split_inclusive('\n') {
        read += line.len();
        if !(line.trim().is_empty() || line.trim_start().starts_with('#')) {
            end = read;
        }
    }
    section.get(end..).unwrap_or_default().trim_start()
}

#[cfg(test)]
mod tests {
    use quotapass_log::CosignerKey;
    use quotapass_protocol::{LogIdentity, Policy, note::NoteKey};
    use rand::rngs::OsRng;

    use super::*;

    #[test]
    fn sections_are_read_back_and_removed_alone() {
        let key = NoteKey::generate("relay.example", &mut OsRng).unwrap().public();
        let mut first = file::parse(EXAMPLE).unwrap().scopes.remove(0);
        first.policy.name = r#"a "room" \[1]"#.into();
        first.policy.stake_levels = vec![first.policy.min_stake, 50];
        first.policy.moderation = Some(ModerationPolicy {
            lists: [1, 2].map(|byte| PolicyList { log: LogIdentity([byte; 32]), limit: 32 }).to_vec(),
            hide_at: core::num::NonZeroU16::new(3),
            report_recipients: vec![format!("age1{}", "q".repeat(58))],
            ..ModerationPolicy::default()
        });
        let later = DatedPolicy { version: 2, from: UnixSeconds(1_796_083_200), ..first.clone() };
        let sections = [&first, &later].map(|dated| section(dated, &"https://relay.example".into(), &key)).concat();
        let settings = "rpc_url = \"http://x\"\ntrusted_keys = [\n  \"ab\",\n]\n";
        let text = format!("{settings}{sections}{EXAMPLE}");
        let content = file::parse(&text).unwrap();
        assert_eq!(content.scopes.first_chunk(), Some(&[first.clone(), later]));
        assert_eq!(without(&text, "another"), text);
        assert_eq!(without(&text, &first.policy.name), format!("{settings}{EXAMPLE}"));
        let kept = without(&text, "lobby");
        assert_eq!(file::parse(&kept).unwrap().scopes, content.scopes[..2]);
        assert!(kept.contains("# A scope is a room"), "{kept}");
    }

    #[test]
    fn what_a_policy_says_about_moderation_is_read_back_and_its_logs_stay_with_it() {
        let key = NoteKey::generate("relay.example", &mut OsRng).unwrap().public();
        let log = LogSettings::try_from(&StatedLog {
            origin: "relay.example/moderation".into(),
            root_key: key.to_string(),
            servers: vec!["https://relay.example".into(), "https://\"other\"".into()],
            witnesses: vec![CosignerKey::from_seed("witness.example", &[7; 32]).unwrap().public().to_string()],
            cosignatures: 1,
        });
        let log = log.unwrap();
        let mut first = file::parse(EXAMPLE).unwrap().scopes.remove(0);
        first.policy.name = "first".into();
        first.policy.stake_levels = vec![first.policy.min_stake, first.policy.min_stake + 9];
        first.policy.moderation = Some(ModerationPolicy {
            lists: vec![PolicyList { log: log.identity(), limit: 16 }],
            hide_at: core::num::NonZeroU16::new(3),
            report_recipients: vec![format!("age1{}", "q".repeat(58))],
            ..ModerationPolicy::default()
        });
        let second = DatedPolicy { policy: Policy { name: "second".into(), ..first.policy.clone() }, ..first.clone() };
        let relay = "https://relay.example".into();
        let of_first = section(&first, &relay, &key) + &log_section(&log);
        let text = format!("chain_id = 1\n{of_first}{}", section(&second, &relay, &key));
        let content = file::parse(&text).unwrap();
        assert_eq!(content.scopes, [first, second.clone()]);
        assert_eq!(content.logs["first"], [log]);
        let kept = file::parse(&without(&text, "first")).unwrap();
        assert_eq!((kept.scopes, kept.logs.len()), (vec![second], 0));
    }
}
