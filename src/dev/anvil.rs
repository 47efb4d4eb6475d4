//! anvil, the chain of `quotapass dev`, as a child process.

use std::{
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{output::note, relay::CHAIN_ID};

/// The beginning of the line with the address.
const LISTENING: &str = "Listening on ";

/// The time after which a chain without transactions makes an empty block: a relay warns of a chain whose newest block is
/// old.
const IDLE_SECONDS: &str = "60";

/// Runs anvil until standard input is closed, in sh.
///
/// The other end of standard input is in this process, and the system closes it however this process ends, even if it is
/// killed. anvil would otherwise survive and keep its port.
#[cfg(unix)]
const UNTIL_INPUT_ENDS: &str =
    r#"exec 3>&1 >/dev/null; "$@" >&3 3>&- </dev/null & exec 3>&-; read -r _; kill $! 2>/dev/null; wait"#;

/// A running anvil, which stops when this is dropped.
pub(super) struct Anvil {
    process: Child,
    address: SocketAddr,
    is_stopping: Arc<AtomicBool>,
}

impl Anvil {
    /// Starts a new chain, and waits until it answers. Every transaction makes a block at once.
    pub(super) fn start(program: &Path, address: SocketAddr) -> Result<Self> {
        require(program)?;
        let mut command = command(program);
        command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--chain-id", &CHAIN_ID.to_string(), "--mixed-mining", "--block-time", IDLE_SECONDS]);
        // Its errors go to standard error.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut anvil = Self { process, address, is_stopping: Arc::default() };
        let output = anvil.process.stdout.take().context("anvil has no standard output")?;
        anvil.wait_until_it_listens(BufReader::new(output))?;
        Ok(anvil)
    }

    fn wait_until_it_listens(&mut self, mut output: BufReader<ChildStdout>) -> Result<()> {
        self.address = loop {
            let mut line = String::new();
            if output.read_line(&mut line).context("cannot read the output of anvil")? == 0 {
                bail!(
                    "anvil ended before it answered, for the reason above; if its port is in use, choose another one \
                     with --rpc-port"
                );
            }
            if let Some(address) = line.trim().strip_prefix(LISTENING) {
                break address.parse().with_context(|| format!("anvil listens on `{address}`, which is no address"))?;
            }
        };
        let is_stopping = Arc::clone(&self.is_stopping);
        // anvil logs every call, and stops if its output is not read.
        thread::spawn(move || {
            // An error means the same as the end.
            let _ = io::copy(&mut output, &mut io::sink());
            if !is_stopping.load(Ordering::Relaxed) {
                note("anvil has ended, and its chain is lost: stop `quotapass dev` with Ctrl-C, and start it again");
            }
        });
        Ok(())
    }

    /// Returns the address of its JSON-RPC endpoint.
    pub(super) fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{address}")
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        #[cfg(not(unix))]
        let _ = self.process.kill();
        // Closes its standard input first.
        let _ = self.process.wait();
    }
}

/// Fails unless the program can be run.
fn require(program: &Path) -> Result<()> {
    let version = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    match version {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`{} --version` failed ({status}); install anvil anew", program.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "cannot find `{}`, which runs the development chain: install Foundry (https://getfoundry.sh), or run `npm \
             install --save-dev @foundry-rs/anvil` and add `--anvil node_modules/.bin/anvil`",
            program.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot run `{}`", program.display())),
    }
}

/// Returns the command that runs anvil in a process group of its own, so that Ctrl-C in a terminal reaches the relay alone,
/// which stops first.
#[cfg(unix)]
fn command(program: &Path) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("sh");
    command.args(["-c", UNTIL_INPUT_ENDS, "sh"]).arg(program).process_group(0);
    command
}

#[cfg(not(unix))]
fn command(program: &Path) -> Command {
    Command::new(program)
}
