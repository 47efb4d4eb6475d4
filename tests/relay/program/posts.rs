//! Members of a registry on anvil, and their posts.

use std::{sync::OnceLock, time::Duration};

use quotapass_circuits::{
    formats::wire::PostPass,
    identity::IdentitySecret,
    membership::{Member, MemberIndex, MemberPath, Membership},
    post::{Post, post},
    prover::Prover,
    signal::{ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::Policy;
use quotapass_registry::{
    Follower, FollowerSettings, RegistryEvent, RegistryReader, alloy_primitives::Address, rpc::RpcSettings,
};
use quotapass_testkit::{
    anvil::Anvil,
    bench::{AnvilBench, SMALL, join, node, secret},
    process::now,
};
use quotapass_wallet::keys::KeyStore;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::json;

use super::process::keys;
use crate::policy;

/// A day, so that a test sees the end of an epoch only at midnight.
const EPOCH: u32 = 86_400;

/// Waits if the day is about to end, because a test must run within one day.
pub fn stay_within_a_day() {
    let left = u64::from(EPOCH) - now().0 % u64::from(EPOCH);
    if left < 180 {
        std::thread::sleep(Duration::from_secs(left + 1));
    }
}

/// Returns the policy of a scope with epochs of a day.
pub fn daily() -> Policy {
    Policy { epoch_seconds: EPOCH.try_into().unwrap(), ..policy() }
}

fn prover() -> &'static Prover<Post> {
    static PROVER: OnceLock<Prover<Post>> = OnceLock::new();
    PROVER.get_or_init(|| KeyStore::in_folder(&keys()).development_prover(Post::STANDARD, |_| {}).unwrap())
}

/// A registry on anvil with members.
pub struct Members {
    pub bench: AnvilBench,
    copy: Follower,
}

impl Members {
    pub fn new(count: u64) -> Self {
        stay_within_a_day();
        let anvil = Anvil::start(now());
        let node = node(&anvil, &anvil.http(), RpcSettings::default());
        let bench = AnvilBench::on(anvil, node);
        for n in 0..count {
            join(&bench, 0, n, SMALL);
        }
        let mut copy = Follower::in_memory(bench.registry.id(), FollowerSettings::default()).unwrap();
        copy.sync(&bench.registry).unwrap();
        Self { bench, copy }
    }

    pub fn address(&self) -> Address {
        self.bench.registry.id().address.into()
    }

    /// Returns what a member proves with.
    pub fn membership(&self, n: u32) -> (IdentitySecret, Member, MemberPath) {
        let index = MemberIndex(n);
        (secret(u64::from(n)), self.copy.member(index).unwrap().unwrap(), self.copy.path(index).unwrap())
    }

    /// Returns a member's post under a message id, in the form of `POST /v1/verify`.
    pub fn post(&self, n: u32, message_id: u16, message: &str) -> String {
        let (index, secret) = (MemberIndex(n), secret(u64::from(n)));
        let (path, member) = (self.copy.path(index).unwrap(), self.copy.member(index).unwrap().unwrap());
        let policy = daily();
        let (scope, epoch) = (Scope::new(&self.bench.registry.id(), &policy.name), policy.epoch_at(now()));
        let (public, witness) = post(
            Membership { secret: &secret, member: &member, path: &path },
            ExternalNullifier::new(scope, epoch),
            SignalHash::new(scope, epoch, message.as_bytes()).unwrap(),
            policy.requirement(epoch),
            policy.limit_cap,
            message_id,
        )
        .unwrap();
        let proof = prover().prove(&public, &witness, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        let pass = PostPass::new(epoch, &public, proof);
        json!({ "scope": policy.name, "message": message, "pass": pass.to_text() }).to_string()
    }

    /// Returns a member's commitment in the relay's format.
    pub fn commitment(n: u64) -> String {
        secret(n).commitment().to_string()
    }

    /// Returns the number of slash transactions.
    pub fn slashes(&self) -> usize {
        let head = self.bench.registry.latest_block().unwrap().number;
        let events = self.bench.registry.events(0..=head).unwrap();
        events.iter().filter(|logged| matches!(logged.event, RegistryEvent::Slashed { .. })).count()
    }

    /// Returns a configuration without `[log]`: this registry behind an endpoint, and one scope.
    pub fn configuration(&self, rpc_url: &str) -> String {
        self.chain_section(rpc_url) + &toml_of(&daily())
    }

    /// Returns a configuration without `[log]` and scopes.
    pub fn chain_section(&self, rpc_url: &str) -> String {
        format!(
            "[chain]\nrpc_url = \"{rpc_url}\"\nchain_id = 31337\nregistry = \"{}\"\npoll_seconds = 1\n\
             timeout_seconds = 5\n[slashing]\nconfirmations = 0\n[limits]\nchain_timeout_seconds = 5\n",
            self.address()
        )
    }
}

/// Returns a policy in the format of the configuration.
pub fn toml_of(policy: &Policy) -> String {
    let text = toml::to_string(policy).unwrap();
    let text = text.replace("[moderation]", "[scopes.moderation]").replace("[[moderation.", "[[scopes.moderation.");
    format!("[[scopes]]\n{text}")
}
