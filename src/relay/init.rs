//! `quotapass relay init`.

use core::fmt::Display;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_registry::{
    RegistryContract, RegistryReader,
    node::Node,
    rpc::{AccountKey, JsonRpcNode, RpcSettings},
};
use quotapass_text::EndpointUrl;
use quotapass_wallet::files::create_new;
use rand::{Rng, distributions::Alphanumeric, rngs::OsRng};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    USUAL_FILE,
    development::write_configuration,
    settings::PASSWORD,
    surroundings::read_password,
    template::{ChainTemplate, ScopeTimes, WALLET_FILE, WALLET_PASSWORD_FILE},
};
use crate::{
    address,
    config::Flags,
    endpoint,
    failure::usage,
    output::{Output, note},
    time::duration,
};

/// Characters of a new password: more than 180 bits.
const PASSWORD_CHARACTERS: usize = 32;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Do not ask the endpoint for its chain and the registry's exit delay
    #[arg(long)]
    offline: bool,
    /// Also create the wallet that slashes: `wallet.json`, and its password in `wallet-password`
    ///
    /// The wallet is an encrypted Ethereum keystore with a new random key. Both files are written beside the
    /// configuration, which names them. An existing file `wallet-password` gives the password. Send the account some of
    /// the chain's own coin for gas.
    #[arg(long)]
    new_wallet: bool,
}

/// What the endpoint answers.
struct Found {
    chain_id: u64,
    /// In seconds, if a registry is named.
    exit_delay: Option<u32>,
}

pub(super) fn run(arguments: &Arguments, flags: &Flags, output: Output) -> Result<()> {
    let path = flags.file().unwrap_or(Path::new(USUAL_FILE));
    let wallet = arguments.new_wallet.then(|| Wallet::beside(path));
    if path.exists() {
        bail!("{} exists (an existing file is not overwritten; name another with --config)", path.display());
    }
    if let Some(Wallet { keystore, .. }) = wallet.as_ref().filter(|wallet| wallet.keystore.exists()) {
        bail!("{} exists; leave out --new-wallet to use it, or move it", keystore.display());
    }
    let (rpc_url, chain_id, registry) = flags.chain();
    let chain_id = chain_id.map(|text| valid("--chain-id", text, str::parse::<u64>)).transpose()?;
    let registry = registry.map(|text| valid("--registry", text, address::parse)).transpose()?;
    let found = match rpc_url.filter(|_| !arguments.offline) {
        Some(rpc_url) => ask(&rpc_url.into(), chain_id, registry)?,
        None => None,
    };
    let exit_delay = found.as_ref().and_then(|found| found.exit_delay);
    let times = match exit_delay {
        Some(delay) => ScopeTimes::within(delay).with_context(|| {
            format!(
                "the registry pays a deposit back {} after the exit request, which leaves no time for a slash: no \
                 policy of a relay fits it. Use a registry with a longer exit delay",
                duration(delay.into())
            )
        })?,
        None => ScopeTimes::default(),
    };
    let chain_id = found.as_ref().map(|found| found.chain_id).or(chain_id);
    let account = wallet.as_ref().map(Wallet::create).transpose()?;
    write_configuration(
        path,
        &ChainTemplate::Endpoint { rpc_url, chain_id, registry, exit_delay, times, wallet: account.is_some() },
    )?;

    let mut text = format!("wrote {}", path.display());
    if let Some(delay) = exit_delay {
        text += &format!(
            ": scope `lobby` with epochs of {} and a root window of {}, which fit the registry's exit delay of {}",
            duration(times.epoch_seconds.into()),
            duration(times.root_window.into()),
            duration(delay.into())
        );
    }
    if let (Some(wallet), Some(account)) = (&wallet, &account) {
        text += &format!(
            "\nwrote {}, the wallet that slashes: send {} some of the chain's own coin for gas",
            wallet.keystore.display(),
            account.address()
        );
    }
    output.result(
        &text,
        json!({
            "file": path,
            "chain_id": chain_id,
            "exit_delay": exit_delay,
            "epoch_seconds": times.epoch_seconds,
            "root_window": times.root_window,
            "max_clock_skew": times.max_clock_skew,
            "wallet": account.map(|account| account.address()),
            "keystore": wallet.map(|wallet| wallet.keystore),
        }),
    )
}

/// Reads the value of a flag.
fn valid<T, E: Display>(flag: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T> {
    parse(text).map_err(|error| usage(format!("{flag} is `{text}`, which is not valid: {error}")).into())
}

/// Asks the endpoint; `None` if its address needs a password, which only the configuration names.
fn ask(rpc_url: &EndpointUrl, chain_id: Option<u64>, registry: Option<Address>) -> Result<Option<Found>> {
    if let Some(address) = endpoint::with_scheme(rpc_url) {
        bail!(usage(format!("--rpc-url is `{rpc_url}`, which has no scheme; write {address}")));
    }
    if rpc_url.expose().contains(PASSWORD) {
        note(format!(
            "The endpoint was not asked, because its address contains `{PASSWORD}`. Set `password_file`, and run \
             `quotapass relay check`."
        ));
        return Ok(None);
    }
    let node =
        JsonRpcNode::connect(rpc_url.expose(), RpcSettings { expected_chain_id: chain_id, ..RpcSettings::default() })?;
    let chain_id = node.chain_id();
    let exit_delay = match registry {
        Some(registry) => Some(RegistryContract::connect(node, registry)?.info()?.exit_delay),
        None => None,
    };
    Ok(Some(Found { chain_id, exit_delay }))
}

/// The files of a new wallet.
struct Wallet {
    keystore: PathBuf,
    password: PathBuf,
}

impl Wallet {
    fn beside(configuration: &Path) -> Self {
        Self {
            keystore: configuration.with_file_name(WALLET_FILE),
            password: configuration.with_file_name(WALLET_PASSWORD_FILE),
        }
    }

    /// Creates a random key, and writes it encrypted. Only the owner can read the files.
    fn create(&self) -> Result<AccountKey> {
        let password = self.password()?;
        let mut key = Zeroizing::new([0; 32]);
        let account = loop {
            OsRng.fill(&mut key[..]);
            // A number that is no private key is drawn with negligible probability.
            if let Ok(account) = AccountKey::from_private_key(&Zeroizing::new(hex::encode(*key))) {
                break account;
            }
        };
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
        eth_keystore::encrypt_key(folder.path(), &mut OsRng, &key[..], password.as_bytes(), Some(WALLET_FILE))
            .context("cannot encrypt the wallet's key")?;
        let text = fs::read(folder.path().join(WALLET_FILE)).context("cannot read a temporary file")?;
        let mut content: Value = serde_json::from_slice(&text).context("cannot read a temporary file")?;
        // Programs show the account of a keystore by this field, without the password.
        content["address"] = hex::encode(account.address()).into();
        create_new(&self.keystore, format!("{content}\n").as_bytes())
            .with_context(|| format!("cannot write {}", self.keystore.display()))?;
        Ok(account)
    }

    /// Returns the password, which is new unless there is one already.
    fn password(&self) -> Result<Zeroizing<String>> {
        if self.password.exists() {
            return read_password(&self.password);
        }
        let mut password = Zeroizing::new(String::with_capacity(PASSWORD_CHARACTERS + 1));
        password.extend(OsRng.sample_iter(Alphanumeric).take(PASSWORD_CHARACTERS).map(char::from));
        password.push('\n');
        match create_new(&self.password, password.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return read_password(&self.password),
            written => written.with_context(|| format!("cannot write {}", self.password.display()))?,
        }
        password.pop();
        Ok(password)
    }
}
