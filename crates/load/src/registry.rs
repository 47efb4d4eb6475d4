//! The registry whose members make the load. It depends only on a seed, so passes can be used again.

use std::{
    fs::{self, File},
    num::{NonZeroU16, NonZeroU32},
    path::{Path, PathBuf},
};

use quotapass_circuits::{
    constraints::CircuitKind,
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms},
    pins::pin,
    registry_id::RegistryId,
    signal::{Epoch, Scope},
    slash::Slash,
};
use quotapass_protocol::{Policy, UnixSeconds};
use quotapass_registry::{
    RegistryReader, RegistryWriter, Tier, TierNumber,
    alloy_primitives::{Address, U256},
    bindings::RegistryAbi,
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
};
use quotapass_wallet::keys::KeyStore;
use sha2::{Digest, Sha256};

use crate::{LoadError, LoadProgress, Observe};

/// The name of the scope of all posts.
pub(crate) const SCOPE: &str = "bench";
/// Number of messages that a member may send in the epoch.
pub(crate) const MESSAGE_LIMIT: u16 = 128;
/// Number of members who keep to their quota; the members after them are spammers.
pub(crate) const HONEST_MEMBERS: u32 = 1_024;
/// Number of members who exceed their quota once.
pub(crate) const SPAMMERS: u32 = 1_024;

const CHAIN_ID: u64 = 31_337;
const STAKE: u32 = 10;
/// Epoch 1 of this length lasts from January 2004 to January 2038, so that passes stay valid.
const EPOCH_SECONDS: u32 = 1 << 30;
/// Longer than an epoch and the root window, which relays require of a registry.
const EXIT_DELAY: u32 = 1 << 31;
const STATE_FILE: &str = "chain.state";

/// The members, and the folder of their chain and their passes.
pub struct LoadRegistry {
    pub(crate) id: RegistryId,
    pub(crate) seed: u64,
    pub(crate) folder: PathBuf,
    pub(crate) policy: Policy,
    pub(crate) epoch: Epoch,
    pub(crate) tree: MemberTree,
}

/// A lock: while it is held, no other program writes to the folder.
#[must_use = "another program may write the same passes when this is dropped"]
pub(crate) struct FolderLock {
    _file: File,
}

impl LoadRegistry {
    /// Opens the chain in `folder`, or creates it if it does not exist. Waits for other programs that create it.
    pub(crate) fn open(
        folder: &Path,
        keys: &KeyStore,
        seed: u64,
        progress: Observe<'_>,
    ) -> Result<(Self, FolderLock), LoadError> {
        let policy = Policy {
            name: SCOPE.into(),
            epoch_seconds: NonZeroU32::MIN.saturating_add(EPOCH_SECONDS - 1),
            limit_cap: NonZeroU16::MIN.saturating_add(MESSAGE_LIMIT - 1),
            min_stake: STAKE,
            min_age_days: 0,
            root_window: 3_600,
            max_clock_skew: 60,
            stake_levels: Vec::new(),
            moderation: None,
        };
        let folder = folder.join(&digest(seed)[..16]);
        fs::create_dir_all(&folder).map_err(LoadError::file("create", &folder))?;
        let lock = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(LoadError::file("lock", &folder))?;
        let state = folder.join(STATE_FILE);
        if !state.exists() {
            create(keys, seed, &state, progress)?;
        }
        let chain = EmbeddedChain::open(&state)?;
        let registry = chain.registry(registry_address())?;
        let id = registry.id();
        let tree =
            MemberTree::build(Levels::STANDARD, members(&id, seed)?.into_iter().map(Some)).map_err(LoadError::post)?;
        if registry.root()? != tree.root() {
            return Err(LoadError::OtherMembers(state));
        }
        let epoch = Epoch::new(policy.epoch_seconds, 1);
        Ok((Self { id, seed, folder, policy, epoch, tree }, FolderLock { _file: lock }))
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::new(&self.id, SCOPE)
    }

    pub(crate) fn secret(&self, member: MemberIndex) -> Result<IdentitySecret, LoadError> {
        secret(&self.id, self.seed, member.0)
    }

    /// Returns the origin of all passes, in hexadecimal. A different value means different passes.
    pub(crate) fn origin(&self) -> String {
        digest(self.seed)
    }

    /// Returns the registry's id.
    pub fn id(&self) -> RegistryId {
        self.id
    }

    /// Returns the policy of the scope of all posts.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Copies the chain's state for a relay, which keeps its copy open.
    ///
    /// # Errors
    /// [`LoadError::File`].
    pub fn copy_chain(&self, to: &Path) -> Result<(), LoadError> {
        fs::copy(self.folder.join(STATE_FILE), to).map_err(LoadError::file("copy the chain to", to))?;
        Ok(())
    }
}

/// Returns a digest of everything that passes depend on.
fn digest(seed: u64) -> String {
    let mut hasher = Sha256::new();
    for kind in [CircuitKind::Post, CircuitKind::Slash] {
        hasher.update(pin(kind).development_key.0);
    }
    hasher.update(&RegistryAbi::BYTECODE[..]);
    hasher.update(SCOPE);
    let numbers =
        [CHAIN_ID, STAKE.into(), EPOCH_SECONDS.into(), EXIT_DELAY.into(), MESSAGE_LIMIT.into(), HONEST_MEMBERS.into()];
    for number in numbers.into_iter().chain([SPAMMERS.into(), seed]) {
        hasher.update(number.to_be_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Returns the account that deploys all contracts and makes all deposits.
fn account() -> Address {
    Address::repeat_byte(0xbe)
}

/// Returns the address of the registry, which is the third contract that the account deploys.
fn registry_address() -> Address {
    account().create(2)
}

fn secret(registry: &RegistryId, seed: u64, number: u32) -> Result<IdentitySecret, LoadError> {
    IdentitySecret::from_seed(&seed.to_be_bytes(), registry, number).map_err(LoadError::post)
}

/// Returns the time of all deposits, which is a day before the epoch begins.
fn deposit_time() -> UnixSeconds {
    UnixSeconds(u64::from(EPOCH_SECONDS) - 86_400)
}

fn members(registry: &RegistryId, seed: u64) -> Result<Vec<Member>, LoadError> {
    let terms = Terms::new(STAKE, MESSAGE_LIMIT, Day::at(deposit_time())).map_err(LoadError::post)?;
    let member = |number| Ok(Member { commitment: secret(registry, seed, number)?.commitment(), terms });
    (0..HONEST_MEMBERS + SPAMMERS).map(member).collect()
}

/// Deploys the contracts, makes all deposits, and renames the state file to its final name at the end.
fn create(keys: &KeyStore, seed: u64, path: &Path, progress: Observe<'_>) -> Result<(), LoadError> {
    let draft = path.with_extension("draft");
    if draft.exists() {
        fs::remove_file(&draft).map_err(LoadError::file("remove", &draft))?;
    }
    let slashes = keys.development_prover(Slash, |made| progress(LoadProgress::Key(made)))?;
    let chain = EmbeddedChain::create(&draft, ChainSettings { chain_id: CHAIN_ID, timestamp: deposit_time() })?;
    let account = account();
    let token = chain.deploy_token(account)?;
    let verifier = chain.deploy_slash_verifier(account, &slashes.verifying_key())?;
    let amount = U256::from(STAKE);
    let config = RegistryConfig {
        token,
        tiers: vec![Tier { amount, stake: STAKE, message_limit: MESSAGE_LIMIT }],
        // The fee deters attackers who fill the tree, and a local chain has none.
        fee: U256::ZERO,
        exit_delay: EXIT_DELAY,
        reward_bps: 5_000,
        treasury: None,
        verifier,
        gate: None,
    };
    let registry = chain.deploy_registry(account, &config)?;
    let members = members(&registry.id(), seed)?;
    progress(LoadProgress::Registry { members: members.len() });
    let all = amount * U256::from(members.len());
    chain.mint(token, account, all)?;
    registry.approve(account, all)?;
    deposit(&chain, &registry, &members)?;
    chain.save()?;
    drop((registry, chain));
    fs::rename(&draft, path).map_err(LoadError::file("rename", draft))
}

/// Makes all deposits in one block, so that relays have one root instead of thousands.
fn deposit(chain: &EmbeddedChain, registry: &EmbeddedRegistry, members: &[Member]) -> Result<(), LoadError> {
    let _block = chain.open_block()?;
    for member in members {
        registry.deposit(account(), member.commitment, TierNumber(0))?;
    }
    Ok(())
}
