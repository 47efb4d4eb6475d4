//! `[[sources]]`.

use core::num::NonZeroU32;
use std::{collections::HashSet, ops::Range};

use anyhow::{Result, anyhow, bail};
use ipnet::IpNet;
use quotapass_relay::{
    bounds::Within,
    http::{Allowance, SourceRules},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Spanned;

use super::listen::network_of;

/// The largest number of networks in a file.
const MAX_NETWORKS: usize = 100_000;

/// `[[sources]]`: a rule for the clients of a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceSection {
    #[serde(deserialize_with = "network")]
    network: IpNet,
    #[serde(default)]
    block: bool,
    max_posts_per_second: Option<Within<1, 1_000_000>>,
}

fn network<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    network_of(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

impl SourceSection {
    fn allowance(&self) -> Result<Allowance> {
        match (self.block, self.max_posts_per_second) {
            (true, None) => Ok(Allowance::Nothing),
            (false, Some(limit)) => {
                let limit = u32::try_from(limit.get()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
                Ok(Allowance::PostsPerSecond(limit))
            }
            (true, Some(_)) => bail!("{} has both `block` and `max_posts_per_second`; keep one of them", self.network),
            (false, None) => {
                bail!("{} has no rule: write `block = true`, or `max_posts_per_second`", self.network)
            }
        }
    }
}

/// Returns the rules of all sections. An error includes the position of its section.
pub(super) fn rules(sections: Vec<Spanned<SourceSection>>) -> Result<SourceRules, (Range<usize>, anyhow::Error)> {
    if let Some(section) = sections.get(MAX_NETWORKS) {
        return Err((section.span(), anyhow!("at most {MAX_NETWORKS} networks are allowed; merge adjacent networks")));
    }
    let mut known = HashSet::new();
    let rules = sections.into_iter().map(|section| {
        let (place, section) = (section.span(), section.into_inner());
        let network = section.network.trunc();
        if !known.insert(network) {
            return Err((place, anyhow!("{network} is listed twice; keep one of them")));
        }
        section.allowance().map(|allowance| (network, allowance)).map_err(|error| (place, error))
    });
    rules.collect()
}
