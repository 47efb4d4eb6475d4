//! Encrypted keys in files (Web3 Secret Storage, version 3), in the forms that wallets write.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use eth_keystore::{EthKeystore, KeystoreError};
use quotapass_text::{decode, spellings};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::AccountError;

/// Decrypts a keystore file.
pub(super) fn decrypt(path: &Path, password: &str) -> Result<Zeroizing<Vec<u8>>, AccountError> {
    let unreadable = |error: io::Error| AccountError::Unreadable { path: path.into(), reason: error.to_string() };
    let foreign = |reason: String| AccountError::NotAKeystore { path: path.into(), reason };
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = decode(&bytes).map_err(|error| foreign(error.to_string()))?;
    let keystore = canonical(&text).map_err(|reason| foreign(reason.into()))?;
    // The library reads files of geth's form alone. A copy of another form is written, still encrypted.
    let copy = match serde_json::from_slice::<EthKeystore>(&bytes) {
        Ok(_) => None,
        Err(_) => Some(copy(&keystore).map_err(unreadable)?),
    };
    let readable = copy.as_ref().map_or(path, NamedTempFile::path);
    for spelling in spellings(password) {
        match eth_keystore::decrypt_key(readable, spelling.as_bytes()) {
            Ok(key) => return Ok(Zeroizing::new(key)),
            Err(KeystoreError::MacMismatch) => {}
            Err(other) => return Err(foreign(other.to_string())),
        }
    }
    Err(AccountError::WrongPassword(path.into()))
}

fn copy(keystore: &Value) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(keystore.to_string().as_bytes())?;
    Ok(file)
}

/// Reads a keystore and returns it in geth's form: names in lower case, an id, digits without `0x`. Otherwise says what
/// the file is instead.
fn canonical(text: &str) -> Result<Value, &'static str> {
    // No name and no value that is read depends on its case, and some wallets write `Crypto` or digits in upper case.
    let mut file: Value = serde_json::from_str(&text.to_lowercase()).map_err(|_| without_json(text))?;
    let Some(mut crypto) = file.get_mut("crypto").map(Value::take) else { return Err(without_crypto(&file)) };
    let version = match file.get("version") {
        Some(Value::String(version)) => version.clone(),
        Some(version) => version.to_string(),
        None => return Err("it has no `version`"),
    };
    match version.as_str() {
        "3" => {}
        "4" => return Err("its version is 4, which is the key of a validator (EIP-2335)"),
        "1" | "2" => return Err("its version is older than 3; import it in a wallet, and export it again"),
        _ => return Err("its version is not 3"),
    }
    for digits in ["/ciphertext", "/mac", "/cipherparams/iv", "/kdfparams/salt"] {
        if let Some(Value::String(digits)) = crypto.pointer_mut(digits) {
            *digits = digits.trim_start_matches("0x").to_owned();
        }
    }
    check(&crypto)?;
    Ok(json!({ "version": 3, "id": "00000000-0000-0000-0000-000000000000", "crypto": crypto }))
}

fn without_json(text: &str) -> &'static str {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return "it is a private key that is not encrypted";
    }
    "it is not JSON"
}

fn without_crypto(file: &Value) -> &'static str {
    let has = |name: &str| file.get(name).is_some();
    if has("encseed") {
        "it is a wallet of the presale; import it in a wallet, and export it again"
    } else if has("data") && has("salt") {
        "it is the vault of a browser's wallet; export the account's key there"
    } else {
        "it has no `crypto`"
    }
}

/// Refuses a file that breaks the assumptions of the decryption, or asks for costs that no honest file asks for.
fn check(crypto: &Value) -> Result<(), &'static str> {
    let text = |pointer: &str| crypto.pointer(pointer).and_then(Value::as_str);
    let number = |pointer: &str| crypto.pointer(pointer).and_then(Value::as_u64);
    let hex_bytes = |pointer: &str| text(pointer).map(|digits| digits.len() / 2);
    if text("/cipher") != Some("aes-128-ctr") {
        return Err("its cipher is not aes-128-ctr");
    }
    if hex_bytes("/cipherparams/iv") != Some(16) || hex_bytes("/ciphertext") != Some(32) {
        return Err("its ciphertext or initialisation vector has the wrong length");
    }
    if number("/kdfparams/dklen") != Some(32) {
        return Err("its derived key does not have 32 bytes");
    }
    let costs = match text("/kdf") {
        Some("scrypt") => {
            let (n, r, p) = (number("/kdfparams/n"), number("/kdfparams/r"), number("/kdfparams/p"));
            // RFC 7914 requires n below 2^(16 r).
            n.zip(r)
                .is_some_and(|(n, r)| n.is_power_of_two() && (2..=1 << 22).contains(&n) && n.ilog2() < 16 * r as u32)
                && r.is_some_and(|r| (1..=64).contains(&r))
                && p.is_some_and(|p| (1..=64).contains(&p))
        }
        Some("pbkdf2") => number("/kdfparams/c").is_some_and(|c| (1..=10_000_000).contains(&c)),
        _ => return Err("its key derivation is neither scrypt nor pbkdf2"),
    };
    if costs { Ok(()) } else { Err("the costs of its key derivation are out of range") }
}
