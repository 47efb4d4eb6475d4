use alloy_primitives::Address;
use quotapass_log::{CosignerKey, LogName};
use quotapass_protocol::{LogIdentity, note::NoteKey};
use quotapass_relay::{EngineSettings, ValkeySettings};

use super::*;
use crate::relay::template::{ChainTemplate, ScopeTimes, TemplateLog, TemplateScope, configuration};

fn parse(text: &str) -> Result<Settings> {
    Settings::parse(text, Path::new("/etc/quotapass"))
}

pub(super) fn template() -> String {
    configuration(&endpoint(None))
}

/// Returns the template of a relay of a registry with this exit delay in seconds.
fn endpoint(exit_delay: Option<u32>) -> ChainTemplate<'static> {
    let times = exit_delay.map_or_else(ScopeTimes::default, |delay| ScopeTimes::within(delay).unwrap());
    ChainTemplate::Endpoint {
        rpc_url: None,
        chain_id: None,
        registry: None,
        exit_delay,
        times,
        wallet: exit_delay.is_some(),
    }
}

/// Returns the template with every commented-out setting enabled.
pub(super) fn uncommented() -> String {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let uncomment = |line: &str| {
        let setting = line.strip_prefix("# ").filter(|rest| rest.split_once(" = ").is_some_and(|it| is_name(it.0)));
        setting.unwrap_or(line).to_owned()
    };
    template().lines().map(|line| uncomment(line) + "\n").collect()
}

/// Returns the template with the alternative settings of a section enabled.
fn chosen(section: &str) -> String {
    let text = template();
    let begin = text.find(&format!("\n{section}\n")).unwrap() + 1;
    let end = text[begin..].find("\n\n").unwrap() + begin;
    [&text[..begin], &text[begin..end].replace("#   ", ""), &text[end..]].concat()
}

#[test]
fn what_is_written_is_valid_and_names_the_usual_values() {
    let written = parse(&template()).unwrap();
    assert_eq!(written.live.scopes.len(), 1);
    assert_eq!(written.live.http, HttpSettings::default());
    let full = parse(&uncommented()).unwrap();
    assert_eq!(full.live, written.live);
    let FixedSettings { chain, clock, engine, log, .. } = &full.fixed;
    let path = Path::new("/var/lib/quotapass-relay/nullifiers");
    assert_eq!((log.path.as_deref(), log.servers()), (Some(path), None));
    let mut shared = parse(&chosen("[log]")).unwrap().fixed.log.servers().unwrap();
    assert_eq!(shared.sentinels.len(), 3);
    shared.sentinels.clear();
    assert_eq!(shared, ValkeySettings::new(["redis://127.0.0.1:6379".into()]));
    assert_eq!((chain, clock), (&written.fixed.chain, &written.fixed.clock));
    let workers = EngineSettings::default().workers;
    assert_eq!(EngineSettings { workers, ..engine.clone() }, EngineSettings::default());
    assert_eq!(full.fixed.slashing.confirmations, SlashingSection::default().confirmations);
    assert_eq!(full.fixed.slashing.keystore.as_deref(), Some(Path::new("/etc/quotapass/wallet.json")));
    let first_block = |text: &str| parse(text).unwrap().fixed.chain.first_block();
    assert_eq!((first_block(&template()), first_block(&chosen("[chain]"))), (None, Some(19_000_000)));
    let registry = Address::repeat_byte(7);
    let log = TemplateLog {
        name: LogName {
            origin: "demo.example/moderation".parse().unwrap(),
            root_key: NoteKey::from_seed("root", &[6; 32]).unwrap().public(),
        },
        witness: CosignerKey::from_seed("witness.example", &[7; 32]).unwrap().public(),
    };
    let scope = TemplateScope::Demo(&log);
    let embedded = parse(&configuration(&ChainTemplate::Embedded { registry, scope })).unwrap();
    assert_eq!(embedded.fixed.chain.state.as_deref(), Some(Path::new("/etc/quotapass/chain.state")));
    assert_eq!(embedded.fixed.chain.registry, registry);
    assert_eq!(embedded.fixed.moderation.witnesses, std::slice::from_ref(&log.witness));
    let lists = &embedded.live.scopes[0].policy.moderation.as_ref().unwrap().lists;
    assert_eq!(lists[0].log, LogIdentity(*log.name.id().as_bytes()));
    assert_eq!(embedded.fixed.moderation.log, Some(NamedLog(log.name)));
}

#[test]
fn says_what_is_wrong_and_where() {
    let text = template();
    let says = |text: &str, parts: &[&str]| {
        let error = format!("{:#}", parse(text).map(|settings| settings.live).unwrap_err());
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    let line = |part: &str| text[..text.find(part).unwrap()].matches('\n').count() + 1;
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    says(&changed("unlisted_scopes", "unlisted_scope"), &["unknown field `unlisted_scope`", "line"]);
    says(&changed("\"reject\"", "\"refuse\""), &["unknown variant `refuse`", "line"]);
    says(&changed("127.0.0.1:8480", "8480"), &["invalid socket address", "line"]);
    says(&changed("http://127.0.0.1:8545", "127.0.0.1:8545"), &["write http:// before it", "line"]);
    says(&changed("chain_id = 31337\n", ""), &["no `chain_id`", &format!("line {}", line("[chain]"))]);
    let right = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
    let mistyped = changed(right, &right.replace("5Fb", "5fb"));
    says(&mistyped, &["is not a valid address: its checksum is wrong", right, "line"]);
    let receiver = format!("enabled = true\nreceiver = \"{}\"", right.replace("5Fb", "5fb"));
    says(&changed("enabled = true", &receiver), &["is not a valid address: its checksum is wrong", right, "line"]);
    let both = changed("[chain]\n", "[chain]\nstate = \"chain.state\"\n");
    says(&both, &["both `rpc_url` and `state`", &format!("line {}", line("[chain]"))]);
    let skewed = changed("max_clock_skew = 60", "max_clock_skew = 7200");
    says(&skewed, &["longer than its epoch", &format!("line {}", line("[[scopes]]"))]);
    let scope = &text[text.find("[[scopes]]").unwrap()..];
    says(&format!("{text}{scope}"), &["`lobby` is listed twice for the same time"]);
    says(&text[..text.find("[[scopes]]").unwrap()], &["no scope is listed"]);
    says(&changed("limit_cap = 10\n", ""), &["missing field `limit_cap`"]);
    says(&changed("enabled = true", "enabled = false\nkeystore = \"wallet\""), &["not enabled", "line"]);
    says(&changed("enabled = true", "password_file = \"secret\""), &["has a `password_file` but no `keystore`"]);
    says(&changed("[log]\n", "[log]\nvalkey = []\n"), &["lists no server", "line"]);
    let proxies = changed("[listen]\n", "[listen]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n");
    says(&proxies, &["`proxy` is neither a network", "line"]);
    let listen = |settings: &str| changed("[listen]\n", &format!("[listen]\n{settings}\n"));
    for unbelieved in ["proxy_protocol = true", "source_header = \"X-Peer\"", "forwarded_header = \"Forwarded\""] {
        says(&listen(unbelieved), &["no `trusted_proxies`", "line"]);
    }
    says(&listen("source_header = \"Host\""), &["`Host` has another purpose", "line"]);
    says(&listen("source_header = \"a b\""), &["`a b` is not the name of a header", "line"]);
    says(&listen("forwarded_header = \"X-Real-IP\""), &["unknown variant `X-Real-IP`", "line"]);
    for host in ["relay.example:443", "http://relay.example", "", "me@relay.example", "[::1]"] {
        says(&listen(&format!("hosts = [\"{host}\"]")), &["is not a host name", "line"]);
    }
    let admin = |settings: &str| changed("[admin]\n", &format!("[admin]\n{settings}\n"));
    says(&admin("address = \"8481\""), &["`8481` is not a listener address", "line"]);
    says(&admin("alone = true"), &["has `alone` but no `address`", "line"]);
    let small = changed("[limits]\n", "[limits]\nmax_body_memory_bytes_per_source = 2000\n");
    says(&small, &["one body of `max_body_bytes`, which is 1048576"]);
    says("", &["missing field `chain`"]);
}

#[test]
fn proxies_and_the_operators_listener_are_set() {
    let listen = chosen("[listen]").replace("# trusted_proxies = []", "trusted_proxies = [\"10.0.0.0/8\"]");
    let named = listen.replace("# hosts = []", "hosts = [\"Relay.Example.\", \"*\"]");
    let http = parse(&named).unwrap().live.http;
    assert_eq!(http.hosts, ["relay.example", "*"]);
    assert_eq!((http.source_header.unwrap().as_str(), http.proxy_protocol), ("quotapass-source", true));
    let with_admin = |address: &str, alone: &str| {
        let section = format!("[admin]\naddress = \"{address}\"\n{alone}\n");
        parse(&template().replace("[admin]\n", &section)).unwrap()
    };
    let socket = with_admin("unix:admin.sock", "");
    assert_eq!(socket.fixed.admin, Some(AdminAddress::Unix("/etc/quotapass/admin.sock".into())));
    assert!(socket.live.http.admin_alone);
    let address = with_admin("127.0.0.1:8481", "alone = false");
    assert_eq!(address.fixed.admin.as_ref().unwrap().to_string(), "127.0.0.1:8481");
    assert!(!address.live.http.admin_alone);
    assert_eq!(address.fixed.difference(&socket.fixed), Some("`address` in [admin]"));
    // A body of the largest allowed size always fits into the memory of one source.
    let large = template().replace("[limits]\n", "[limits]\nmax_body_bytes = 50000000\n");
    assert_eq!(parse(&large).unwrap().live.http.max_body_memory_per_source, 50_000_000);
}

#[test]
fn a_registry_must_hold_deposits_for_long_enough() {
    use quotapass_registry::TokenInfo;
    let mut info = RegistryInfo {
        token: TokenInfo { address: Address::ZERO, symbol: "DEV".into(), decimals: 18 },
        tiers: Vec::new(),
        fee: alloy_primitives::U256::ZERO,
        gate: None,
        exit_delay: 11_460,
        reward_bps: 5_000,
        treasury: Address::ZERO,
        verifier: Address::ZERO,
        member_count: 0,
        total_owed: alloy_primitives::U256::ZERO,
    };
    for exit_delay in [4_290, 7_200, 86_400] {
        let written = parse(&configuration(&endpoint(Some(exit_delay)))).unwrap();
        assert_eq!(written.live.check(&RegistryInfo { exit_delay, ..info.clone() }), Ok(()));
        assert_eq!(written.fixed.slashing.keystore.as_deref(), Some(Path::new("/etc/quotapass/wallet.json")));
    }
    let live = parse(&template()).unwrap().live;
    assert_eq!(live.check(&info), Ok(()));
    info.exit_delay = 11_459;
    let reason = live.check(&info).unwrap_err();
    assert!(reason.contains("scope `lobby`") && reason.contains("11460 s in all"), "{reason}");
}

#[test]
fn a_file_for_the_time_after_a_change_is_refused_before_it() {
    let dated = |from: &str, version: u32| SCOPES.replace("name", &format!("from = {from}\nversion = {version}\nname"));
    let (early, late) = (dated("2026-12-01T00:00:00Z", 2), dated("2026-12-02T00:00:00Z", 3));
    let head = template();
    let head = &head[..head.find("[[scopes]]").unwrap()];
    let live = |scopes: &str| parse(&format!("{head}{scopes}")).unwrap().live;
    let begins = 1_796_083_200;
    for (scopes, now, begun) in [
        (early.clone(), begins - 1, false),
        (early.clone(), begins, true),
        (format!("{late}{early}"), begins, true),
        (format!("{early}{late}"), begins - 1, false),
        (SCOPES.to_owned(), 0, true),
    ] {
        assert_eq!(live(&scopes).require_begun(UnixSeconds(now)).is_ok(), begun, "{scopes} at {now}");
    }
    assert_eq!(live(&format!("{early}{late}")).scope_count(), 1);
}

#[test]
fn changes_are_named() {
    let before = parse(&template()).unwrap();
    let text = template()
        .replace("limit_cap = 10", "limit_cap = 11")
        .replace("\"reject\"", "\"ignore\"")
        .replace("[limits]\n", "[limits]\nmax_posts = 7\n")
        + &SCOPES.replace("lobby", "attic");
    let after = parse(&text).unwrap();
    assert_eq!(
        after.live.changes(&before.live),
        [
            "`unlisted_scopes` is changed",
            "[listen], [admin], [limits], [badges] or [[sources]] is changed",
            "scope `attic` is new",
            "scope `lobby` is changed"
        ]
    );
    assert_eq!(before.live.changes(&after.live).last().unwrap(), "scope `attic` is dropped");
    assert_eq!(after.fixed.difference(&before.fixed), None);
    let moved = parse(&template().replace("8480", "8481")).unwrap();
    assert_eq!(moved.fixed.difference(&before.fixed), Some("`address` in [listen]"));
    let followed = parse(&template().replace("chain_id = 31337", "chain_id = 1337")).unwrap();
    assert_eq!(followed.fixed.difference(&before.fixed), Some("[chain]"));
}

const SCOPES: &str = "[[scopes]]\nname = \"lobby\"\nepoch_seconds = 60\nlimit_cap = 1\nmin_stake = 1\n\
                      min_age_days = 0\nroot_window = 60\nmax_clock_skew = 5\n";

#[test]
fn sources_have_one_rule_each() {
    use quotapass_relay::http::{Allowance, SourceRules};
    let with = |sections: &str| parse(&(template() + sections));
    let network = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    let rules = with(
        "[[sources]]\nnetwork = \"192.0.2.7\"\nblock = true\n[[sources]]\nnetwork = \"2001:db8::/32\"\n\
                      max_posts_per_second = 50\n",
    );
    let limit = Allowance::PostsPerSecond(core::num::NonZeroU32::new(50).unwrap());
    let expected: SourceRules =
        [(network("192.0.2.7/32"), Allowance::Nothing), (network("2001:db8::/32"), limit)].into_iter().collect();
    assert_eq!(rules.unwrap().live.http.sources, expected);
    for (section, reason) in [
        ("network = \"192.0.2.0/24\"\n", "has no rule"),
        ("network = \"192.0.2.0/24\"\nblock = false\n", "has no rule"),
        ("network = \"192.0.2.0/24\"\nblock = true\nmax_posts_per_second = 1\n", "keep one of them"),
        ("network = \"nowhere\"\nblock = true\n", "`nowhere` is neither a network"),
        ("block = true\n", "missing field `network`"),
        ("network = \"192.0.2.1\"\nmax_posts_per_second = 0\n", "a whole number from 1 to 1000000"),
        ("network = \"::/0\"\nblock = true\n[[sources]]\nnetwork = \"::1/0\"\nblock = true\n", "::/0 is listed twice"),
    ] {
        let error = format!("{:#}", with(&format!("[[sources]]\n{section}")).unwrap_err());
        assert!(error.contains(reason) && error.contains("line "), "{reason}: {error}");
    }
}

#[test]
fn an_error_shows_no_password() {
    for line in [
        "[log]\nvalkey = \"redis://:secret@host\"\n",
        "[log]\nvalkey = [\"redis://:secret@host:port\"]\n",
        "[log]\nvalkey = [[\"redis://:secret@host\"]]\n",
        "[log]\nvalkey = [\"redis://:secret@host\" \"redis://:secret@host\"]\n",
    ] {
        let error = format!("{:#}", parse(&template().replace("[log]\n", line)).unwrap_err());
        assert!(!error.contains("secret") && error.contains("line "), "{error}");
    }
    let url = toml::Value::from("http://127.0.0.1:8545").to_string();
    for value in ["[\"http://secret\"]", "\"http://:secret@\"", "\"gopher://secret\"", "\"http://secret"] {
        let text = template();
        assert!(text.contains(&url));
        let error = format!("{:#}", parse(&text.replace(&url, value)).unwrap_err());
        assert!(!error.contains("secret") && error.contains("line "), "{error}");
    }
}

#[test]
fn scopes_have_levels_patterns_and_moderation() {
    let scope =
        |text: &str| parse(&template().replace("min_stake = 1\n", text)).map(|read| read.live.scopes[0].policy.clone());
    let levels = scope("stake_levels = [2, 10]\n").unwrap();
    assert_eq!((levels.min_stake, &levels.stake_levels[..]), (2, &[2, 10][..]));
    assert_eq!(scope("min_stake = 2\nstake_levels = [2, 10]\n").unwrap(), levels);
    let error = |text: &str| format!("{:#}", scope(text).unwrap_err());
    assert!(error("").contains("missing field `min_stake`, or `stake_levels`"), "{}", error(""));
    let above = error("min_stake = 1\nstake_levels = [2, 10]\n");
    assert!(above.contains("ascending order, the first being min_stake (1)") && above.contains("line "), "{above}");

    let alternatives = template().replace("from = 2026-", "from = 2020-");
    let begin = alternatives.find("[[scopes]]").unwrap();
    let text = [&alternatives[..begin], &alternatives[begin..].replace("#   ", "")].concat();
    let policy = parse(&text).unwrap().live.scopes[0].policy.clone();
    assert_eq!(policy.stake_levels, [1, 10, 100]);
    let moderation = policy.moderation.clone().unwrap();
    assert_eq!((moderation.lists[0].limit, moderation.report_days, moderation.list_window), (128, 30, 1_800));
    let moderated =
        |from: &str, to: &str| format!("{:#}", parse(&text.replace(from, to)).map(|it| it.live).unwrap_err());
    assert!(moderated("limit = 128\n", "limit = 0\n").contains("limit of 1 to 1024 entries, not 0"));
    assert!(moderated("report_recipients = []", "report_recipients = [\"me\"]").contains("not a recipient of age"));
    assert!(moderated("hide_at = 3", "hide = 3").contains("unknown field `hide`"));
    let second = "limit = 128\n[[scopes.moderation.lists]]\nlog = \"LOG\"\n".replace("LOG", &"1".repeat(64));
    assert!(moderated("limit = 128\n", &second).contains("12 records"));

    let reserved = parse(&template().replace("\"lobby\"", "\"report/lobby\"")).map(|it| it.live).unwrap_err();
    assert!(format!("{reserved:#}").contains("are for the reports of posts"));
    let named =
        parse(&template().replace("# pattern_scopes_from = [\"127.0.0.1\", \"::1\"]", "pattern_scopes_from = []"));
    assert!(named.unwrap().live.http.pattern_scopes_from.is_empty());
}

/// A log's name with the root key of a seed.
fn log_of(number: u8) -> String {
    let key = quotapass_protocol::note::NoteKey::from_seed("root", &[number; 32]).unwrap().public();
    format!("origin = \"operator{number}.example/log\"\nroot_key = \"{key}\"\n")
}

#[test]
fn moderation_logs_are_named_once_and_by_their_keys() {
    let witness = quotapass_log::CosignerKey::from_seed("witness", &[9; 32]).unwrap().public();
    let with = |section: &str| match section {
        "" => parse(&template()),
        section => parse(&template().replace("\n[moderation]\n", &format!("\n{section}\n"))),
    };
    let follow = |number: u8, more: &str| {
        format!("[[moderation.follow]]\n{}url = \"https://operator{number}.example\"\n{more}\n", log_of(number))
    };
    let own = format!("[moderation]\nwitnesses = [\"{witness}\"]\nwitness_name = \"w.example\"\n");
    let log = format!("log = {{ {} }}\n", log_of(1).trim_end().replace('\n', ", "));
    let whole = with(&format!("{own}{log}{}{}", follow(2, ""), follow(3, "cosign = false\ncosignatures = 1"))).unwrap();
    let section = &whole.fixed.moderation;
    assert!(section.is_used() && section.witness_name() == Some("w.example"));
    let followed = section.followed().unwrap();
    assert_eq!(followed.iter().map(|log| (log.is_cosigned, log.required)).collect::<Vec<_>>(), [(true, 0), (false, 1)]);
    assert!(!with("").unwrap().fixed.moderation.is_used());
    assert_eq!(whole.fixed.difference(&with("").unwrap().fixed), Some("[moderation]"));
    for (section, reason) in [
        (format!("[moderation]\n{}", follow(2, "")), "no `witness_name`"),
        (format!("{own}{}{}", follow(2, ""), follow(2, "")), "twice"),
        (format!("{own}{log}{}", follow(1, "")), "twice"),
        (format!("{own}{}", follow(2, "cosignatures = 2")), "require 2 witnesses"),
        (format!("{own}{}", follow(2, "colour = 1")), "colour"),
        (format!("{own}{}", follow(2, "").replace("https://", "ftp://")), "the address of a relay"),
        (format!("{own}{}", follow(2, "").replace("root+", "root-")), "root_key"),
        (format!("{own}{}", follow(2, "").replace("operator2.example/log", "two words")), "not an origin"),
        (own.replace("w.example", "w example"), "witness_name"),
        (own.replace("witness+", "witness-"), "not the key of a witness"),
    ] {
        let error = format!("{:#}", with(&section).unwrap_err());
        assert!(error.contains(reason), "{error} instead of {reason}");
    }
}
