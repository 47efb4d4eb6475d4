//! `quotapass demo`: the whole system in one process. The registry's real bytecode runs on the embedded chain, and the
//! proofs and the relay are real; only the clock is simulated.

mod moderation;
mod report;
mod square;
mod story;
mod web;
mod world;

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;

use super::context::Context;
use report::Report;
use story::Story;
use world::World;

/// Arguments of the demo.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Number of members who deposit, 4 to 2000
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(4..=2000))]
    members: u16,
    /// Seed of a repeatable run: the same seed gives the same identities, messages and verdicts
    #[arg(long, default_value_t = 1, conflicts_with = "web")]
    seed: u64,
    /// Serve a chat room for a browser, with a relay and an embedded chain, until Ctrl-C
    #[arg(long)]
    web: bool,
    /// Address of the chat room; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8480", requires = "web")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    if arguments.web {
        return web::run(arguments.listen, arguments.members, context);
    }
    let mut report = Report::new(context.output().is_json());
    let world = World::set_up(&context.development_keys()?, arguments.seed, &mut report)?;
    let mut story = Story::new(world, report, arguments.members);
    story.members_deposit()?;
    story.members_post()?;
    story.relay_refuses()?;
    story.wallet_that_did_not_sync()?;
    story.square_is_moderated()?;
    story.spammer_is_caught()?;
    story.spammer_is_slashed()?;
    story.badge_is_shown()?;
    story.member_leaves()?;
    story.end()
}
