//! The registry whose members make the load. It depends only on a seed, so passes can be used again.

use std::{
    fs::{self, File},
    num::{NonZeroU16, NonZeroU32},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use quotapass_circuits::{
    constraints::CircuitKind,
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms},
    prover::pin,
    registry_id::RegistryId,
    signal::{Epoch, Scope},
    slash::Slash,
};
use quotapass_protocol::Policy;
use quotapass_registry::{
    RegistryReader, RegistryWriter, Tier, TierNumber,
    alloy_primitives::{Address, U256},
    bindings::RegistryAbi,
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
};
use sha2::{Digest, Sha256};

use crate::{context::Context, keys::development_prover, output::note};

/// The name of the scope of all posts.
pub(super) const SCOPE: &str = "bench";
/// Number of messages that a member may send in the epoch.
pub(super) const MESSAGE_LIMIT: u16 = 128;
/// Number of members who keep to their quota; the members after them are spammers.
pub(super) const HONEST_MEMBERS: u32 = 1_024;
/// Number of members who exceed their quota once.
pub(super) const SPAMMERS: u32 = 1_024;

const CHAIN_ID: u64 = 31_337;
const STAKE: u32 = 10;
/// Epoch 1 of this length lasts from January 2004 to January 2038, so that passes stay valid.
const EPOCH_SECONDS: u32 = 1 << 30;
/// Longer than an epoch and the root window, which relays require of a registry.
const EXIT_DELAY: u32 = 1 << 31;
const STATE_FILE: &str = "chain.state";

/// The members, and the folder of their chain and their passes.
pub(super) struct BenchRegistry {
    pub(super) id: RegistryId,
    pub(super) seed: u64,
    pub(super) folder: PathBuf,
    pub(super) policy: Policy,
    pub(super) epoch: Epoch,
    pub(super) tree: MemberTree,
}

/// A lock: while it is held, no other program writes to the folder.
#[must_use = "another program may write the same passes when this is dropped"]
pub(super) struct FolderLock {
    _file: File,
}

impl BenchRegistry {
    /// Opens the chain, or creates it if it does not exist. Waits for other programs that create it.
    pub(super) fn open(context: &Context, seed: u64) -> Result<(Self, FolderLock)> {
        let policy = Policy {
            name: SCOPE.into(),
            epoch_seconds: NonZeroU32::new(EPOCH_SECONDS).context("an epoch has zero seconds")?,
            limit_cap: NonZeroU16::new(MESSAGE_LIMIT).context("the limit cap is zero")?,
            min_stake: STAKE,
            min_age_days: 0,
            root_window: 3_600,
            max_clock_skew: 60,
        };
        let folder = context.config().data_folder()?.join("bench").join(&digest(seed)[..16]);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
        let lock = lock.with_context(|| format!("cannot lock {}", folder.display()))?;
        let state = folder.join(STATE_FILE);
        if !state.exists() {
            create(context, seed, &state)?;
        }
        let chain = EmbeddedChain::open(&state)?;
        let registry = chain.registry(registry_address())?;
        let id = registry.id();
        let tree = MemberTree::build(Levels::STANDARD, members(&id, seed)?.into_iter().map(Some))?;
        ensure!(
            registry.root()? == tree.root(),
            "{} holds other members than this version of the program makes; delete its folder and run again",
            state.display()
        );
        let epoch = Epoch::new(policy.epoch_seconds, 1);
        Ok((Self { id, seed, folder, policy, epoch, tree }, FolderLock { _file: lock }))
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::new(&self.id, SCOPE)
    }

    pub(super) fn secret(&self, member: MemberIndex) -> Result<IdentitySecret> {
        secret(&self.id, self.seed, member.0)
    }

    /// Returns the origin of all passes, in hexadecimal. A different value means different passes.
    pub(super) fn origin(&self) -> String {
        digest(self.seed)
    }

    /// Copies the chain's state for a relay, which keeps its copy open.
    pub(super) fn copy_chain(&self, to: &Path) -> Result<()> {
        let from = self.folder.join(STATE_FILE);
        fs::copy(&from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        Ok(())
    }
}

/// Returns a digest of everything that passes depend on.
fn digest(seed: u64) -> String {
    let mut hasher = Sha256::new();
    for kind in [CircuitKind::Post, CircuitKind::Slash] {
        hasher.update(pin(kind).development_key);
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

fn secret(registry: &RegistryId, seed: u64, number: u32) -> Result<IdentitySecret> {
    Ok(IdentitySecret::from_seed(&seed.to_be_bytes(), registry, number)?)
}

/// Returns the time of all deposits, which is a day before the epoch begins.
fn deposit_time() -> u64 {
    u64::from(EPOCH_SECONDS) - 86_400
}

fn members(registry: &RegistryId, seed: u64) -> Result<Vec<Member>> {
    let terms = Terms::new(STAKE, MESSAGE_LIMIT, Day::at(deposit_time()))?;
    let member = |number| Ok(Member { commitment: secret(registry, seed, number)?.commitment(), terms });
    (0..HONEST_MEMBERS + SPAMMERS).map(member).collect()
}

/// Deploys the contracts, makes all deposits, and renames the state file to its final name at the end.
fn create(context: &Context, seed: u64, path: &Path) -> Result<()> {
    let draft = path.with_extension("draft");
    if draft.exists() {
        fs::remove_file(&draft).with_context(|| format!("cannot remove {}", draft.display()))?;
    }
    let slashes = development_prover::<Slash>(&context.development_keys()?, Levels::STANDARD)?;
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
    note(format!("Creating a registry with {} members.", members.len()));
    let all = amount * U256::from(members.len());
    chain.mint(token, account, all)?;
    registry.approve(account, all)?;
    deposit(&chain, &registry, &members)?;
    chain.save()?;
    drop((registry, chain));
    fs::rename(&draft, path).with_context(|| format!("cannot rename {}", draft.display()))
}

/// Makes all deposits in one block, so that relays have one root instead of thousands.
fn deposit(chain: &EmbeddedChain, registry: &EmbeddedRegistry, members: &[Member]) -> Result<()> {
    let _block = chain.open_block()?;
    for member in members {
        registry.deposit(account(), member.commitment, TierNumber(0))?;
    }
    Ok(())
}
