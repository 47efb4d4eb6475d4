//! Tests of client and server over loopback TCP, with honest and dishonest servers.

use std::time::{Duration, Instant};

use axum::{Router, body::Body, http::StatusCode, response::Redirect, routing::get};
use quotapass_circuits::formats::wire::DecodeErrorKind;
use quotapass_relay::{LatestTree, http::members_routes};
use quotapass_wallet::members::{ClientError, ClientOptions, RelayMembers, SyncError};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::*;

/// A server on a separate port, which runs until it is dropped.
struct Server {
    address: String,
    runtime: Runtime,
}

impl Server {
    fn start(router: Router) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime }
    }

    fn honest(tree: MemberTree) -> Self {
        Self::start(members_routes(LatestTree::new(tree)))
    }

    fn client(&self) -> RelayMembers {
        let options = ClientOptions { timeout: Duration::from_millis(1_500), ..ClientOptions::default() };
        RelayMembers::new(&self.address, Levels::STANDARD, &options).unwrap()
    }
}

#[test]
fn a_wallet_syncs_from_a_relay() {
    let latest = LatestTree::new(TREE.clone());
    let server = Server::start(members_routes(latest.clone()));
    let mut wallet = wallet(8_200);
    wallet.sync(&server.client(), &head(&TREE)).unwrap();
    assert_eq!(wallet.membership().unwrap().1, TREE.path(MemberIndex(8_200)).unwrap());
    let mut tree = TREE.clone();
    tree.append(member(MEMBERS)).unwrap();
    let head = head(&tree);
    latest.set(tree);
    wallet.sync(&server.client(), &head).unwrap();
    assert_eq!(wallet.root(), Some(head.root));
}

#[test]
fn the_client_may_be_used_within_an_asynchronous_task() {
    let server = Server::honest(TREE.clone());
    let client = server.client();
    let upper = server.runtime.block_on(async move { client.upper_nodes() }).unwrap();
    assert_eq!(upper, TREE.upper_nodes());
}

#[test]
fn answers_carry_their_tag_and_caches_may_ask_again() {
    let server = Server::honest(TREE.clone());
    let client = reqwest::Client::new();
    server.runtime.block_on(async {
        let ask = |path: &str| client.get(format!("{}/v1/members/{path}", server.address));
        let answer = ask("buckets/4").send().await.unwrap();
        let tag = answer.headers()["etag"].clone();
        assert_eq!(tag, format!("\"{}\"", TREE.bucket_root(BucketNumber(4)).unwrap()));
        assert_eq!(answer.headers()["content-type"], "application/octet-stream");
        assert_eq!(answer.bytes().await.unwrap(), TREE.bucket(BucketNumber(4)).unwrap().to_bytes());
        let answer = ask("buckets/4").header("if-none-match", tag).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (304, 0));
        let answer = ask("upper").send().await.unwrap();
        assert_eq!(answer.headers()["etag"], format!("\"{}\"", TREE.root()));
        for (path, status) in [("buckets/5", 404), ("buckets/x", 400), ("buckets/4294967296", 400), ("path/7", 404)] {
            assert_eq!(ask(path).send().await.unwrap().status().as_u16(), status, "{path}");
        }
    });
    let missing = server.client().bucket(BucketNumber(5));
    assert_eq!(missing, Err(SourceError::NoSuchBucket(BucketNumber(5))));
}

#[test]
fn a_relay_with_a_made_up_tree_is_refused() {
    let mut made_up = MemberTree::new(Levels::STANDARD);
    made_up.append(member(0)).unwrap();
    let server = Server::honest(made_up);
    let error = wallet(0).sync(&server.client(), &head(&TREE)).unwrap_err();
    assert!(matches!(error, SyncError::NotTheChains(_)), "{error}");
}

#[test]
fn a_relay_whose_bucket_is_another_is_refused() {
    let upper = || async { TREE.upper_nodes().to_bytes() };
    let mut other = TREE.clone();
    other.remove(MemberIndex(3)).unwrap();
    let bucket = other.bucket(BucketNumber(0)).unwrap().to_bytes();
    let router = Router::new()
        .route("/v1/members/upper", get(upper))
        .route("/v1/members/buckets/0", get(move || async move { bucket }));
    let server = Server::start(router);
    let error = wallet(0).sync(&server.client(), &head(&TREE)).unwrap_err();
    assert!(matches!(error, SyncError::Bucket(_)), "{error}");
}

#[test]
fn answers_of_a_wrong_size_are_refused() {
    for (content, expected) in [
        (Vec::new(), DecodeErrorKind::Truncated),
        (TREE.upper_nodes().to_bytes()[..100].to_vec(), DecodeErrorKind::Truncated),
        ([TREE.upper_nodes().to_bytes(), vec![0]].concat(), DecodeErrorKind::TrailingBytes),
        (vec![9; 40], DecodeErrorKind::UnknownVersion(9)),
    ] {
        let server = Server::start(Router::new().route("/v1/members/upper", get(|| async { content })));
        match server.client().upper_nodes() {
            Err(SourceError::Malformed { error, .. }) => assert_eq!(error.kind, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let endless = || async {
        Body::from_stream(futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![1u8; 10_000])))
    };
    let long = || async { vec![1u8; 40_000] };
    for router in
        [Router::new().route("/v1/members/upper", get(endless)), Router::new().route("/v1/members/upper", get(long))]
    {
        let server = Server::start(router);
        let error = server.client().upper_nodes().unwrap_err();
        assert!(matches!(error, SourceError::TooLong { limit: 32_775, .. }), "{error}");
    }
}

#[test]
fn a_relay_that_is_slow_or_silent_or_gone_is_given_up() {
    let begin = Instant::now();
    let silent = || async { std::future::pending::<()>().await };
    let drip = || async {
        Body::from_stream(futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some((Ok::<_, std::io::Error>(vec![1u8]), ()))
        }))
    };
    for router in
        [Router::new().route("/v1/members/upper", get(silent)), Router::new().route("/v1/members/upper", get(drip))]
    {
        let error = Server::start(router).client().upper_nodes().unwrap_err();
        assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(20));
    let gone = Server::start(Router::new());
    let client = gone.client();
    gone.runtime.shutdown_timeout(Duration::from_secs(1));
    let error = client.upper_nodes().unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[test]
fn redirects_and_errors_are_not_followed() {
    let elsewhere = || async { Redirect::temporary("http://127.0.0.1:1/") };
    let broken = || async { StatusCode::INTERNAL_SERVER_ERROR };
    for (router, expected) in [(get(elsewhere), 307), (get(broken), 500)] {
        let server = Server::start(Router::new().route("/v1/members/upper", router));
        match server.client().upper_nodes() {
            Err(SourceError::Status { status, .. }) => assert_eq!(status, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn addresses_that_are_none_are_refused() {
    for address in ["relay.example", "ftp://relay.example", "", "http://"] {
        let client = RelayMembers::new(address, Levels::STANDARD, &ClientOptions::default());
        assert_eq!(client.unwrap_err(), ClientError::Address(address.into()));
    }
    let options = ClientOptions { proxy: Some("http://".into()), ..ClientOptions::default() };
    let client = RelayMembers::new("https://relay.example", Levels::STANDARD, &options);
    assert_eq!(client.unwrap_err(), ClientError::Proxy("http://".into()));
}

#[test]
fn no_error_shows_the_password_of_an_address() {
    let hides = |error: &dyn std::error::Error| {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret") && text.contains("…"), "{text}");
    };
    let new = |address: &str| RelayMembers::new(address, Levels::STANDARD, &ClientOptions::default());
    hides(&new("ftp://me:secret@relay.example").unwrap_err());
    let options = ClientOptions { proxy: Some("http://me:secret@".into()), ..ClientOptions::default() };
    hides(&RelayMembers::new("https://relay.example", Levels::STANDARD, &options).unwrap_err());
    let client = new("http://me:secret@127.0.0.1:1/secret").unwrap();
    hides(&client.upper_nodes().unwrap_err());
    let server = Server::start(Router::new());
    let address = server.address.replace("http://", "http://me:secret@");
    hides(&new(&address).unwrap().policy().unwrap_err());
}
