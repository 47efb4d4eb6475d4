//! Prompts: for secrets, without echo, and for confirmation.

use std::{
    env, fs,
    io::{self, BufRead, Read, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use quotapass_text::{decode, read_secret};
use quotapass_wallet::identity::Passphrase;
use zeroize::Zeroizing;

use super::{
    config::{Config, Key},
    exit_code::ExitKind,
    failure::{Failure, usage},
    output::can_ask,
};

/// Environment variable with the identity's passphrase.
const PASSPHRASE_VARIABLE: &str = "QUOTAPASS_PASSPHRASE";

/// Returns where a secret comes from without a question, if it is set.
pub(super) fn source(config: &Config, variable: &str, file: Key) -> Result<Option<String>> {
    if env::var_os(variable).is_some() {
        return Ok(Some(format!("environment variable {variable}")));
    }
    let Some(path) = config.get::<PathBuf>(file)? else { return Ok(None) };
    fs::metadata(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Some(format!("file {}", path.display())))
}

/// Returns where the identity's passphrase comes from, if it is set.
pub(super) fn passphrase_source(config: &Config) -> Result<Option<String>> {
    source(config, PASSPHRASE_VARIABLE, Key::PassphraseFile)
}

/// Reads a secret from the environment, from a file, or from the terminal.
pub(super) fn secret(config: &Config, what: &str, variable: &str, file: Key) -> Result<Zeroizing<String>> {
    match given(config, variable, file)? {
        Some(secret) => Ok(secret),
        None => typed(&format!("{what}: "), variable, file),
    }
}

fn given(config: &Config, variable: &str, file: Key) -> Result<Option<Zeroizing<String>>> {
    if let Some(secret) = env::var_os(variable) {
        let secret = secret.into_string().map_err(|_| usage(format!("{variable} is not UTF-8")))?;
        return Ok(Some(Zeroizing::new(secret)));
    }
    let Some(path) = config.get::<PathBuf>(file)? else { return Ok(None) };
    read_secret(&path).map(Some).with_context(|| format!("cannot read `{}`", path.display()))
}

fn typed(question: &str, variable: &str, file: Key) -> Result<Zeroizing<String>> {
    if !can_ask() {
        let setting = file.flag().unwrap_or_else(|| format!("`{}`", file.name()));
        bail!(usage(format!(
            "{question}there is no terminal for a prompt; set {variable}, or name a file with {setting}"
        )));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(question).context("cannot read from the terminal")?))
}

/// Reads the passphrase of an existing identity.
pub(super) fn passphrase(config: &Config, identity: &str) -> Result<Passphrase> {
    let what = format!("Passphrase of identity `{identity}`");
    let mut text = secret(config, &what, PASSPHRASE_VARIABLE, Key::PassphraseFile)?;
    take(&mut text)
}

/// Reads a passphrase for a new identity, twice if it is typed.
pub(super) fn new_passphrase(config: &Config) -> Result<Passphrase> {
    if let Some(mut text) = given(config, PASSPHRASE_VARIABLE, Key::PassphraseFile)? {
        return take(&mut text);
    }
    let mut first = typed("New passphrase, for this device: ", PASSPHRASE_VARIABLE, Key::PassphraseFile)?;
    let second = typed("Repeat the passphrase: ", PASSPHRASE_VARIABLE, Key::PassphraseFile)?;
    if first != second {
        bail!("the two passphrases differ and nothing was written; try again");
    }
    take(&mut first)
}

fn take(text: &mut Zeroizing<String>) -> Result<Passphrase> {
    Passphrase::new(std::mem::take(&mut **text)).context("the passphrase is empty; choose a long one")
}

/// Reads the words of a mnemonic, from standard input if it is not a terminal.
pub(super) fn words() -> Result<Zeroizing<String>> {
    if can_ask() {
        let words = rpassword::prompt_password("The 24 words, in order, separated by spaces (they are not shown): ");
        return Ok(Zeroizing::new(words.context("cannot read from the terminal")?));
    }
    let mut bytes = Zeroizing::new(Vec::<u8>::new());
    io::stdin().lock().read_to_end(&mut bytes).context("cannot read the words from standard input")?;
    decode(&bytes).context("cannot read the words from standard input")
}

/// Asks for confirmation, unless the flag `--yes` was given.
pub(super) fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !can_ask() {
        bail!(usage(format!("{question} There is no terminal for this question; pass --yes to confirm")));
    }
    let mut error = io::stderr();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(ExitKind::Declined, "cancelled; nothing was done").into()),
    }
}
