//! What verbs stand on: settings, identities, the wallet that pays, the chain, and what is kept on disk.

use std::{env, path::PathBuf, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, anyhow, bail};
use etcetera::{BaseStrategy, choose_base_strategy};
use quotapass_circuits::{identity::IdentitySecret, membership::MemberIndex, registry_id::RegistryId};
use zeroize::Zeroizing;

use super::{
    config::{Config, Key},
    keys::{require_test_chain, slash_key},
    output::{Output, note},
    progress,
    prompt::{passphrase, secret},
    time::now,
};
use crate::{
    identity::{Identity, IdentityStore},
    keys::KeyStore,
    registry::{
        Registry, RegistryContract,
        rpc::{AccountKey, JsonRpcNode, RpcSettings},
    },
    wallet::ledger::{DeviceShare, History, Ledger, LedgerFiles, LedgerOwner, STATE_FOLDER_VARIABLE},
};

/// Holds the private key of the wallet.
const WALLET_KEY_VARIABLE: &str = "QUOTAPASS_WALLET_KEY";
/// Holds the password of the wallet's keystore.
const WALLET_PASSWORD_VARIABLE: &str = "QUOTAPASS_WALLET_PASSWORD";

/// A registry and a wallet that can pay there.
pub(super) struct Payer {
    pub(super) registry: RegistryContract<JsonRpcNode>,
    pub(super) wallet: AccountKey,
    pub(super) address: Address,
}

/// The surroundings of a verb.
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

    /// The folder of proving keys, with those of ceremonies that are trusted.
    pub(super) fn keys(&self) -> Result<KeyStore> {
        Ok(self.development_keys()?.trusting(self.config.trusted_keys()?))
    }

    /// The folder of proving keys, for what is said of circuits and shown of the system, where development keys do.
    pub(super) fn development_keys(&self) -> Result<KeyStore> {
        Ok(KeyStore::in_folder(&self.config.data_folder()?.join("keys")))
    }

    /// The folder of identities.
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
        // Nobody should type a passphrase for nothing.
        store.read(name)?;
        Ok(store.open(name, &passphrase(&self.config, name)?)?)
    }

    /// The secret of the chosen identity and account at a registry.
    pub(super) fn open_secret(&self, registry: &RegistryId) -> Result<IdentitySecret> {
        Ok(self.open_identity(&self.identity_name()?)?.seed.secret(registry, self.account()?)?)
    }

    /// Where the ledger of an identity is.
    pub(super) fn ledger_files(&self, owner: &LedgerOwner) -> Result<LedgerFiles> {
        let state = match self.config.get::<PathBuf>(Key::StateDir)? {
            Some(folder) => folder,
            None => usual_state_folder()?,
        };
        let ledgers = self.config.data_folder()?.join("ledgers");
        Ok(LedgerFiles::in_folders(&ledgers, &state.join("witnesses"), owner))
    }

    /// The ledger of an identity. One that is not there is made; the identity may then have posted elsewhere, and its
    /// first message has to wait until this epoch and the next are over.
    pub(super) fn ledger(&self, owner: &LedgerOwner, device: DeviceShare) -> Result<Ledger> {
        let files = self.ledger_files(owner)?;
        if files.exists()? {
            return Ok(Ledger::open(&files, owner, device)?);
        }
        note(format!(
            "There is no ledger of this identity here, so that it may have posted elsewhere; a new one is made in {}, and \
             posting begins when the current epoch and the next are over.",
            files.ledger().display()
        ));
        Ok(Ledger::create(&files, owner, device, now()?, History::Unknown)?)
    }

    pub(super) fn rpc_url(&self) -> Result<String> {
        self.config.require(Key::RpcUrl)
    }

    /// The endpoint, without a wallet.
    pub(super) fn node(&self) -> Result<JsonRpcNode> {
        let settings = RpcSettings {
            timeout: Duration::from_secs(self.config.require(Key::RpcTimeout)?),
            expected_chain_id: self.config.get(Key::ChainId)?,
            progress: progress::transactions(),
            ..RpcSettings::default()
        };
        Ok(JsonRpcNode::connect(&self.rpc_url()?, settings)?)
    }

    /// The wallet that pays: a Ledger, a keystore file or a key in the environment.
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
            bail!(
                "no wallet is set: name an encrypted keystore with --wallet-keystore, or a Ledger with --wallet-ledger, or \
                 put a private key into the environment variable {WALLET_KEY_VARIABLE}"
            );
        };
        let key = key.into_string().ok().with_context(|| format!("{WALLET_KEY_VARIABLE} is not UTF-8"))?;
        let key = Zeroizing::new(key);
        AccountKey::from_private_key(&key).with_context(|| format!("environment variable {WALLET_KEY_VARIABLE}"))
    }

    /// The endpoint and the wallet's address there.
    pub(super) fn paying_node(&self) -> Result<(JsonRpcNode, Address)> {
        let wallet = self.wallet()?;
        let address = wallet.address();
        Ok((self.node()?.with_account(wallet), address))
    }

    fn registry_address(&self) -> Result<Address> {
        self.config.require(Key::Registry)
    }

    /// The registry, to read from.
    pub(super) fn registry(&self) -> Result<RegistryContract<JsonRpcNode>> {
        let address = self.registry_address()?;
        Ok(RegistryContract::connect(self.node()?, address)?)
    }

    /// The registry, and the wallet to pay there.
    pub(super) fn payer(&self) -> Result<Payer> {
        let registry_address = self.registry_address()?;
        let wallet = self.wallet()?;
        let address = wallet.address();
        let node = self.node()?.with_account(wallet.clone());
        Ok(Payer { registry: RegistryContract::connect(node, registry_address)?, wallet, address })
    }

    /// Which registry it is; asks the endpoint for the chain id if that is not set.
    pub(super) fn registry_id(&self) -> Result<RegistryId> {
        let address = self.registry_address()?.into_array();
        let chain_id = match self.config.get(Key::ChainId)? {
            Some(chain_id) => chain_id,
            None => crate::registry::node::Node::chain_id(&self.node()?),
        };
        Ok(RegistryId { chain_id, address })
    }

    /// Likewise, if the settings say enough.
    pub(super) fn registry_id_if_known(&self) -> Result<Option<RegistryId>> {
        let known = self.config.get::<Address>(Key::Registry)?.is_some()
            && (self.config.get::<u64>(Key::ChainId)?.is_some() || self.config.get::<String>(Key::RpcUrl)?.is_some());
        if known { self.registry_id().map(Some) } else { Ok(None) }
    }

    /// The member that a verb is about: the one given, or that of the chosen identity and the account that pays.
    pub(super) fn member_index(&self, payer: &Payer, given: Option<u32>) -> Result<MemberIndex> {
        if let Some(index) = given {
            return Ok(MemberIndex(index));
        }
        let commitment = self.open_secret(&payer.registry.id())?.commitment();
        payer.registry.index_of(commitment, payer.address)?.with_context(|| {
            format!(
                "{} (the wallet that pays, {}, must be the one that deposited)",
                not_a_member(&self.config),
                payer.address
            )
        })
    }

    /// Refuses a registry whose contracts run other code than is known, or verify slashes with another key than the one in
    /// force.
    pub(super) fn require_trusted(&self, registry: &dyn Registry) -> Result<()> {
        require_test_chain(&self.config, registry.id().chain_id)?;
        let provenance = registry.provenance()?;
        Ok(provenance.require(slash_key(&self.keys()?)?, &self.config.trusted_code()?)?)
    }
}

fn usual_state_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(STATE_FOLDER_VARIABLE) {
        return Ok(PathBuf::from(folder));
    }
    let folders = choose_base_strategy()
        .map_err(|_| anyhow!("found no state folder for this user; name one with --state-dir"))?;
    Ok(folders.state_dir().unwrap_or_else(|| folders.cache_dir()).join("quotapass"))
}

/// What to do for somebody who has not deposited.
pub(super) fn not_a_member(config: &Config) -> String {
    let account: String = config.require(Key::Account).unwrap_or_default();
    format!(
        "account {account} of this identity is not a member of this registry yet: `quotapass deposit --tier 0` makes it \
         one; or choose the account that is, with --account"
    )
}

#[cfg(feature = "ledger")]
fn ledger_wallet(number: u32) -> Result<AccountKey> {
    Ok(AccountKey::from_ledger(number)?)
}

#[cfg(not(feature = "ledger"))]
fn ledger_wallet(_: u32) -> Result<AccountKey> {
    bail!("this quotapass was built without Ledger support; install it with `--features ledger`")
}
