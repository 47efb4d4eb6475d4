//! A shell that runs the blocks of a document, word by word, in a new home folder.

use std::{
    env,
    fmt::Write,
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use quotapass_testkit::{anvil::Anvil, process::now};

use crate::blocks::{Block, Decision};

/// Addresses in the documents. Tests run beside each other, so they use other ports.
const CHAIN: &str = "127.0.0.1:8545";
const RELAY: &str = "127.0.0.1:8480";

/// Starts the shell, and afterwards ends what still runs in the background.
const HEAD: &str = "set -euo pipefail\n\
    background=()\n\
    finish() { for group in ${background[@]+\"${background[@]}\"}; do kill -- \"-$group\" || true; done; wait; }\n\
    trap finish EXIT\n";

/// Waits if the hour is about to end: some of the messages belong to one epoch.
fn stay_within_an_hour() {
    const HOUR: u64 = 3_600;
    let left = HOUR - now().0 % HOUR;
    if left < 180 {
        thread::sleep(Duration::from_secs(left + 1));
    }
}

/// Runs blocks in one shell.
pub fn run(blocks: &[Block]) {
    stay_within_an_hour();
    let anvil = Anvil::start(now());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let (home, bin) = (folder.path().join("home"), folder.path().join("bin"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_quotapass"), bin.join("quotapass")).unwrap();

    let mut script = String::from(HEAD);
    for (number, block) in blocks.iter().enumerate() {
        let Decision::Run { background, .. } = &block.decision else { continue };
        let text = block.text.replace(CHAIN, &format!("127.0.0.1:{}", anvil.port()));
        let text = text.replace(RELAY, &format!("127.0.0.1:{port}"));
        let output = folder.path().join(number.to_string());
        let output = output.display();
        writeln!(script, "echo '== {}' >&2", block.place).unwrap();
        match background {
            false => writeln!(script, "{{\n{text}}} >{output}").unwrap(),
            // With `set -m` the block has a process group, which `finish` ends.
            true => writeln!(
                script,
                "set -m\n(\n{text}) >{output} 2>&1 &\nbackground+=($!)\nset +m\n\
                 until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do\n\
                 kill -0 $! || {{ cat {output} >&2; exit 1; }}\nsleep 0.1\ndone"
            )
            .unwrap(),
        }
    }
    let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    // A terminal would ask for the passphrase.
    shell.arg("-c").arg(&script).env_clear().env("HOME", &home).env("PATH", path);
    shell.env("QUOTAPASS_PASSPHRASE", "correct horse").current_dir(&home).stdin(Stdio::null());
    let ended = shell.output().unwrap();
    let printed = |number: usize| fs::read_to_string(folder.path().join(number.to_string())).unwrap_or_default();
    let all: Vec<_> =
        blocks.iter().enumerate().map(|(n, block)| format!("== {}\n{}", block.place, printed(n))).collect();
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{}\n{error}\n{}", ended.status, all.join("\n"));
    for (number, block) in blocks.iter().enumerate() {
        if let Decision::Run { expect: Some(words), .. } = &block.decision {
            let output = printed(number);
            assert!(output.contains(words), "{}: no `{words}` in\n{output}\n{error}", block.place);
        }
    }
    // Everything that the commands wrote is in the home folder: a configuration, or keys of a log.
    let written = [".config/quotapass/config.toml", "root.key"];
    assert!(written.iter().any(|file| home.join(file).exists()));
}
