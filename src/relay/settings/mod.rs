//! The configuration file of a relay, `relay.toml`.

mod admin;
mod badges;
mod chain;
#[cfg(test)]
mod extremes;
mod hidden;
mod limits;
mod listen;
mod log;
mod moderation;
mod path;
mod slashing;
mod sources;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use quotapass_circuits::{key_id::KeyId, verifier::VerifyingKeyHash};
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Spanned;

use self::{
    admin::AdminSection,
    badges::BadgesSection,
    chain::ChainId,
    limits::{complete, go_together},
    listen::ListenSection,
    path::path,
    sources::{SourceSection, rules},
};

pub(super) use self::{
    chain::{ChainSection, PASSWORD},
    hidden::Hidden,
    log::LogSection,
    moderation::{ModerationSection, NamedLog, folder as moderation_folder},
    slashing::SlashingSection,
    tls::TlsSection,
};
use super::logging::LogLevel;
use crate::{
    config::{ScopeSection, line_of, read_scopes, say},
    failure::usage,
    time::moment,
};
use quotapass_protocol::{DatedPolicy, HEAD_SECONDS, SLASH_SECONDS, UnixSeconds, UnlistedVerdict};
use quotapass_registry::{CodeHash, Distrust, RegistryInfo, RegistryReader};
use quotapass_relay::{
    EngineSettings,
    chain::ChainError,
    http::{AdminAddress, HttpSettings},
    upkeep::UpkeepSettings,
};

/// The largest number of policies in a file. Each scope has separate counters in the metrics.
const MAX_SCOPES: usize = 1_000;

/// All settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The settings that a reload changes.
    pub(super) live: LiveSettings,
    /// The settings that need a restart.
    pub(super) fixed: FixedSettings,
}

/// The settings that a reload changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveSettings {
    pub(super) unlisted: UnlistedVerdict,
    pub(super) scopes: Vec<DatedPolicy>,
    pub(super) shadow: Vec<String>,
    pub(super) http: HttpSettings,
    pub(super) log_level: LogLevel,
}

/// The settings that need a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FixedSettings {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) test_chains: Vec<u64>,
    pub(super) trusted_keys: Vec<KeyId>,
    pub(super) trusted_code: Vec<CodeHash>,
    pub(super) listen: SocketAddr,
    pub(super) admin: Option<AdminAddress>,
    pub(super) chain: ChainSection,
    pub(super) log: LogSection,
    pub(super) moderation: ModerationSection,
    pub(super) slashing: SlashingSection,
    pub(super) clock: UpkeepSettings,
    pub(super) engine: EngineSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, deserialize_with = "path")]
    data_dir: Option<PathBuf>,
    #[serde(default)]
    unlisted_scopes: UnlistedVerdict,
    #[serde(default)]
    shadow_scopes: Vec<String>,
    #[serde(default = "test_chains")]
    test_chains: Vec<ChainId>,
    #[serde(default, deserialize_with = "key_ids")]
    trusted_keys: Vec<KeyId>,
    #[serde(default, deserialize_with = "code_hashes")]
    trusted_code: Vec<CodeHash>,
    #[serde(default)]
    listen: Option<Spanned<ListenSection>>,
    #[serde(default)]
    admin: Option<Spanned<AdminSection>>,
    #[serde(default)]
    limits: HttpSettings,
    #[serde(default)]
    badges: BadgesSection,
    chain: Spanned<ChainSection>,
    #[serde(default)]
    log: Option<Spanned<LogSection>>,
    #[serde(default)]
    moderation: Option<Spanned<ModerationSection>>,
    #[serde(default)]
    slashing: Option<Spanned<SlashingSection>>,
    #[serde(default)]
    clock: UpkeepSettings,
    #[serde(default)]
    engine: EngineSettings,
    #[serde(default)]
    logging: LoggingSection,
    #[serde(default)]
    sources: Vec<Spanned<SourceSection>>,
    #[serde(default)]
    scopes: Vec<Spanned<ScopeSection>>,
}

/// `[logging]`: the log level.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LoggingSection {
    level: LogLevel,
}

/// Returns the default test chains: anvil, Hardhat and Foundry's scripts use 31337, and geth's --dev uses 1337.
fn test_chains() -> Vec<ChainId> {
    const { [ChainId::usual(31_337), ChainId::usual(1_337)] }.to_vec()
}

/// Reads the ids of ceremony keys.
fn key_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeyId>, D::Error> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is not the id of a key: write the 64 hexadecimal digits that `quotapass keys show FILE` prints"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// Reads the SHA-256 of contract code.
fn code_hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CodeHash>, D::Error> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is not a SHA-256: write the 64 hexadecimal digits that `quotapass registry info` prints for \
                 unknown code"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

impl Settings {
    /// Reads a file. Relative paths in it start at its folder.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| usage(format!("cannot read the configuration {}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| usage(format!("the configuration {} is not valid", path.display())))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let document: Document = toml::from_str(text).map_err(|error| anyhow!(say(text, &error)))?;
        let at = |start: usize| move || format!("line {}", line_of(text, start));
        let (place, mut chain) = (at(document.chain.span().start), document.chain.into_inner());
        chain.validate().with_context(place)?;
        chain.state = chain.state.map(|state| folder.join(state));
        chain.password_file = chain.password_file.map(|path| folder.join(path));
        chain.tls = chain.tls.map(|tls| tls.within(folder));
        let mut listen = ListenSection::default();
        if let Some(section) = document.listen {
            let place = at(section.span().start);
            listen = section.into_inner();
            listen.validate().with_context(place)?;
        }
        let mut admin = AdminSection::default();
        if let Some(section) = document.admin {
            let place = at(section.span().start);
            admin = section.into_inner();
            admin.validate().with_context(place)?;
        }
        let mut log = LogSection::default();
        if let Some(section) = document.log {
            let place = at(section.span().start);
            log = section.into_inner();
            log.validate().with_context(place)?;
            log = log.within(folder);
        }
        let mut moderation = ModerationSection::default();
        if let Some(section) = document.moderation {
            let place = at(section.span().start);
            moderation = section.into_inner();
            moderation.validate().with_context(place)?;
            moderation = moderation.within(folder);
        }
        let mut slashing = SlashingSection::default();
        if let Some(section) = document.slashing {
            let place = at(section.span().start);
            slashing = section.into_inner();
            slashing.validate(&chain).with_context(place)?;
            slashing.keystore = slashing.keystore.map(|path| folder.join(path));
            slashing.password_file = slashing.password_file.map(|path| folder.join(path));
        }
        let scopes = read_scopes(document.scopes, text)?;
        if scopes.len() > MAX_SCOPES {
            bail!("[[scopes]] lists {} policies, but {MAX_SCOPES} are the limit; run several relays", scopes.len());
        }
        if scopes.is_empty() {
            bail!("no scope is listed, so every post would be refused: add a section [[scopes]]");
        }
        let is_listed = |name: &&String| scopes.iter().any(|dated| dated.policy.name == **name);
        if let Some(unlisted) = document.shadow_scopes.iter().find(|name| !is_listed(name)) {
            bail!("`shadow_scopes` names `{unlisted}`, which has no section [[scopes]]; correct one of them");
        }
        let sources = rules(document.sources).map_err(|(place, error)| error.context(at(place.start)()))?;
        let address = listen.address;
        let http = HttpSettings {
            admin_alone: admin.is_alone(),
            sources,
            ask_for_chat_key: document.badges.ask_for_chat_key,
            ..listen.http(complete(document.limits))
        };
        go_together(&http, &document.engine)?;
        Ok(Self {
            fixed: FixedSettings {
                data_dir: document.data_dir.map(|path| folder.join(path)),
                test_chains: document.test_chains.into_iter().map(ChainId::get).collect(),
                trusted_keys: document.trusted_keys,
                trusted_code: document.trusted_code,
                listen: address,
                admin: admin.address(folder),
                chain,
                log,
                moderation,
                slashing,
                clock: document.clock,
                engine: document.engine,
            },
            live: LiveSettings {
                unlisted: document.unlisted_scopes,
                scopes,
                shadow: document.shadow_scopes,
                http,
                log_level: document.logging.level,
            },
        })
    }
}

impl Settings {
    /// Checks a registry against the settings, and returns its terms: its contracts must run known code, it must verify
    /// slashes with the key in force, and its exit delay must be long enough for the scopes.
    pub(super) fn fit(
        &self,
        registry: &dyn RegistryReader,
        slash_key: VerifyingKeyHash,
    ) -> Result<RegistryInfo, ChainError> {
        let unfit = |distrust: Distrust| ChainError::Unfit(distrust.to_string());
        registry.provenance()?.require(slash_key, &self.fixed.trusted_code).map_err(unfit)?;
        let info = registry.info()?;
        self.live.check(&info).map_err(ChainError::Unfit)?;
        Ok(info)
    }
}

impl LiveSettings {
    /// Checks a registry against the scopes; the error is the reason. A member must not get its deposit back before its
    /// last posts are too old to be accepted (protocol, section 7).
    pub(super) fn check(&self, info: &RegistryInfo) -> Result<(), String> {
        for DatedPolicy { policy, .. } in &self.scopes {
            let needed = policy.least_exit_delay();
            if u64::from(info.exit_delay) < needed {
                return Err(format!(
                    "scope `{}`: root_window, one epoch, max_clock_skew, {SLASH_SECONDS} s for a slash and \
                     {HEAD_SECONDS} s for the age of a block are {needed} s in all, but the registry pays a deposit \
                     back after {} s, so a member could spam and then withdraw; shorten them, or use a registry with a \
                     longer exit delay",
                    policy.name, info.exit_delay
                ));
            }
        }
        Ok(())
    }

    /// Refuses scopes without a policy that has begun. Such a file was written for the time after a policy change, and
    /// lacks the previous policy, which holds until then and for its root window afterwards.
    pub(super) fn require_begun(&self, now: UnixSeconds) -> Result<()> {
        for dated in &self.scopes {
            let mut of_scope = self.scopes.iter().filter(|other| other.policy.name == dated.policy.name);
            if of_scope.all(|other| other.from > now) {
                bail!(usage(format!(
                    "scope `{}`: its first policy holds from {} on, so no policy holds now: list the previous policy \
                     too",
                    dated.policy.name,
                    moment(dated.from)
                )));
            }
        }
        Ok(())
    }

    /// Describes the changes since `before`.
    pub(super) fn changes(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.unlisted != before.unlisted {
            changes.push("`unlisted_scopes` is changed".into());
        }
        if self.http != before.http {
            changes.push("[listen], [admin], [limits], [badges] or [[sources]] is changed".into());
        }
        if self.shadow != before.shadow {
            changes.push("`shadow_scopes` is changed".into());
        }
        if self.log_level != before.log_level {
            changes.push("`level` in [logging] is changed".into());
        }
        let (new, old) = (self.by_name(), before.by_name());
        for (name, policies) in &new {
            match old.get(name) {
                None => changes.push(format!("scope `{name}` is new")),
                Some(former) if former != policies => changes.push(format!("scope `{name}` is changed")),
                Some(_) => {}
            }
        }
        let dropped = old.keys().filter(|name| !new.contains_key(*name));
        changes.extend(dropped.map(|name| format!("scope `{name}` is dropped")));
        changes
    }

    /// Returns the number of scopes.
    pub(super) fn scope_count(&self) -> usize {
        self.by_name().len()
    }

    fn by_name(&self) -> BTreeMap<&str, Vec<&DatedPolicy>> {
        let mut scopes: BTreeMap<&str, Vec<&DatedPolicy>> = BTreeMap::new();
        for dated in &self.scopes {
            scopes.entry(&dated.policy.name).or_default().push(dated);
        }
        scopes
    }
}

impl FixedSettings {
    /// Returns the first section that differs.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (self.data_dir != other.data_dir, "`data_dir`"),
            (self.test_chains != other.test_chains, "`test_chains`"),
            (self.trusted_keys != other.trusted_keys, "`trusted_keys`"),
            (self.trusted_code != other.trusted_code, "`trusted_code`"),
            (self.listen != other.listen, "`address` in [listen]"),
            (self.admin != other.admin, "`address` in [admin]"),
            (self.chain != other.chain, "[chain]"),
            (self.log != other.log, "[log]"),
            (self.moderation != other.moderation, "[moderation]"),
            (self.slashing != other.slashing, "[slashing]"),
            (self.clock != other.clock, "[clock]"),
            (self.engine != other.engine, "[engine]"),
        ];
        differs.into_iter().find_map(|(differs, name)| differs.then_some(name))
    }
}
