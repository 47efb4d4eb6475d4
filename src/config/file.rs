//! The configuration file.

use std::{collections::BTreeMap, fs, io, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use quotapass_protocol::DatedPolicy;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{
    Key,
    scope::{Logs, ScopeSection, read_wallet_scopes},
    toml_error::say,
};
use crate::failure::usage;

/// The settings and the scopes of a file.
#[derive(Default)]
pub(super) struct Content {
    pub(super) values: BTreeMap<Key, String>,
    pub(super) scopes: Vec<DatedPolicy>,
    pub(super) logs: Logs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    data_dir: Option<Value>,
    state_dir: Option<Value>,
    rpc_url: Option<Value>,
    chain_id: Option<Value>,
    registry: Option<Value>,
    identity: Option<Value>,
    account: Option<Value>,
    passphrase_file: Option<Value>,
    wallet_keystore: Option<Value>,
    wallet_password_file: Option<Value>,
    wallet_ledger: Option<Value>,
    members_from: Option<Value>,
    members_proxy: Option<Value>,
    rpc_timeout: Option<Value>,
    first_block: Option<Value>,
    confirmations: Option<Value>,
    max_reorg_depth: Option<Value>,
    max_message_bytes: Option<Value>,
    min_anonymity: Option<Value>,
    test_chains: Option<Value>,
    trusted_keys: Option<Value>,
    trusted_code: Option<Value>,
    #[serde(default)]
    scopes: Vec<Spanned<ScopeSection>>,
}

impl Document {
    fn take(&mut self, key: Key) -> Option<Value> {
        match key {
            Key::DataDir => &mut self.data_dir,
            Key::StateDir => &mut self.state_dir,
            Key::RpcUrl => &mut self.rpc_url,
            Key::ChainId => &mut self.chain_id,
            Key::Registry => &mut self.registry,
            Key::Identity => &mut self.identity,
            Key::Account => &mut self.account,
            Key::PassphraseFile => &mut self.passphrase_file,
            Key::WalletKeystore => &mut self.wallet_keystore,
            Key::WalletPasswordFile => &mut self.wallet_password_file,
            Key::WalletLedger => &mut self.wallet_ledger,
            Key::MembersFrom => &mut self.members_from,
            Key::MembersProxy => &mut self.members_proxy,
            Key::RpcTimeout => &mut self.rpc_timeout,
            Key::FirstBlock => &mut self.first_block,
            Key::Confirmations => &mut self.confirmations,
            Key::MaxReorgDepth => &mut self.max_reorg_depth,
            Key::MaxMessageBytes => &mut self.max_message_bytes,
            Key::MinAnonymity => &mut self.min_anonymity,
            Key::TestChains => &mut self.test_chains,
            Key::TrustedKeys => &mut self.trusted_keys,
            Key::TrustedCode => &mut self.trusted_code,
        }
        .take()
    }
}

/// Reads a file. A missing file sets nothing, or is an error if `must_exist`.
pub(super) fn read(path: &Path, must_exist: bool) -> Result<Content> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(Content::default()),
        Err(error) => bail!(usage(format!("cannot read the configuration file {}: {error}", path.display()))),
    };
    parse(&text).with_context(|| usage(format!("the configuration file {} is not valid", path.display())))
}

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<Content> {
    let mut document: Document = toml::from_str(text).map_err(|error| anyhow!(say(text, &error)))?;
    let mut content = Content::default();
    for key in Key::ALL {
        let Some(value) = document.take(key) else { continue };
        let value = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Array(items) if matches!(key, Key::TestChains | Key::TrustedKeys | Key::TrustedCode) => {
                let item = |item: &Value| item.as_str().map_or_else(|| item.to_string(), Into::into);
                items.iter().map(item).collect::<Vec<String>>().join(",")
            }
            _ => bail!("`{}` must be a string or a number, for example {}", key.name(), key.example()),
        };
        content.values.insert(key, value);
    }
    (content.scopes, content.logs) = read_wallet_scopes(document.scopes, text)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::UnixSeconds;

    use super::*;

    const SCOPE: &str = "[[scopes]]\nname = \"lobby\"\nepoch_seconds = 3600\nlimit_cap = 10\nmin_stake = 1\n\
                         min_age_days = 0\nroot_window = 3600\nmax_clock_skew = 60\n";

    #[test]
    fn reads_settings_and_scopes() {
        let content = parse(&format!(
            "rpc_url = \"http://x\"\nchain_id = 5\ntest_chains = [1, 2]\ntrusted_keys = [\"ab\", \"cd\"]\n{SCOPE}"
        ))
        .unwrap();
        assert_eq!(content.values[&Key::RpcUrl], "http://x");
        assert_eq!(content.values[&Key::ChainId], "5");
        assert_eq!(content.values[&Key::TestChains], "1,2");
        assert_eq!(content.values[&Key::TrustedKeys], "ab,cd");
        assert_eq!(content.scopes[0].policy.name, "lobby");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let says = |text: &str, part: &str| {
            let error = format!("{:#}", parse(text).map(|content| content.values).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        };
        says("rpc_ulr = \"x\"", "unknown field `rpc_ulr`, expected one of `data_dir`");
        says("rpc_url = true", "must be a string or a number");
        says("rpc_url = ", "line 1");
        says(&format!("{SCOPE}limit = 3\n"), "unknown field `limit`");
        says(&format!("{SCOPE}{SCOPE}"), "twice");
        says(&SCOPE.replace("skew = 60", "skew = 7200"), "longer than its epoch");
        says(&SCOPE.replace("limit_cap = 10\n", ""), "missing field `limit_cap`");
        for (from, reason) in [
            ("\"soon\"", "line 1"),
            ("2026-12-01T00:00:00", "must be a time in UTC"),
            ("2026-12-01T00:00:00+01:00", "must be a time in UTC"),
            ("2026-12-01T00:00:00.5Z", "must be a time in UTC"),
            ("2026-12-01T00:00:00Z", "a higher `version` than the policies before it"),
        ] {
            says(&format!("{SCOPE}{SCOPE}from = {from}\n"), reason);
        }
    }

    #[test]
    fn an_error_shows_no_password() {
        for text in ["rpc_url = \"https://me:secret@host", "rpc_url = \"https://me:secret@host\" 1\n"] {
            let error = format!("{:#}", parse(text).map(|content| content.values).unwrap_err());
            assert!(error.contains("line 1") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_scope_is_listed_once_for_each_of_its_policies() {
        let next = format!("{}from = 2026-12-01T00:00:00Z\nversion = 2\n", SCOPE.replace("= 10", "= 11"));
        let content = parse(&format!("{next}{SCOPE}")).unwrap();
        let times: Vec<_> = content.scopes.iter().map(|dated| (dated.version, dated.from)).collect();
        assert_eq!(times, [(2, UnixSeconds(1_796_083_200)), (1, UnixSeconds(0))]);
        assert_eq!(content.scopes[0].policy.limit_cap.get(), 11);
    }
}
