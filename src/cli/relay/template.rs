//! The configuration that `relay init` writes, and the one of a relay for development.

use alloy_primitives::Address;

/// What the section `[chain]` says.
pub(super) enum ChainTemplate<'a> {
    /// An endpoint; what is not known yet is left for the operator to fill in.
    Endpoint { rpc_url: Option<&'a str>, chain_id: Option<&'a str>, registry: Option<&'a str> },
    /// An embedded chain in the file `chain.state` beside the configuration.
    Embedded { registry: Address, room: Room },
}

/// The room of a relay on an embedded chain.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Room {
    /// Epochs of a day.
    Development,
    /// Epochs of a minute.
    Demo,
}

/// A whole configuration, with a comment for every setting.
pub(super) fn configuration(chain: &ChainTemplate<'_>) -> String {
    let (chain, scope) = match chain {
        ChainTemplate::Endpoint { rpc_url, chain_id, registry } => {
            let rpc_url = rpc_url.unwrap_or("http://127.0.0.1:8545");
            let chain_id = chain_id.unwrap_or("31337");
            let registry = registry.unwrap_or("0x5FbDB2315678afecb367f032d93F642f64180aa3");
            (
                format!(
                    "# JSON-RPC endpoint: http(s)://, ws(s):// or the path of an IPC socket. Where it has `{{password}}`, the\n\
                     # content of the file `password_file` stands in its place. A section [chain.tls] with `authorities`, or\n\
                     # `certificate` and `key`, names PEM files for an endpoint with certificates of its own.\n\
                     rpc_url = {}\n\
                     # chain and address of the registry\nchain_id = {chain_id}\nregistry = {}\n",
                    toml::Value::from(rpc_url),
                    toml::Value::from(registry)
                ),
                SCOPE,
            )
        }
        ChainTemplate::Embedded { registry, room } => (
            format!(
                "# the file of an embedded chain, which has no endpoint; for development\nstate = \"chain.state\"\n\
                 # address of the registry\nregistry = \"{registry}\"\n{}",
                match room {
                    Room::Development => "",
                    Room::Demo => "poll_seconds = 1\n",
                }
            ),
            match room {
                Room::Development => DEVELOPMENT_SCOPE,
                Room::Demo => DEMO_SCOPE,
            },
        ),
    };
    format!("{HEAD}{chain}{TAIL}{scope}")
}

const HEAD: &str = r#"# A relay of quotapass. `quotapass relay check` reads it and says what is wrong. Relative paths start at this file.
# SIGHUP makes a running relay read it again: scopes, `shadow_scopes`, `unlisted_scopes`, [badges], [limits], [logging],
# [[sources]], [listen] and [admin] but for their addresses change at once, all else with a restart.

# Where keys, the copy of the registry and, unless it is set below, the nullifier log are kept; the user's data folder
# if it is not set. The key that signs the policies is made there at the first start; `quotapass relay check` shows its
# public part.
# data_dir = "/var/lib/quotapass-relay"

# What posts of scopes not listed below hear: "reject", which is held against the sender, or "ignore".
unlisted_scopes = "reject"
# Scopes in shadow mode: posts are judged, recorded and counted, and all of them are told `accepted`, with the verdict as it
# would be beside it. Nobody is slashed for what is posted there.
# shadow_scopes = []

# The keys of ceremonies that are trusted, by the SHA-256 of their .zkey files, installed with `quotapass keys install`.
# Without any, development keys are used, with which anybody can forge passes.
# trusted_keys = []
# Contracts that are trusted although they do not run the code of this version, by the SHA-256 of their code.
# trusted_code = []
# Chains on which development keys are accepted.
test_chains = [31337, 1337]

[listen]
address = "127.0.0.1:8480"
# names under which the relay is asked, beside its addresses and localhost; "*" for any
# hosts = []
# whether pages of other sites may use the routes under /v1/ from a browser
# cors = true
# proxies that are believed when they say whom they ask for
# trusted_proxies = []
# Where they say it: "X-Forwarded-For" or "Forwarded", which every one of them must set or add to. A header in which they name
# a source in words of their own, which every one of them must set or remove. Whether every connection comes from one of them
# and begins with a header of the PROXY protocol. See docs/operators.md.
#   forwarded_header = "X-Forwarded-For"
#   source_header = "Quotapass-Source"
#   proxy_protocol = true
# who may read /metrics
# metrics_from = ["127.0.0.1", "::1"]

# A listener of the operator's own for /healthz, /readyz and /metrics, which answers whatever happens to the other: an address
# with a port, or a Unix socket for this user alone. Then the other tells neither the metrics nor why the relay is not ready,
# unless `alone` is false.
[admin]
#   address = "127.0.0.1:8481"
#   address = "unix:/run/quotapass-relay/admin.sock"
#   alone = true

# What HTTP bears. Seconds are whole.
[limits]
# bytes of a body, of all bodies at a time, and of those of one source; the least rate of a slow one; posts of a request
# max_body_bytes = 1048576
# max_body_memory_bytes = 134217728
# max_body_memory_bytes_per_source = 33554432
# min_body_bytes_per_second = 500
# max_posts = 256
# time for a request's head, for its body and until its verdicts; for a client to read; for all requests at the end
# header_timeout_seconds = 10
# body_timeout_seconds = 10
# answer_timeout_seconds = 30
# write_timeout_seconds = 20
# stop_timeout_seconds = 30
# time between being told to stop and taking no more connections, in which /readyz says `stopping`
# drain_seconds = 0
# open connections, in all and of one source; listeners to events likewise, and how often they hear something
# max_connections = 1024
# max_connections_per_source = 64
# max_listeners = 256
# max_listeners_per_source = 64
# keep_alive_seconds = 15
# after this time without the chain the relay says that it is not ready
# chain_timeout_seconds = 300

[badges]
# A badge is public, and anybody can show a copy. Whether one is accepted only with a signature by its chat key, of Ed25519
# or secp256k1, over a challenge of this relay (GET /v1/badges/challenge).
# ask_for_chat_key = false

[chain]
"#;

const TAIL: &str = r#"# pause between two looks at the chain, and the time an answer may take
# poll_seconds = 4
# timeout_seconds = 30
# how many blocks a reorganisation may take back
# max_reorg_depth = 256

[log]
# folder of the nullifier log
# path = "/var/lib/quotapass-relay/nullifiers"
# Or, for several relays, a Valkey or Redis server that they share, or some servers of a cluster; how long a call may take,
# how many replicas must have a write, and whether the servers' settings are "checked", "vouched" for, or "volatile". With a
# password in the address, keep this file to yourself, or name a `password_file`; [log.tls] is as [chain.tls].
# With sentinels, the address in `valkey` has the name under which they watch the primary in the place of its host.
#   valkey = ["redis://127.0.0.1:6379"]
#   sentinels = ["redis://10.0.0.7:26379", "redis://10.0.0.8:26379", "redis://10.0.0.9:26379"]
#   timeout_ms = 2000
#   replicas = 0
#   durability = "checked"

# Whoever exceeds a quota is slashed if there is a wallet to send with. Without one the relay says so, and keeps the
# evidence for `quotapass relay evidence`.
[slashing]
enabled = true
# encrypted Ethereum keystore of the wallet, and the file with its password; or QUOTAPASS_WALLET_KEY in the environment
# keystore = "wallet.json"
# password_file = "wallet-password"
# who gets the rewards, if not the wallet
# receiver = "0x0000000000000000000000000000000000000000"
# blocks that must follow a slash before its case is closed
# confirmations = 2

[clock]
# a change of the system's clock by more than this is a jump
# tolerance_seconds = 30
# how long the clock must go steadily before epochs are dropped by it
# settle_seconds = 600

[engine]
# batches verified at the same time; posts in a batch; how long a post waits for others
# workers = 2
# max_batch = 256
# max_delay_ms = 10
# posts and bytes that may wait; what is beyond is `overloaded`
# max_queued = 4096
# max_queued_bytes = 67108864

[logging]
# how much is logged: "error", "warn", "info" or "debug"; the flag --log-level goes before it
# level = "info"

# Networks whose clients are refused, or may together send so many posts a second. Of several that an address lies in, the
# smallest counts.
#   [[sources]]
#   network = "192.0.2.0/24"
#   block = true
#   [[sources]]
#   network = "2001:db8::/32"
#   max_posts_per_second = 50

# A scope is a room, or all that the relay carries. Its policy is published at /v1/policy; a pass made for any other
# values is refused. The registry's exit delay must be 4200 seconds longer than root_window, one epoch and max_clock_skew
# together: an hour for a slash, ten minutes for the age of a block.
# To change a policy, keep its section, and add one with the same name, a higher `version` and the time `from` which it
# holds; then relays with the same sections change together, and a restart in between loses nothing. The former policy is
# accepted for its own root_window after that time; then its section can go.
[[scopes]]
"#;

const SCOPE: &str = r#"name = "lobby"
# number of the policy, and the time in UTC from which it holds (always, if none is given)
#   version = 1
#   from = 2026-12-01T00:00:00Z
# length of an epoch in seconds
epoch_seconds = 3600
# messages an epoch, whatever the deposit allows
limit_cap = 10
# least stake, in the registry's stake units
min_stake = 1
# least age of the deposit in days
min_age_days = 0
# seconds for which a former root or policy is accepted
root_window = 3600
# seconds by which clocks may differ
max_clock_skew = 60
"#;

/// An epoch of a day, so that what was proved for it can be tried out at leisure.
const DEVELOPMENT_SCOPE: &str = r#"name = "lobby"
# length of an epoch in seconds
epoch_seconds = 86400
# messages an epoch, whatever the deposit allows
limit_cap = 10
# least stake, in the registry's stake units
min_stake = 1
# least age of the deposit in days
min_age_days = 0
# seconds for which a former root or policy is accepted
root_window = 86400
# seconds by which clocks may differ
max_clock_skew = 60
"#;

/// Short epochs, so that a quota is soon used up and soon there again.
const DEMO_SCOPE: &str = r#"name = "lobby"
epoch_seconds = 60
limit_cap = 5
min_stake = 1
min_age_days = 0
root_window = 3600
max_clock_skew = 20
"#;
