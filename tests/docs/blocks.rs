//! The blocks of shell commands in a document.

use std::{fs, path::Path};

/// Languages of blocks that hold commands. A block without a language has to name one.
const COMMANDS: [&str; 6] = ["", "bash", "console", "sh", "shell", "zsh"];

/// A block of shell commands.
pub struct Block {
    /// The document and the line of its first command.
    pub place: String,
    pub text: String,
    pub decision: Decision,
}

/// What the first line of a block says.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    Run {
        name: String,
        background: bool,
        expect: Option<String>,
    },
    /// The block does not run, for this reason.
    Skip(String),
    /// The fault of the first line.
    Missing(&'static str),
}

/// Reads the blocks of shell commands of a document.
pub fn blocks(path: &Path) -> Vec<Block> {
    let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let content: Vec<_> = lines.by_ref().map(|(line, _)| line).take_while(|line| line.trim() != "```").collect();
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        if !COMMANDS.contains(&language) {
            continue;
        }
        let unindented = content.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()));
        let decision = if language.is_empty() { Decision::Missing("no language") } else { decide(rest) };
        found.push(Block { place: format!("{name}:{}", number + 1), text: unindented.collect(), decision });
    }
    found
}

/// Reads what follows the language of a block.
fn decide(rest: &str) -> Decision {
    let (mut name, mut background, mut expect, mut skip) = (None, false, None, None);
    let mut rest = rest.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (key, mut after) = rest.split_at(end);
        let mut value = None;
        if let Some(text) = after.strip_prefix('=') {
            let (quoted, plain) = (text.strip_prefix('"').and_then(|text| text.split_once('"')), text.split_once(' '));
            let (found, more) = quoted.or(plain).unwrap_or((text, ""));
            (value, after) = (Some(found.to_owned()), more);
        }
        match (key, value) {
            ("run", Some(value)) => name = Some(value),
            ("background", None) => background = true,
            ("expect", Some(value)) => expect = Some(value),
            ("skip", Some(value)) => skip = Some(value),
            _ => return Decision::Missing("unknown word in the first line"),
        }
        rest = after.trim_start();
    }
    match (name, skip) {
        (Some(name), None) => Decision::Run { name, background, expect },
        (None, Some(reason)) if reason.split(' ').count() > 2 && !background && expect.is_none() => {
            Decision::Skip(reason)
        }
        (None, Some(_)) => Decision::Missing("the reason is not a sentence"),
        (Some(_), Some(_)) => Decision::Missing("both run and skip"),
        (None, None) => Decision::Missing("neither run nor skip"),
    }
}

#[test]
fn first_lines_are_read() {
    let run = |background, expect: Option<&str>| Decision::Run {
        name: "a".into(),
        background,
        expect: expect.map(Into::into),
    };
    assert_eq!(decide("run=a"), run(false, None));
    assert_eq!(decide("run=a background"), run(true, None));
    assert_eq!(decide("run=a expect=\"two words\" background"), run(true, Some("two words")));
    assert_eq!(decide("skip=\"it needs root\""), Decision::Skip("it needs root".into()));
    for missing in ["", "skip=root", "run", "runs=a", "run=a skip=\"it needs root\"", "skip=\"\""] {
        assert!(matches!(decide(missing), Decision::Missing(_)), "{missing}");
    }
}
