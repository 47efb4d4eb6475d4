//! Tests of a relay under a service manager, and of the shipped systemd unit.

use std::{fs, os::unix::net::UnixDatagram, path::Path, process::Command, time::Duration};

use super::process::{Operator, RelayProcess};

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits until the relay sends this line, and returns the whole message.
    #[track_caller]
    fn hear(&self, what: &str) -> String {
        let mut bytes = [0; 4_096];
        loop {
            let length = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("waited in vain for {what}: {error}"));
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if text.lines().any(|line| line == what) {
                return text;
            }
        }
    }
}

fn start() -> (Operator, Manager, RelayProcess) {
    let mut operator = Operator::new();
    let path = operator.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Long enough for any machine.
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    operator.set("NOTIFY_SOCKET", path.to_str().unwrap());
    operator.set("WATCHDOG_USEC", "300000");
    let relay = operator.start(&["--members", "1"]);
    (operator, Manager(socket), relay)
}

#[test]
fn a_service_manager_hears_how_the_relay_fares() {
    let (operator, manager, relay) = start();
    let ready = manager.hear("READY=1");
    assert!(ready.contains("STATUS=answers at 127.0.0.1:"), "{ready}");
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    relay.signal("HUP");
    let reloading = manager.hear("RELOADING=1");
    let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    let ready = manager.hear("READY=1");
    assert!(!ready.contains("refused"), "{ready}");

    // A refused reload also ends, and the status says that it was refused.
    let configuration = operator.path("data/relay/relay.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace("# drain_seconds = 0", "drain_seconds = 9223372036854775807")).unwrap();
    relay.signal("HUP");
    manager.hear("RELOADING=1");
    let ready = manager.hear("READY=1");
    assert!(ready.contains("the last reload was refused"), "{ready}");
    relay.wait_until("it says why", |relay| relay.log().contains("`drain_seconds`: invalid value"));

    // It drains: load balancers see that it stops, and clients are still served.
    fs::write(&configuration, text.replace("# drain_seconds = 0", "drain_seconds = 3600")).unwrap();
    relay.signal("HUP");
    let ready = manager.hear("READY=1");
    assert!(!ready.contains("refused"), "{ready}");
    relay.signal("TERM");
    manager.hear("STOPPING=1");
    relay.wait_until("it says that it stops", |relay| relay.get("/readyz").0 == 503);
    assert_eq!(relay.get("/v1/policy").0, 200);
    manager.hear("WATCHDOG=1");
    // A second signal ends it at once.
    assert_eq!(relay.stop(), Some(1));
}

#[test]
fn the_shipped_unit_is_one() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/quotapass-relay.service");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(unit).unwrap();
    let here = folder.path().join("quotapass-relay.service");
    let analyze = |text: &str, arguments: &[&str]| {
        fs::write(&here, text.replace("/usr/local/bin/quotapass", env!("CARGO_BIN_EXE_quotapass"))).unwrap();
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(arguments).arg(&here).env("SYSTEMD_PAGER", "");
        let output = analyze.output().expect("systemd-analyze is not installed (`apt-get install systemd`)");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), said)
    };
    let verify = ["verify", "--man=no"];
    assert_eq!(analyze(&text, &verify), (true, String::new()));
    // It is also valid with its credentials, and a wrong setting is refused.
    assert_eq!(analyze(&text.replace("#LoadCredential", "LoadCredential"), &verify), (true, String::new()));
    assert!(!analyze(&text.replace("WatchdogSec", "WatchdogSecs"), &verify).1.is_empty());
    let (is_safe, said) = analyze(&text, &["security", "--offline=yes", "--threshold=15"]);
    assert!(is_safe, "{said}");
}

#[test]
fn base_images_are_pinned() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/container/Containerfile")).unwrap();
    let images: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("FROM ${")?.split('}').next()).collect();
    assert_eq!(images.len(), text.lines().filter(|line| line.starts_with("FROM ")).count());
    for image in images {
        let pinned = text.lines().find_map(|line| line.strip_prefix(&format!("ARG {image}="))).unwrap();
        let digest = pinned.split_once("@sha256:").unwrap().1;
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{pinned}");
    }
}
