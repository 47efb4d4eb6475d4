//! A relay process with its threads, from start to stop.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, anyhow, bail};
use axum::Router;
use quotapass_circuits::{
    badge::Badge,
    moderation::{author::Author, record::Record},
    post::Post,
    prover::{ProveError, development_setup},
    slash::Slash,
};
use quotapass_protocol::{
    PolicyTable, RootHistory,
    note::{NoteKey, NotePublicKey},
};
use quotapass_registry::{Follower, FollowerSettings, embedded::StateFileError};
use quotapass_relay::{
    Clock as _, Engine, Relay, RelayContext, RelayStore, StopSignal, SystemClock, WorkerId,
    chain::{ChainError, ChainFollower, ChainParts, ChainSettings, RegistryLink},
    http::{AdminListener, HttpService},
    moderation::host::ModerationHost,
    slasher::{SlashSender, Slasher, SlasherParts, SlasherSettings},
    upkeep::Upkeep,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    manager, moderation,
    reload::{Configuration, registry_check},
    settings::{FixedSettings, Settings},
    signals::{Signal, Signals},
    surroundings::{ChainAccess, Folders, Funds, WALLET_KEY_VARIABLE},
};
use crate::keys::{prover, refuse_development_keys, slash_key};

/// The time limit for threads to stop. A pending transaction takes longer; the next start finds it on the chain.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The exit code after a second signal.
const EXIT_AT_ONCE: i32 = 1;

/// The shortest period before the latest block, in seconds, for which roots are reported one by one.
const TOLD: u32 = 3_600;

/// A relay that is about to run.
pub(crate) struct Program {
    configuration: Arc<Configuration>,
    context: RelayContext,
    chain: ChainAccess,
    relay: Arc<Relay>,
    follower: ChainFollower,
    slasher: Slasher,
    /// The moderation logs.
    logs: Option<Arc<ModerationHost>>,
    policy_key: NoteKey,
    routes: Option<MakeRoutes>,
    /// The path of a chat's page.
    chat: Option<&'static str>,
}

/// The findings of a check.
#[derive(Default)]
pub(super) struct Findings {
    /// The state of chain and wallet, as part of a sentence.
    pub(super) text: String,
    /// Whether there is a nullifier log; `None` if it was not checked.
    pub(super) has_log: Option<bool>,
    /// The key that signs the policies, if it exists.
    pub(super) policy_key: Option<NotePublicKey>,
    /// The means of the account that slashes, if there is one that pays for gas.
    pub(super) funds: Option<Funds>,
}

/// Makes additional routes of a service from its address, its engine, its registry, and a token that is cancelled when it
/// stops.
pub(crate) type MakeRoutes = Box<dyn FnOnce(SocketAddr, Engine, Arc<RegistryLink>, CancellationToken) -> Router + Send>;

impl Program {
    /// Opens everything that the settings name, and checks the settings against the registry. If the chain does not
    /// answer, the relay starts anyway and is not ready until it does.
    pub(crate) fn open(path: PathBuf, settings: Settings, folders: &Folders, may_be_new: bool) -> Result<Self> {
        let context = RelayContext::new(Arc::new(SystemClock));
        settings.live.require_begun(context.clock.now())?;
        let fixed = &settings.fixed;
        let chain = ChainAccess::open(&fixed.chain, &fixed.slashing, context.clock.clone())?;
        require_test_chain(&settings, chain.id.chain_id)?;
        let keys = folders.keys(fixed);
        let configuration = Arc::new(Configuration::new(path, settings.clone(), slash_key(&keys)?));
        let answer = chain.link.reader().map_err(ChainError::from);
        match answer.and_then(|registry| configuration.check(&*registry)) {
            Ok(()) => {}
            Err(unfit @ ChainError::Unfit(_)) => return Err(unfit.into()),
            Err(error) => warn!(%error, "the chain does not answer; the relay starts without it"),
        }

        // The copy comes first: its lock prevents two relays from sharing one folder.
        let copy_path = folders.copy(&chain.id)?;
        let window = settings.live.scopes.iter().map(|dated| dated.policy.root_window).fold(TOLD, u32::max);
        let follower_settings = FollowerSettings {
            first_block: fixed.chain.first_block(),
            reorganisation_limit: fixed.chain.max_reorg_depth,
            history: Duration::from_secs(window.into()),
            progress: super::logging::sync(),
        };
        let copy = Follower::open_or_create(&copy_path, chain.id, follower_settings)?;
        let store = folders.open_store(fixed, &chain.id, may_be_new)?;
        // The name is stored after the log exists, so that a log that is missing later is noticed.
        let worker = folders.worker(&chain.id)?;

        let policy_key = folders.policy_key(&chain.id)?;
        let posts = prover::<Post>(&keys)?;
        if posts.verifying_key().is_development() {
            warn!("the keys are development keys, which are INSECURE: for tests only");
        }
        let policies = PolicyTable::new(chain.id, settings.live.scopes.iter().cloned())?;
        let mut relay = Relay::new(
            posts.verifier()?,
            prover::<Badge>(&keys)?.verifier()?,
            policies.with_unlisted(settings.live.unlisted).with_shadow(settings.live.shadow.iter().cloned()),
            RootHistory::new(),
            Arc::clone(&store),
        );
        if needs_records(&settings) {
            let (small, large) = (prover::<Record<16>>(&keys)?, prover::<Record<128>>(&keys)?);
            relay = relay.with_records(small.verifier()?, large.verifier()?);
            relay = relay.with_author(prover::<Author>(&keys)?.verifier()?);
        }
        let relay = Arc::new(relay);
        let parts = ChainParts {
            relay: Arc::clone(&relay),
            registry: Arc::clone(&chain.link),
            copy,
            check: registry_check(&configuration),
            context: context.clone(),
        };
        let chain_settings =
            ChainSettings { poll: fixed.chain.poll, is_own: chain.is_embedded, ..ChainSettings::default() };
        let follower = ChainFollower::new(parts, chain_settings, Some(&copy_path))?;
        let logs = moderation::open(
            &fixed.moderation,
            folders,
            &chain.id,
            (&relay, &context),
            posts.verifier()?,
            follower.archive(),
        )?;
        let slasher = slasher(&settings, folders, &chain, &context, store, worker)?;
        Ok(Self { configuration, context, chain, relay, follower, slasher, logs, policy_key, routes: None, chat: None })
    }

    /// Returns the public key that the policies are signed with.
    pub(super) fn policy_key(&self) -> NotePublicKey {
        self.policy_key.public()
    }

    /// Reads the chain, so that the relay is ready when it reports that it listens.
    pub(crate) fn synced(mut self) -> Result<Self> {
        self.follower.step()?;
        Ok(self)
    }

    /// Returns the moderation logs, if the settings name any.
    pub(crate) fn moderation(&self) -> Option<Arc<ModerationHost>> {
        self.logs.clone()
    }

    /// Adds routes.
    pub(crate) fn with_routes(self, routes: MakeRoutes) -> Self {
        Self { routes: Some(routes), ..self }
    }

    /// Adds the routes of a chat, and a link to its page at `path` to the status page.
    pub(crate) fn with_chat(self, path: &'static str, routes: MakeRoutes) -> Self {
        Self { chat: Some(path), ..self.with_routes(routes) }
    }

    /// Checks everything that can be checked without running and without writing.
    pub(super) fn check(settings: &Settings, folders: &Folders, offline: bool) -> Result<Findings> {
        let (fixed, mut found) = (&settings.fixed, Findings::default());
        settings.live.require_begun(SystemClock.now())?;
        let chain = match ChainAccess::open(&fixed.chain, &fixed.slashing, Arc::new(SystemClock)) {
            // A running relay has this chain open, and has checked it.
            Err(error) if matches!(error.downcast_ref(), Some(StateFileError::InUse(_))) => {
                found.text = ", and a relay has its chain open".into();
                return Ok(found);
            }
            chain => chain?,
        };
        require_test_chain(settings, chain.id.chain_id)?;
        let keys = folders.keys(fixed);
        let slash_key = match fixed.trusted_keys.is_empty() {
            // A start creates the files of development keys; they are the same everywhere.
            true => development_setup(Slash).map_err(ProveError::from)?.verifying_key().hash(),
            // Ceremony keys must be installed.
            false => {
                prover::<Post>(&keys)?;
                prover::<Badge>(&keys)?;
                if needs_records(settings) {
                    prover::<Record<16>>(&keys)?;
                    prover::<Record<128>>(&keys)?;
                    prover::<Author>(&keys)?;
                }
                slash_key(&keys)?
            }
        };
        // Like the chain, a log on servers is contacted unless `offline` is set.
        if !offline || fixed.log.servers().is_none() {
            found.has_log = Some(folders.check_store(fixed, &chain.id)?);
        }
        for path in moderation::key_files(&folders.moderation(&chain.id)) {
            moderation::read_seed(&path, "signs for the relay's moderation logs")?;
        }
        found.policy_key = folders.known_policy_key(&chain.id)?.map(|key| key.public());
        if offline {
            return Ok(found);
        }
        let info = settings.fit(&*chain.link.reader()?, slash_key)?;
        found.funds = chain.funds(&fixed.chain)?;
        let wallet = match (&found.funds, &chain.account) {
            (Some(Funds { account, slashes: Some(slashes), .. }), _) => {
                format!("{account} slashes and can pay for {slashes} slashes")
            }
            (_, Some(account)) => format!("{} slashes", account.get()),
            (_, None) => "no wallet slashes".into(),
        };
        found.text = format!(
            ", registry {} on chain {} with {} members, {wallet}",
            fixed.chain.registry, chain.id.chain_id, info.member_count
        );
        Ok(found)
    }

    /// Runs until a signal to stop. Calls `started` with the address when the relay listens.
    pub(crate) fn run(
        self,
        listen: Option<SocketAddr>,
        started: impl FnOnce(SocketAddr, Address) -> Result<()>,
    ) -> Result<()> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
        let ended = runtime.block_on(self.serve(listen, started));
        // Tasks that still wait for an endpoint are abandoned.
        runtime.shutdown_background();
        ended
    }

    async fn serve(
        mut self,
        listen: Option<SocketAddr>,
        started: impl FnOnce(SocketAddr, Address) -> Result<()>,
    ) -> Result<()> {
        let mut signals = Signals::new()?;
        let settings = self.configuration.settings();
        let address = listen.unwrap_or(settings.fixed.listen);
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; choose another address in [listen] or with --listen")
        })?;
        let address = listener.local_addr()?;
        let admin = match &settings.fixed.admin {
            Some(address) => Some((address, AdminListener::bind(address).await?)),
            None => None,
        };
        if self.chain.is_embedded {
            // An embedded chain answers at once, so the relay is ready when it reports that it listens.
            self.follower.step()?;
        }
        let Self { configuration, context, chain, relay, follower, slasher, logs, policy_key, routes, chat } = self;
        let members = follower.members();
        let engine = Engine::start(Arc::clone(&relay), context.clone(), &settings.fixed.engine)?;
        let mut service = HttpService::new(engine.clone(), members, settings.live.http.clone());
        let key = policy_key.public();
        service = service.with_policy_key(policy_key);
        if let Some(logs) = &logs {
            service = service.with_moderation(Arc::clone(logs));
        }
        let watched = engine.clone();
        if let Some(path) = chat {
            service = service.with_chat_link(path);
        }
        if let Some(routes) = routes {
            let routes = routes(address, engine, Arc::clone(&chain.link), service.stopping());
            service = service.with_routes(routes);
        }
        let upkeep = Upkeep::new(Arc::clone(&relay), context.clone(), settings.fixed.clock);
        let (mut threads, mut failed) = Threads::start(follower, slasher, upkeep, logs)?;
        // The admin listener keeps answering until the end.
        let (stop_admin, admin_stopped) = oneshot::channel::<()>();
        let admin = admin.map(|(address, listener)| {
            info!(%address, "health and metrics are served to the operator");
            let service = service.clone();
            tokio::spawn(async move {
                let stopped = async move {
                    let _ = admin_stopped.await;
                };
                service.serve_admin(listener, stopped).await;
            })
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = service.clone();
        let mut http = tokio::spawn(async move {
            let stopped = async move {
                // A dropped sender means stop as well.
                let _ = stopped.await;
            };
            serving.serve(listener, stopped).await;
        });
        info!(%address, registry = %Address::from(chain.id.address), chain_id = chain.id.chain_id, policy_key = %key, "the relay listens");
        started(address, chain.id.address.into())?;
        manager::ready(&format!("answers at {address}"));
        let watch = manager::watch(watched);

        let ended = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => {
                        manager::reloading();
                        let is_taken = configuration.reload(&relay, &context, &service, &chain);
                        let status = if is_taken { "" } else { "; the last reload was refused, see the log" };
                        manager::ready(&format!("answers at {address}{status}"));
                    }
                    Signal::Stop => break Ok(()),
                },
                Some(reason) = failed.recv() => break Err(anyhow!(reason)),
                ended = &mut http => {
                    ended.context("the HTTP service failed")?;
                    bail!("the HTTP service stopped unexpectedly");
                }
            }
        };
        info!("stopping: accepted requests are answered first; a second signal stops at once");
        manager::stopping();
        // Fails only if the service has already ended.
        let _ = stop.send(());
        tokio::select! {
            joined = &mut http => joined.context("the HTTP service failed")?,
            () = second_stop(&mut signals) => process::exit(EXIT_AT_ONCE),
        }
        if let Some(watch) = watch {
            watch.abort();
        }
        // The threads stop last: posts were accepted until now, and the roots to judge them by had to stay up to date.
        threads.stop.set();
        threads.join().await;
        drop(stop_admin);
        if let Some(admin) = admin {
            admin.await.context("the operator's listener failed")?;
        }
        info!("stopped");
        ended
    }
}

/// Waits for a signal to stop.
async fn second_stop(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// The threads other than the engine's.
struct Threads {
    stop: StopSignal,
    /// Receives the reason when a thread cannot continue.
    tell: mpsc::UnboundedSender<String>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts the threads. The receiver gets the reason when a thread cannot continue.
    fn start(
        follower: ChainFollower,
        slasher: Slasher,
        upkeep: Upkeep,
        logs: Option<Arc<ModerationHost>>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<String>)> {
        let (tell, failed) = mpsc::unbounded_channel();
        let mut threads = Self { stop: StopSignal::new(), tell, running: Vec::new() };
        threads.spawn("chain", move |stop| follower.run(stop).map_err(|error| error.to_string()))?;
        threads.spawn("slasher", move |stop| {
            slasher.run(stop);
            Ok(())
        })?;
        threads.spawn("upkeep", move |stop| {
            upkeep.run(stop);
            Ok(())
        })?;
        if let Some(logs) = logs {
            threads.spawn("moderation", move |stop| logs.run(stop).map_err(|error| error.to_string()))?;
        }
        Ok((threads, failed))
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&StopSignal) -> Result<(), String> + Send + 'static,
    ) -> Result<()> {
        let (stop, tell) = (self.stop.clone(), self.tell.clone());
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            // After a panic, no state of the thread is used any more.
            let ended = catch_unwind(AssertUnwindSafe(|| run(&stop)));
            if let Err(reason) = ended.unwrap_or_else(|_| Err(format!("the thread `{name}` failed; please report it")))
            {
                // Fails only if the relay is already stopping.
                let _ = tell.send(reason);
            }
        });
        self.running.push(thread.context("cannot start a thread")?);
        Ok(())
    }

    /// Waits for the threads to end, up to [`STOP_TIMEOUT`].
    async fn join(&mut self) {
        let running = core::mem::take(&mut self.running);
        let joined = tokio::task::spawn_blocking(move || running.into_iter().for_each(|thread| drop(thread.join())));
        if timeout(STOP_TIMEOUT, joined).await.is_err() {
            warn!(
                "a thread still waits for the chain or another relay and is abandoned; the next start resumes its work"
            );
        }
    }
}

/// Returns whether the relay verifies records: the keys are large, and only scopes with moderation need them.
fn needs_records(settings: &Settings) -> bool {
    settings.live.scopes.iter().any(|dated| dated.policy.moderation.is_some())
}

fn slasher(
    settings: &Settings,
    folders: &Folders,
    chain: &ChainAccess,
    context: &RelayContext,
    store: Arc<dyn RelayStore>,
    worker: WorkerId,
) -> Result<Slasher> {
    let slashing = &settings.fixed.slashing;
    let sender = match &chain.account {
        None => None,
        Some(account) => Some(SlashSender {
            account: account.clone(),
            receiver: slashing.receiver,
            prover: prover::<Slash>(&folders.keys(&settings.fixed))?,
        }),
    };
    if sender.is_none() && slashing.enabled {
        warn!(
            "no wallet is set, so this relay slashes no members: set `keystore` in [slashing], or {} in the \
             environment",
            WALLET_KEY_VARIABLE
        );
    }
    let confirmations = if chain.is_embedded { 0 } else { slashing.confirmations };
    let parts = SlasherParts { store, registry: Arc::clone(&chain.link), sender, worker, context: context.clone() };
    Ok(Slasher::new(parts, SlasherSettings { confirmations, ..SlasherSettings::default() }))
}

/// Refuses development keys on a chain that is not listed as a test chain.
fn require_test_chain(settings: &Settings, chain_id: u64) -> Result<()> {
    let FixedSettings { trusted_keys, test_chains, .. } = &settings.fixed;
    refuse_development_keys(!trusted_keys.is_empty() || test_chains.contains(&chain_id), chain_id)
}
