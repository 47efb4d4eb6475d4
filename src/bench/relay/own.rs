//! The benchmark's own relay, in a separate process, with the registry of the load.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use quotapass_circuits::badge::Badge;
use quotapass_load::LoadRegistry;
use quotapass_protocol::Policy;
use quotapass_registry::alloy_primitives::Address;
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::{context::Context, keys::development_prover};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const CONFIG_FILE: &str = "relay.toml";
/// The data folder with the keys and the relay's files, next to the configuration.
const DATA_FOLDER: &str = "data";

/// The place of a relay's nullifiers.
pub(super) enum LogPlace {
    /// The relay's own store.
    Embedded,
    /// The Valkey or Redis at this URL.
    Valkey(String),
}

/// A relay process. Dropping it kills the process and deletes its folder.
pub(super) struct OwnRelay {
    process: Child,
    url: Url,
    _folder: TempDir,
}

impl OwnRelay {
    pub(super) fn start(context: &Context, registry: &LoadRegistry, log: &LogPlace) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
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
        // From here on, dropping this value kills the process, whatever fails.
        let mut own = Self { process, url: Url::parse("http://127.0.0.1")?, _folder: folder };
        read.context("the relay has no output")?.context("cannot read the relay's output")?;
        let begun = serde_json::from_str::<Value>(&line).ok();
        let Some(url) = begun.as_ref().and_then(|begun| begun["url"].as_str()) else {
            let status = own.process.wait();
            let said = fs::read_to_string(&errors).unwrap_or_else(|error| format!("its messages are lost: {error}"));
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
        // Fails only if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes all files that a relay needs to a new folder, and returns the path of its configuration.
pub(super) fn prepare(
    context: &Context,
    folder: &Path,
    registry: &LoadRegistry,
    log: &LogPlace,
    listen: SocketAddr,
) -> Result<PathBuf> {
    ensure!(!folder.exists(), "{} already exists; name a new folder", folder.display());
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write(context, folder, registry, log, listen)
}

#[derive(Serialize)]
struct Scopes<'a> {
    scopes: [&'a Policy; 1],
}

fn write(
    context: &Context,
    folder: &Path,
    registry: &LoadRegistry,
    log: &LogPlace,
    listen: SocketAddr,
) -> Result<PathBuf> {
    registry.copy_chain(&folder.join("chain.state"))?;
    copy_keys(context, &folder.join(DATA_FOLDER).join("keys"))?;
    let log = match log {
        LogPlace::Embedded => String::new(),
        LogPlace::Valkey(url) => format!("[log]\nvalkey = [{}]\n\n", toml::Value::from(url.as_str())),
    };
    let scopes = toml::to_string(&Scopes { scopes: [registry.policy()] }).context("cannot write the scope")?;
    let content = format!(
        "# The relay that `quotapass bench relay` loads: development keys, and its own chain.\n\
         data_dir = \"{DATA_FOLDER}\"\n\n\
         # The load states the source address of each post, and the relay trusts it.\n\
         [listen]\naddress = \"{listen}\"\ntrusted_proxies = [\"127.0.0.1\", \"127.0.0.2\"]\n\n\
         # All connections come from one or two addresses.\n\
         [limits]\nmax_connections_per_source = 1024\nmax_body_memory_bytes_per_source = 134217728\n\n\
         [chain]\nstate = \"chain.state\"\nregistry = \"{}\"\n\n\
         # A slash changes the root, but the passes were made in advance with the current root.\n\
         [slashing]\nenabled = false\n\n{log}{scopes}",
        Address::from(registry.id().address)
    );
    let path = folder.join(CONFIG_FILE);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Copies all keys that a relay needs, so that it does not create them again.
fn copy_keys(context: &Context, to: &Path) -> Result<()> {
    development_prover(&context.development_keys()?, Badge::STANDARD)?;
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
