//! The file `relay.toml`.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, anyhow, bail};
use ipnet::IpNet;
use quotapass_circuits::prover::CeremonyHash;
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Spanned;

use crate::{
    registry::RegistryInfo,
    relay::{
        Durability, EngineSettings, Policy, UnlistedVerdict, ValkeySettings, http::HttpSettings,
        slasher::SlasherSettings, upkeep::UpkeepSettings,
    },
};

/// All that is set.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Settings {
    /// What a running relay takes over when the file is read again.
    pub(super) live: LiveSettings,
    /// What it does not.
    pub(super) fixed: FixedSettings,
}

/// What a running relay takes over when the file is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveSettings {
    pub(super) unlisted: UnlistedVerdict,
    pub(super) scopes: Vec<Policy>,
    pub(super) http: HttpSettings,
}

/// What needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FixedSettings {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) test_chains: Vec<u64>,
    pub(super) trusted_keys: Vec<CeremonyHash>,
    pub(super) listen: SocketAddr,
    pub(super) chain: ChainSection,
    pub(super) log: LogSection,
    pub(super) slashing: SlashingSection,
    pub(super) clock: ClockSection,
    pub(super) engine: EngineSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    data_dir: Option<PathBuf>,
    #[serde(default)]
    unlisted_scopes: UnlistedVerdict,
    #[serde(default = "test_chains")]
    test_chains: Vec<u64>,
    #[serde(default, deserialize_with = "hashes")]
    trusted_keys: Vec<CeremonyHash>,
    #[serde(default)]
    listen: ListenSection,
    #[serde(default)]
    limits: LimitsSection,
    chain: Spanned<ChainSection>,
    #[serde(default)]
    log: Option<Spanned<LogSection>>,
    #[serde(default)]
    slashing: Option<Spanned<SlashingSection>>,
    #[serde(default)]
    clock: ClockSection,
    #[serde(default)]
    engine: EngineSection,
    #[serde(default)]
    scopes: Vec<Spanned<Policy>>,
}

/// Something that may hold a key or a password, and is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden<T>(pub(super) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// anvil, Hardhat and Foundry's scripts; and geth's --dev.
fn test_chains() -> Vec<u64> {
    vec![31_337, 1_337]
}

/// SHA-256 of the files that ended ceremonies.
fn hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CeremonyHash>, D::Error> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is no SHA-256: write the 64 hexadecimal digits that `quotapass keys install` or `sha256sum` prints \
                 of a .zkey file"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// `[listen]`: where HTTP is answered, and to whom.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListenSection {
    address: SocketAddr,
    cors: bool,
    #[serde(deserialize_with = "networks")]
    trusted_proxies: Vec<IpNet>,
    #[serde(deserialize_with = "networks")]
    metrics_from: Vec<IpNet>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let HttpSettings { cors, trusted_proxies, metrics_from, .. } = HttpSettings::default();
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8480)), cors, trusted_proxies, metrics_from }
    }
}

/// Networks such as `10.0.0.0/8`, and single addresses.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// `[limits]`: what HTTP bears; what is not set is as [`HttpSettings`] has it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    max_body_bytes: Option<usize>,
    max_body_memory_bytes: Option<usize>,
    max_posts: Option<usize>,
    header_timeout_seconds: Option<u64>,
    body_timeout_seconds: Option<u64>,
    answer_timeout_seconds: Option<u64>,
    write_timeout_seconds: Option<u64>,
    stop_timeout_seconds: Option<u64>,
    max_connections: Option<usize>,
    max_connections_per_source: Option<usize>,
    max_listeners: Option<usize>,
    keep_alive_seconds: Option<u64>,
    chain_timeout_seconds: Option<u64>,
}

impl LimitsSection {
    fn http(self, listen: ListenSection) -> HttpSettings {
        let usual = HttpSettings::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        HttpSettings {
            max_body: self.max_body_bytes.unwrap_or(usual.max_body),
            max_body_memory: self.max_body_memory_bytes.unwrap_or(usual.max_body_memory),
            max_posts: self.max_posts.unwrap_or(usual.max_posts),
            header_timeout: seconds(self.header_timeout_seconds, usual.header_timeout),
            body_timeout: seconds(self.body_timeout_seconds, usual.body_timeout),
            answer_timeout: seconds(self.answer_timeout_seconds, usual.answer_timeout),
            write_timeout: seconds(self.write_timeout_seconds, usual.write_timeout),
            stop_timeout: seconds(self.stop_timeout_seconds, usual.stop_timeout),
            max_connections: self.max_connections.unwrap_or(usual.max_connections),
            max_connections_per_source: self.max_connections_per_source.unwrap_or(usual.max_connections_per_source),
            max_listeners: self.max_listeners.unwrap_or(usual.max_listeners),
            keep_alive: seconds(self.keep_alive_seconds, usual.keep_alive),
            chain_timeout: seconds(self.chain_timeout_seconds, usual.chain_timeout),
            trusted_proxies: listen.trusted_proxies,
            metrics_from: listen.metrics_from,
            cors: listen.cors,
        }
    }
}

/// `[chain]`: the registry, behind an endpoint or on an embedded chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainSection {
    pub(super) rpc_url: Option<Hidden<String>>,
    pub(super) state: Option<PathBuf>,
    pub(super) chain_id: Option<u64>,
    pub(super) registry: Address,
    #[serde(default = "poll_seconds")]
    pub(super) poll_seconds: u64,
    #[serde(default = "timeout_seconds")]
    pub(super) timeout_seconds: u64,
    #[serde(default = "max_reorg_depth")]
    pub(super) max_reorg_depth: u64,
}

fn poll_seconds() -> u64 {
    4
}

fn timeout_seconds() -> u64 {
    30
}

fn max_reorg_depth() -> u64 {
    256
}

/// `[log]`: the nullifier log, on this machine's disk or on servers that several relays share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSection {
    pub(super) path: Option<PathBuf>,
    valkey: Option<Hidden<Vec<String>>>,
    timeout_ms: Option<u64>,
    replicas: Option<u32>,
    durability: Option<Durability>,
}

impl LogSection {
    fn validate(&self) -> Result<()> {
        if self.path.is_some() && self.valkey.is_some() {
            bail!("[log] has both `path` and `valkey`; keep one of them");
        }
        let of_servers = self.timeout_ms.is_some() || self.replicas.is_some() || self.durability.is_some();
        if of_servers && self.valkey.is_none() {
            bail!("`timeout_ms`, `replicas` and `durability` go with `valkey`, which names the servers");
        }
        if self.valkey.as_ref().is_some_and(|Hidden(addresses)| addresses.is_empty()) {
            bail!("[log] `valkey` lists no server; name one, or leave it out");
        }
        if self.timeout_ms == Some(0) {
            bail!("[log] `timeout_ms` must be above zero");
        }
        Ok(())
    }

    /// The servers; none if the log is on this machine's disk.
    pub(super) fn servers(&self) -> Option<ValkeySettings> {
        let Hidden(addresses) = self.valkey.as_ref()?;
        let mut settings = ValkeySettings::new(addresses.iter().cloned());
        if let Some(timeout) = self.timeout_ms {
            settings.timeout = Duration::from_millis(timeout);
        }
        settings.replicas = self.replicas.unwrap_or(settings.replicas);
        settings.durability = self.durability.unwrap_or(settings.durability);
        Some(settings)
    }
}

/// `[slashing]`: who takes the deposits of convicted members.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SlashingSection {
    pub(super) enabled: bool,
    pub(super) keystore: Option<PathBuf>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) receiver: Option<Address>,
    pub(super) confirmations: u64,
}

impl Default for SlashingSection {
    fn default() -> Self {
        let confirmations = SlasherSettings::default().confirmations;
        Self { enabled: true, keystore: None, password_file: None, receiver: None, confirmations }
    }
}

/// `[clock]`: when the system's clock is believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClockSection {
    pub(super) tolerance_seconds: u64,
    pub(super) settle_seconds: u64,
}

impl Default for ClockSection {
    fn default() -> Self {
        let UpkeepSettings { tolerance, settle, .. } = UpkeepSettings::default();
        Self { tolerance_seconds: tolerance, settle_seconds: settle.as_secs() }
    }
}

impl ClockSection {
    pub(super) fn upkeep(&self) -> UpkeepSettings {
        UpkeepSettings {
            tolerance: self.tolerance_seconds,
            settle: Duration::from_secs(self.settle_seconds),
            ..UpkeepSettings::default()
        }
    }
}

/// `[engine]`: how posts are put into batches; what is not set is as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EngineSection {
    workers: Option<NonZeroUsize>,
    max_batch: Option<NonZeroUsize>,
    max_delay_ms: Option<u64>,
    max_queued: Option<usize>,
    max_queued_bytes: Option<usize>,
}

impl EngineSection {
    pub(super) fn settings(&self) -> EngineSettings {
        let usual = EngineSettings::default();
        EngineSettings {
            workers: self.workers.unwrap_or(usual.workers),
            max_batch: self.max_batch.unwrap_or(usual.max_batch),
            max_delay: self.max_delay_ms.map_or(usual.max_delay, Duration::from_millis),
            max_queued: self.max_queued.unwrap_or(usual.max_queued),
            max_queued_bytes: self.max_queued_bytes.unwrap_or(usual.max_queued_bytes),
            ..usual
        }
    }
}

impl Settings {
    /// Reads the file. Relative paths in it are relative to its folder.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| format!("the configuration {} is not valid", path.display()))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let document: Document = toml::from_str(text)?;
        let at = |start: usize| {
            let line = text[..start].matches('\n').count() + 1;
            move || format!("line {line}")
        };
        let (place, mut chain) = (at(document.chain.span().start), document.chain.into_inner());
        chain.validate().with_context(place)?;
        chain.state = chain.state.map(|state| folder.join(state));
        let mut log = LogSection::default();
        if let Some(section) = document.log {
            let place = at(section.span().start);
            log = section.into_inner();
            log.validate().with_context(place)?;
            log.path = log.path.map(|path| folder.join(path));
        }
        let mut slashing = SlashingSection::default();
        if let Some(section) = document.slashing {
            let place = at(section.span().start);
            slashing = section.into_inner();
            slashing.validate(&chain).with_context(place)?;
            slashing.keystore = slashing.keystore.map(|path| folder.join(path));
            slashing.password_file = slashing.password_file.map(|path| folder.join(path));
        }
        let mut scopes: Vec<Policy> = Vec::new();
        for policy in document.scopes {
            let place = at(policy.span().start);
            let policy = policy.into_inner();
            policy.validate().with_context(place)?;
            if scopes.iter().any(|other| other.name == policy.name) {
                return Err(anyhow!("scope `{}` is listed before; keep one of them", policy.name).context(place()));
            }
            scopes.push(policy);
        }
        if scopes.is_empty() {
            bail!("no scope is listed, so that every post would be refused: write a section [[scopes]]");
        }
        Ok(Self {
            fixed: FixedSettings {
                data_dir: document.data_dir.map(|path| folder.join(path)),
                test_chains: document.test_chains,
                trusted_keys: document.trusted_keys,
                listen: document.listen.address,
                chain,
                log,
                slashing,
                clock: document.clock,
                engine: document.engine,
            },
            live: LiveSettings {
                unlisted: document.unlisted_scopes,
                scopes,
                http: document.limits.http(document.listen),
            },
        })
    }
}

impl ChainSection {
    fn validate(&self) -> Result<()> {
        match (&self.rpc_url, &self.state) {
            (Some(_), Some(_)) => bail!("[chain] has both `rpc_url` and `state`; keep the one that is meant"),
            (None, None) => {
                bail!("[chain] has neither `rpc_url`, an endpoint, nor `state`, the file of an embedded chain")
            }
            (Some(_), None) if self.chain_id.is_none() => {
                bail!("[chain] has no `chain_id`, and passes belong to a chain: write that of the endpoint")
            }
            _ if self.poll_seconds == 0 => bail!("[chain] `poll_seconds` must be above zero"),
            _ if self.timeout_seconds == 0 => bail!("[chain] `timeout_seconds` must be above zero"),
            _ => Ok(()),
        }
    }
}

impl SlashingSection {
    fn validate(&self, chain: &ChainSection) -> Result<()> {
        if chain.state.is_some() && (self.keystore.is_some() || self.password_file.is_some()) {
            bail!("[slashing] an embedded chain needs no `keystore` and no `password_file`; leave them out");
        }
        if self.password_file.is_some() && self.keystore.is_none() {
            bail!("[slashing] has a `password_file` and no `keystore` that it opens");
        }
        if !self.enabled && (self.keystore.is_some() || self.receiver.is_some()) {
            bail!("[slashing] is not enabled, and has a `keystore` or `receiver`; leave them out, or enable it");
        }
        Ok(())
    }
}

impl LiveSettings {
    /// Why a registry does not go with the scopes: a member must not have its deposit back before its last posts are
    /// too old to be accepted (protocol, section 7).
    pub(super) fn check(&self, info: &RegistryInfo) -> Result<(), String> {
        for policy in &self.scopes {
            let Policy { root_window, max_clock_skew, epoch_seconds, .. } = policy;
            let needed = u64::from(*root_window) + u64::from(epoch_seconds.get()) + u64::from(*max_clock_skew);
            if u64::from(info.exit_delay) <= needed {
                return Err(format!(
                    "scope `{}`: root_window, one epoch and max_clock_skew are {needed} s in all, and the registry pays \
                     a deposit back after {} s, so that a member could spam and be gone; shorten them until they are \
                     less, or follow a registry with a longer exit delay",
                    policy.name, info.exit_delay
                ));
            }
        }
        Ok(())
    }

    /// What is other than before, in words.
    pub(super) fn changes(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.unlisted != before.unlisted {
            changes.push("`unlisted_scopes` is changed".into());
        }
        if self.http != before.http {
            changes.push("[listen] or [limits] is changed".into());
        }
        let of = |scopes: &[Policy], name: &str| scopes.iter().find(|policy| policy.name == name).cloned();
        for policy in &self.scopes {
            match of(&before.scopes, &policy.name) {
                None => changes.push(format!("scope `{}` is new", policy.name)),
                Some(former) if former != *policy => changes.push(format!("scope `{}` is changed", policy.name)),
                Some(_) => {}
            }
        }
        let dropped = before.scopes.iter().filter(|former| of(&self.scopes, &former.name).is_none());
        changes.extend(dropped.map(|former| format!("scope `{}` is dropped", former.name)));
        changes
    }
}

impl FixedSettings {
    /// The first section that differs.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (self.data_dir != other.data_dir, "`data_dir`"),
            (self.test_chains != other.test_chains, "`test_chains`"),
            (self.trusted_keys != other.trusted_keys, "`trusted_keys`"),
            (self.listen != other.listen, "`address` in [listen]"),
            (self.chain != other.chain, "[chain]"),
            (self.log != other.log, "[log]"),
            (self.slashing != other.slashing, "[slashing]"),
            (self.clock != other.clock, "[clock]"),
            (self.engine != other.engine, "[engine]"),
        ];
        differs.into_iter().find_map(|(differs, name)| differs.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::relay::template::{ChainTemplate, Room, configuration};

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, Path::new("/etc/quotapass"))
    }

    fn template() -> String {
        configuration(&ChainTemplate::Endpoint { rpc_url: None, chain_id: None, registry: None })
    }

    /// A template with every setting that is commented out as it stands there.
    fn uncommented() -> String {
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let uncomment = |line: &str| {
            let setting = line.strip_prefix("# ").filter(|rest| rest.split_once(" = ").is_some_and(|it| is_name(it.0)));
            setting.unwrap_or(line).to_owned()
        };
        template().lines().map(|line| uncomment(line) + "\n").collect()
    }

    #[test]
    fn what_is_written_is_valid_and_names_the_usual_values() {
        let written = parse(&template()).unwrap();
        assert_eq!(written.live.scopes.len(), 1);
        assert_eq!(written.live.http, HttpSettings::default());
        let full = parse(&uncommented()).unwrap();
        assert_eq!(full.live, written.live);
        let FixedSettings { chain, clock, engine, log, .. } = &full.fixed;
        let path = Path::new("/var/lib/quotapass-relay/nullifiers");
        assert_eq!((log.path.as_deref(), log.servers()), (Some(path), None));
        let shared = parse(&template().replace("#   ", "")).unwrap().fixed.log;
        assert_eq!(shared.servers(), Some(ValkeySettings::new(["redis://127.0.0.1:6379".into()])));
        assert_eq!((chain, clock), (&written.fixed.chain, &written.fixed.clock));
        let workers = EngineSettings::default().workers;
        assert_eq!(EngineSettings { workers, ..engine.settings() }, EngineSettings::default());
        assert_eq!(full.fixed.slashing.confirmations, SlashingSection::default().confirmations);
        assert_eq!(full.fixed.slashing.keystore.as_deref(), Some(Path::new("/etc/quotapass/wallet.json")));
        let registry = Address::repeat_byte(7);
        let embedded = parse(&configuration(&ChainTemplate::Embedded { registry, room: Room::Demo })).unwrap();
        assert_eq!(embedded.fixed.chain.state.as_deref(), Some(Path::new("/etc/quotapass/chain.state")));
        assert_eq!(embedded.fixed.chain.registry, registry);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let text = template();
        let says = |text: &str, parts: &[&str]| {
            let error = format!("{:#}", parse(text).map(|settings| settings.live).unwrap_err());
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        };
        let line = |part: &str| text[..text.find(part).unwrap()].matches('\n').count() + 1;
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        };
        says(&changed("unlisted_scopes", "unlisted_scope"), &["unknown field `unlisted_scope`", "line"]);
        says(&changed("\"reject\"", "\"refuse\""), &["unknown variant `refuse`", "line"]);
        says(&changed("127.0.0.1:8480", "8480"), &["invalid socket address", "line"]);
        says(&changed("chain_id = 31337\n", ""), &["no `chain_id`", &format!("line {}", line("[chain]"))]);
        let both = changed("[chain]\n", "[chain]\nstate = \"chain.state\"\n");
        says(&both, &["both `rpc_url` and `state`", &format!("line {}", line("[chain]"))]);
        let skewed = changed("max_clock_skew = 60", "max_clock_skew = 7200");
        says(&skewed, &["longer than its epoch", &format!("line {}", line("[[scopes]]"))]);
        let scope = &text[text.find("[[scopes]]").unwrap()..];
        says(&format!("{text}{scope}"), &["`lobby` is listed before"]);
        says(&text[..text.find("[[scopes]]").unwrap()], &["no scope is listed"]);
        says(&changed("limit_cap = 10\n", ""), &["missing field `limit_cap`"]);
        says(&changed("enabled = true", "enabled = false\nkeystore = \"wallet\""), &["not enabled", "line"]);
        says(&changed("enabled = true", "password_file = \"secret\""), &["no `keystore` that it opens"]);
        says(&changed("[log]\n", "[log]\nvalkey = []\n"), &["lists no server", "line"]);
        let proxies = changed("[listen]\n", "[listen]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n");
        says(&proxies, &["`proxy` is neither a network", "line"]);
        says("", &["missing field `chain`"]);
    }

    #[test]
    fn a_registry_must_hold_deposits_for_long_enough() {
        use crate::registry::TokenInfo;
        let mut info = RegistryInfo {
            token: TokenInfo { address: Address::ZERO, symbol: "DEV".into(), decimals: 18 },
            tiers: Vec::new(),
            exit_delay: 7_261,
            reward_bps: 5_000,
            treasury: Address::ZERO,
            verifier: Address::ZERO,
            member_count: 0,
            total_owed: alloy_primitives::U256::ZERO,
        };
        let live = parse(&template()).unwrap().live;
        assert_eq!(live.check(&info), Ok(()));
        info.exit_delay = 7_260;
        let reason = live.check(&info).unwrap_err();
        assert!(reason.contains("scope `lobby`") && reason.contains("7260 s in all"), "{reason}");
    }

    #[test]
    fn changes_are_named() {
        let before = parse(&template()).unwrap();
        let text = template()
            .replace("limit_cap = 10", "limit_cap = 11")
            .replace("\"reject\"", "\"ignore\"")
            .replace("[limits]\n", "[limits]\nmax_posts = 7\n")
            + &SCOPES.replace("lobby", "attic");
        let after = parse(&text).unwrap();
        assert_eq!(
            after.live.changes(&before.live),
            [
                "`unlisted_scopes` is changed",
                "[listen] or [limits] is changed",
                "scope `lobby` is changed",
                "scope `attic` is new"
            ]
        );
        assert_eq!(before.live.changes(&after.live).last().unwrap(), "scope `attic` is dropped");
        assert_eq!(after.fixed.difference(&before.fixed), None);
        let moved = parse(&template().replace("8480", "8481")).unwrap();
        assert_eq!(moved.fixed.difference(&before.fixed), Some("`address` in [listen]"));
        let followed = parse(&template().replace("chain_id = 31337", "chain_id = 1337")).unwrap();
        assert_eq!(followed.fixed.difference(&before.fixed), Some("[chain]"));
    }

    const SCOPES: &str = "[[scopes]]\nname = \"lobby\"\nepoch_seconds = 60\nlimit_cap = 1\nmin_stake = 1\n\
                          min_age_days = 0\nroot_window = 60\nmax_clock_skew = 5\n";
}
