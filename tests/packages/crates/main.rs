//! A program that depends on the libraries of quotapass as a registry of crates serves them: one use of each library.
//! `cargo xtask release crates --test` compiles and runs it.

use quotapass_bn254::backend::Backend;
use quotapass_circuits::poseidon;
use quotapass_load::Percentage;
use quotapass_protocol::ErrorCode;
use quotapass_registry::bindings::{RegistryAbi, SlashVerifierAbi, TokenAbi};
use quotapass_relay::{MemoryLog, NullifierLog};
use quotapass_setup::ceremony::MOST_NAME_CHARACTERS;
use quotapass_text::EvmAddress;
use quotapass_wallet::identity::Seed;

fn main() {
    assert!(Backend::ALL.iter().any(|backend| backend.is_available()));
    // circomlib's hash of 1 and 2.
    let hash = "7853200120776062878684798364095072458815029376092732009249414926327459813530";
    assert_eq!(poseidon::hash(&[1u64.into(), 2u64.into()]).to_string(), hash);
    assert!(MOST_NAME_CHARACTERS > 0);
    let checksummed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    assert!(EvmAddress::from_prefixed(checksummed).is_ok());
    assert!(EvmAddress::from_prefixed(&checksummed.replace('F', "f")).is_err(), "a wrong checksum");
    assert!(!ErrorCode::ALL.is_empty());
    // The contracts are part of the package.
    for bytecode in [&RegistryAbi::BYTECODE, &SlashVerifierAbi::BYTECODE, &TokenAbi::BYTECODE] {
        assert!(bytecode.len() > 500, "{} bytes", bytecode.len());
    }
    let words = "abandon ".repeat(23) + "art";
    assert!(Seed::from_words(&words).is_ok());
    assert!(Seed::from_words(&words.replace("art", "able")).is_err(), "a wrong checksum");
    let _log: Box<dyn NullifierLog> = Box::new(MemoryLog::new());
    assert!("5%".parse::<Percentage>().is_ok() && "500%".parse::<Percentage>().is_err());
    println!("the libraries work");
}
