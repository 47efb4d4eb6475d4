//! Settings. Precedence, lowest first: one TOML file, the environment, flags.

mod add_scope;
mod file;
mod init;
mod scope;
mod show;
mod toml_error;
pub(super) mod verbs;

use std::{
    collections::BTreeMap,
    env, fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use etcetera::{BaseStrategy, choose_base_strategy};
use quotapass_circuits::key_id::KeyId;

pub(crate) use self::{
    scope::{ScopeSection, read_scopes},
    toml_error::{line_of, say},
};
use crate::failure::usage;
use quotapass_protocol::{DatedPolicy, UnixSeconds};
use quotapass_registry::CodeHash;
use quotapass_text::EndpointUrl;
use quotapass_wallet::moderation::LogSettings;
use scope::Logs;

/// Environment variable that names the configuration file, instead of the platform's default.
const FILE_VARIABLE: &str = "QUOTAPASS_CONFIG";

/// Flags of every subcommand.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings (also from the configuration file and the environment)")]
pub(super) struct Flags {
    /// Configuration file in TOML [default: QUOTAPASS_CONFIG, or the platform's]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for keys, identities, the ledger and the copy of the registry
    #[arg(long, global = true, value_name = "FOLDER", hide_short_help = true)]
    data_dir: Option<String>,
    /// Folder for the witness of the ledger, separate from the ledger
    #[arg(long, global = true, value_name = "FOLDER", hide_short_help = true)]
    state_dir: Option<String>,
    /// JSON-RPC endpoint: http(s)://, ws(s):// or the path of an IPC socket
    #[arg(long, global = true, value_name = "URL")]
    rpc_url: Option<String>,
    /// Chain id; an endpoint of another chain is refused
    #[arg(long, global = true, value_name = "ID", hide_short_help = true)]
    chain_id: Option<String>,
    /// Address of the registry
    #[arg(long, global = true, value_name = "ADDRESS")]
    registry: Option<String>,
    /// Name of the identity
    #[arg(long, global = true, value_name = "NAME")]
    identity: Option<String>,
    /// Account of the identity
    ///
    /// One seed has many accounts, each with its own deposit.
    #[arg(long, global = true, value_name = "NUMBER", hide_short_help = true)]
    account: Option<String>,
    /// File with the identity's passphrase; QUOTAPASS_PASSPHRASE holds the passphrase itself
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    passphrase_file: Option<String>,
    /// Encrypted Ethereum keystore (V3) of the wallet that pays
    ///
    /// The environment variable QUOTAPASS_WALLET_KEY holds a plain private key instead.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    wallet_keystore: Option<String>,
    /// File with the keystore's password; QUOTAPASS_WALLET_PASSWORD holds the password itself
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    wallet_password_file: Option<String>,
    /// Number of the account on a Ledger that is the wallet
    #[arg(long, global = true, value_name = "NUMBER", hide_short_help = true)]
    wallet_ledger: Option<String>,
    /// Relay to fetch members from, one bucket at a time, instead of a full copy of the registry
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    members_from: Option<String>,
    /// Proxy for the requests to that relay, for example Tor's
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    members_proxy: Option<String>,
    /// Seconds to wait for a response of the endpoint or the relay
    #[arg(long, global = true, value_name = "SECONDS", hide_short_help = true)]
    rpc_timeout: Option<String>,
    /// Blocks that a transaction needs before it counts as done, its own block included
    #[arg(long, global = true, value_name = "BLOCKS")]
    confirmations: Option<String>,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    DataDir,
    StateDir,
    RpcUrl,
    ChainId,
    Registry,
    Identity,
    Account,
    PassphraseFile,
    WalletKeystore,
    WalletPasswordFile,
    WalletLedger,
    MembersFrom,
    MembersProxy,
    RpcTimeout,
    FirstBlock,
    Confirmations,
    MaxReorgDepth,
    MaxMessageBytes,
    MinAnonymity,
    TestChains,
    TrustedKeys,
    TrustedCode,
}

impl Key {
    const ALL: [Self; 22] = [
        Self::DataDir,
        Self::StateDir,
        Self::RpcUrl,
        Self::ChainId,
        Self::Registry,
        Self::Identity,
        Self::Account,
        Self::PassphraseFile,
        Self::WalletKeystore,
        Self::WalletPasswordFile,
        Self::WalletLedger,
        Self::MembersFrom,
        Self::MembersProxy,
        Self::RpcTimeout,
        Self::FirstBlock,
        Self::Confirmations,
        Self::MaxReorgDepth,
        Self::MaxMessageBytes,
        Self::MinAnonymity,
        Self::TestChains,
        Self::TrustedKeys,
        Self::TrustedCode,
    ];

    /// Returns the setting's name in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DataDir => "data_dir",
            Self::StateDir => "state_dir",
            Self::RpcUrl => "rpc_url",
            Self::ChainId => "chain_id",
            Self::Registry => "registry",
            Self::Identity => "identity",
            Self::Account => "account",
            Self::PassphraseFile => "passphrase_file",
            Self::WalletKeystore => "wallet_keystore",
            Self::WalletPasswordFile => "wallet_password_file",
            Self::WalletLedger => "wallet_ledger",
            Self::MembersFrom => "members_from",
            Self::MembersProxy => "members_proxy",
            Self::RpcTimeout => "rpc_timeout",
            Self::FirstBlock => "first_block",
            Self::Confirmations => "confirmations",
            Self::MaxReorgDepth => "max_reorg_depth",
            Self::MaxMessageBytes => "max_message_bytes",
            Self::MinAnonymity => "min_anonymity",
            Self::TestChains => "test_chains",
            Self::TrustedKeys => "trusted_keys",
            Self::TrustedCode => "trusted_code",
        }
    }

    fn variable(self) -> String {
        format!("QUOTAPASS_{}", self.name().to_uppercase())
    }

    /// Returns the setting's flag; some settings have none.
    pub(crate) fn flag(self) -> Option<String> {
        match self {
            Self::FirstBlock
            | Self::MaxReorgDepth
            | Self::MaxMessageBytes
            | Self::MinAnonymity
            | Self::TestChains
            | Self::TrustedKeys
            | Self::TrustedCode => None,
            key => Some(format!("--{}", key.name().replace('_', "-"))),
        }
    }

    /// Returns a value of the setting for output. A URL is shown without passwords and keys.
    fn shown(self, value: &str) -> String {
        match self {
            Self::RpcUrl | Self::MembersFrom | Self::MembersProxy => EndpointUrl::new(value).to_string(),
            _ => value.into(),
        }
    }

    fn default(self) -> Option<&'static str> {
        match self {
            Self::Identity => Some("default"),
            Self::Account => Some("0"),
            Self::RpcTimeout => Some("30"),
            Self::Confirmations => Some("1"),
            Self::MaxReorgDepth => Some("256"),
            Self::MaxMessageBytes => Some("65536"),
            Self::MinAnonymity => Some("50"),
            // 31337: anvil, Hardhat and Foundry's scripts; 1337: geth's --dev
            Self::TestChains => Some("31337,1337"),
            _ => None,
        }
    }

    /// Returns an example value, for messages and for a new file.
    fn example(self) -> &'static str {
        match self {
            Self::DataDir => "\"/home/you/.local/share/quotapass\"",
            Self::StateDir => "\"/home/you/.local/state/quotapass\"",
            Self::RpcUrl => "\"http://127.0.0.1:8545\"",
            Self::ChainId => "31337",
            Self::Registry => "\"0x5FbDB2315678afecb367f032d93F642f64180aa3\"",
            Self::Identity => "\"default\"",
            Self::Account => "0",
            Self::PassphraseFile => "\"/run/secrets/quotapass\"",
            Self::WalletKeystore => "\"/home/you/.ethereum/keystore/wallet.json\"",
            Self::WalletPasswordFile => "\"/run/secrets/wallet\"",
            Self::WalletLedger => "0",
            Self::MembersFrom => "\"https://relay.example\"",
            Self::MembersProxy => "\"socks5h://127.0.0.1:9050\"",
            Self::RpcTimeout => "30",
            Self::FirstBlock => "19000000",
            Self::Confirmations => "3",
            Self::MaxReorgDepth => "256",
            Self::MaxMessageBytes => "65536",
            Self::MinAnonymity => "50",
            Self::TestChains => "\"31337,11155111\"",
            Self::TrustedKeys => "[\"the id of each key, 64 hexadecimal digits\"]",
            Self::TrustedCode => "[\"the SHA-256 of a contract's code on the chain, 64 hexadecimal digits\"]",
        }
    }
}

impl Flags {
    /// Returns the configuration file that a flag names.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Returns the data folder that a flag names.
    pub(crate) fn data_folder(&self) -> Option<&Path> {
        self.data_dir.as_deref().map(Path::new)
    }

    /// Returns the endpoint, the chain and the registry that flags name.
    pub(crate) fn chain(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        (self.rpc_url.as_deref(), self.chain_id.as_deref(), self.registry.as_deref())
    }

    /// Returns the first given flag other than `--config` and `--data-dir`.
    pub(crate) fn first_but_files(&self) -> Option<String> {
        Key::ALL.into_iter().find(|key| *key != Key::DataDir && self.of(*key).is_some()).and_then(Key::flag)
    }

    fn of(&self, key: Key) -> Option<&String> {
        match key {
            Key::DataDir => self.data_dir.as_ref(),
            Key::StateDir => self.state_dir.as_ref(),
            Key::RpcUrl => self.rpc_url.as_ref(),
            Key::ChainId => self.chain_id.as_ref(),
            Key::Registry => self.registry.as_ref(),
            Key::Identity => self.identity.as_ref(),
            Key::Account => self.account.as_ref(),
            Key::PassphraseFile => self.passphrase_file.as_ref(),
            Key::WalletKeystore => self.wallet_keystore.as_ref(),
            Key::WalletPasswordFile => self.wallet_password_file.as_ref(),
            Key::WalletLedger => self.wallet_ledger.as_ref(),
            Key::MembersFrom => self.members_from.as_ref(),
            Key::MembersProxy => self.members_proxy.as_ref(),
            Key::RpcTimeout => self.rpc_timeout.as_ref(),
            Key::Confirmations => self.confirmations.as_ref(),
            Key::FirstBlock
            | Key::MaxReorgDepth
            | Key::MaxMessageBytes
            | Key::MinAnonymity
            | Key::TestChains
            | Key::TrustedKeys
            | Key::TrustedCode => None,
        }
    }
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// All settings in force.
pub(super) struct Config {
    values: BTreeMap<Key, (String, Origin)>,
    scopes: Vec<DatedPolicy>,
    logs: Logs,
    /// The path of the file, which may not exist.
    file: PathBuf,
}

impl Config {
    /// Reads the file and the environment. A file that a flag names must exist. A file that is about to be written anew
    /// is not read.
    pub(super) fn load(flags: &Flags, is_new: bool) -> Result<Self> {
        let named = flags.config.clone().or_else(|| env::var_os(FILE_VARIABLE).map(PathBuf::from));
        let file = match &named {
            Some(file) => file.clone(),
            None => usual_file()?,
        };
        let content = match is_new {
            true => file::Content::default(),
            false => file::read(&file, flags.config.is_some())?,
        };
        let mut values = BTreeMap::new();
        for key in Key::ALL {
            let variable = key.variable();
            let value = if let Some((value, flag)) = flags.of(key).zip(key.flag()) {
                Some((value.clone(), Origin::Flag(flag)))
            } else if let Some(value) = env::var_os(&variable).filter(|value| !value.is_empty()) {
                let value = value.into_string().map_err(|_| usage(format!("{variable} is not UTF-8")))?;
                Some((value, Origin::Environment(variable)))
            } else if let Some(value) = content.values.get(&key) {
                Some((value.clone(), Origin::File(file.clone())))
            } else {
                key.default().map(|value| (value.into(), Origin::Default))
            };
            if let Some(value) = value {
                values.insert(key, value);
            }
        }
        Ok(Self { values, scopes: content.scopes, logs: content.logs, file })
    }

    /// Returns a setting, or `None` if it is not set.
    pub(super) fn get<T>(&self, key: Key) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some((text, origin)) = self.values.get(&key) else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => bail!(usage(format!(
                "`{}` is `{}`, from {origin}, which is not valid: {error} (an example: {})",
                key.name(),
                key.shown(text),
                key.example()
            ))),
        }
    }

    /// Returns a setting, which must be set.
    pub(super) fn require<T>(&self, key: Key) -> Result<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.get(key)?.with_context(|| {
            let flag = key.flag().map(|flag| format!("pass {flag}, ")).unwrap_or_default();
            usage(format!(
                "`{}` is not set: {flag}set {}, or write `{} = {}` to {}",
                key.name(),
                key.variable(),
                key.name(),
                key.example(),
                self.file.display()
            ))
        })
    }

    /// Returns the policy of a scope that is in force at `now`. Its name is a pattern if the scope is one of a pattern.
    pub(super) fn scope(&self, name: &str, now: UnixSeconds) -> Result<&DatedPolicy> {
        let of_scope = self.in_force(now).into_iter().filter(|dated| dated.policy.closeness(name).is_some());
        if let Some(dated) = of_scope.max_by_key(|dated| dated.policy.closeness(name)) {
            return Ok(dated);
        }
        let known: Vec<_> = self.in_force(now).into_iter().map(|dated| dated.policy.name.as_str()).collect();
        if known.is_empty() {
            bail!(usage(format!(
                "no scope is configured, so `{name}` is unknown: `quotapass config add-scope --from URL` copies the \
                 policies of a relay to {}",
                self.file.display()
            )));
        }
        bail!(usage(format!("no scope `{name}` is configured; {} has {}", self.file.display(), known.join(", "))))
    }

    /// Returns all policies of all scopes.
    pub(super) fn scopes(&self) -> &[DatedPolicy] {
        &self.scopes
    }

    /// Returns the settings of the logs of a scope: the wallet's own, which no relay states.
    pub(super) fn logs(&self, scope: &str) -> &[LogSettings] {
        let closest = self.scopes.iter().map(|dated| &dated.policy).max_by_key(|policy| policy.closeness(scope));
        let listed = closest.filter(|policy| policy.closeness(scope).is_some());
        listed.and_then(|policy| self.logs.get(&policy.name)).map_or(&[], Vec::as_slice)
    }

    /// Returns the policy of each scope that is in force at `now`: the latest that has begun, or the first one if none
    /// has.
    pub(super) fn in_force(&self, now: UnixSeconds) -> Vec<&DatedPolicy> {
        let mut latest: Vec<&DatedPolicy> = Vec::new();
        for dated in &self.scopes {
            match latest.iter_mut().find(|other| other.policy.name == dated.policy.name) {
                None => latest.push(dated),
                Some(other) => {
                    let rank = |dated: &DatedPolicy| match dated.from <= now {
                        true => (1, i128::from(dated.from.0)),
                        false => (0, -i128::from(dated.from.0)),
                    };
                    if rank(dated) > rank(other) {
                        *other = dated;
                    }
                }
            }
        }
        latest
    }

    /// Returns the size of the anonymity set below which a wallet warns.
    pub(super) fn min_anonymity(&self) -> Result<usize> {
        self.require(Key::MinAnonymity)
    }

    /// Returns the data folder.
    pub(super) fn data_folder(&self) -> Result<PathBuf> {
        match self.get::<PathBuf>(Key::DataDir)? {
            Some(folder) => Ok(folder),
            None => Ok(quotapass_wallet::keys::data_folder()?),
        }
    }

    /// Returns the trusted ceremony keys. Without any, development keys are used.
    pub(super) fn trusted_keys(&self) -> Result<Vec<KeyId>> {
        let list: String = self.get(Key::TrustedKeys)?.unwrap_or_default();
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        let id = |part: &str| {
            part.parse().map_err(|_| {
                anyhow!(usage(format!(
                    "`{}` lists `{part}`, which is not the id of a key: write the 64 hexadecimal digits that \
                     `quotapass keys show FILE` prints",
                    Key::TrustedKeys.name()
                )))
            })
        };
        parts.map(id).collect()
    }

    /// Returns the hashes of contract code that is trusted in addition to the code of this version.
    pub(super) fn trusted_code(&self) -> Result<Vec<CodeHash>> {
        let list: String = self.get(Key::TrustedCode)?.unwrap_or_default();
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        let hash = |part: &str| {
            part.parse().map_err(|_| {
                anyhow!(usage(format!(
                    "`{}` lists `{part}`, which is not a SHA-256: write the 64 hexadecimal digits that `quotapass \
                     registry info` prints for unknown code",
                    Key::TrustedCode.name()
                )))
            })
        };
        parts.map(hash).collect()
    }

    /// Whether development keys are accepted on a chain.
    pub(super) fn is_test_chain(&self, chain_id: u64) -> Result<bool> {
        let list: String = self.require(Key::TestChains)?;
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let listed: u64 = part.parse().map_err(|_| {
                usage(format!(
                    "`{}` lists `{part}`, which is not a chain id: write ids separated by commas",
                    Key::TestChains.name()
                ))
            })?;
            if listed == chain_id {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn usual_file() -> Result<PathBuf> {
    let folders = choose_base_strategy().map_err(|_| {
        usage(format!("found no configuration folder for this user; name a file with --config or in {FILE_VARIABLE}"))
    })?;
    Ok(folders.config_dir().join("quotapass").join("config.toml"))
}
