//! The output of subcommands: sentences for people, or JSON for scripts.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{exit_code::ExitKind, relay::logs_json};

/// Standard output, which receives results only. Progress, questions and warnings go to standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one line for people.
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(io::stdout().lock(), "{}", text.as_ref())?)
    }

    /// Prints one JSON object for scripts, on its own line.
    pub(super) fn json(&self, value: &Value) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    }

    /// Prints a result: the JSON object with `--json`, otherwise the sentence.
    pub(super) fn result(&self, text: &str, value: Value) -> Result<()> {
        if self.json { self.json(&value) } else { self.line(text) }
    }
}

/// Whether standard error receives JSON objects, one a line.
static JSON: OnceLock<bool> = OnceLock::new();

/// Chooses the format of standard error by the program's arguments, before they are parsed: an error in them is
/// reported in this format, too.
pub(super) fn choose(arguments: impl IntoIterator<Item = OsString>) {
    let mut last = OsString::new();
    let asks = |argument: OsString| {
        let is_format = last == "--log-format" && argument == "json";
        let is_json = is_format || argument == "--json" || argument == "--log-format=json";
        last = argument;
        is_json
    };
    // The program chooses once.
    let _ = JSON.set(arguments.into_iter().take_while(|argument| argument != "--").any(asks));
}

/// Whether standard error receives JSON objects, one a line.
pub(super) fn is_json() -> bool {
    JSON.get().copied().unwrap_or(false)
}

/// Prints a note for people on standard error.
pub(super) fn note(text: impl AsRef<str>) {
    let text = text.as_ref();
    if logs_json() {
        tracing::info!("{text}");
    } else if is_json() {
        write_error(&json!({ "level": "INFO", "message": text.trim_start() }).to_string());
    } else {
        write_error(text);
    }
}

/// Reports the failure that ends the program on standard error.
pub(super) fn failure(kind: ExitKind, text: &str) {
    let (code, exit_code) = (kind.name(), kind.code());
    if logs_json() {
        tracing::error!(code, exit_code, "{text}");
    } else if is_json() {
        let error = json!({ "level": "ERROR", "code": code, "exit_code": exit_code, "message": text });
        write_error(&error.to_string());
    } else {
        write_error(&format!("error: {text}"));
    }
}

fn write_error(line: &str) {
    // If standard error fails, there is nowhere left to report.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether there is a terminal to ask questions at.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
