//! A load for a relay: real posts at a planned rate, and every verdict checked.
//!
//! [`Load::prepare`] opens the [registry](LoadRegistry) whose members post, draws the plan of the requests, and makes the
//! material: messages, and passes in advance. [`Load::run`] sends it from many [sources](Sources) to a relay with this
//! registry, and checks whether the answers are consistent. The result is a [`Report`].
//!
//! ```
//! use std::time::Duration;
//!
//! use quotapass_load::{Forgers, Format, Load, LoadSettings, Mix, Shape, Sources};
//! use quotapass_wallet::keys::KeyStore;
//!
//! // A hundred posts a second for ten seconds, each twentieth with an invalid proof.
//! let settings = LoadSettings {
//!     shape: Shape {
//!         warm_up: 0,
//!         posts: 1_000,
//!         rate: 100.0,
//!         posts_per_request: 1.try_into()?,
//!         forgeries_per_request: 1.try_into()?,
//!         sources: Sources { honest: 64, forgers: Forgers::Addresses(16) },
//!         mix: Mix { forgeries: "5%".parse()?, ..Mix::default() },
//!         seed: 1,
//!     },
//!     connections: 16,
//!     is_closed: false,
//!     retry: None,
//!     format: Format::Binary,
//!     timeout: Duration::from_secs(30),
//!     journal: None,
//!     resend: false,
//!     log_may_lose_answers: false,
//! };
//!
//! // Makes keys and passes, which takes a while the first time, and sends them to a relay with the load's registry.
//! async fn measure(settings: LoadSettings) -> Result<(), Box<dyn std::error::Error>> {
//!     let load = Load::prepare("bench".as_ref(), &KeyStore::of_user()?, settings, &|_| {})?;
//!     let report = load.run(&"http://127.0.0.1:8480".parse()?, &|_| {}).await?;
//!     println!("{}", report.text());
//!     Ok(report.verdict()?) // fails if a verdict contradicts the posts
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `quotapass bench relay` adds the command line, and a relay if none is given.

mod accounts;
mod client;
mod drive;
mod error;
mod journal;
mod material;
mod passes;
mod plan;
mod registry;
mod report;
mod sources;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quotapass_wallet::keys::{KeyProgress, KeyStore};
use reqwest::Url;

use self::{
    accounts::Accounts,
    client::RelayClient,
    drive::{Driver, Pace},
    journal::Journal,
    material::Material,
    plan::{Item, Plan},
};

pub use client::Format;
pub use error::LoadError;
pub use journal::JournalFault;
pub use passes::PassFault;
pub use plan::{Mix, Percentage, Shape};
pub use registry::LoadRegistry;
pub use report::{Failure, Report};
pub use sources::{Forgers, Sources};

/// The local address of forgeries if the relay is on this machine and does not trust the stated source of a request.
const FORGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Progress of a load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadProgress {
    /// The registry is being created.
    Registry {
        /// Number of its members.
        members: usize,
    },
    /// A proving key is being prepared.
    Key(KeyProgress),
    /// A pass was made.
    Passes {
        /// Number of passes that are made.
        done: u64,
        /// Number of passes that were missing.
        all: u64,
    },
    /// A request was answered.
    Posts {
        /// Number of answered posts.
        done: u64,
        /// Number of all posts, with those that are sent again.
        all: u64,
    },
}

/// A callback for progress. Threads that prove call it too.
pub type Observe<'a> = &'a (dyn Fn(LoadProgress) + Sync);

/// The settings of a load.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// The posts.
    pub shape: Shape,
    /// Number of concurrent requests; requests with forgeries have the same number in addition.
    pub connections: usize,
    /// Whether to keep all connections busy, instead of sending at the planned rate.
    pub is_closed: bool,
    /// Time after the last post was due until which undecided posts are sent again.
    pub retry: Option<Duration>,
    /// Encoding of posts and verdicts.
    pub format: Format,
    /// Time limit for an answer.
    pub timeout: Duration,
    /// File to which all answers are appended, and with whose answers they are compared.
    pub journal: Option<PathBuf>,
    /// Whether to send all posts of the journal again, instead of new ones.
    pub resend: bool,
    /// Whether a post may have been recorded although the answer was `overloaded`: a log on a network can lose its answer.
    pub log_may_lose_answers: bool,
}

/// A load that is ready to send.
pub struct Load {
    settings: LoadSettings,
    registry: LoadRegistry,
    plan: Plan,
    material: Arc<Material>,
    accounts: Accounts,
    journal: Option<Journal>,
}

impl Load {
    /// Opens the registry in a folder of `folder`, and makes the missing passes.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn prepare(
        folder: &Path,
        keys: &KeyStore,
        settings: LoadSettings,
        progress: Observe<'_>,
    ) -> Result<Self, LoadError> {
        let Shape { posts_per_request, sources, mix, seed, .. } = settings.shape;
        let (registry, _lock) = LoadRegistry::open(folder, keys, seed, progress)?;
        let mut accounts = Accounts::new(settings.log_may_lose_answers);
        let open = |path: &PathBuf| Journal::open(path, &registry.origin(), &mut accounts);
        let journal = settings.journal.as_ref().map(open).transpose()?;
        let plan = if settings.resend {
            let items = accounts.items();
            if items.is_empty() {
                return Err(LoadError::EmptyJournal);
            }
            Plan::of(&items, posts_per_request, sources)
        } else {
            mix.check()?;
            Plan::draw(&settings.shape)
        };
        let material = Arc::new(Material::for_plan(keys, &registry, &plan, progress)?);
        Ok(Self { settings, registry, plan, material, accounts, journal })
    }

    /// Returns the registry, which the relay must have.
    pub fn registry(&self) -> &LoadRegistry {
        &self.registry
    }

    /// Sends all posts to the relay at `url`.
    ///
    /// # Errors
    /// [`LoadError`]. Wrong verdicts are in the [report](Report::verdict).
    pub async fn run(mut self, url: &Url, progress: Observe<'_>) -> Result<Report, LoadError> {
        let LoadSettings { shape, connections, is_closed, retry, resend, .. } = self.settings;
        let warm_up: Vec<_> = (0..shape.warm_up).map(Item::Honest).collect();
        let warm_up = Plan::of(&warm_up, shape.posts_per_request, shape.sources);
        let honest = self.plan.honest;
        let mut driver = Driver {
            material: self.material.clone(),
            pace: Pace { connections, is_closed: true, retry },
            clients: self.clients(url)?,
            accounts: &mut self.accounts,
            journal: self.journal.as_mut(),
            progress,
            answered: 0,
            all: warm_up.posts() + self.plan.posts(),
        };
        if warm_up.posts() > 0 {
            driver.run(warm_up).await?;
        }
        driver.pace.is_closed = is_closed || resend;
        let measured = driver.run(self.plan).await?;
        if let Some(journal) = self.journal {
            journal.end()?;
        }
        Ok(Report::new(self.accounts, measured, honest, shape.warm_up))
    }

    /// Returns the clients for honest posts and for forgeries.
    fn clients(&self, url: &Url) -> Result<[RelayClient; 2], LoadError> {
        let LoadSettings { format, timeout, .. } = self.settings;
        let address = url.host_str().and_then(|host| host.parse::<Ipv4Addr>().ok());
        let is_here = address.is_some_and(|address| address.is_loopback());
        // Other systems have only one loopback address.
        let forger = (cfg!(target_os = "linux") && is_here).then_some(FORGER);
        Ok([RelayClient::new(url, format, timeout, None)?, RelayClient::new(url, format, timeout, forger)?])
    }
}
