//! Sections `[[scopes]]`: the policies of scopes, in a wallet's configuration and in a relay's. In a wallet's they have
//! sections `[[scopes.logs]]`: the logs whose lists the scope enforces.

use core::num::{NonZeroU16, NonZeroU32};
use std::{collections::BTreeMap, time::UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use quotapass_protocol::{DatedPolicy, ModerationPolicy, Policy, PolicyHistory, UnixSeconds};
use quotapass_wallet::moderation::{LogSettings, StatedLog, check_named};
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

/// One policy of a scope. A scope has one section for each of its policies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeSection {
    name: String,
    #[serde(default = "first_version")]
    version: u32,
    /// In UTC; without it the policy holds from the beginning.
    from: Option<Datetime>,
    epoch_seconds: NonZeroU32,
    limit_cap: NonZeroU16,
    /// May be left out if there are stake levels: it is then the lowest.
    min_stake: Option<u32>,
    min_age_days: u16,
    root_window: u32,
    max_clock_skew: u32,
    #[serde(default)]
    stake_levels: Vec<u32>,
    moderation: Option<ModerationPolicy>,
    #[serde(default)]
    logs: Vec<StatedLog>,
}

fn first_version() -> u32 {
    1
}

impl ScopeSection {
    fn read(self) -> Result<DatedPolicy> {
        let from = match self.from {
            None => UnixSeconds(0),
            Some(from) => {
                let time = humantime::parse_rfc3339(&from.to_string()).ok();
                let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let whole = since.filter(|since| since.subsec_nanos() == 0).with_context(|| {
                    format!(
                        "scope `{}`: `from` is {from}, but must be a time in UTC in whole seconds, for example \
                         2026-12-01T00:00:00Z",
                        self.name
                    )
                })?;
                UnixSeconds(whole.as_secs())
            }
        };
        let min_stake = self.min_stake.or(self.stake_levels.first().copied()).with_context(|| {
            format!("scope `{}`: missing field `min_stake`, or `stake_levels` in its place", self.name)
        })?;
        Ok(DatedPolicy {
            version: self.version,
            from,
            policy: Policy {
                name: self.name,
                epoch_seconds: self.epoch_seconds,
                limit_cap: self.limit_cap,
                min_stake,
                min_age_days: self.min_age_days,
                root_window: self.root_window,
                max_clock_skew: self.max_clock_skew,
                stake_levels: self.stake_levels,
                moderation: self.moderation,
            },
        })
    }
}

/// The settings of logs, by the name of their scope.
pub(crate) type Logs = BTreeMap<String, Vec<LogSettings>>;

/// Reads the sections of a relay's file. A relay follows logs for itself, in another section.
pub(crate) fn read_scopes(sections: Vec<Spanned<ScopeSection>>, text: &str) -> Result<Vec<DatedPolicy>> {
    if let Some(section) = sections.iter().find(|section| !section.as_ref().logs.is_empty()) {
        let name = &section.as_ref().name;
        bail!("scope `{name}`: [[scopes.logs]] is for wallets; a relay names the logs that it follows in [moderation]");
    }
    Ok(read_wallet_scopes(sections, text)?.0)
}

/// Reads the sections of a wallet's file, and checks that the policies of each scope are consistent, and that its logs are
/// those whose lists it enforces. An error names the line.
pub(crate) fn read_wallet_scopes(sections: Vec<Spanned<ScopeSection>>, text: &str) -> Result<(Vec<DatedPolicy>, Logs)> {
    let mut logs: BTreeMap<String, (usize, Vec<LogSettings>)> = BTreeMap::new();
    let mut policies: Vec<DatedPolicy> = Vec::new();
    for section in sections {
        let line = text[..section.span().start].matches('\n').count() + 1;
        let place = || format!("line {line}");
        let mut section = section.into_inner();
        let stated = core::mem::take(&mut section.logs);
        if !stated.is_empty() {
            let read = stated.iter().map(LogSettings::try_from).collect::<Result<Vec<_>, _>>().with_context(place)?;
            logs.entry(section.name.clone()).or_insert((line, Vec::new())).1.extend(read);
        }
        policies.push(section.read().with_context(place)?);
        let of_scope = policies.iter().filter(|other| Some(&other.policy.name) == name_of_last(&policies));
        PolicyHistory::new(of_scope.cloned()).with_context(place)?;
    }
    for (scope, (line, logs)) in &logs {
        let of_scope = policies.iter().map(|dated| &dated.policy).filter(|policy| policy.name == *scope);
        check_named(scope, of_scope, logs).with_context(|| format!("line {line}"))?;
    }
    Ok((policies, logs.into_iter().map(|(scope, (_, logs))| (scope, logs)).collect()))
}

fn name_of_last(policies: &[DatedPolicy]) -> Option<&String> {
    policies.last().map(|last| &last.policy.name)
}
