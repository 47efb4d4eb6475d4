//! Sections `[[scopes]]`: the policies of scopes, in a wallet's configuration and in a relay's.

use core::num::{NonZeroU16, NonZeroU32};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use quotapass_protocol::{DatedPolicy, Policy, PolicyHistory, UnixSeconds};
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
    min_stake: u32,
    min_age_days: u16,
    root_window: u32,
    max_clock_skew: u32,
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
        Ok(DatedPolicy {
            version: self.version,
            from,
            policy: Policy {
                name: self.name,
                epoch_seconds: self.epoch_seconds,
                limit_cap: self.limit_cap,
                min_stake: self.min_stake,
                min_age_days: self.min_age_days,
                root_window: self.root_window,
                max_clock_skew: self.max_clock_skew,
            },
        })
    }
}

/// Reads the sections of a file, and checks that the policies of each scope are consistent. An error names the line.
pub(crate) fn read_scopes(sections: Vec<Spanned<ScopeSection>>, text: &str) -> Result<Vec<DatedPolicy>> {
    let mut policies: Vec<DatedPolicy> = Vec::new();
    for section in sections {
        let line = text[..section.span().start].matches('\n').count() + 1;
        let place = || format!("line {line}");
        policies.push(section.into_inner().read().with_context(place)?);
        let of_scope = policies.iter().filter(|other| Some(&other.policy.name) == name_of_last(&policies));
        PolicyHistory::new(of_scope.cloned()).with_context(place)?;
    }
    Ok(policies)
}

fn name_of_last(policies: &[DatedPolicy]) -> Option<&String> {
    policies.last().map(|last| &last.policy.name)
}
