//! Tests of the shipped dashboard and alert rules, with a Prometheus that scrapes a relay.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use quotapass_testkit::process::until;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Operator;

fn contrib(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path)
}

/// A Prometheus that scrapes one relay every second; killed when dropped.
struct Prometheus {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Prometheus {
    fn start(relay: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = contrib("prometheus/quotapass.rules.yml");
        let configuration = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{ "job_name": "quotapass", "static_configs": [{ "targets": [relay] }] }],
        });
        let path = folder.path().join("prometheus.yml");
        // JSON is YAML.
        fs::write(&path, configuration.to_string()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is not installed (`apt-get install prometheus`)");
        let prometheus = Self { process, port, _folder: folder };
        until("Prometheus listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        prometheus
    }

    /// Returns the answer to a query: a list of samples.
    fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let server = format!("http://127.0.0.1:{}", self.port);
        let output =
            Command::new("promtool").args(["query", "instant", "-o", "json", &server, query]).output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().cloned().unwrap_or_default())
    }
}

impl Prometheus {
    /// Waits until a query has a result. Some metrics are updated only every few seconds.
    #[track_caller]
    fn find(&self, query: &str) {
        until(query, || !self.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).is_empty());
    }

    /// Returns the groups of rules, with their health.
    fn groups(&self) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /api/v1/rules HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        answer["data"]["groups"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the queries of a dashboard, with its variables filled in as Grafana does for the selection of all.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let query = |target: Value| {
        let text = target["expr"].as_str().unwrap().to_owned();
        text.replace("$instance", ".*").replace("$scope", ".*").replace("$__rate_interval", "1m")
    };
    targets.map(query).collect()
}

/// Returns the selectors of a query: each metric's name with its matchers.
fn selectors(query: &str) -> Vec<String> {
    let is_name = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let begins = query.match_indices("quotapass_").filter(|(at, _)| !query[..*at].ends_with(is_name));
    let selector = |at: usize| {
        let rest = &query[at..];
        let name = rest.find(|byte| !is_name(byte)).unwrap_or(rest.len());
        let matchers = if rest[name..].starts_with('{') { rest[name..].find('}').unwrap() + 1 } else { 0 };
        rest[..name + matchers].to_owned()
    };
    begins.map(|(at, _)| selector(at)).collect()
}

#[test]
fn every_query_finds_what_a_relay_counts() {
    let rules = contrib("prometheus/quotapass.rules.yml");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(&rules).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let operator = Operator::new();
    // A scope in shadow mode has separate counters.
    let relay = operator.start(&["--members", "2"]);
    let configuration = operator.path("data/relay/relay.toml");
    let shadowed =
        fs::read_to_string(&configuration).unwrap().replace("# shadow_scopes = []", "shadow_scopes = [\"lobby\"]");
    fs::write(&configuration, shadowed).unwrap();
    relay.signal("HUP");
    relay.wait_until("it is in shadow mode", |relay| relay.log().contains("`shadow_scopes` is changed"));
    let files: Vec<String> = serde_json::from_value(relay.start["posts"].clone()).unwrap();
    let address = relay.start["address"].as_str().unwrap().to_owned();
    let prometheus = Prometheus::start(&address);
    prometheus.find("quotapass_queue_posts");
    for file in &files {
        assert_eq!(relay.verdict(&fs::read_to_string(file).unwrap()), "accepted");
    }
    let scraped =
        "count_over_time(quotapass_verdicts_total{verdict=\"accepted\",scope=\"lobby\",mode=\"shadow\"}[1m]) > 3";
    prometheus.find(scraped);

    let text = fs::read_to_string(contrib("grafana/quotapass-relay.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let of_dashboard = queries(&dashboard);
    assert!(of_dashboard.len() > 20);
    for query in &of_dashboard {
        prometheus.find(query);
    }
    let of_rules = fs::read_to_string(rules).unwrap();
    let found: BTreeSet<String> =
        of_dashboard.iter().map(String::as_str).chain([of_rules.as_str()]).flat_map(selectors).collect();
    assert!(found.len() > 20, "{found:?}");
    for selector in &found {
        prometheus.find(selector);
    }
    // The rules are evaluated without an error, and none fires.
    let groups = prometheus.groups();
    let rules = groups[0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10, "{groups}");
    for rule in rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
    }
    // The metrics in the operators' documentation also exist.
    let guide = fs::read_to_string(contrib("../docs/operators.md")).unwrap();
    let table = guide.split("| metric | alarm when |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut count = 0;
    for cell in table.lines().skip(2).filter_map(|row| row.split('|').nth(1)) {
        for name in cell.split('`').skip(1).step_by(2) {
            let name = name.split('{').next().unwrap();
            // This relay has no lists and no logs; tests/service reads these of relays that do.
            if name.starts_with("list_") || name.starts_with("moderation_log_") {
                continue;
            }
            prometheus.find(&format!("{{__name__=~\"quotapass_{name}(_bucket)?\"}}"));
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
    assert_eq!(relay.stop(), Some(0));
}
