//! A self-contained relay for development: an embedded chain with a registry, members whose secrets are public, and
//! sample posts of these members.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, U256};
use anyhow::{Context as _, Result, ensure};
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{MemberIndex, Membership},
    post::Post,
    prover::Prover,
    registry_id::RegistryId,
    slash::Slash,
};
use quotapass_protocol::Policy;
use quotapass_registry::{
    Follower, FollowerSettings, RegistryReader, RegistryWriter, Tier, TierNumber,
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
};
use quotapass_relay::{Clock, SystemClock};
use quotapass_wallet::{
    BoundPolicy, Poster,
    files::{create_new, write_atomically},
    keys::KeyStore,
    ledger::{Book, DeviceShare},
};
use rand::{Rng, rngs::OsRng};

use super::{
    settings::Settings,
    template::{self, ChainTemplate, TemplateScope, WALLET_FILE, WALLET_PASSWORD_FILE},
};
use crate::{envelope::Envelope, keys::development_prover};

/// anvil's chain id, which every tool treats as a test chain.
pub(crate) const CHAIN_ID: u64 = 31_337;
const EXIT_DELAY: u32 = 7 * 86_400;
const REWARD_BPS: u16 = 5_000;
/// Whole tokens locked and messages per epoch granted, by tier.
const TIERS: [(u32, u16); 3] = [(1, 5), (10, 20), (100, 100)];
/// The account that pays all deposits.
pub(crate) const DEPOSITOR: Address = Address::repeat_byte(0xd0);

/// The files of a development relay.
pub(super) struct Development {
    /// The configuration file.
    pub(super) configuration: PathBuf,
    /// The sample posts in order, each with the relay's expected answer; none if no scope takes a post without records.
    pub(super) posts: Vec<(PathBuf, &'static str)>,
}

/// Ensures that a folder has a chain, a configuration and at least `members` members, and makes new sample posts.
pub(super) fn prepare(folder: &Path, keys: &KeyStore, members: u32) -> Result<Development> {
    let stage = Stage::set(folder, keys, TemplateScope::Development)?;
    // Each start adds one more member, the spammer of the sample posts.
    let count = stage.member_count()?.max(members) + 1;
    stage.fill(count)?;
    let Stage { configuration, settings, registry, .. } = &stage;
    let scopes = &settings.live.scopes;
    ensure!(!scopes.is_empty(), "the configuration lists no scope");
    // A pattern is the scope of no post, and the author of a post with records needs a witness of the log that is not its
    // operator.
    let plain = scopes.iter().find(|dated| !dated.policy.is_pattern() && dated.policy.lists().is_empty());
    let posts = match plain {
        Some(dated) => Author::new(registry, keys, &dated.policy)?.write(&folder.join("posts"), count - 1)?,
        None => Vec::new(),
    };
    Ok(Development { configuration: configuration.clone(), posts })
}

/// A chain with a registry, and the configuration of its relay.
pub(crate) struct Stage {
    configuration: PathBuf,
    settings: Settings,
    chain: EmbeddedChain,
    registry: EmbeddedRegistry,
}

impl Stage {
    /// Opens the chain of a folder, or creates one.
    pub(crate) fn set(folder: &Path, keys: &KeyStore, scope: TemplateScope<'_>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let (state, configuration) = (folder.join("chain.state"), folder.join("relay.toml"));
        if !state.exists() {
            let registry = deploy(&state, keys)?;
            let text = template::configuration(&ChainTemplate::Embedded { registry, scope });
            // An existing configuration belongs to a deleted chain.
            write_atomically(&configuration, text.as_bytes())
                .with_context(|| format!("cannot write {}", configuration.display()))?;
        }
        let settings = Settings::read(&configuration)?;
        let chain = EmbeddedChain::open(&state)?;
        chain.advance(SystemClock.now().since(chain.now()?))?;
        let registry = chain.registry(settings.fixed.chain.registry)?;
        Ok(Self { configuration, settings, chain, registry })
    }

    fn member_count(&self) -> Result<u32> {
        Ok(self.registry.info()?.member_count as u32)
    }

    /// Lets members deposit until there are `count` of them.
    pub(crate) fn fill(&self, count: u32) -> Result<()> {
        (self.member_count()?..count).try_for_each(|number| deposit(&self.registry, number))?;
        Ok(self.chain.save()?)
    }

    /// Closes the chain, so that a relay can open it. Returns the path and the content of the configuration.
    pub(crate) fn close(self) -> (PathBuf, Settings) {
        (self.configuration, self.settings)
    }
}

/// Creates a chain with a registry.
fn deploy(state: &Path, keys: &KeyStore) -> Result<Address> {
    let key = development_prover(keys, Slash)?.verifying_key();
    let chain = EmbeddedChain::create(state, ChainSettings { chain_id: CHAIN_ID, timestamp: SystemClock.now() })?;
    // A random deployer gives the registry a new address, because files of an earlier registry may still exist.
    let deployer = Address::from(OsRng.r#gen::<[u8; 20]>());
    let token = chain.deploy_token(deployer)?;
    let config = terms(token, chain.deploy_slash_verifier(deployer, &key)?);
    let registry = chain.deploy_registry(deployer, &config)?;
    // Enough for all future deposits.
    chain.mint(token, DEPOSITOR, U256::MAX >> 1)?;
    registry.approve(DEPOSITOR, U256::MAX)?;
    chain.save()?;
    Ok(Address::from(registry.id().address))
}

/// Returns the terms of a registry for development.
pub(crate) fn terms(token: Address, verifier: Address) -> RegistryConfig {
    let unit = U256::from(10).pow(U256::from(18));
    let tiers = TIERS.map(|(stake, message_limit)| Tier { amount: U256::from(stake) * unit, stake, message_limit });
    RegistryConfig {
        token,
        tiers: tiers.to_vec(),
        // The fee deters attackers who fill the tree, and a local chain has none.
        fee: U256::ZERO,
        exit_delay: EXIT_DELAY,
        reward_bps: REWARD_BPS,
        treasury: None,
        verifier,
        gate: None,
    }
}

/// Returns the secret of the n-th member, which is public like the keys.
fn secret(registry: &RegistryId, number: u32) -> Result<IdentitySecret> {
    Ok(IdentitySecret::from_seed(b"quotapass development member", registry, number)?)
}

fn deposit(registry: &EmbeddedRegistry, number: u32) -> Result<()> {
    let tier = TierNumber((number % TIERS.len() as u32) as u8);
    registry.deposit(DEPOSITOR, secret(&registry.id(), number)?.commitment(), tier)?;
    Ok(())
}

/// Makes posts for the members.
struct Author<'a> {
    registry: RegistryId,
    copy: Follower,
    prover: Prover<Post>,
    policy: &'a Policy,
}

impl<'a> Author<'a> {
    fn new(registry: &EmbeddedRegistry, keys: &KeyStore, policy: &'a Policy) -> Result<Self> {
        let id = registry.id();
        let mut copy = Follower::in_memory(id, FollowerSettings::default())?;
        copy.sync(registry)?;
        Ok(Self { registry: id, copy, prover: development_prover(keys, Post::STANDARD)?, policy })
    }

    /// Writes a post within quota, and the two posts of the spammer's double post.
    fn write(&self, folder: &Path, spammer: u32) -> Result<Vec<(PathBuf, &'static str)>> {
        let posts = [
            ("hello.json", 0, "hello", "accepted; `replay` if it is sent again"),
            ("spam-1.json", spammer, "buy my coin", "accepted"),
            ("spam-2.json", spammer, "buy my other coin", "quota_exceeded: its author is slashed"),
        ];
        let mut written = Vec::new();
        for (name, number, message, answer) in posts {
            let path = folder.join(name);
            let text = serde_json::to_string(&self.post(number, message)?)?;
            write_atomically(&path, format!("{text}\n").as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            written.push((path, answer));
        }
        Ok(written)
    }

    /// Makes a member's post under its first message id of the epoch.
    fn post(&self, number: u32, message: &str) -> Result<Envelope> {
        let index = MemberIndex(number);
        let (secret, path) = (secret(&self.registry, number)?, self.copy.path(index)?);
        let member = self.copy.member(index)?.context("the member is not in the tree")?;
        let now = SystemClock.now();
        let bound = BoundPolicy::new(self.registry, self.policy.clone())?;
        let membership = Membership { secret: &secret, member: &member, path: &path };
        let mut poster = Poster::new(&self.prover, bound, membership, now)?;
        // A new ledger for each post: the two posts of the spammer use one message id.
        let reservation = Book::new(poster.owner(), DeviceShare::SOLE).reserve(now, &poster.quota())?;
        let pass = poster.prove(reservation, message.as_bytes(), &mut OsRng)?;
        Ok(Envelope::new(&self.policy.name, message.as_bytes(), &pass, self.prover.origin()))
    }
}

/// Writes the files of a relay on a local development chain to a folder: its configuration, and a wallet whose key is
/// public. Returns the path and the content of the configuration.
pub(crate) fn configure(folder: &Path, rpc_url: &str, registry: Address) -> Result<(PathBuf, Settings)> {
    let configuration = folder.join("relay.toml");
    let text = template::local_configuration(rpc_url, CHAIN_ID, registry);
    let files = [
        (folder.join(WALLET_FILE), include_str!("development_wallet.json")),
        (folder.join(WALLET_PASSWORD_FILE), "development\n"),
        (configuration.clone(), text.as_str()),
    ];
    for (path, content) in files {
        create_new(&path, content.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let settings = Settings::read(&configuration)?;
    Ok((configuration, settings))
}

/// Writes a new configuration.
pub(super) fn write_configuration(path: &Path, chain: &ChainTemplate<'_>) -> Result<()> {
    create_new(path, template::configuration(chain).as_bytes()).with_context(|| {
        format!("cannot write {} (an existing file is not overwritten; name another with --config)", path.display())
    })
}
