//! The operator's own listener.

use std::{
    io::{BufReader, Write},
    os::unix::{fs::FileTypeExt, net::UnixStream},
};

use quotapass_relay::http::{AdminAddress, AdminListener, HttpSettings};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{server::*, world::*};

/// Serves the operator's listener on an address until it is stopped.
fn serve(
    server: &Server,
    address: &AdminAddress,
) -> (Option<std::net::SocketAddr>, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = server.runtime.block_on(AdminListener::bind(address)).unwrap();
    let (bound, service) = (listener.address(), server.service.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let served =
        server.runtime.spawn(async move { service.serve_admin(listener, async { drop(stopped.await) }).await });
    (bound, stop, served)
}

#[test]
fn the_operator_is_answered_whatever_happens_to_others() {
    let server = Server::with(HttpSettings { max_connections: 4, ..HttpSettings::default() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let (_, stop, served) = serve(&server, &AdminAddress::Unix(path.clone()));
    let ask = |path: &str, host: &str| {
        let mut stream = UnixStream::connect(folder.path().join("admin.sock")).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Answer::read(&mut BufReader::new(stream))
    };
    // All places of requests that wait for verdicts are taken by work that does not end.
    server.log.shut(true);
    let busy: Vec<_> = HONEST[..3]
        .iter()
        .map(|post| {
            let mut stream = server.connect();
            let body = post.json().to_string();
            stream
                .write_all(&request("POST", "/v1/verify", &[("content-type", "application/json")], body.as_bytes()))
                .unwrap();
            stream
        })
        .collect();
    while !ask("/metrics", "admin").text().contains("quotapass_http_connections 3\n") || server.log.waiting() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(ask("/healthz", "any.name").json(), json!({ "status": "ok" }));
    assert_eq!(ask("/readyz", "any.name").json()["ready"], true);
    ask("/v1/policy", "localhost").error(404);
    server.log.shut(false);
    for stream in busy {
        assert_eq!(Answer::read(&mut BufReader::new(stream)).json()["verdict"], "accepted");
    }
    assert!(path.symlink_metadata().unwrap().file_type().is_socket());
    stop.send(()).unwrap();
    server.runtime.block_on(served).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_is_the_operators_can_be_closed_to_others() {
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let server = Server::with(HttpSettings { admin_alone: true, ..HttpSettings::default() });
    let (bound, _stop, _served) = serve(&server, &"127.0.0.1:0".parse().unwrap());
    let ask = |path: &str, host: &str| {
        let mut stream = std::net::TcpStream::connect(bound.unwrap()).unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())
            .unwrap();
        Answer::read(&mut BufReader::new(stream))
    };
    server.relay.reorganise_roots(1, []);
    let codes = |readiness: &Value| -> Vec<Value> {
        readiness["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone()).collect()
    };
    let told = ask("/readyz", "localhost");
    assert_eq!((told.status, codes(&told.json())), (503, vec![json!("no_roots")]));
    assert!(told.json()["reasons"][0]["cause"].as_str().unwrap().contains("for the first time"), "{told:?}");
    // Only the operator reads an error that names the endpoint.
    server.engine.context().status.update_chain(|chain| {
        chain.failures = 1;
        (chain.error, chain.cause) = (Some("cannot reach rpc.example".into()), Some("cannot be reached".into()));
    });
    for reason in ask("/readyz", "localhost").json()["reasons"].as_array().unwrap() {
        assert_eq!(reason["cause"], "cannot reach rpc.example");
    }
    let public = server.get("/readyz");
    assert_eq!((public.status, public.json()), (503, json!({ "ready": false, "reasons": [] })));
    assert_eq!(codes(&server.get("/v1/summary").json()["readiness"]), Vec::<Value>::new());
    assert!(server.get("/metrics").error(403).contains("only on the operator's listener"));
    assert_eq!(ask("/metrics", "localhost").status, 200);
    ask("/metrics", "evil.example").error(421);
    // This listener ignores trusted proxies, but `metrics_from` applies.
    let closed = HttpSettings { admin_alone: true, trusted_proxies, ..HttpSettings::default() };
    server.service.change_settings(closed.clone());
    assert_eq!(ask("/metrics", "localhost").status, 200);
    server.service.change_settings(HttpSettings { metrics_from: vec!["192.0.2.0/24".parse().unwrap()], ..closed });
    ask("/metrics", "localhost").error(403);
}
