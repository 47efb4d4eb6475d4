//! The environment of a relay: keys, chain, log, and the wallet that slashes.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, U256};
use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{POLICY_KEY_NAME, note::NoteKey};
use quotapass_registry::{
    RegistryContract, RegistryWriter,
    embedded::EmbeddedChain,
    node::{Node, NodeError},
    rpc::{AccountKey, JsonRpcNode, RpcSettings, RpcTls},
};
use quotapass_relay::{
    Clock, EmbeddedLog, EmbeddedSettings, LogChoice, LogIdentity, RelayStore, ValkeyLog, WorkerId,
    chain::{ClockedChain, RegistryLink},
    slasher::SlashAccount,
};
use quotapass_text::read_secret;
use quotapass_wallet::{
    files::{create_new, write_atomically},
    keys::KeyStore,
};
use rand::{Rng, distributions::Alphanumeric, rngs::OsRng};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    logging,
    moderation::{read_seed, seed},
    settings::{ChainSection, FixedSettings, Hidden, PASSWORD, SlashingSection, TlsSection, moderation_folder},
};
use crate::{
    exit_code::ExitKind,
    failure::{Failure, usage},
};

/// What the key in `policy.key` does.
const POLICY_KEY_PURPOSE: &str = "signs the relay's policies";
/// Environment variable with the private key of the wallet that slashes.
pub(super) const WALLET_KEY_VARIABLE: &str = "QUOTAPASS_WALLET_KEY";
/// Environment variable with the password of its keystore.
const WALLET_PASSWORD_VARIABLE: &str = "QUOTAPASS_WALLET_PASSWORD";

/// The account that pays for slashes on an embedded chain, where accounts need no keys.
pub(super) const EMBEDDED_OPERATOR: Address = Address::repeat_byte(0x0e);

/// The gas of a slash, about.
const SLASH_GAS: u64 = 540_000;

/// The characters of a password that are percent-encoded in an address.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The folders of a relay.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    data: PathBuf,
    keys: PathBuf,
}

impl Folders {
    /// Returns the folders that a flag, the environment or the settings name, in this order of precedence; otherwise
    /// the user's default.
    pub(super) fn new(flag: Option<&Path>, settings: &FixedSettings) -> Result<Self> {
        let given = flag.map(Path::to_path_buf);
        let environment =
            env::var_os(quotapass_wallet::files::DATA_FOLDER_VARIABLE).filter(|folder| !folder.is_empty());
        let data = match given.or(environment.map(PathBuf::from)).or_else(|| settings.data_dir.clone()) {
            Some(folder) => folder,
            None => quotapass_wallet::keys::data_folder()?,
        };
        let keys = data.join("keys");
        Ok(Self { data, keys })
    }

    /// Uses one folder for the keys and another for everything else.
    pub(crate) fn apart(data: &Path, keys: &Path) -> Self {
        Self { data: data.to_path_buf(), keys: keys.to_path_buf() }
    }

    /// Returns the store of proving keys, which uses the ceremony keys that the settings trust.
    pub(super) fn keys(&self, settings: &FixedSettings) -> KeyStore {
        KeyStore::in_folder(&self.keys).trusting(settings.trusted_keys.clone())
    }

    /// Returns the folder of the relay of a registry.
    fn of(&self, registry: &RegistryId) -> PathBuf {
        self.data.join("relays").join(format!("{}-{}", registry.chain_id, Address::from(registry.address)))
    }

    /// Returns the path of the registry's copy. It is locked while a relay runs, so two relays never share a folder.
    pub(super) fn copy(&self, registry: &RegistryId) -> Result<PathBuf> {
        let folder = self.of(registry);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder.join("members.redb"))
    }

    /// Returns the folder of the relay's moderation logs.
    pub(super) fn moderation(&self, registry: &RegistryId) -> PathBuf {
        moderation_folder(&self.of(registry))
    }

    fn worker_file(&self, registry: &RegistryId) -> PathBuf {
        self.of(registry).join("worker")
    }

    /// Returns the relay's name among the relays that share a log, if it has run before.
    fn known_worker(&self, registry: &RegistryId) -> Result<Option<WorkerId>> {
        let path = self.worker_file(registry);
        match fs::read_to_string(&path) {
            Ok(name) => Ok(Some(WorkerId(name.trim().into()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Returns the relay's name. The first start generates a random name and stores it.
    pub(super) fn worker(&self, registry: &RegistryId) -> Result<WorkerId> {
        if let Some(known) = self.known_worker(registry)? {
            return Ok(known);
        }
        let name: String = OsRng.sample_iter(Alphanumeric).take(16).map(char::from).collect();
        let path = self.worker_file(registry);
        create_new(&path, name.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(WorkerId(name))
    }

    fn policy_key_file(&self, registry: &RegistryId) -> PathBuf {
        self.of(registry).join("policy.key")
    }

    /// Returns the key that signs the relay's policies, if it has run before: the seed of an Ed25519 key in
    /// hexadecimal. A file with permissions for all users is refused.
    pub(super) fn known_policy_key(&self, registry: &RegistryId) -> Result<Option<NoteKey>> {
        let seed = read_seed(&self.policy_key_file(registry), POLICY_KEY_PURPOSE)?;
        Ok(seed.map(|seed| NoteKey::from_seed(POLICY_KEY_NAME, &seed)).transpose()?)
    }

    /// Returns the key that signs the relay's policies. The first start generates it and stores it.
    pub(super) fn policy_key(&self, registry: &RegistryId) -> Result<NoteKey> {
        let (seed, _) = seed(&self.policy_key_file(registry), POLICY_KEY_PURPOSE)?;
        Ok(NoteKey::from_seed(POLICY_KEY_NAME, &seed)?)
    }

    fn log_identity_file(&self, registry: &RegistryId) -> PathBuf {
        self.of(registry).join("log-identity")
    }

    /// Returns the identity of the log that the relay knows, if it has run before.
    fn known_log(&self, registry: &RegistryId) -> Result<Option<LogIdentity>> {
        let path = self.log_identity_file(registry);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let identity = text.trim().parse();
        identity.map(Some).with_context(|| format!("{} is damaged; restore it from a backup", path.display()))
    }

    /// Stores the identity of the log, so that another log is noticed later.
    fn keep_log(&self, registry: &RegistryId, identity: LogIdentity) -> Result<()> {
        if self.known_log(registry).ok().flatten() == Some(identity) {
            return Ok(());
        }
        let path = self.log_identity_file(registry);
        write_atomically(&path, identity.to_string().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn log_path(&self, settings: &FixedSettings, registry: &RegistryId) -> PathBuf {
        settings.log.path.clone().unwrap_or_else(|| self.of(registry).join("nullifiers"))
    }

    /// Checks the log without opening or changing it, while a relay may use it. Returns whether there is one: a relay that
    /// has seen no log creates it.
    pub(super) fn check_store(&self, settings: &FixedSettings, registry: &RegistryId) -> Result<bool> {
        let known = self.known_log(registry)?;
        let found = match settings.log.servers() {
            Some(servers) => ValkeyLog::inspect(registry, &servers, known)?,
            None => EmbeddedLog::inspect(&self.log_path(settings, registry), registry, known)?,
        };
        Ok(found.is_some())
    }

    /// Opens the nullifier log. A missing log, or another one than the relay knows, is an error unless `may_be_new`,
    /// because it lacks the nullifiers of the running epochs.
    pub(super) fn open_store(
        &self,
        settings: &FixedSettings,
        registry: &RegistryId,
        may_be_new: bool,
    ) -> Result<Arc<dyn RelayStore>> {
        let choice = match may_be_new {
            true => LogChoice::New,
            false => self.known_log(registry)?.map_or(LogChoice::First, LogChoice::Known),
        };
        let (store, identity): (Arc<dyn RelayStore>, _) = match settings.log.servers() {
            Some(servers) => {
                let log = ValkeyLog::connect(registry, &servers, choice)?;
                let identity = log.identity();
                (Arc::new(log), identity)
            }
            None => {
                let path = self.log_path(settings, registry);
                let log = EmbeddedLog::choose(&path, registry, &EmbeddedSettings::default(), choice)?;
                let identity = log.identity();
                (Arc::new(log), Some(identity))
            }
        };
        if let Some(identity) = identity {
            fs::create_dir_all(self.of(registry)).with_context(|| "cannot create the relay's folder")?;
            self.keep_log(registry, identity)?;
        }
        Ok(store)
    }
}

/// The means of the account that slashes.
pub(super) struct Funds {
    pub(super) account: Address,
    /// Its balance of the chain's own coin, in the smallest unit.
    pub(super) balance: U256,
    /// The number of slashes that it can pay for at the current price of gas; `None` if gas is free.
    pub(super) slashes: Option<u64>,
}

/// Access to the chain, and the account that sends transactions.
pub(super) struct ChainAccess {
    pub(super) id: RegistryId,
    pub(super) link: Arc<RegistryLink>,
    /// The account that slashes, if there is one.
    pub(super) account: Option<SlashAccount>,
    /// The account's key, which the connection signs with; `None` on an embedded chain.
    wallet: Option<Arc<Mutex<Option<AccountKey>>>>,
    /// Whether the chain runs in this process.
    pub(super) is_embedded: bool,
}

impl ChainAccess {
    /// Opens the chain of the settings. An endpoint is connected to only when it is needed.
    pub(super) fn open(chain: &ChainSection, slashing: &SlashingSection, clock: Arc<dyn Clock>) -> Result<Self> {
        let address = chain.registry;
        if let Some(state) = &chain.state {
            let node = ClockedChain::new(EmbeddedChain::open(state)?, clock);
            let id = RegistryId { chain_id: node.chain_id(), address: address.into_array() };
            if let Some(expected) = chain.chain_id().filter(|expected| *expected != id.chain_id) {
                bail!(usage(format!(
                    "{} is chain {}, and `chain_id` is {expected}; correct one of them",
                    state.display(),
                    id.chain_id
                )));
            }
            let link = RegistryLink::new(move || {
                let registry: Arc<dyn RegistryWriter> = Arc::new(RegistryContract::connect(node.clone(), address)?);
                Ok(registry)
            });
            let account = slashing.enabled.then(|| EMBEDDED_OPERATOR.into());
            return Ok(Self { id, link: Arc::new(link), account, wallet: None, is_embedded: true });
        }
        let chain_id = chain.chain_id().context("[chain] has no `chain_id`")?;
        let endpoint = Endpoint::new(chain)?;
        // Unreadable files are reported now, and not when the endpoint is needed.
        endpoint.address()?;
        endpoint.tls()?;
        let wallet = Arc::new(Mutex::new(wallet(slashing)?));
        let account = wallet.lock().as_ref().map(|key| key.address().into());
        let sender = Arc::clone(&wallet);
        let link = RegistryLink::new(move || {
            let account = sender.lock().clone();
            let node = account.into_iter().fold(endpoint.connect(chain_id)?, JsonRpcNode::with_account);
            let registry: Arc<dyn RegistryWriter> = Arc::new(RegistryContract::connect(node, address)?);
            Ok(registry)
        });
        let id = RegistryId { chain_id, address: address.into_array() };
        Ok(Self { id, link: Arc::new(link), account, wallet: Some(wallet), is_embedded: false })
    }

    /// Asks the endpoint for the balance of the account that slashes; `None` without one, and on an embedded chain.
    pub(super) fn funds(&self, chain: &ChainSection) -> Result<Option<Funds>> {
        let account = self.account.as_ref().filter(|_| !self.is_embedded).map(SlashAccount::get);
        let Some(account) = account else { return Ok(None) };
        let node = Endpoint::new(chain)?.connect(self.id.chain_id)?;
        let price: U256 = serde_json::from_value(node.request("eth_gasPrice", json!([]))?)
            .with_context(|| Failure::new(ExitKind::Endpoint, "the endpoint's price of gas is not a number"))?;
        let balance = node.native_balance(account)?;
        let slashes = balance.checked_div(price.saturating_mul(U256::from(SLASH_GAS)));
        Ok(Some(Funds { account, balance, slashes: slashes.map(|slashes| slashes.saturating_to()) }))
    }

    /// Reads the wallet again.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read_wallet(&self, slashing: &SlashingSection) -> Result<Option<AccountKey>> {
        if self.wallet.is_none() { Ok(None) } else { wallet(slashing) }
    }

    /// Sends from this wallet from now on, and reconnects, which reads the endpoint's password and certificates again.
    /// Returns a description of the change if another account slashes now.
    pub(super) fn renew(&self, wallet: Option<AccountKey>) -> Option<String> {
        let current = self.wallet.as_ref()?;
        let changed = match (&self.account, &wallet) {
            (Some(account), Some(key)) if account.get() != key.address() => {
                account.change(key.address());
                Some(format!("{} slashes", key.address()))
            }
            _ => None,
        };
        *current.lock() = wallet;
        self.link.reset();
        changed
    }
}

/// An endpoint whose password and certificates are read at each connection, so that changes take effect with the next
/// one.
struct Endpoint {
    url: Zeroizing<String>,
    password_file: Option<PathBuf>,
    tls: Option<TlsSection>,
    timeout: Duration,
}

impl Endpoint {
    fn new(chain: &ChainSection) -> Result<Self> {
        let Some(Hidden(url)) = &chain.rpc_url else { bail!("[chain] names neither an endpoint nor a file") };
        Ok(Self {
            url: Zeroizing::new(url.clone()),
            password_file: chain.password_file.clone(),
            tls: chain.tls.clone(),
            timeout: chain.timeout,
        })
    }

    fn settings(&self, chain_id: u64) -> RpcSettings {
        RpcSettings {
            timeout: self.timeout,
            expected_chain_id: Some(chain_id),
            retries: 2,
            progress: logging::transactions(),
            ..RpcSettings::default()
        }
    }

    fn connect(&self, chain_id: u64) -> Result<JsonRpcNode, NodeError> {
        JsonRpcNode::connect(&self.address()?, RpcSettings { tls: self.tls()?, ..self.settings(chain_id) })
    }

    /// Returns the address with its password, in which special characters are percent-encoded.
    fn address(&self) -> Result<Zeroizing<String>, NodeError> {
        let Some(path) = &self.password_file else { return Ok(self.url.clone()) };
        let password = read_password(path).map_err(|error| NodeError::Password(format!("{error:#}")))?;
        let escaped: Zeroizing<String> = Zeroizing::new(utf8_percent_encode(&password, UNRESERVED).to_string());
        Ok(Zeroizing::new(self.url.replace(PASSWORD, &escaped)))
    }

    fn tls(&self) -> Result<Option<RpcTls>, NodeError> {
        let Some(section) = &self.tls else { return Ok(None) };
        let files = section.read().map_err(|error| NodeError::Certificates(format!("{error:#}")))?;
        let identity =
            files.identity.map(|(certificate, key)| Zeroizing::new([&certificate[..], b"\n", &key[..]].concat()));
        Ok(Some(RpcTls { authorities: files.authorities, identity }))
    }
}

/// Reads a password from a file, without trailing line breaks.
pub(super) fn read_password(path: &Path) -> Result<Zeroizing<String>> {
    read_secret(path).with_context(|| format!("cannot read the password file {}", path.display()))
}

/// Opens the wallet that slashes: a keystore file, or a key in the environment; `None` if neither is given.
fn wallet(slashing: &SlashingSection) -> Result<Option<AccountKey>> {
    if !slashing.enabled {
        return Ok(None);
    }
    if let Some(keystore) = &slashing.keystore {
        let password = match (&slashing.password_file, variable(WALLET_PASSWORD_VARIABLE)?) {
            (Some(path), _) => read_password(path)?,
            (None, Some(password)) => password,
            (None, None) => bail!(usage(format!(
                "[slashing] has a `keystore` but no password for it: name a `password_file`, or set the environment \
                 variable {WALLET_PASSWORD_VARIABLE} to the password"
            ))),
        };
        return Ok(Some(AccountKey::from_keystore(keystore, &password)?));
    }
    let key = variable(WALLET_KEY_VARIABLE)?;
    let read = |key: Zeroizing<String>| {
        AccountKey::from_private_key(&key).with_context(|| format!("environment variable {WALLET_KEY_VARIABLE}"))
    };
    key.map(read).transpose()
}

fn variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.into_string().ok().with_context(|| format!("environment variable {name} is not UTF-8"))?;
    Ok(Some(Zeroizing::new(value)))
}
