//! Tests of invalid configurations, and of the shipped ones.

use std::{fs, path::Path};

use super::{
    posts::{Members, toml_of},
    process::Operator,
};
use crate::policy;

#[test]
fn what_is_wrong_is_refused_with_line_and_reason() {
    let operator = Operator::new();
    let good = format!(
        "[chain]\nrpc_url = \"http://127.0.0.1:1\"\nchain_id = 31337\nregistry = \
         \"0x5FbDB2315678afecb367f032d93F642f64180aa3\"\n{}",
        toml_of(&policy())
    );
    let check = |text: &str| {
        operator.configure(text);
        operator.run(&["--config", "relay.toml", "check", "--offline"])
    };
    assert_eq!(check(&good).0, 0, "{}", check(&good).2);
    let bad = [
        (good.replace("chain_id", "chain"), "unknown field `chain`"),
        (format!("trusted_keys = [\"12\"]\n{good}"), "`12` is not the id of a key"),
        (good.replace("[chain]", "[chain]\nstate = \"x\""), "line 1: [chain] has both"),
        (good.replace("max_clock_skew = 20", "max_clock_skew = 601"), "line 5: "),
        (good.replace("[chain]", "[log]\npath = \"x\"\nvalkey = [\"redis://x\"]\n[chain]"), "has both `path`"),
        (
            format!("[limits]\nheader_timeout_seconds = 9223372036854775807\n{good}"),
            "line 2, `header_timeout_seconds`: invalid value: integer `9223372036854775807`, expected a whole number from \
             1 to 3600",
        ),
        (format!("[engine]\nmax_queued = 10\n{good}"), "such a request does not fit into `max_queued` in [engine]"),
        (format!("shadow_scopes = [\"attic\"]\n{good}"), "`shadow_scopes` names `attic`"),
        (good.replace("[chain]", "[log]\nreplicas = 1\n[chain]"), "require `valkey`"),
        (good.replace("[chain]", "[slashing]\nkeystore = \"none.json\"\n[chain]"), "no password for it"),
    ];
    for (text, reason) in bad {
        let (code, _, error) = check(&text);
        assert!(code == 2 && error.contains(reason), "{reason}: {error}");
    }
    // These settings are valid, and do not fit the installed keys.
    let no_keys = [
        (good.replace("31337", "1"), "not listed as a test chain"),
        (format!("trusted_keys = [\"{}\"]\n{good}", "0".repeat(64)), "none is installed for the circuit `post`"),
    ];
    for (text, reason) in no_keys {
        let (code, _, error) = check(&text);
        assert!(code == 1 && error.contains(reason), "{reason}: {error}");
    }
    let (code, _, error) = operator.run(&["--config", "none.toml"]);
    assert!(code == 2 && error.contains("cannot read the configuration none.toml"), "{error}");
    let (code, _, error) = operator.run(&["--config", "relay.toml", "--rpc-url", "http://x"]);
    assert!(code == 2 && error.contains("does not support --rpc-url"), "{error}");
}

#[test]
fn a_registry_that_pays_back_too_soon_is_refused() {
    let members = Members::new(0);
    let operator = Operator::new();
    let text = members.configuration(&members.bench.anvil.http());
    operator.configure(&text);
    let (code, out, error) = operator.run(&["--config", "relay.toml", "check"]);
    assert!(code == 0 && out.contains("\"valid\":true"), "{error}");
    operator.configure(&text.replace("root_window = 3600", "root_window = 604800"));
    for arguments in [&["--config", "relay.toml", "check"][..], &["--config", "relay.toml"]] {
        let (code, _, error) = operator.run(arguments);
        assert!(code == 1 && error.contains("could spam and then withdraw"), "{error}");
    }
}

#[test]
fn the_shipped_configurations_are_valid() {
    let operator = Operator::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/relay");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let (code, _, error) = operator.run(&["--config", path.to_str().unwrap(), "check", "--offline"]);
        assert_eq!(code, 0, "{}: {error}", path.display());
        count += 1;
    }
    assert_eq!(count, 2);
}
