//! Tests of passwords, keys and certificates in files, and of their replacement while a relay runs.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use quotapass_registry::rpc::AccountKey;
use quotapass_testkit::{anvil::post, certificates::Certificates};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;

use super::{posts::Members, process::Operator, redis::Redis};

/// An endpoint in front of anvil that answers over TLS, to clients with a certificate of its authority and the
/// password.
struct Gate {
    port: u16,
    password: Arc<Mutex<String>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    fn start(target: u16, certificates: &Certificates, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            password: Arc::new(Mutex::new(password.into())),
            open: Arc::default(),
        };
        let (tls, password, open) = (tls(certificates), Arc::clone(&gate.password), Arc::clone(&gate.open));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let stream = StreamOwned::new(ServerConnection::new(Arc::clone(&tls)).unwrap(), stream);
                let password = Arc::clone(&password);
                // A refused client closes the connection.
                thread::spawn(move || drop(serve(stream, target, &password)));
            }
        });
        gate
    }

    /// Requires another password from now on; open connections are closed.
    fn change(&self, password: &str) {
        *self.password.lock().unwrap() = password.into();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn tls(certificates: &Certificates) -> Arc<ServerConfig> {
    let provider = Arc::new(default_provider());
    let chain = |name| CertificateDer::pem_file_iter(certificates.path(name)).unwrap().map(Result::unwrap);
    let mut roots = RootCertStore::empty();
    chain("ca.pem").for_each(|authority| roots.add(authority).unwrap());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates.path("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_client_cert_verifier(clients).with_single_cert(chain("server.pem").collect(), key).unwrap())
}

fn serve(stream: impl Read + Write, target: u16, password: &Mutex<String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => authorization = value.into(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let expected = format!("Basic {}", STANDARD.encode(format!("relay:{}", password.lock().unwrap())));
        let (status, answer) =
            if authorization == expected { ("200 OK", post(target, &body)) } else { ("401 Unauthorized", Vec::new()) };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.get_mut().write_all(&[head.as_bytes(), &answer].concat())?;
        stream.get_mut().flush()?;
    }
}

#[test]
fn passwords_certificates_and_the_wallet_are_replaced_without_a_restart() {
    let members = Members::new(2);
    let certificates = Certificates::new();
    let gate = Gate::start(members.bench.anvil.port(), &certificates, "pass/word %@hunter-one");
    let operator = Operator::new();
    let write = |name: &str, text: &str| fs::write(operator.path(name), text).unwrap();
    // Keystores of two accounts, which get the same name one after the other.
    let accounts = [5, 6].map(|number| {
        let key = [number; 32];
        let path = operator.path(&format!("{number}.json"));
        let name = format!("{number}.json");
        eth_keystore::encrypt_key(operator.path(""), &mut rand::thread_rng(), key, "open", Some(&name)).unwrap();
        let address = AccountKey::from_keystore(&path, "open").unwrap().address();
        members.bench.anvil.fund(address);
        (path, address)
    });
    fs::copy(&accounts[0].0, operator.path("wallet.json")).unwrap();
    write("wallet-password", "open\n");
    write("rpc-password", "pass/word %@hunter-one\n");
    let url = format!("https://relay:{{password}}@localhost:{}", gate.port);
    let files = |names: &[(&str, &str)]| -> String {
        let lines =
            names.iter().map(|(setting, name)| format!("{setting} = \"{}\"\n", certificates.path(name).display()));
        format!("[chain.tls]\n{}", lines.collect::<String>())
    };
    let text = members.configuration(&url).replace("chain_id", "password_file = \"rpc-password\"\nchain_id");
    let text =
        text.replace("[slashing]", "[slashing]\nkeystore = \"wallet.json\"\npassword_file = \"wallet-password\"");
    let (authority, client) = (("authorities", "ca.pem"), [("certificate", "client.pem"), ("key", "client.key")]);
    let whole = format!("{text}{}", files(&[&[authority], &client[..]].concat()));

    // Without the contents of the files, neither side trusts the other.
    let check = |text: &str| {
        operator.configure(text);
        operator.run(&["--config", "relay.toml", "check"])
    };
    for text in [text.clone(), format!("{text}{}", files(&[authority])), format!("{text}{}", files(&client))] {
        let (code, _, error) = check(&text);
        assert!(code != 0 && error.contains("cannot reach https://…@localhost"), "{code}: {error}");
    }
    let (code, _, error) = check(&whole.replace("rpc-password", "none"));
    assert!(code != 0 && error.contains("cannot read the password"), "{code}: {error}");
    assert_eq!(check(&whole).0, 0, "{}", check(&whole).2);

    let relay = operator.start_configured();
    relay.wait_until("it is ready", |relay| relay.is_ready());
    assert_eq!(relay.verdict(&members.post(0, 0, "one")), "accepted");

    // The endpoint requires another password, and another wallet sends.
    gate.change("hunter-two");
    relay.wait_until("it has lost the chain", |relay| !relay.is_ready());
    write("rpc-password", "hunter-two");
    fs::copy(&accounts[1].0, operator.path("wallet.json")).unwrap();
    write("wallet-password", "wrong");
    relay.signal("HUP");
    relay.wait_until("the reload is refused", |relay| relay.log().contains("does not open the keystore"));
    write("wallet-password", "open");
    relay.signal("HUP");
    let says = format!("{} slashes", accounts[1].1);
    relay.wait_until("it says who slashes", |relay| relay.log().contains(&says));
    relay.wait_until("it is ready", |relay| relay.is_ready());
    assert_eq!(relay.verdict(&members.post(0, 0, "two")), "quota_exceeded");
    let settlement = relay.settlement(&Members::commitment(0));
    assert_eq!(settlement["outcome"], "slashed");
    let transaction = members.bench.anvil.rpc("eth_getTransactionByHash", json!([settlement["transaction"]]));
    assert_eq!(transaction["from"], json!(accounts[1].1.to_string().to_lowercase()));
    assert!(!relay.log().contains("hunter"), "{}", relay.log());
    assert_eq!(relay.stop(), Some(0));
}

#[test]
fn a_private_log_takes_a_new_password_without_a_restart() {
    let members = Members::new(1);
    let redis = Redis::start_private(Certificates::new(), "hunter-one");
    let operator = Operator::new();
    let write = |password: &str| fs::write(operator.path("valkey-password"), password).unwrap();
    write("hunter-one\n");
    let path = |name| redis.certificates().path(name).display().to_string();
    let authority = format!("[log.tls]\nauthorities = \"{}\"\n", path("ca.pem"));
    let client = format!("certificate = \"{}\"\nkey = \"{}\"\n", path("client.pem"), path("client.key"));
    let log =
        format!("[log]\nvalkey = [\"rediss://localhost:{}\"]\npassword_file = \"valkey-password\"\n", redis.port());
    let text = members.configuration(&members.bench.anvil.http());
    let check = |log: &str| {
        operator.configure(&format!("{log}{text}"));
        operator.run(&["--config", "relay.toml", "check"])
    };
    for refused in [log.clone(), format!("{log}{authority}"), format!("{log}[log.tls]\n{client}")] {
        let (code, _, error) = check(&refused);
        assert!(code == 4 && error.contains("cannot be used"), "{error}");
    }
    let (code, _, error) = check(&format!("{log}{authority}{client}").replace("valkey-password", "none"));
    assert!(code == 1 && error.contains("cannot use the files"), "{error}");
    let whole = format!("{log}{authority}{client}");
    assert_eq!(check(&whole).0, 0, "{}", check(&whole).2);
    write("wrong");
    let (code, _, error) = check(&whole);
    assert!(code == 4 && error.contains("the password"), "{error}");

    write("hunter-one");
    let relay = operator.start_configured();
    relay.wait_until("it is ready", |relay| relay.is_ready());
    assert_eq!(relay.verdict(&members.post(0, 0, "one")), "accepted");
    assert_eq!(redis.say("hunter-one", &["CONFIG", "SET", "requirepass", "hunter-two"]).trim(), "OK");
    write("hunter-two");
    // The open connection is closed, and the next one reads the file again.
    redis.say("hunter-two", &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let second = members.post(0, 1, "two");
    relay.wait_until("the log answers", |relay| matches!(relay.verdict(&second).as_str(), "accepted" | "replay"));
    assert_eq!(relay.verdict(&members.post(0, 0, "one")), "replay");
    assert!(!relay.log().contains("hunter"), "{}", relay.log());
    assert_eq!(relay.stop(), Some(0));
}
