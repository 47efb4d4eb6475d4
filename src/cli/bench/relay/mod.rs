//! `quotapass bench relay`: real posts at a planned rate, and every verdict checked.
//!
//! In this order, each a file: the [`registry`] whose members post, the [`plan`] of what is sent when, the
//! [`material`] (messages, and passes made in advance), a relay of its [own](own) unless there is one, the
//! [driver](drive) that sends from many [sources], the [`accounts`] that say whether the answers fit together, and the [`report`].

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
    plan::{Mix, Percentage, Plan, Shape},
    registry::BenchRegistry,
    report::Report,
    sources::{Forgers, Sources},
};
use crate::cli::{context::Context, time::parse_duration};

/// Where forgeries come from if the relay is on this machine and does not believe what a request says of its source.
const FORGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Posts of a measurement of the highest rate.
const POSTS_AT_MOST: u32 = 4_096;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// A relay that runs already, with the chain and the scope that --prepare writes; without it one is started
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Write a chain and a relay.toml into a new folder, make the passes, and stop
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["url", "journal"])]
    prepare: Option<PathBuf>,
    /// Where the relay that is prepared listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8480", requires = "prepare")]
    listen: SocketAddr,
    /// The relay that is started, or prepared, keeps nullifiers in this Valkey or Redis, in place of a store of its own
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    valkey: Option<String>,
    /// Posts a second
    #[arg(long, default_value_t = 100.0, value_name = "POSTS")]
    rate: f64,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    duration: u64,
    /// How many posts, in place of a duration
    #[arg(long, value_name = "COUNT", conflicts_with = "duration")]
    posts: Option<u32>,
    /// Keep all connections busy, whatever the rate, to find the highest
    #[arg(long, conflicts_with_all = ["rate", "duration"])]
    max: bool,
    /// Posts a request; 64 with --max
    #[arg(long, value_name = "COUNT")]
    posts_per_request: Option<usize>,
    /// Requests on their way at a time; those with forgeries have as many of their own
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    connections: usize,
    /// Share of posts that were sent before
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    replays: Percentage,
    /// Share of posts whose proof does not fit
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    forgeries: Percentage,
    /// Share of posts that are somebody's second under one message id
    #[arg(long, default_value = "1%", value_name = "SHARE")]
    conflicts: Percentage,
    /// Decides on members, and on what is sent in which order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Forgeries a request; as many as other posts if it is not given
    #[arg(long, value_name = "COUNT")]
    forgeries_per_request: Option<usize>,
    /// Addresses that posts come from which are not forged
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    sources: u16,
    /// Addresses that forgeries come from: a number, `home` for those of one home line, `within` for those of the others
    #[arg(long, value_name = "FORGERS", default_value = "16")]
    forgers: Forgers,
    /// How posts and verdicts are written
    #[arg(long, value_enum, default_value_t = Format::Binary)]
    format: Format,
    /// How long to wait for an answer
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: u64,
    /// Send again what was not decided, until this long after the last post was due
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry: Option<u64>,
    /// Keep all answers in a file, and hold them against those that are in it already
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Send all posts of the journal once more, in place of new ones: what was accepted must be a replay now
    #[arg(long, requires = "journal")]
    resend: bool,
    /// Accept that a post which was answered `overloaded` was recorded: a log behind a network can lose its answer
    #[arg(long)]
    log_may_lose_answers: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let posts_per_request = arguments.posts_per_request.unwrap_or(if arguments.max { 64 } else { 1 });
    let forgeries_per_request = arguments.forgeries_per_request.unwrap_or(posts_per_request);
    ensure!(
        posts_per_request.min(forgeries_per_request).min(arguments.connections) > 0,
        "there is nothing to send with none"
    );
    ensure!(arguments.rate.is_finite() && arguments.rate > 0.0, "--rate is above zero");
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
                "Start the relay with `quotapass relay --config {}`, and load it with the same arguments and --url in the \
                 place of --prepare.",
                config.display()
            ),
            json!({ "config": config }),
        );
    }
    let own = match &arguments.url {
        Some(_) => None,
        None => Some(OwnRelay::start(context, &registry, &log)?),
    };
    let url = arguments.url.as_ref().or(own.as_ref().map(OwnRelay::url)).context("there is a relay")?;
    let clients = arguments.clients(url)?;
    let pace = Pace {
        connections: arguments.connections,
        is_closed: arguments.max || arguments.resend,
        retry: arguments.retry.map(Duration::from_secs),
    };
    let (bar, honest) = (bar(plan.posts()), plan.honest);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut driver = Driver { material, pace, clients, accounts: &mut accounts, journal: journal.as_mut(), bar };
    let measured = runtime.block_on(driver.run(plan))?;
    driver.bar.finish_and_clear();
    if let Some(journal) = journal {
        journal.end()?;
    }
    let report = Report::new(&accounts, &measured, honest);
    context.output().result(&report.text(), report.json())?;
    report.verdict()
}

impl Arguments {
    fn plan(&self, posts_per_request: usize, forgeries_per_request: usize, accounts: &Accounts) -> Result<Plan> {
        let sources = Sources { honest: self.sources, forgers: self.forgers };
        if self.resend {
            let items = accounts.items();
            ensure!(!items.is_empty(), "the journal is empty; there is nothing to send once more");
            return Ok(Plan::of(&items, posts_per_request, sources));
        }
        let posts = match self.posts {
            Some(posts) => posts,
            None if self.max => POSTS_AT_MOST,
            None => (self.rate * self.duration as f64).ceil() as u32,
        };
        if posts == 0 {
            bail!("a load has at least one post");
        }
        let Self { replays, forgeries, conflicts, rate, seed, .. } = *self;
        let mix = Mix { replays, forgeries, conflicts }.check()?;
        Ok(Plan::draw(&Shape { posts, rate, posts_per_request, forgeries_per_request, sources, mix, seed }))
    }

    /// Of the honest, and of those who forge.
    fn clients(&self, url: &Url) -> Result<[RelayClient; 2]> {
        let timeout = Duration::from_secs(self.timeout);
        let address = url.host_str().and_then(|host| host.parse::<Ipv4Addr>().ok());
        let is_here = address.is_some_and(|address| address.is_loopback());
        // Other systems have one loopback address alone.
        let forger = (cfg!(target_os = "linux") && is_here).then_some(FORGER);
        Ok([RelayClient::new(url, self.format, timeout, None)?, RelayClient::new(url, self.format, timeout, forger)?])
    }
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} posts, {per_sec}");
    // The template is ours; the fallback is indicatif's own.
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
