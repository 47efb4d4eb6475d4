//! The context of a subcommand: settings, identities, the paying wallet, the chain, and the files on disk.

use core::num::NonZeroU64;
use std::{env, fs, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, anyhow, bail};
use etcetera::{BaseStrategy, choose_base_strategy};
use quotapass_circuits::{identity::IdentitySecret, membership::MemberIndex, registry_id::RegistryId};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    RegistryContract, RegistryReader,
    rpc::{AccountKey, JsonRpcNode, Outbox, RpcSettings},
};
use quotapass_text::{EndpointUrl, EvmAddress};
use quotapass_wallet::{
    BoundPolicy,
    identity::{Identity, IdentityStore},
    keys::KeyStore,
    ledger::{DeviceShare, History, Ledger, LedgerFiles, LedgerOwner, STATE_FOLDER_VARIABLE},
    members::ClientOptions,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    config::{Config, Key},
    endpoint,
    failure::{refused, usage},
    keys::{require_test_chain, slash_key},
    ledger::unusable,
    outbox::OutboxFolder,
    output::{Output, note},
    progress,
    prompt::{passphrase, secret, source},
    time::now,
};

/// Environment variable with the private key of the wallet.
const WALLET_KEY_VARIABLE: &str = "QUOTAPASS_WALLET_KEY";
/// Environment variable with the password of the wallet's keystore.
const WALLET_PASSWORD_VARIABLE: &str = "QUOTAPASS_WALLET_PASSWORD";

/// A registry, and a wallet that sends transactions to it.
pub(super) struct Payer {
    pub(super) registry: RegistryContract<JsonRpcNode>,
    pub(super) wallet: AccountKey,
    pub(super) address: Address,
}

/// The settings and the output of a subcommand.
pub(super) struct Context {
    config: Config,
    output: Output,
}

impl Context {
    pub(super) fn new(config: Config, output: Output) -> Self {
        Self { config, output }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// Returns the store of proving keys, which uses the keys of trusted ceremonies if the settings list any.
    pub(super) fn keys(&self) -> Result<KeyStore> {
        Ok(self.development_keys()?.trusting(self.config.trusted_keys()?))
    }

    /// Returns the store of proving keys for the demo, the benchmarks and reports about circuits, where development
    /// keys suffice.
    pub(super) fn development_keys(&self) -> Result<KeyStore> {
        Ok(KeyStore::in_folder(&self.config.data_folder()?.join("keys")))
    }

    /// Returns the store of identities.
    pub(super) fn identities(&self) -> Result<IdentityStore> {
        Ok(IdentityStore::in_folder(&self.config.data_folder()?.join("identities")))
    }

    pub(super) fn identity_name(&self) -> Result<String> {
        self.config.require(Key::Identity)
    }

    pub(super) fn account(&self) -> Result<u32> {
        self.config.require(Key::Account)
    }

    /// Opens an identity with its passphrase.
    pub(super) fn open_identity(&self, name: &str) -> Result<Identity> {
        let store = self.identities()?;
        // A missing identity is reported before the user types a passphrase.
        store.read(name)?;
        Ok(store.open(name, &passphrase(&self.config, name)?)?)
    }

    /// Returns the secret of the chosen identity and account at a registry.
    pub(super) fn open_secret(&self, registry: &RegistryId) -> Result<IdentitySecret> {
        Ok(self.open_identity(&self.identity_name()?)?.seed.secret(registry, self.account()?)?)
    }

    /// Returns the files of an identity's ledger.
    pub(super) fn ledger_files(&self, owner: &LedgerOwner) -> Result<LedgerFiles> {
        let ledgers = self.config.data_folder()?.join("ledgers");
        Ok(LedgerFiles::in_folders(&ledgers, &self.state_folder()?.join("witnesses"), owner))
    }

    /// Returns the folder of the ledgers' witnesses.
    pub(super) fn state_folder(&self) -> Result<PathBuf> {
        match self.config.get(Key::StateDir)? {
            Some(folder) => Ok(folder),
            None => usual_state_folder(),
        }
    }

    /// Returns the options of requests to relays.
    pub(super) fn relay_options(&self) -> Result<ClientOptions> {
        Ok(ClientOptions {
            timeout: Duration::from_secs(self.config.require(Key::RpcTimeout)?),
            proxy: self.config.get(Key::MembersProxy)?,
        })
    }

    /// Opens the ledger of an identity, or creates it if it is missing. In the latter case the identity may have posted
    /// on another device, so its first message has to wait until this epoch and the next are over.
    pub(super) fn ledger(&self, owner: &LedgerOwner, device: DeviceShare) -> Result<Ledger> {
        let files = self.ledger_files(owner)?;
        if files.exists()? {
            return Ledger::open(&files, owner, device).map_err(|error| anyhow!(unusable(&error)));
        }
        note(format!(
            "This device has no ledger of this identity, which may have posted on another device. A new ledger is \
             created in {}; posting begins when the current epoch and the next are over.",
            files.ledger().display()
        ));
        Ok(Ledger::create(&files, owner, device, now()?, History::Unknown)?)
    }

    pub(super) fn rpc_url(&self) -> Result<EndpointUrl> {
        let url: EndpointUrl = self.config.require(Key::RpcUrl)?;
        match endpoint::with_scheme(&url) {
            Some(right) => bail!(usage(format!("`rpc_url` is `{url}`, which has no scheme; write {right}"))),
            None => Ok(url),
        }
    }

    /// Connects to the endpoint, without a wallet.
    pub(super) fn node(&self) -> Result<JsonRpcNode> {
        self.connect(None)
    }

    /// Connects to the endpoint with a wallet, whose transactions are remembered in the data folder.
    fn node_with(&self, wallet: AccountKey) -> Result<JsonRpcNode> {
        Ok(self.connect(Some(Arc::new(self.outbox()?)))?.with_account(wallet))
    }

    /// Returns the memory of sent transactions.
    pub(super) fn outbox(&self) -> Result<OutboxFolder> {
        Ok(OutboxFolder::new(self.config.data_folder()?.join("transactions")))
    }

    /// Returns the path of the file with the deployment of a registry that an account has begun.
    pub(super) fn deployment_path(&self, chain_id: u64, from: Address) -> Result<PathBuf> {
        Ok(self.config.data_folder()?.join("deployments").join(format!("{chain_id}-{from}.json")))
    }

    fn connect(&self, outbox: Option<Arc<dyn Outbox>>) -> Result<JsonRpcNode> {
        let settings = RpcSettings {
            timeout: Duration::from_secs(self.config.require(Key::RpcTimeout)?),
            expected_chain_id: self.config.get(Key::ChainId)?,
            confirmations: self.config.require::<NonZeroU64>(Key::Confirmations)?.get(),
            outbox,
            progress: progress::transactions(),
            ..RpcSettings::default()
        };
        Ok(JsonRpcNode::connect(self.rpc_url()?.expose(), settings)?)
    }

    /// Returns the source of the wallet that pays, and its address as far as it is known without a question and without
    /// a device; `None` without a wallet.
    pub(super) fn known_wallet(&self) -> Result<Option<(String, Option<Address>)>> {
        if let Some(number) = self.config.get::<u32>(Key::WalletLedger)? {
            return Ok(Some((format!("account {number} on a Ledger"), None)));
        }
        if let Some(path) = self.config.get::<PathBuf>(Key::WalletKeystore)? {
            let text = fs::read(&path).with_context(|| format!("cannot read the keystore {}", path.display()))?;
            let file: Value = serde_json::from_slice(&text)
                .with_context(|| format!("{} is not an encrypted Ethereum keystore", path.display()))?;
            // Most keystores name their address, with or without 0x; it is not encrypted.
            let address = file["address"].as_str().and_then(|address| address.parse().ok());
            return Ok(Some((format!("keystore {}", path.display()), address)));
        }
        match env::var_os(WALLET_KEY_VARIABLE) {
            Some(_) => {
                Ok(Some((format!("environment variable {WALLET_KEY_VARIABLE}"), Some(self.wallet()?.address()))))
            }
            None => Ok(None),
        }
    }

    /// Returns where the keystore's password comes from, if it is set.
    pub(super) fn wallet_password(&self) -> Result<Option<String>> {
        source(&self.config, WALLET_PASSWORD_VARIABLE, Key::WalletPasswordFile)
    }

    /// Opens the wallet that pays: a Ledger, a keystore file or a key in the environment.
    pub(super) fn wallet(&self) -> Result<AccountKey> {
        if let Some(number) = self.config.get::<u32>(Key::WalletLedger)? {
            return ledger_wallet(number);
        }
        if let Some(path) = self.config.get::<PathBuf>(Key::WalletKeystore)? {
            let what = format!("Password of the wallet {}", path.display());
            let password = secret(&self.config, &what, WALLET_PASSWORD_VARIABLE, Key::WalletPasswordFile)?;
            return Ok(AccountKey::from_keystore(&path, &password)?);
        }
        let Some(key) = env::var_os(WALLET_KEY_VARIABLE) else {
            bail!(usage(format!(
                "no wallet is set: name an encrypted keystore with --wallet-keystore or a Ledger with \
                 --wallet-ledger, or set the environment variable {WALLET_KEY_VARIABLE} to a private key"
            )));
        };
        let key = key.into_string().map_err(|_| usage(format!("{WALLET_KEY_VARIABLE} is not UTF-8")))?;
        let key = Zeroizing::new(key);
        AccountKey::from_private_key(&key).with_context(|| format!("environment variable {WALLET_KEY_VARIABLE}"))
    }

    /// Connects to the endpoint with the wallet, and returns the wallet's address too.
    pub(super) fn paying_node(&self) -> Result<(JsonRpcNode, Address)> {
        let wallet = self.wallet()?;
        let address = wallet.address();
        Ok((self.node_with(wallet)?, address))
    }

    fn registry_address(&self) -> Result<Address> {
        let EvmAddress(address) = self.config.require::<EvmAddress>(Key::Registry)?;
        Ok(address.into())
    }

    /// Connects to the registry without a wallet, to read from it.
    pub(super) fn registry(&self) -> Result<RegistryContract<JsonRpcNode>> {
        let address = self.registry_address()?;
        Ok(RegistryContract::connect(self.node()?, address)?)
    }

    /// Returns the policy of a scope that is in force at `now`, bound to a registry. A scope may be one of a pattern that is
    /// configured.
    pub(super) fn bound(&self, registry: RegistryId, scope: &str, now: UnixSeconds) -> Result<BoundPolicy> {
        Ok(BoundPolicy::new(registry, self.config.scope(scope, now)?.clone())?.for_scope(scope)?)
    }

    /// Connects to the registry with the wallet that pays.
    pub(super) fn payer(&self) -> Result<Payer> {
        let registry_address = self.registry_address()?;
        let wallet = self.wallet()?;
        let address = wallet.address();
        let node = self.node_with(wallet.clone())?;
        Ok(Payer { registry: RegistryContract::connect(node, registry_address)?, wallet, address })
    }

    /// Returns the id of the registry; asks the endpoint for the chain id if it is not set.
    pub(super) fn registry_id(&self) -> Result<RegistryId> {
        let address = self.registry_address()?.into_array();
        let chain_id = match self.config.get(Key::ChainId)? {
            Some(chain_id) => chain_id,
            None => quotapass_registry::node::Node::chain_id(&self.node()?),
        };
        Ok(RegistryId { chain_id, address })
    }

    /// Returns the id of the registry, or `None` if the settings do not suffice to determine it.
    pub(super) fn registry_id_if_known(&self) -> Result<Option<RegistryId>> {
        let known = self.config.get::<EvmAddress>(Key::Registry)?.is_some()
            && (self.config.get::<u64>(Key::ChainId)?.is_some() || self.config.get::<String>(Key::RpcUrl)?.is_some());
        if known { self.registry_id().map(Some) } else { Ok(None) }
    }

    /// Returns the index of the member that a subcommand is about: the given index, or the one that the paying wallet
    /// deposited for the chosen identity and account.
    pub(super) fn member_index(&self, payer: &Payer, given: Option<u32>) -> Result<MemberIndex> {
        if let Some(index) = given {
            return Ok(MemberIndex(index));
        }
        let commitment = self.open_secret(&payer.registry.id())?.commitment();
        match payer.registry.index_of(commitment, payer.address)? {
            Some(index) => Ok(index),
            None => bail!(refused(format!(
                "{} (the paying wallet, {}, must be the one that deposited)",
                not_a_member(&self.config)?,
                payer.address
            ))),
        }
    }

    /// Refuses a registry whose contracts run unknown code, or which verifies slashes with another key than the one in
    /// force.
    pub(super) fn require_trusted(&self, registry: &dyn RegistryReader) -> Result<()> {
        require_test_chain(&self.config, registry.id().chain_id)?;
        let provenance = registry.provenance()?;
        Ok(provenance.require(slash_key(&self.keys()?)?, &self.config.trusted_code()?)?)
    }
}

fn usual_state_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(STATE_FOLDER_VARIABLE) {
        return Ok(PathBuf::from(folder));
    }
    let folders =
        choose_base_strategy().map_err(|_| usage("found no state folder for this user; name one with --state-dir"))?;
    Ok(folders.state_dir().unwrap_or_else(|| folders.cache_dir()).join("quotapass"))
}

/// The message for an account that has no membership, with what to do.
pub(super) fn not_a_member(config: &Config) -> Result<String> {
    let account: String = config.require(Key::Account)?;
    Ok(format!(
        "account {account} of this identity is not a member of this registry yet: `quotapass deposit --tier 0` makes \
         it a member; or choose the account that is one with --account"
    ))
}

#[cfg(feature = "ledger")]
fn ledger_wallet(number: u32) -> Result<AccountKey> {
    Ok(AccountKey::from_ledger(number)?)
}

#[cfg(not(feature = "ledger"))]
fn ledger_wallet(_: u32) -> Result<AccountKey> {
    bail!("this quotapass was built without Ledger support; install it with `--features ledger`")
}
