//! `quotapass dev`: everything that an app under development needs, in one process and anvil: a chain, a registry with a
//! faucet, a relay, and proving keys.
//!
//! The relay is the same as everywhere. All keys are development keys, and all state is deleted at the end.

mod anvil;
mod registry;
mod routes;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    config::Flags,
    context::Context,
    failure::usage,
    keys::KeyFile,
    output::note,
    relay::{Folders, LogFormat, LogLevel, MakeRoutes, Program, configure, start_logging},
};
use anvil::Anvil;
use registry::{COINS, LocalRegistry, TOKENS};
use routes::description;

/// Arguments of `quotapass dev`. Examples use the default addresses.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address of the relay, the keys and the faucet; port 0 selects a free port
    ///
    /// The chain listens on the same address, with another port. An address other than this machine's own lets the whole
    /// network use them.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Port of the chain's JSON-RPC endpoint; 0 selects a free port
    #[arg(long, value_name = "PORT", default_value_t = 8545)]
    rpc_port: u16,
    /// The program anvil, which runs the chain
    #[arg(long, value_name = "PROGRAM", default_value = "anvil")]
    anvil: PathBuf,
}

pub(super) fn run(arguments: &Arguments, flags: &Flags, context: &Context) -> Result<()> {
    if let Some(flag) = flags.first_but_files() {
        bail!(usage(format!("`dev` makes a chain and a registry of its own; leave out {flag}")));
    }
    let Arguments { listen, rpc_port, anvil } = arguments;
    let output = context.output();
    start_logging(if output.is_json() { LogFormat::Json } else { LogFormat::Text }, LogLevel::Warn);
    let rpc = SocketAddr::new(listen.ip(), *rpc_port);
    // Both are checked before anything is started and before keys are made, which may take a while.
    require_free(*listen, "--listen")?;
    require_free(rpc, "--rpc-port")?;
    if !listen.ip().is_loopback() {
        note(format!(
            "Warning: {listen} may be reachable from other machines, which can then use the chain and the faucet."
        ));
    }

    // Dropped last: the relay stops before its chain does.
    let chain = Anvil::start(anvil, rpc)?;
    let rpc_url = chain.url();
    let store = context.development_keys()?;
    let keys = KeyFile::development(&store)?;
    let registry = Arc::new(LocalRegistry::deploy(&rpc_url, &store)?);
    let folder = tempfile::tempdir().context("cannot create a folder for the relay")?;
    let (configuration, settings) = configure(folder.path(), &rpc_url, registry.address)?;
    let folders = Folders::apart(folder.path(), &context.config().data_folder()?.join("keys"));
    let describe = {
        let (registry, keys) = (Arc::clone(&registry), keys.clone());
        move |address| description(address, &rpc_url, &registry, &keys)
    };
    let served = describe.clone();
    let routes: MakeRoutes = Box::new(move |address, _, _, _| routes::routes(served(address), registry, keys));
    Program::open(configuration, settings, &folders, true)?.synced()?.with_routes(routes).run(
        Some(*listen),
        |address, _| {
            let told = describe(address);
            let say = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            output.result(
                &format!(
                    "relay     {}\nchain     {}, chain id {}\nregistry  {}\ntoken     {}\nkeys      {}/dev/keys\n\
                     faucet    {COINS} coins and {TOKENS} tokens for an account:\n  \
                     curl --json '{{\"address\":\"0x...\"}}' {}\n\
                     Apps find all of this at {}/dev. For development only: the keys are INSECURE, and the keys of the \
                     chain's accounts are public. Ctrl-C stops everything and deletes the chain.",
                    say("url"),
                    say("rpc_url"),
                    told["chain_id"],
                    say("registry"),
                    say("token"),
                    say("url"),
                    say("faucet"),
                    say("url"),
                ),
                told,
            )
        },
    )
}

/// Fails if another program listens on an address.
fn require_free(address: SocketAddr, flag: &str) -> Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| {
        format!(
            "cannot listen on {address}; stop the program that does, which may be another `quotapass dev`, or choose \
             another port with {flag}"
        )
    })
}
