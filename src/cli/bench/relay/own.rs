//! A relay of one's own, in a process of its own, over the registry of the load.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use quotapass_circuits::{badge::Badge, membership::Levels};
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::registry::BenchRegistry;
use crate::{
    cli::{context::Context, keys::development_prover},
    registry::alloy_primitives::Address,
    relay::Policy,
};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const CONFIG_FILE: &str = "relay.toml";
/// Keys, and what the relay keeps; beside the configuration.
const DATA_FOLDER: &str = "data";

/// Where a relay keeps nullifiers.
pub(super) enum LogPlace {
    /// In a store of its own.
    Embedded,
    /// In the Valkey or Redis at this URL.
    Valkey(String),
}

/// A relay process. It ends, and its folder goes, when this is dropped.
pub(super) struct OwnRelay {
    process: Child,
    url: Url,
    _folder: TempDir,
}

impl OwnRelay {
    pub(super) fn start(context: &Context, registry: &BenchRegistry, log: &LogPlace) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let config = write(context, folder.path(), registry, log, ANY_PORT)?;
        let errors = folder.path().join("relay.log");
        let mut process = Command::new(std::env::current_exe().context("cannot find this program")?)
            .args(["relay", "--json", "--config"])
            .arg(&config)
            .arg("--data-dir")
            .arg(folder.path().join(DATA_FOLDER))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).with_context(|| format!("cannot write {}", errors.display()))?)
            .spawn()
            .context("cannot start a relay")?;
        let mut line = String::new();
        let read = process.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        // From here on it is ended with this value, whatever fails.
        let mut own = Self { process, url: Url::parse("http://127.0.0.1")?, _folder: folder };
        read.context("the relay has an output")?.context("cannot read what the relay says")?;
        let begun = serde_json::from_str::<Value>(&line).ok();
        let Some(url) = begun.as_ref().and_then(|begun| begun["url"].as_str()) else {
            let status = own.process.wait();
            let said = fs::read_to_string(&errors).unwrap_or_default();
            bail!("the relay did not start ({status:?}): {line}{said}");
        };
        own.url = Url::parse(url)?;
        Ok(own)
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

impl Drop for OwnRelay {
    fn drop(&mut self) {
        // One that has ended already is not there to be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes all that a relay needs into a new folder, and returns the path of its configuration.
pub(super) fn prepare(
    context: &Context,
    folder: &Path,
    registry: &BenchRegistry,
    log: &LogPlace,
    listen: SocketAddr,
) -> Result<PathBuf> {
    ensure!(!folder.exists(), "{} is there already; name a new folder", folder.display());
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(context, folder, registry, log, listen)
}

#[derive(Serialize)]
struct Scopes<'a> {
    scopes: [&'a Policy; 1],
}

fn write(
    context: &Context,
    folder: &Path,
    registry: &BenchRegistry,
    log: &LogPlace,
    listen: SocketAddr,
) -> Result<PathBuf> {
    registry.copy_chain(&folder.join("chain.state"))?;
    copy_keys(context, &folder.join(DATA_FOLDER).join("keys"))?;
    let log = match log {
        LogPlace::Embedded => String::new(),
        LogPlace::Valkey(url) => format!("[log]\nvalkey = [{}]\n\n", toml::Value::from(url.as_str())),
    };
    let scopes = toml::to_string(&Scopes { scopes: [&registry.policy] }).context("cannot write the scope")?;
    let content = format!(
        "# The relay that `quotapass bench relay` loads: development keys, and a chain of its own.\n\
         data_dir = \"{DATA_FOLDER}\"\n\n\
         # The load says from which address a post comes, and the relay believes it.\n\
         [listen]\naddress = \"{listen}\"\ntrusted_proxies = [\"127.0.0.1\", \"127.0.0.2\"]\n\n\
         # All connections come from one or two addresses.\n\
         [limits]\nmax_connections_per_source = 1024\nmax_body_memory_bytes_per_source = 134217728\n\n\
         [chain]\nstate = \"chain.state\"\nregistry = \"{}\"\n\n\
         # A slash changes the root, and passes that were made in advance do not.\n\
         [slashing]\nenabled = false\n\n{log}{scopes}",
        Address::from(registry.id.address)
    );
    let path = folder.join(CONFIG_FILE);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Copies all keys that a relay takes, so that none has to be made.
fn copy_keys(context: &Context, to: &Path) -> Result<()> {
    development_prover::<Badge>(&context.development_keys()?, Levels::STANDARD)?;
    let from = context.config().data_folder()?.join("keys");
    let copy = || -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(&from)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "key")
                && let Some(name) = path.file_name()
            {
                fs::copy(&path, to.join(name))?;
            }
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
