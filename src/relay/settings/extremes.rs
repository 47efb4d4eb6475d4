//! Tests of the whole file with extreme values: each is refused with a message, or a relay runs with it.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use proptest::{collection::vec, prelude::*, sample::Index};
use quotapass_circuits::{
    badge::Badge,
    membership::{Levels, MemberTree},
    post::Post,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    verifier::Verifier,
};
use quotapass_protocol::{Policy, PolicyTable, RootHistory};
use quotapass_relay::{
    Clock as _, Engine, EngineSettings, LatestTree, MemoryLog, Relay, RelayContext, SystemClock, http::HttpService,
};
use quotapass_testkit::{authors::author_verifier, records::record_verifiers};
use tokio::{net::TcpListener, runtime::Runtime};
use toml::{Table, Value};

use super::{Settings, tests};

/// Limits of types and clocks, and numbers around zero.
const NUMBERS: [i64; 16] = [
    i64::MIN,
    -1,
    0,
    1,
    2,
    255,
    256,
    65_535,
    65_536,
    i32::MAX as i64,
    u32::MAX as i64,
    u32::MAX as i64 + 1,
    253_402_300_799,
    i64::MAX / 1_000,
    i64::MAX - 1,
    i64::MAX,
];

/// Configurations that together contain every setting.
static DOCUMENTS: LazyLock<[Table; 3]> = LazyLock::new(|| {
    let private = tests::template().replace("http://127.0.0.1:8545", "https://:{password}@localhost:8545");
    let private = private.replace("chain_id =", "password_file = \"password\"\nchain_id =")
        + "[chain.tls]\nauthorities = \"ca.pem\"\ncertificate = \"relay.pem\"\nkey = \"relay.key\"\n";
    // The alternative settings of each section, as far as they are consistent.
    let shared = tests::template()
        .replace("#   address = \"unix", "# address = \"unix")
        .replace("proxy_protocol = true", "proxy_protocol = false")
        .replace("# trusted_proxies = []", "trusted_proxies = [\"10.0.0.0/8\"]")
        .replace("from = 2026-", "from = 2020-")
        .replace("#   ", "");
    [tests::uncommented(), shared, private].map(|text| text.parse().unwrap())
});

/// The path of a value: keys of tables, and indices in arrays of tables.
type Place = Vec<String>;

fn places(table: &Table) -> Vec<Place> {
    let below = |key: &str, table: &Table| -> Vec<Place> {
        places(table).into_iter().map(|rest| [vec![key.to_owned()], rest].concat()).collect()
    };
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => found.extend(below(key, inner)),
            Value::Array(list) if list.first().is_some_and(Value::is_table) => {
                for (index, inner) in list.iter().enumerate() {
                    let inner = below(&index.to_string(), inner.as_table().unwrap());
                    found.extend(inner.into_iter().map(|rest| [vec![key.clone()], rest].concat()));
                }
            }
            _ => found.push(vec![key.clone()]),
        }
    }
    found
}

fn at<'a>(document: &'a mut Table, place: &[String]) -> &'a mut Value {
    let mut value = document.get_mut(&place[0]).unwrap();
    for key in &place[1..] {
        value = match value {
            Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
            value => value.as_table_mut().unwrap().get_mut(key).unwrap(),
        };
    }
    value
}

/// Runs services with any settings.
struct Bench {
    runtime: Runtime,
    posts: Verifier<Post>,
    badges: Verifier<Badge>,
    /// The engines that were started. Each first measures its processor, and most files need the same engine.
    engines: Mutex<Vec<Started>>,
}

/// An engine with its relay, whose policies change from file to file.
struct Started {
    settings: EngineSettings,
    relay: Arc<Relay>,
    engine: Engine,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let levels = Levels::new(1).unwrap();
    Bench {
        runtime: Runtime::new().unwrap(),
        posts: Prover::new(development_setup(Post { levels }).unwrap()).unwrap().verifier().unwrap(),
        badges: Prover::new(development_setup(Badge { levels }).unwrap()).unwrap().verifier().unwrap(),
        engines: Mutex::default(),
    }
});

impl Bench {
    /// Returns an engine with these settings, and its relay.
    fn engine(&self, settings: &EngineSettings) -> (Arc<Relay>, Engine) {
        let mut engines = self.engines.lock().unwrap();
        if let Some(known) = engines.iter().find(|known| known.settings == *settings) {
            return (Arc::clone(&known.relay), known.engine.clone());
        }
        let registry = RegistryId { chain_id: 31_337, address: [7; 20] };
        let policies = PolicyTable::new(registry, Vec::<Policy>::new()).unwrap();
        let (posts, badges) = (self.posts.clone(), self.badges.clone());
        let relay = Relay::new(posts, badges, policies, RootHistory::new(), Arc::new(MemoryLog::new()));
        let (small, large) = record_verifiers();
        let relay = Arc::new(relay.with_records(small, large).with_author(author_verifier()));
        let engine = Engine::start(Arc::clone(&relay), RelayContext::new(Arc::new(SystemClock)), settings).unwrap();
        engines.push(Started { settings: settings.clone(), relay: Arc::clone(&relay), engine: engine.clone() });
        // With extreme settings, each engine has hundreds of threads.
        if engines.len() > 4 {
            engines.remove(1);
        }
        (relay, engine)
    }
}

/// Starts a relay with the settings, and asks it for its policy and for a verdict.
fn runs(settings: &Settings) {
    let Settings { live, fixed } = settings;
    let (relay, engine) = BENCH.engine(&fixed.engine);
    let now = SystemClock.now();
    // These policies replace those of the previous file, instead of a policy change.
    relay.change_policies(Vec::<Policy>::new(), now).unwrap();
    relay.change_policies(live.scopes.iter().cloned(), now).unwrap();
    relay.change_unlisted(live.unlisted);
    relay.change_shadow(live.shadow.iter().cloned());
    let members = LatestTree::new(MemberTree::new(Levels::new(1).unwrap()));
    let service = HttpService::new(engine, members, live.http.clone());
    let listener = BENCH.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = BENCH.runtime.spawn(async move { service.serve(listener, std::future::pending()).await });
    if live.http.proxy_protocol {
        // Only a proxy can use this listener.
        serving.abort();
        return;
    }
    let body = "{\"scope\":\"lobby\",\"message\":\"hello\",\"pass\":\"AAAA\"}";
    let length = body.len();
    let requests = [
        "GET /v1/policy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned(),
        format!(
            "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ),
    ];
    for request in requests {
        // A busy machine may miss the shortest time limits.
        let answered = (0..10).any(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut answer = String::new();
            let read = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
            // A client of a refused network gets an answer too.
            read.is_ok() && ["HTTP/1.1 200", "HTTP/1.1 403"].iter().any(|status| answer.starts_with(status))
        });
        assert!(answered, "no answer to {request}: {settings:?}");
    }
    serving.abort();
}

/// Reads a document, and runs a relay if its settings are valid. Returns whether they are.
fn survives(document: &Table) -> bool {
    let text = toml::to_string(document).unwrap();
    let settings = Settings::parse(&text, Path::new("/etc/quotapass"));
    // The same check as in `relay check` and at a start.
    let settings = settings.and_then(|settings| settings.live.require_begun(SystemClock.now()).map(|()| settings));
    match settings {
        Ok(settings) => {
            runs(&settings);
            true
        }
        Err(error) => {
            let error = format!("{error:#}");
            assert!(error.contains("line ") || error.contains('`'), "{error}\n{text}");
            assert!(!error.contains('\n'), "{error}");
            false
        }
    }
}

#[test]
fn the_documents_are_good() {
    assert!(DOCUMENTS.iter().all(survives));
    // Many settings, in sections and lists.
    assert!(DOCUMENTS.iter().all(|document| places(document).len() > 10));
}

#[test]
fn every_number_is_refused_or_works_at_its_extremes() {
    let (mut refused, mut taken, mut tried) = (0, 0, HashSet::new());
    for document in &*DOCUMENTS {
        for place in places(document) {
            let mut document = document.clone();
            if !at(&mut document, &place).is_integer() || !tried.insert(place.clone()) {
                continue;
            }
            for number in NUMBERS {
                *at(&mut document, &place) = number.into();
                if survives(&document) {
                    taken += 1
                } else {
                    refused += 1
                };
            }
            // The largest number of a file is refused, except for settings where every value is meaningful.
            let is_free = matches!(place.last().unwrap().as_str(), "chain_id");
            *at(&mut document, &place) = i64::MAX.into();
            assert_eq!(survives(&document), is_free, "{place:?}");
        }
    }
    assert!(refused > 100 && taken > 100, "{refused} {taken}");
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(String::new()),
        Just("\0".into()),
        Just("x".repeat(100_000)),
        Just("http://".into()),
        Just("redis://[::".into()),
        Just("0.0.0.0/0".into()),
        Just("::/0".into()),
        Just("lobby".into()),
        Just("0x0000000000000000000000000000000000000000".into()),
        "\\PC{0,40}",
    ];
    let leaf = prop_oneof![
        4 => proptest::sample::select(&NUMBERS[..]).prop_map(Value::Integer),
        2 => any::<i64>().prop_map(Value::Integer),
        1 => any::<f64>().prop_map(Value::Float),
        1 => any::<bool>().prop_map(Value::Boolean),
        4 => text.prop_map(Value::String),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec(("[a-z_]{1,8}", inner), 0..3).prop_map(|pairs| Value::Table(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_file_is_refused_in_words_or_works(
        number in 0..3_usize,
        changes in vec((any::<Index>(), value()), 1..4),
    ) {
        let mut document = DOCUMENTS[number].clone();
        let places = places(&document);
        for (index, value) in changes {
            *at(&mut document, index.get::<Place>(&places)) = value;
        }
        survives(&document);
    }

    #[test]
    fn any_text_is_survived(text in "(\\[\\[?[a-z]{0,8}\\]?\\]|[a-z_]{1,12} ?= ?|[\"\\\\0-9\\n# ]|\\PC){0,60}") {
        prop_assert!(Settings::parse(&text, Path::new("/")).is_err());
    }
}
