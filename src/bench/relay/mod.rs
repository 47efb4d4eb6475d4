//! `quotapass bench relay`: real posts at a planned rate, and every verdict checked.
//!
//! The modules in the order of use: the [`registry`] whose members post, the [`plan`] of the requests, the [`material`]
//! (messages, and passes made in advance), the benchmark's [own](own) relay unless one is given, the [driver](drive)
//! that sends from many [sources], the [`accounts`] that check whether the answers are consistent, and the [`report`].

mod accounts;
mod client;
mod drive;
mod journal;
mod material;
mod own;
mod passes;
mod plan;
mod registry;
mod report;
mod sources;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;
use serde_json::json;

use self::{
    accounts::Accounts,
    client::{Format, RelayClient},
    drive::{Driver, Pace},
    journal::Journal,
    material::Material,
    own::{LogPlace, OwnRelay},
    plan::{Item, Mix, Percentage, Plan, Shape},
    registry::BenchRegistry,
    report::Report,
    sources::{Forgers, Sources},
};
use crate::{context::Context, time::parse_duration};

/// The local address of forgeries if the relay is on this machine and does not trust the stated source of a request.
const FORGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The number of posts in a measurement of the highest rate.
const POSTS_AT_MOST: u32 = 4_096;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Running relay to load, with the chain and the scope from --prepare [default: a new relay is started]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Write a chain and a relay.toml to a new folder, make the passes, and stop
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["url", "journal"])]
    prepare: Option<PathBuf>,
    /// Address and port of the prepared relay
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8480", requires = "prepare")]
    listen: SocketAddr,
    /// Valkey or Redis for the nullifiers of the started or prepared relay, instead of its own store
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    valkey: Option<String>,
    /// Posts per second
    #[arg(long, default_value_t = 100.0, value_name = "POSTS")]
    rate: f64,
    /// Duration of the load
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    duration: u64,
    /// Number of posts, instead of a duration
    #[arg(long, value_name = "COUNT", conflicts_with = "duration")]
    posts: Option<u32>,
    /// Keep all connections busy to find the highest rate
    #[arg(long, conflicts_with_all = ["rate", "duration"])]
    max: bool,
    /// Honest posts sent before the measurement begins, so that the relay knows their sources
    #[arg(long, default_value_t = 0, value_name = "COUNT", conflicts_with = "resend")]
    warm_up: u32,
    /// Posts per request [default: 1, or 64 with --max]
    #[arg(long, value_name = "COUNT")]
    posts_per_request: Option<usize>,
    /// Concurrent requests; requests with forgeries have the same number in addition
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    connections: usize,
    /// Share of posts that are replays
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    replays: Percentage,
    /// Share of posts with an invalid proof
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    forgeries: Percentage,
    /// Share of posts that reuse a message id
    #[arg(long, default_value = "1%", value_name = "SHARE")]
    conflicts: Percentage,
    /// Seed of the members, and of the posts and their order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Forgeries per request [default: the same as posts per request]
    #[arg(long, value_name = "COUNT")]
    forgeries_per_request: Option<usize>,
    /// Number of source addresses of honest posts
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    sources: u16,
    /// Source addresses of forgeries: a number, `home` for the addresses of one home line, or `within` for those of the
    /// honest posts
    #[arg(long, value_name = "FORGERS", default_value = "16")]
    forgers: Forgers,
    /// Encoding of posts and verdicts
    #[arg(long, value_enum, default_value_t = Format::Binary)]
    format: Format,
    /// Time limit for an answer
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: u64,
    /// Send undecided posts again, until this time after the last post was due
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry: Option<u64>,
    /// Append all answers to a file, and check them against the answers that it already contains
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Send all posts of the journal again, instead of new ones: accepted posts must now be replays
    #[arg(long, requires = "journal")]
    resend: bool,
    /// Tolerate that a post was recorded although the answer was `overloaded`: a log on a network can lose its answer
    #[arg(long)]
    log_may_lose_answers: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let posts_per_request = arguments.posts_per_request.unwrap_or(if arguments.max { 64 } else { 1 });
    let forgeries_per_request = arguments.forgeries_per_request.unwrap_or(posts_per_request);
    ensure!(
        posts_per_request.min(forgeries_per_request).min(arguments.connections) > 0,
        "--posts-per-request, --forgeries-per-request and --connections must be above zero"
    );
    ensure!(arguments.rate.is_finite() && arguments.rate > 0.0, "--rate must be above zero");
    let (registry, lock) = BenchRegistry::open(context, arguments.seed)?;
    let mut accounts = Accounts::new(arguments.log_may_lose_answers);
    let open = |path: &PathBuf| Journal::open(path, &registry.origin(), &mut accounts);
    let mut journal = arguments.journal.as_ref().map(open).transpose()?;
    let plan = arguments.plan(posts_per_request, forgeries_per_request, &accounts)?;
    let material = Arc::new(Material::for_plan(context, &registry, &plan)?);
    drop(lock);

    let log = arguments.valkey.clone().map_or(LogPlace::Embedded, LogPlace::Valkey);
    if let Some(folder) = &arguments.prepare {
        let config = own::prepare(context, folder, &registry, &log, arguments.listen)?;
        return context.output().result(
            &format!(
                "Start the relay with `quotapass relay --config {}`, and load it with the same arguments and --url \
                 instead of --prepare.",
                config.display()
            ),
            json!({ "config": config }),
        );
    }
    let own = match &arguments.url {
        Some(_) => None,
        None => Some(OwnRelay::start(context, &registry, &log)?),
    };
    let url = arguments.url.as_ref().or(own.as_ref().map(OwnRelay::url)).context("there is no relay")?;
    let clients = arguments.clients(url)?;
    let pace = Pace {
        connections: arguments.connections,
        is_closed: arguments.max || arguments.resend,
        retry: arguments.retry.map(Duration::from_secs),
    };
    let warm_up: Vec<_> = (0..arguments.warm_up).map(Item::Honest).collect();
    let warm_up = Plan::of(&warm_up, posts_per_request, arguments.honest_and_forgers());
    let (bar, honest) = (bar(plan.posts() + u64::from(arguments.warm_up)), plan.honest);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut driver = Driver { material, pace, clients, accounts: &mut accounts, journal: journal.as_mut(), bar };
    if warm_up.posts() > 0 {
        let is_closed = core::mem::replace(&mut driver.pace.is_closed, true);
        runtime.block_on(driver.run(warm_up))?;
        driver.pace.is_closed = is_closed;
    }
    let measured = runtime.block_on(driver.run(plan))?;
    driver.bar.finish_and_clear();
    if let Some(journal) = journal {
        journal.end()?;
    }
    let report = Report::new(&accounts, &measured, honest, arguments.warm_up);
    context.output().result(&report.text(), report.json())?;
    report.verdict()
}

impl Arguments {
    fn plan(&self, posts_per_request: usize, forgeries_per_request: usize, accounts: &Accounts) -> Result<Plan> {
        let sources = self.honest_and_forgers();
        if self.resend {
            let items = accounts.items();
            ensure!(!items.is_empty(), "the journal is empty; there is nothing to send again");
            return Ok(Plan::of(&items, posts_per_request, sources));
        }
        let posts = match self.posts {
            Some(posts) => posts,
            None if self.max => POSTS_AT_MOST,
            None => (self.rate * self.duration as f64).ceil() as u32,
        };
        if posts == 0 {
            bail!("the load has no posts; raise --posts, --rate or --duration");
        }
        let Self { replays, forgeries, conflicts, rate, seed, warm_up, .. } = *self;
        let mix = Mix { replays, forgeries, conflicts }.check()?;
        Ok(Plan::draw(&Shape { warm_up, posts, rate, posts_per_request, forgeries_per_request, sources, mix, seed }))
    }

    fn honest_and_forgers(&self) -> Sources {
        Sources { honest: self.sources, forgers: self.forgers }
    }

    /// Returns the clients for honest posts and for forgeries.
    fn clients(&self, url: &Url) -> Result<[RelayClient; 2]> {
        let timeout = Duration::from_secs(self.timeout);
        let address = url.host_str().and_then(|host| host.parse::<Ipv4Addr>().ok());
        let is_here = address.is_some_and(|address| address.is_loopback());
        // Other systems have only one loopback address.
        let forger = (cfg!(target_os = "linux") && is_here).then_some(FORGER);
        Ok([RelayClient::new(url, self.format, timeout, None)?, RelayClient::new(url, self.format, timeout, forger)?])
    }
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} posts, {per_sec}");
    // The template is constant and valid; the fallback avoids a panic.
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
