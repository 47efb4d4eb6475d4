//! A real nginx in front of the relay, with the configuration that docs/operators.md recommends.

use std::{
    fs,
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use quotapass_relay::http::HttpSettings;

use crate::server::*;

/// A running nginx, which ends when this is dropped.
struct Nginx {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx in front of a relay, with the block of the documentation that begins with this comment.
    fn start(relay: SocketAddr, block: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // It is unlikely that another program takes the port in between.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let documented = documented(block).replace("127.0.0.1:8480", &relay.to_string());
        let listening = documented.replace("listen 443 ssl", &format!("listen {address}"));
        // Certificates are not tested here.
        let content: String = listening
            .lines()
            .filter(|line| !line.contains("ssl_certificate"))
            .map(|line| format!("{line}\n"))
            .collect();
        let kind = if content.contains("proxy_protocol on") { "stream" } else { "http" };
        let paths = if kind == "http" {
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {name};\n"))
                .concat()
                + "access_log off;\n"
        } else {
            String::new()
        };
        let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
        let load = if kind == "stream" && module.exists() {
            format!("load_module {};\n", module.display())
        } else {
            String::new()
        };
        let text = format!(
            "{load}daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n{kind} {{\n{paths}{content}}}\n"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text).unwrap();
        let mut process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&path)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run nginx, which `.ci/run` installs: {error}"));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                process.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60),
                "nginx does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, address, _folder: folder }
    }

    fn ask(&self, server: &Server, from: [u8; 4], path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = server.connect_to(from, self.address);
        stream.write_all(&request("GET", path, headers, &[])).unwrap();
        Answer::read(&mut BufReader::new(stream))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the nginx block of docs/operators.md that begins with this comment.
fn documented(comment: &str) -> String {
    let text = fs::read_to_string("docs/operators.md").unwrap();
    let blocks = text.split("```nginx\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.starts_with(comment));
    found.next().unwrap_or_else(|| panic!("no block `{comment}`")).to_owned()
}

const OPERATOR: [u8; 4] = [127, 0, 0, 9];
const CLIENT: [u8; 4] = [127, 0, 0, 8];
/// Headers that a client forges, to be taken for the operator.
const LIES: [(&str, &str); 2] = [("x-forwarded-for", "127.0.0.9"), ("forwarded", "for=127.0.0.9")];

/// Settings that trust nginx; access to the metrics shows which address is taken for the client.
fn settings() -> HttpSettings {
    let network = |address: [u8; 4]| vec![std::net::IpAddr::from(address).into()];
    HttpSettings {
        trusted_proxies: network([127, 0, 0, 1]),
        metrics_from: network(OPERATOR),
        ..HttpSettings::default()
    }
}

fn tell_apart(server: &Server, nginx: &Nginx) {
    assert_eq!(nginx.ask(server, CLIENT, "/v1/policy", &LIES).status, 200);
    assert!(nginx.ask(server, CLIENT, "/metrics", &LIES).error(403).contains("this address may not"));
    assert_eq!(nginx.ask(server, OPERATOR, "/metrics", &[]).status, 200);
    // The address of nginx's own host is a proxy's address here.
    let itself = nginx.ask(server, [127, 0, 0, 1], "/metrics", &[]);
    assert!(itself.error(403).contains("does not name its client"));
}

#[test]
fn nginx_says_who_asks_in_a_header() {
    let server = Server::with(settings());
    tell_apart(&server, &Nginx::start(server.address, "# http"));
}

#[test]
fn nginx_says_who_connects_by_the_proxy_protocol() {
    let server = Server::with(HttpSettings { proxy_protocol: true, ..settings() });
    tell_apart(&server, &Nginx::start(server.address, "# stream"));
    // A client that bypasses nginx is refused.
    server.send(&request("GET", "/healthz", &[], &[])).error(400);
}
