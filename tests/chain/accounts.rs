//! Tests of wallet keys: opening, signing, and keeping them out of output.

use std::{fs, path::Path};

use quotapass_registry::{
    alloy_primitives::{Address, B256, hex},
    bindings::sol_types::{Eip712Domain, SolStruct, eip712_domain, sol},
    rpc::{AccountError, AccountKey},
};

/// The Web3 Secret Storage definition's own test vector.
const VECTOR_KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const PBKDF2: &str = r#"{ "crypto": { "cipher": "aes-128-ctr", "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
  "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2", "kdfparams":
  { "c": 262144, "dklen": 32, "prf": "hmac-sha256",
    "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" },
  "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2" },
  "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3 }"#;
/// The first key of every development chain under the password `pw`, as ethers 6 writes it.
const ETHERS: &str = r#"{"address":"f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
  "id":"80e1f365-f72d-491b-93c8-d5ed35f6fadb","version":3,"Crypto":{"cipher":"aes-128-ctr",
  "cipherparams":{"iv":"5bad6afb0e3ae7b6bbb28e97b1b99030"},
  "ciphertext":"77a7e5cf6f0315ad2079735f2f9aaee891271dd33efd12d0aad58868cc21a419","kdf":"scrypt",
  "kdfparams":{"salt":"30dfec1866103b651c42a5dcda91229d25ffe8a5d726892bdf65efc3ac6b4818","n":8192,"dklen":32,"p":1,"r":8},
  "mac":"48679251793f251a6e0aa5ef5c03af7b8f5579ff762ade9699030fd6b0b36267"}}"#;
sol! {
    struct Statement {
        string purpose;
        uint256 account;
    }
}

fn domain() -> Eip712Domain {
    eip712_domain! { name: "quotapass", version: "1", chain_id: 100, }
}

#[test]
fn keystore_files_open_with_their_password_alone() {
    let folder = tempfile::tempdir().unwrap();
    let expected = AccountKey::from_private_key(VECTOR_KEY).unwrap().address();
    fs::write(folder.path().join("pbkdf2"), PBKDF2).unwrap();
    let key = hex::decode(VECTOR_KEY).unwrap();
    eth_keystore::encrypt_key(folder.path(), &mut rand::thread_rng(), key, "testpassword", Some("scrypt")).unwrap();
    for name in ["pbkdf2", "scrypt"] {
        let path = folder.path().join(name);
        assert_eq!(AccountKey::from_keystore(&path, "testpassword").unwrap().address(), expected);
        let wrong = AccountKey::from_keystore(&path, "testpasswort").map(|key| key.address());
        assert_eq!(wrong, Err(AccountError::WrongPassword(path)));
    }
}

#[test]
fn keystore_files_of_all_wallets_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    let expected: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
    let open = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        AccountKey::from_keystore(&path, "pw").map(|key| key.address())
    };
    let prefixed = ["5bad6a", "77a7e5", "30dfec", "486792"].iter().fold(ETHERS.to_owned(), |text, digits| {
        assert!(text.contains(digits), "{digits}");
        text.replace(digits, &format!("0x{digits}"))
    });
    for text in [
        ETHERS.to_owned(),
        ETHERS.replace("Crypto", "crypto"),
        ETHERS.to_uppercase(),
        ETHERS.replace("\"id\":\"80e1f365-f72d-491b-93c8-d5ed35f6fadb\",", ""),
        ETHERS.replace("80e1f365-f72d-491b-93c8-d5ed35f6fadb", "my wallet"),
        ETHERS.replace("\"version\":3", "\"version\":\"3\""),
        prefixed,
        format!("\u{feff}{ETHERS}"),
    ] {
        assert_eq!(open(text.as_bytes()), Ok(expected), "{text}");
    }
    let utf16: Vec<u8> = format!("\u{feff}{ETHERS}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(open(&utf16), Ok(expected));
}

#[test]
fn a_password_opens_a_keystore_file_in_each_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let key = hex::decode(VECTOR_KEY).unwrap();
    for (written, typed) in [
        ("p\u{e4}ss", "pa\u{308}ss"),
        ("pa\u{308}ss", "p\u{e4}ss"),
        ("p\u{e4}ss", "\u{feff}p\u{e4}ss"),
        ("\u{feff}pass", "pass"),
        ("\u{feff}pass", "\u{feff}pass"),
    ] {
        eth_keystore::encrypt_key(folder.path(), &mut rand::thread_rng(), &key, written, Some("key")).unwrap();
        let opened = AccountKey::from_keystore(&folder.path().join("key"), typed);
        assert!(opened.is_ok(), "{written:?} {typed:?}");
    }
}

#[test]
fn a_file_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    for (content, name) in [
        (format!("0x{VECTOR_KEY}\n"), "it is a private key that is not encrypted"),
        ("{\"encseed\":\"00\",\"ethaddr\":\"00\"}".into(), "it is a wallet of the presale"),
        ("{\"data\":\"00\",\"iv\":\"00\",\"salt\":\"00\"}".into(), "it is the vault of a browser's wallet"),
        (ETHERS.replace("\"version\":3", "\"version\":4"), "the key of a validator (EIP-2335)"),
        (ETHERS.replace("\"version\":3", "\"version\":\"1\""), "its version is older than 3"),
        ("[]".into(), "it has no `crypto`"),
        ("abandon ability".into(), "it is not JSON"),
    ] {
        fs::write(&path, content).unwrap();
        let refused = AccountKey::from_keystore(&path, "pw").unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
    }
    fs::write(&path, b"\x00\xff").unwrap();
    let refused = AccountKey::from_keystore(&path, "pw").unwrap_err().to_string();
    assert!(refused.contains("neither UTF-8 nor UTF-16"), "{refused}");
}

#[test]
fn what_is_no_keystore_file_is_refused_before_it_is_decrypted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    let spoilt = [
        ("\"dklen\": 32", "\"dklen\": 8"),
        ("6087dab2f9fdbbfaddc31a909735c1e6", "6087"),
        ("5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "53"),
        ("\"c\": 262144", "\"c\": 4000000000"),
        ("\"version\": 3", "\"version\": 4"),
        ("pbkdf2", "argon2"),
        ("aes-128-ctr", "rot13"),
        ("{ \"crypto\"", "\"crypto\""),
    ];
    for (good, bad) in spoilt {
        assert!(PBKDF2.contains(good), "{good}");
        fs::write(&path, PBKDF2.replacen(good, bad, 1)).unwrap();
        let refused = AccountKey::from_keystore(&path, "testpassword").unwrap_err();
        assert!(matches!(refused, AccountError::NotAKeystore { .. }), "{bad}: {refused}");
    }
    let missing = AccountKey::from_keystore(Path::new("/no/such/key"), "").unwrap_err();
    assert!(matches!(missing, AccountError::Unreadable { .. }));
}

#[test]
fn private_keys_are_read_with_and_without_a_prefix() {
    // The first account of every development chain.
    let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let expected: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
    for text in [digits.to_owned(), format!("0x{digits}"), format!(" {digits}\n"), format!("\u{feff}{digits}")] {
        assert_eq!(AccountKey::from_private_key(&text).unwrap().address(), expected);
    }
    for text in ["", "0x", &digits[1..], &"0".repeat(64), &"f".repeat(64), &"g".repeat(64)] {
        let refused = AccountKey::from_private_key(text).map(|key| key.address());
        assert_eq!(refused, Err(AccountError::InvalidPrivateKey), "{text}");
    }
}

#[test]
fn the_same_statement_always_has_the_same_signature() {
    let key = AccountKey::from_private_key(VECTOR_KEY).unwrap();
    let statement = Statement { purpose: "derive an identity".into(), account: Default::default() };
    let first = key.sign_typed_data(&statement, &domain()).unwrap();
    assert_eq!(key.sign_typed_data(&statement, &domain()).unwrap(), first);
    let hash: B256 = statement.eip712_signing_hash(&domain());
    assert_eq!(first.recover_address_from_prehash(&hash).unwrap(), key.address());
    assert_eq!(key.sign_hash(&hash).unwrap(), first);
    let other = Statement { purpose: "derive another".into(), ..statement };
    assert_ne!(key.sign_typed_data(&other, &domain()).unwrap(), first);
}

#[test]
fn a_key_is_not_printed() {
    let key = AccountKey::from_private_key(VECTOR_KEY).unwrap();
    let shown = format!("{key:?}").to_lowercase();
    assert!(shown.contains(&hex::encode(key.address())) && !shown.contains(&VECTOR_KEY[..8]), "{shown}");
}

#[cfg(feature = "ledger")]
#[test]
fn a_ledger_that_is_not_there_is_an_error() {
    // The machine that runs this may have a Ledger.
    if let Err(error) = AccountKey::from_ledger(0) {
        assert!(matches!(error, AccountError::Ledger(_)), "{error:?}");
    }
}
