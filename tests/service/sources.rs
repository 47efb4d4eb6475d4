//! Networks that are blocked, or have a limit.

use core::num::NonZeroU32;

use quotapass_relay::http::{Allowance, HttpSettings, SourceRules};

use crate::{server::*, world::*};

fn settings(rules: &[(&str, Allowance)]) -> HttpSettings {
    let rules: SourceRules = rules.iter().map(|(network, rule)| (network.parse().unwrap(), *rule)).collect();
    HttpSettings {
        sources: rules,
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        metrics_from: vec!["203.0.113.1/32".parse().unwrap()],
        ..HttpSettings::default()
    }
}

fn limit(posts: u32) -> Allowance {
    Allowance::PostsPerSecond(NonZeroU32::new(posts).unwrap())
}

/// A request of a client behind the proxy.
fn ask(server: &Server, client: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-forwarded-for", client)];
    server.ask(method, path, &headers, body.as_bytes())
}

fn refused(server: &Server, rule: &str) -> Option<u64> {
    let text = ask(server, "203.0.113.1", "GET", "/metrics", "").text();
    let name = format!("quotapass_http_refused_requests_total{{rule=\"{rule}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
}

#[test]
fn a_network_that_is_shut_out_hears_why() {
    let server = Server::with(settings(&[("192.0.2.0/24", Allowance::Nothing), ("192.0.2.9/32", limit(100))]));
    let post = HONEST[0].json().to_string();
    assert!(ask(&server, "192.0.2.1", "POST", "/v1/verify", &post).error(403).contains("does not answer your network"));
    for path in ["/v1/policy", "/v1/events", "/v1/members/upper", "/"] {
        ask(&server, "192.0.2.1", "GET", path, "").error(403);
    }
    assert_eq!(server.log.inner.len(), 0);
    assert_eq!(ask(&server, "192.0.2.9", "POST", "/v1/verify", &post).json()["verdict"], "accepted");
    assert_eq!(ask(&server, "192.0.3.1", "GET", "/v1/policy", "").status, 200);
    assert_eq!(refused(&server, "blocked"), Some(5));
    // New rules take effect while the relay runs, in both directions.
    server.service.change_settings(settings(&[("192.0.3.0/24", Allowance::Nothing)]));
    assert_eq!(ask(&server, "192.0.2.1", "GET", "/v1/policy", "").status, 200);
    ask(&server, "192.0.3.1", "GET", "/v1/policy", "").error(403);
    // Rules also apply to the proxy itself, and to clients without a proxy.
    server.service.change_settings(settings(&[("127.0.0.0/8", Allowance::Nothing)]));
    server.get("/healthz").error(403);
}

#[test]
fn a_network_may_send_so_many_posts_a_second() {
    let server = Server::with(settings(&[("192.0.2.0/24", limit(1))]));
    let posts: Vec<_> = HONEST[..3].iter().cycle().take(200).map(Sent::json).collect();
    let many = serde_json::json!({ "posts": posts }).to_string();
    let one = HONEST[4].json().to_string();
    // A request is accepted as a whole; later requests of the whole network wait until its excess is paid back.
    assert_eq!(ask(&server, "192.0.2.1", "POST", "/v1/verify", &many).status, 200);
    let error = ask(&server, "192.0.2.2", "POST", "/v1/verify", &one);
    assert!(error.headers["retry-after"].parse::<u64>().unwrap() > 100);
    assert!(error.error(429).contains("may send 1 posts per second"));
    ask(&server, "192.0.2.2", "POST", "/v1/badges", "{\"scope\":\"room\",\"pass\":\"AQID\"}").error(429);
    assert_eq!(server.log.inner.len(), 3);
    // Requests without verdicts are not limited, and neither are other networks.
    assert_eq!(ask(&server, "192.0.2.2", "GET", "/v1/policy", "").status, 200);
    assert_eq!(ask(&server, "198.51.100.1", "POST", "/v1/verify", &one).json()["verdict"], "accepted");
    assert_eq!(refused(&server, "limited"), Some(2));
    server.service.change_settings(settings(&[]));
    assert_eq!(ask(&server, "192.0.2.2", "POST", "/v1/verify", &one).json()["verdict"], "replay");
}
