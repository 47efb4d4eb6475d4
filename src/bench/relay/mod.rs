//! `quotapass bench relay`: a [load](quotapass_load) of real posts, on the benchmark's [own] relay unless one is given.

mod own;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use quotapass_load::{Forgers, Load, LoadSettings, Mix, Percentage, Shape, Sources};
use reqwest::Url;
use serde_json::json;

use self::own::{LogPlace, OwnRelay};
use crate::{context::Context, failure::usage, progress, time::parse_duration};

/// The number of posts in a measurement of the highest rate.
const POSTS_AT_MOST: u32 = 4_096;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Running relay to load, with the chain and the scope from --prepare [default: a new relay is started]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Write a chain and a relay.toml to a new folder, make the passes, and stop
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["url", "journal"], hide_short_help = true)]
    prepare: Option<PathBuf>,
    /// Address and port of the prepared relay
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8480",
        requires = "prepare",
        hide_short_help = true
    )]
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
    #[arg(long, value_name = "COUNT", conflicts_with = "duration", hide_short_help = true)]
    posts: Option<u32>,
    /// Keep all connections busy to find the highest rate
    #[arg(long, conflicts_with_all = ["rate", "duration"])]
    max: bool,
    /// Honest posts sent before the measurement begins, so that the relay knows their sources
    #[arg(long, default_value_t = 0, value_name = "COUNT", conflicts_with = "resend", hide_short_help = true)]
    warm_up: u32,
    /// Posts per request [default: 1, or 64 with --max]
    #[arg(long, value_name = "COUNT", hide_short_help = true)]
    posts_per_request: Option<usize>,
    /// Concurrent requests; requests with forgeries have the same number in addition
    #[arg(long, default_value_t = 16, value_name = "COUNT", hide_short_help = true)]
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
    #[arg(long, default_value_t = 1, hide_short_help = true)]
    seed: u64,
    /// Forgeries per request [default: the same as posts per request]
    #[arg(long, value_name = "COUNT", hide_short_help = true)]
    forgeries_per_request: Option<usize>,
    /// Number of source addresses of honest posts
    #[arg(long, value_name = "COUNT", default_value_t = 64, hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    sources: u16,
    /// Source addresses of forgeries: a number, `home` for the addresses of one home line, or `within` for those of the
    /// honest posts
    #[arg(long, value_name = "FORGERS", default_value = "16", hide_short_help = true)]
    forgers: Forgers,
    /// Encoding of posts and verdicts
    #[arg(long, value_enum, default_value_t = Format::Binary, hide_short_help = true)]
    format: Format,
    /// Time limit for an answer
    #[arg(long, default_value = "30s", value_parser = parse_duration, hide_short_help = true)]
    timeout: u64,
    /// Send undecided posts again, until this time after the last post was due
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, hide_short_help = true)]
    retry: Option<u64>,
    /// Append all answers to a file, and check them against the answers that it already contains
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    journal: Option<PathBuf>,
    /// Send all posts of the journal again, instead of new ones: accepted posts must now be replays
    #[arg(long, requires = "journal", hide_short_help = true)]
    resend: bool,
    /// Tolerate that a post was recorded although the answer was `overloaded`: a log on a network can lose its answer
    #[arg(long, hide_short_help = true)]
    log_may_lose_answers: bool,
}

/// The encoding of posts and verdicts.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Length-prefixed bytes; one byte per verdict
    Binary,
    /// JSON, as `quotapass post` writes it
    Json,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let folder = context.config().data_folder()?.join("bench");
    let load = Load::prepare(&folder, &context.development_keys()?, arguments.settings()?, &progress::load())?;
    let log = arguments.valkey.clone().map_or(LogPlace::Embedded, LogPlace::Valkey);
    if let Some(folder) = &arguments.prepare {
        let config = own::prepare(context, folder, load.registry(), &log, arguments.listen)?;
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
        None => Some(OwnRelay::start(context, load.registry(), &log)?),
    };
    let url = arguments.url.as_ref().or(own.as_ref().map(OwnRelay::url)).context("there is no relay")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(load.run(url, &progress::load()))?;
    context.output().result(&report.text(), report.json())?;
    Ok(report.verdict()?)
}

impl Arguments {
    fn settings(&self) -> Result<LoadSettings> {
        let Self { replays, forgeries, conflicts, rate, seed, warm_up, connections, .. } = *self;
        let posts_per_request = self.posts_per_request.unwrap_or(if self.max { 64 } else { 1 });
        let per_request = [posts_per_request, self.forgeries_per_request.unwrap_or(posts_per_request)];
        let ([Some(posts_per_request), Some(forgeries_per_request)], 1..) =
            (per_request.map(NonZeroUsize::new), connections)
        else {
            bail!(usage("--posts-per-request, --forgeries-per-request and --connections must be above zero"));
        };
        ensure!(rate.is_finite() && rate > 0.0, usage("--rate must be above zero"));
        let posts = match self.posts {
            Some(posts) => posts,
            None if self.max => POSTS_AT_MOST,
            None => (rate * self.duration as f64).ceil() as u32,
        };
        ensure!(posts > 0 || self.resend, usage("the load has no posts; raise --posts, --rate or --duration"));
        let (sources, mix) =
            (Sources { honest: self.sources, forgers: self.forgers }, Mix { replays, forgeries, conflicts });
        Ok(LoadSettings {
            shape: Shape { warm_up, posts, rate, posts_per_request, forgeries_per_request, sources, mix, seed },
            connections,
            is_closed: self.max,
            retry: self.retry.map(Duration::from_secs),
            format: match self.format {
                Format::Binary => quotapass_load::Format::Binary,
                Format::Json => quotapass_load::Format::Json,
            },
            timeout: Duration::from_secs(self.timeout),
            journal: self.journal.clone(),
            resend: self.resend,
            log_may_lose_answers: self.log_may_lose_answers,
        })
    }
}
