//! `cargo xtask prose`: rejects phrases that documents, comments and messages of this project do not use.
//!
//! The rule is in docs/architecture.md, section "Prose". A program can check only its examples: add a phrase to the list
//! when a review has replaced it.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{process::target, root};

/// A phrase in lower case, and what to write instead.
struct Phrase {
    avoid: &'static str,
    write: &'static str,
}

/// The phrases that are rejected, wherever a line breaks in them.
static PHRASES: [Phrase; 12] = [
    Phrase {
        avoid: "a number as the logarithm of a size it is not",
        write: "no evaluation domain of this size exists",
    },
    Phrase {
        avoid: "what comes later in this list goes before",
        write: "precedence, lowest first: file, environment, flags",
    },
    Phrase {
        avoid: "go home: nothing is left, and nothing will come",
        write: "shut down: the queue is empty and closed",
    },
    Phrase { avoid: "keys that cannot be had", write: "key store errors" },
    Phrase { avoid: "whoever reads our output has read enough", write: "a closed pipe counts as success" },
    Phrase { avoid: "the body is not what it should be", write: "invalid request body" },
    Phrase { avoid: "not what it should be", write: "invalid" },
    Phrase { avoid: "that cannot be had", write: "missing, or unavailable" },
    Phrase { avoid: "sees to it that", write: "ensures that" },
    Phrase { avoid: "whither", write: "where" },
    Phrase { avoid: "for want of", write: "without" },
    Phrase { avoid: "lest", write: "so that ... not" },
];

/// Endings of the names of files that people read.
const READ: [&str; 5] = ["md", "rs", "sol", "toml", "ts"];
/// Folders with files that programs write, by name or by path.
const SKIPPED_FOLDERS: [&str; 8] = [
    ".git",
    "node_modules",
    "target",
    "bindings/web/demo/built",
    "bindings/web/dist",
    "bindings/web/wasm",
    "contracts/cache",
    "contracts/out",
];
/// Files that list the phrases.
const SKIPPED_FILES: [&str; 2] = ["docs/architecture.md", "xtask/src/prose.rs"];

/// Reads all files of the project, and fails if one of them has a rejected phrase.
pub fn check() -> Result<()> {
    let mut found = Vec::new();
    check_folder(&root(), &mut found)?;
    if found.is_empty() {
        return Ok(());
    }
    found.sort();
    bail!("{} rejected phrases (xtask/src/prose.rs):\n{}", found.len(), found.join("\n"))
}

/// Adds a line for each rejected phrase in the files of a folder.
fn check_folder(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let last = entry.file_name();
        if kind.is_dir() {
            let is_skipped = |folder: &&str| *folder == name || last.to_str() == Some(*folder);
            if !SKIPPED_FOLDERS.iter().any(is_skipped) && path != target() {
                check_folder(&path, found)?;
            }
        } else if kind.is_file()
            && path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| READ.contains(&ending))
            && !SKIPPED_FILES.contains(&name.as_str())
        {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
            found.extend(
                findings(&text)
                    .map(|(line, Phrase { avoid, write })| format!("{name}:{line}: \"{avoid}\"; write \"{write}\"")),
            );
        }
    }
    Ok(())
}

/// The rejected phrases of a text, each with the number of the line on which it begins.
fn findings(text: &str) -> impl Iterator<Item = (usize, &'static Phrase)> {
    let words = Words::of(text);
    PHRASES.iter().flat_map(move |phrase| words.lines_with(phrase.avoid).into_iter().map(move |line| (line, phrase)))
}

/// The words of a text in lower case, with one space after each, whatever stands between them in the text: spaces, ends of
/// lines, and the marks of comments.
#[derive(Default)]
struct Words {
    text: String,
    /// Where each word begins in `text`, and the number of its line.
    starts: Vec<(usize, usize)>,
}

impl Words {
    fn of(source: &str) -> Self {
        let mut words = Self::default();
        for (index, line) in source.lines().enumerate() {
            for word in without_marks(line).split_whitespace() {
                words.starts.push((words.text.len(), index + 1));
                words.text.push_str(&word.to_lowercase());
                words.text.push(' ');
            }
        }
        words
    }

    /// The numbers of the lines on which a phrase of whole words begins.
    fn lines_with(&self, phrase: &str) -> Vec<usize> {
        let is_part_of_word =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let places = self.text.match_indices(phrase).map(|(place, _)| place).filter(|place| {
            let (before, after) = (&self.text[..*place], &self.text[place + phrase.len()..]);
            !is_part_of_word(before.chars().next_back()) && !is_part_of_word(after.chars().next())
        });
        places
            .filter_map(|place| self.starts[..self.starts.partition_point(|(start, _)| *start <= place)].last())
            .map(|(_, line)| *line)
            .collect()
    }
}

/// A line without the marks of a comment, a quotation or a list at its beginning, and without the mark of a string that
/// continues on the next line at its end.
fn without_marks(line: &str) -> &str {
    let line = line.trim_start_matches(|letter: char| letter.is_whitespace() || "/!*#>".contains(letter));
    line.trim_end().trim_end_matches('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, &'static str)> {
        findings(text).map(|(line, phrase)| (line, phrase.avoid)).collect()
    }

    #[test]
    fn phrases_are_found_across_lines_marks_and_cases() {
        assert_eq!(found("Sees to it that all is well."), [(1, "sees to it that")]);
        assert_eq!(found("fn f() {}\n    /// It sees\n    /// to it   that\n"), [(2, "sees to it that")]);
        assert_eq!(found("//! It sees to\n//!\n//! it that\n"), [(1, "sees to it that")]);
        assert_eq!(found("/*\n * See for\n * want of\n */"), [(2, "for want of")]);
        assert_eq!(found("# Fails for want\n# of memory\n"), [(1, "for want of")]);
        assert_eq!(found("let text = \"fails for \\\n            want of memory\";"), [(1, "for want of")]);
        assert_eq!(found("> It asks\n> whither; and whither.\n"), [(2, "whither"), (2, "whither")]);
        let body = "#[error(\"the body is not what it should be\")]";
        assert_eq!(found(body), [(1, "the body is not what it should be"), (1, "not what it should be")]);
    }

    #[test]
    fn a_phrase_consists_of_whole_words() {
        assert!(found("The smallest Celeste; lest_of; a lesté").is_empty());
        assert_eq!(found("(lest)"), [(1, "lest")]);
        assert!(found("").is_empty());
    }

    #[test]
    fn phrases_are_as_texts_are_compared() {
        for Phrase { avoid, .. } in &PHRASES {
            assert_eq!(Words::of(avoid).text.trim_end(), *avoid);
        }
    }
}
