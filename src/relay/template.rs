//! The configuration that `relay init` writes, and the configuration of a relay for development.

use core::num::NonZeroU32;

use alloy_primitives::Address;
use quotapass_log::{CosignerPublicKey, LogName};
use quotapass_protocol::{HEAD_SECONDS, SLASH_SECONDS};

/// The content of the section `[chain]`.
pub(super) enum ChainTemplate<'a> {
    /// An endpoint. Unknown values get placeholders for the operator to replace.
    Endpoint {
        rpc_url: Option<&'a str>,
        chain_id: Option<u64>,
        registry: Option<Address>,
        /// The registry's exit delay in seconds, if it is known.
        exit_delay: Option<u32>,
        times: ScopeTimes,
        /// Whether there is a wallet that slashes, in the files [`WALLET_FILE`] and [`WALLET_PASSWORD_FILE`].
        wallet: bool,
    },
    /// An embedded chain in the file `chain.state` next to the configuration.
    Embedded { registry: Address, scope: TemplateScope<'a> },
}

/// The scope of a relay on an embedded chain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TemplateScope<'a> {
    /// Epochs of a day.
    Development,
    /// Epochs of a minute, and a moderation log of the relay.
    Demo(&'a TemplateLog),
}

/// A moderation log that the relay hosts, and its witness.
#[derive(Debug)]
pub(crate) struct TemplateLog {
    pub(crate) name: LogName,
    pub(crate) witness: CosignerPublicKey,
}

/// Seconds between two checkpoints of a demo's log.
pub(crate) const LIST_SECONDS: NonZeroU32 = match NonZeroU32::new(2) {
    Some(seconds) => seconds,
    None => NonZeroU32::MIN,
};

/// The keystore of the wallet that slashes, beside the configuration.
pub(super) const WALLET_FILE: &str = "wallet.json";
/// The file with its password.
pub(super) const WALLET_PASSWORD_FILE: &str = "wallet-password";

/// The times of a scope, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScopeTimes {
    pub(super) epoch_seconds: u32,
    pub(super) root_window: u32,
    pub(super) max_clock_skew: u32,
}

impl Default for ScopeTimes {
    fn default() -> Self {
        Self { epoch_seconds: 3_600, root_window: 3_600, max_clock_skew: 60 }
    }
}

impl ScopeTimes {
    /// Lengths of epochs to choose from. Each divides a day, so that no epoch begins on one day and ends on another.
    const EPOCHS: [u32; 9] = [3_600, 1_800, 1_200, 900, 600, 300, 120, 60, 30];

    /// Returns the longest times, up to the default ones, that fit a registry's exit delay; `None` if none do.
    pub(super) fn within(exit_delay: u32) -> Option<Self> {
        let left = exit_delay.checked_sub(SLASH_SECONDS + HEAD_SECONDS)?;
        let times = Self::EPOCHS.map(|epoch| Self {
            epoch_seconds: epoch,
            root_window: epoch,
            max_clock_skew: epoch.min(Self::default().max_clock_skew),
        });
        times.into_iter().find(|times| times.epoch_seconds + times.root_window + times.max_clock_skew <= left)
    }
}

/// Returns a whole configuration, with a comment for every setting.
pub(super) fn configuration(chain: &ChainTemplate<'_>) -> String {
    let mut log = String::new();
    let (chain, scope, wallet) = match chain {
        ChainTemplate::Endpoint { rpc_url, chain_id, registry, exit_delay, times, wallet } => {
            let rpc_url = rpc_url.unwrap_or("http://127.0.0.1:8545");
            let chain_id = chain_id.unwrap_or(31_337);
            let registry = registry.map_or("0x5FbDB2315678afecb367f032d93F642f64180aa3".into(), |it| it.to_string());
            (
                format!(
                    "# JSON-RPC endpoint: http(s)://, ws(s):// or the path of an IPC socket. `{{password}}` in it is\n\
                     # replaced with the content of the file `password_file`. A section [chain.tls] with `authorities`, or\n\
                     # `certificate` and `key`, names PEM files for an endpoint with private certificates.\n\
                     rpc_url = {}\n\
                     # chain and address of the registry\nchain_id = {chain_id}\nregistry = \"{registry}\"\n",
                    toml::Value::from(rpc_url),
                ),
                scope(*times, *exit_delay),
                *wallet,
            )
        }
        ChainTemplate::Embedded { registry, scope } => (
            format!(
                "# file of an embedded chain instead of an endpoint; for development\nstate = \"chain.state\"\n\
                 # address of the registry\nregistry = \"{registry}\"\n{}",
                match scope {
                    TemplateScope::Development => "",
                    TemplateScope::Demo(_) => "poll_seconds = 1\n",
                }
            ),
            match scope {
                TemplateScope::Development => DEVELOPMENT_SCOPE.into(),
                TemplateScope::Demo(hosted) => {
                    log = own_log(hosted);
                    format!("{DEMO_SCOPE}{}", enforced(hosted))
                }
            },
            false,
        ),
    };
    let mark = if wallet { "" } else { "# " };
    let wallet = format!("{mark}keystore = \"{WALLET_FILE}\"\n{mark}password_file = \"{WALLET_PASSWORD_FILE}\"\n");
    format!("{HEAD}{chain}{LOG}{log}{LOGS}{wallet}{TAIL}{scope}")
}

/// Returns the configuration of a relay on a local development chain behind an endpoint. `confirmations` is 0: such a chain
/// is not reorganised, and makes few blocks without transactions.
pub(super) fn local_configuration(rpc_url: &str, chain_id: u64, registry: Address) -> String {
    format!(
        "[chain]\nrpc_url = \"{rpc_url}\"\nchain_id = {chain_id}\nregistry = \"{registry}\"\npoll_seconds = 1\n\n\
         [slashing]\nkeystore = \"{WALLET_FILE}\"\npassword_file = \"{WALLET_PASSWORD_FILE}\"\nconfirmations = 0\n\n{DEMO_SCOPE}"
    )
}

const HEAD: &str = r#"# Configuration of a quotapass relay. `quotapass relay check` validates it. Relative paths start at
# the folder of this file. SIGHUP makes a running relay reload it: scopes, `shadow_scopes`, `unlisted_scopes`, [badges],
# [limits], [logging], [[sources]], and [listen] and [admin] except for their addresses change at once; everything else
# needs a restart.

# Folder for keys, the copy of the registry and, unless it is set below, the nullifier log; by default the user's data
# folder. The key that signs the policies is created there at the first start; `quotapass relay check` prints its public
# part.
# data_dir = "/var/lib/quotapass-relay"

# Answer to posts of scopes that are not listed below: "reject", which counts against the sender, or "ignore".
unlisted_scopes = "reject"
# Scopes in shadow mode: posts are judged, recorded and counted, but the answer is always `accepted`, with the real
# verdict in addition. No member is slashed for posts there.
# shadow_scopes = []

# Trusted ceremony keys, by the ids that `quotapass keys show FILE` prints; install their .zkey files with `quotapass
# keys install`. Without any, development keys are used, with which anyone can forge passes.
# trusted_keys = []
# Trusted contracts whose code differs from the code of this version, by the SHA-256 of their code.
# trusted_code = []
# Chains on which development keys are accepted.
test_chains = [31337, 1337]

[listen]
address = "127.0.0.1:8480"
# host names of the relay, in addition to its addresses and localhost; "*" for any
# hosts = []
# whether web pages of other origins may use the routes under /v1/
# cors = true
# proxies that are trusted to state the client's address
# trusted_proxies = []
# The header with the client's address: "X-Forwarded-For" or "Forwarded"; every trusted proxy must set it or add to it.
# A header in which proxies name the source in their own words; every trusted proxy must set or remove it. Whether every
# connection comes from a trusted proxy and begins with a header of the PROXY protocol. See docs/operators.md.
#   forwarded_header = "X-Forwarded-For"
#   source_header = "Quotapass-Source"
#   proxy_protocol = true
# networks that may read /metrics
# metrics_from = ["127.0.0.1", "::1"]
# networks whose programs may name the scopes that a pattern such as "room/*" stands for
# pattern_scopes_from = ["127.0.0.1", "::1"]

# A separate listener for the operator with /healthz, /readyz and /metrics, which answers even if the public listener is
# overloaded: an address with a port, or a Unix socket for this user only. With it, the public listener serves neither
# the metrics nor the reason why the relay is not ready, unless `alone` is false.
[admin]
#   address = "127.0.0.1:8481"
#   address = "unix:/run/quotapass-relay/admin.sock"
#   alone = true

# Limits of the HTTP service. Times are whole seconds.
[limits]
# bytes of one body, of all bodies at a time, and of all bodies of one source; minimum rate of a body; posts per request
# max_body_bytes = 1048576
# max_body_memory_bytes = 134217728
# max_body_memory_bytes_per_source = 33554432
# min_body_bytes_per_second = 500
# max_posts = 256
# time limits for a request's head, for its body and until its verdicts; for a client to read the answer; for a stop
# header_timeout_seconds = 10
# body_timeout_seconds = 10
# answer_timeout_seconds = 30
# write_timeout_seconds = 20
# stop_timeout_seconds = 30
# time between the signal to stop and the end of accepting connections, in which /readyz says `stopping`
# drain_seconds = 0
# open connections, in total and per source; event listeners, in total and per source; interval of keep-alive events
# max_connections = 1024
# max_connections_per_source = 64
# max_listeners = 256
# max_listeners_per_source = 64
# keep_alive_seconds = 15
# after this time without the chain the relay reports that it is not ready
# chain_timeout_seconds = 300

[badges]
# A badge is public, and anyone can show a copy. Whether a badge is accepted only with a signature by its chat key
# (Ed25519 or secp256k1) over a challenge of this relay (GET /v1/badges/challenge).
# ask_for_chat_key = false

[chain]
"#;

const LOG: &str = r#"# pause between two polls of the chain, and time limit for a response
# poll_seconds = 4
# timeout_seconds = 30
# First block to read, if the one that is found does not suit the endpoint: the block of the registry's first deposit or an
# earlier one.
#   first_block = 19000000
# number of blocks that a reorganisation may undo
# max_reorg_depth = 256

[log]
# folder of the nullifier log
# path = "/var/lib/quotapass-relay/nullifiers"
# Or, for several relays, a shared Valkey or Redis server, or some servers of a cluster; time limit of a call, number of
# replicas that must have a write, and whether the servers' settings are "checked", "vouched" for, or "volatile". If the
# address has a password, keep this file private, or use a `password_file`; [log.tls] is like [chain.tls].
# With sentinels, the address in `valkey` has the name by which they know the primary instead of the host.
#   valkey = ["redis://127.0.0.1:6379"]
#   sentinels = ["redis://10.0.0.7:26379", "redis://10.0.0.8:26379", "redis://10.0.0.9:26379"]
#   timeout_ms = 2000
#   replicas = 0
#   durability = "checked"

# Moderation: see docs/operators.md. The operator's own log has an origin and a root key, which is kept offline. The working
# key that signs its checkpoints and the key that cosigns the logs of others are created at the first start.
[moderation]
"#;

const LOGS: &str = r#"#   log = { origin = "relay.example/moderation", root_key = "root+a04c94d2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c" }
# keys of the witnesses whose cosignatures the own log takes, and which a followed log may have to have
# witnesses = []
# name under which this relay cosigns the logs that it follows
#   witness_name = "relay.example/witness"
# Logs of other operators: the relay that serves each, whether this relay cosigns it, and the number of `witnesses` that must
# have cosigned a checkpoint before it is used. [moderation.follow.tls] with `authorities` names a PEM file of a private
# authority.
#   [[moderation.follow]]
#   origin = "other.example/moderation"
#   root_key = "root+739ec58b+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
#   url = "https://other.example"
#   cosign = true
#   cosignatures = 0

# A member who exceeds a quota is slashed if there is a wallet to send with. Without a wallet the relay logs a warning,
# and keeps the evidence for `quotapass relay evidence`.
[slashing]
enabled = true
# encrypted Ethereum keystore of the wallet, and the file with its password; or QUOTAPASS_WALLET_KEY in the environment
"#;

const TAIL: &str = r#"# account that receives the rewards, by default the wallet
# receiver = "0x0000000000000000000000000000000000000000"
# blocks that must follow a slash before its case is closed
# confirmations = 2

[clock]
# a change of the system clock by more than this is a jump
# tolerance_seconds = 30
# time that the clock must be steady before epochs are deleted by it
# settle_seconds = 600

[engine]
# batches verified at the same time; posts in a batch; how long a post waits for others
# workers = 2
# max_batch = 256
# max_delay_ms = 10
# posts and bytes that may wait; further posts get `overloaded`
# max_queued = 4096
# max_queued_bytes = 67108864

[logging]
# log level: "error", "warn", "info" or "debug"; the flag --log-level takes precedence
# level = "info"

# Networks whose clients are refused, or may together send this number of posts per second. If an address lies in
# several networks, the smallest one counts.
#   [[sources]]
#   network = "192.0.2.0/24"
#   block = true
#   [[sources]]
#   network = "2001:db8::/32"
#   max_posts_per_second = 50

# A scope is a room, or everything that the relay carries. Its policy is published at /v1/policy; a pass that is made
# for other values is refused. The registry's exit delay must be at least the sum of root_window, one epoch,
# max_clock_skew and 4200 seconds: an hour for a slash, and ten minutes for the age of a block.
# To change a policy, keep its section, and add one with the same name, a higher `version` and the time `from` which it
# holds; then relays with the same sections change together, and a restart in between loses nothing. The previous policy
# is accepted for its own root_window after that time; then delete its section.
# A name that ends in /* is a pattern: room/* is the policy of room/kitchen and of each other room. Only programs in
# `pattern_scopes_from` may name such scopes.
"#;

/// Returns the settings of a log that the relay hosts.
fn own_log(TemplateLog { name, witness }: &TemplateLog) -> String {
    format!("log = {{ origin = \"{}\", root_key = \"{}\" }}\nwitnesses = [\"{witness}\"]\n", name.origin, name.root_key)
}

/// Returns the settings of a scope that enforces the list of a log. A member has this list within seconds.
fn enforced(log: &TemplateLog) -> String {
    format!(
        "[scopes.moderation]\nlist_window = 30\nhide_at = 3\n[[scopes.moderation.lists]]\nlog = \"{}\"\n",
        log.name.id()
    )
}

/// Returns the section of a scope with these times, under a registry with this exit delay in seconds.
fn scope(ScopeTimes { epoch_seconds, root_window, max_clock_skew }: ScopeTimes, exit_delay: Option<u32>) -> String {
    let delay = exit_delay.map(|delay| format!("# This registry's exit delay is {delay} seconds.\n"));
    let delay = delay.unwrap_or_default();
    format!(
        r#"{delay}[[scopes]]
name = "lobby"
# number of the policy, and the time in UTC from which it holds; without a time it holds from the beginning
#   version = 1
#   from = 2026-12-01T00:00:00Z
# length of an epoch in seconds
epoch_seconds = {epoch_seconds}
# most messages per epoch, even if the deposit allows more
limit_cap = 10
# minimum stake, in the registry's stake units
min_stake = 1
# minimum age of the deposit in days
min_age_days = 0
# seconds for which a superseded root or policy is accepted
root_window = {root_window}
# seconds by which clocks may differ
max_clock_skew = {max_clock_skew}
# Stake levels, ascending, the first being min_stake: each post states one, and readers may hide low ones.
#   stake_levels = [1, 10, 100]
# Moderation. Seconds for which a superseded version of a list is accepted; days for which a post can be reported, 0 for
# none; reports at which a post is held; age recipients to whom reports are encrypted. For each moderation log, its identity
# and the most entries of it that are enforced.
#   [scopes.moderation]
#   list_window = 1800
#   report_days = 30
#   hide_at = 3
#   report_recipients = []
#   [[scopes.moderation.lists]]
#   log = "0000000000000000000000000000000000000000000000000000000000000000"
#   limit = 128
"#
    )
}

/// A scope with epochs of a day, so that the sample posts stay valid for the rest of the day.
const DEVELOPMENT_SCOPE: &str = r#"[[scopes]]
name = "lobby"
# length of an epoch in seconds
epoch_seconds = 86400
# most messages per epoch, even if the deposit allows more
limit_cap = 10
# minimum stake, in the registry's stake units
min_stake = 1
# minimum age of the deposit in days
min_age_days = 0
# seconds for which a superseded root or policy is accepted
root_window = 86400
# seconds by which clocks may differ
max_clock_skew = 60
"#;

/// A scope with short epochs, so that a quota is used up quickly and renewed quickly.
const DEMO_SCOPE: &str = r#"[[scopes]]
name = "lobby"
epoch_seconds = 60
limit_cap = 5
min_stake = 1
min_age_days = 0
root_window = 3600
max_clock_skew = 20
"#;

#[cfg(test)]
mod tests {
    use core::num::{NonZeroU16, NonZeroU32};

    use quotapass_protocol::Policy;

    use super::*;

    #[test]
    fn the_times_fit_the_exit_delay() {
        let policy = |times: ScopeTimes| Policy {
            name: "lobby".into(),
            epoch_seconds: NonZeroU32::new(times.epoch_seconds).unwrap(),
            limit_cap: NonZeroU16::new(10).unwrap(),
            min_stake: 1,
            min_age_days: 0,
            root_window: times.root_window,
            max_clock_skew: times.max_clock_skew,
            stake_levels: Vec::new(),
            moderation: None,
        };
        for delay in [4_290, 4_380, 4_500, 5_000, 6_000, 7_200, 10_800, 11_459, 11_460, 86_400, u32::MAX] {
            let times = ScopeTimes::within(delay).unwrap();
            policy(times).validate().unwrap();
            assert!(policy(times).least_exit_delay() <= u64::from(delay), "{delay}: {times:?}");
            assert_eq!(86_400 % times.epoch_seconds, 0, "{times:?}");
        }
        assert_eq!(ScopeTimes::within(11_460), Some(ScopeTimes::default()));
        assert_eq!(ScopeTimes::within(7_200).unwrap().epoch_seconds, 1_200);
        for delay in [0, 3_600, 4_200, 4_289] {
            assert_eq!(ScopeTimes::within(delay), None, "{delay}");
        }
    }
}
