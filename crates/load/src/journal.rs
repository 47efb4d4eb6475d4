//! A file with the answers of all runs, so that a later run can send the posts again and compare.
//!
//! The format is text: one line with the origin of the posts, then one answer per line, such as `honest 17 accepted`,
//! `first 3 lost` or `second 3 quota_exceeded`, and `end` at the end of a complete run. A truncated line does not
//! count.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    LoadError,
    accounts::{Accounts, Answer},
    plan::Item,
};

const TITLE: &str = "quotapass-bench-journal 1";
const END: &str = "end";
const CUT_OFF: &str = "cut off";

/// Fault of a journal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalFault {
    /// The posts have another seed, or are of another version.
    #[error("it belongs to other posts: use the seed and the folder that it was created with")]
    OtherPosts,
    /// The file has another format.
    #[error("it is not the journal of a load")]
    Format,
    /// A line cannot be read.
    #[error("line {number} is damaged: {line}")]
    Line {
        /// The number of the line, from 1.
        number: usize,
        /// The line.
        line: String,
    },
}

/// A journal that is open for writing.
pub(crate) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Journal {
    /// Opens or creates a journal for posts that are made from `origin`, and records its answers in `accounts`.
    pub(crate) fn open(path: &Path, origin: &str, accounts: &mut Accounts) -> Result<Self, LoadError> {
        let about = || LoadError::file("use the journal", path);
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(about())?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(about())?;
        // Removes a truncated line, so that the next line starts at the start of a line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let content = &text[..whole];
        let is_whole_run = read(content, origin, accounts)
            .map_err(|source| LoadError::Journal { path: path.to_path_buf(), source })?;
        file.set_len(whole as u64).map_err(about())?;
        file.seek(SeekFrom::End(0)).map_err(about())?;
        let mut journal = Self { path: path.to_path_buf(), file: BufWriter::new(file) };
        if content.is_empty() {
            journal.line(&format!("{TITLE} {origin}"))?;
        } else if !is_whole_run {
            journal.line(CUT_OFF)?;
        }
        journal.flush()?;
        accounts.begin_run();
        Ok(journal)
    }

    /// Writes an answer. Forgeries are not written, because they have no effect on later answers.
    pub(crate) fn add(&mut self, item: Item, answer: Answer) -> Result<(), LoadError> {
        let (kind, number) = match item {
            Item::Honest(number) => ("honest", number),
            Item::Half { pair, second: false } => ("first", pair),
            Item::Half { pair, second: true } => ("second", pair),
            Item::Forgery(_) => return Ok(()),
        };
        self.line(&format!("{kind} {number} {}", answer.name()))
    }

    /// Passes all lines to the operating system, so that they survive if this program is killed.
    pub(crate) fn flush(&mut self) -> Result<(), LoadError> {
        self.file.flush().map_err(LoadError::file("write to the journal", &self.path))
    }

    /// Ends the run: every post that was sent has its line.
    pub(crate) fn end(mut self) -> Result<(), LoadError> {
        self.line(END)?;
        self.flush()
    }

    fn line(&mut self, text: &str) -> Result<(), LoadError> {
        writeln!(self.file, "{text}").map_err(LoadError::file("write to the journal", &self.path))
    }
}

/// Records the answers of complete lines. Returns whether the last run is complete.
fn read(content: &str, origin: &str, accounts: &mut Accounts) -> Result<bool, JournalFault> {
    let mut lines = content.lines();
    let Some(title) = lines.next() else { return Ok(true) };
    match title.strip_prefix(TITLE).map(str::trim) {
        Some(found) if found == origin => {}
        Some(_) => return Err(JournalFault::OtherPosts),
        None => return Err(JournalFault::Format),
    }
    let mut is_whole_run = false;
    for (number, line) in lines.enumerate() {
        is_whole_run = line == END;
        if line == CUT_OFF {
            accounts.forget_what_was_sent();
        } else if !is_whole_run {
            let (item, answer) =
                parse(line).ok_or_else(|| JournalFault::Line { number: number + 2, line: line.into() })?;
            accounts.remember(item, answer);
        }
    }
    if !is_whole_run {
        accounts.forget_what_was_sent();
    }
    Ok(is_whole_run)
}

fn parse(line: &str) -> Option<(Item, Answer)> {
    let mut words = line.split(' ');
    let (kind, number, answer) = (words.next()?, words.next()?, words.next()?);
    let number: u32 = number.parse().ok()?;
    let item = match kind {
        "honest" => Item::Honest(number),
        "first" => Item::Half { pair: number, second: false },
        "second" => Item::Half { pair: number, second: true },
        _ => return None,
    };
    words.next().is_none().then_some((item, Answer::from_name(answer)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use quotapass_protocol::VerdictKind;

    use super::*;

    const HONEST: Item = Item::Honest(7);
    const ACCEPTED: Answer = Answer::Verdict(VerdictKind::Accepted);

    fn open(path: &Path) -> Result<(Journal, Accounts), LoadError> {
        let mut accounts = Accounts::default();
        Ok((Journal::open(path, "origin", &mut accounts)?, accounts))
    }

    #[test]
    fn answers_are_there_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = open(&path).unwrap();
        journal.add(HONEST, ACCEPTED).unwrap();
        journal.add(Item::Half { pair: 1, second: true }, Answer::Lost).unwrap();
        journal.add(Item::Forgery(1), Answer::Verdict(VerdictKind::InvalidProof)).unwrap();
        journal.end().unwrap();

        let (journal, mut accounts) = open(&path).unwrap();
        journal.end().unwrap();
        assert_eq!(accounts.items(), [HONEST, Item::Half { pair: 1, second: true }]);
        assert_eq!(accounts.count(ACCEPTED), 0);
        accounts.add(HONEST, ACCEPTED);
        assert_eq!(accounts.complaints().len(), 1);
        let mut accounts = Accounts::default();
        let other = Journal::open(&path, "elsewhere", &mut accounts).err().unwrap();
        assert!(matches!(other, LoadError::Journal { source: JournalFault::OtherPosts, .. }), "{other:?}");
    }

    #[test]
    fn a_run_that_was_killed_is_noticed_then_and_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = open(&path).unwrap();
        journal.add(HONEST, ACCEPTED).unwrap();
        journal.flush().unwrap();
        drop(journal);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("honest 8 accep");
        fs::write(&path, text).unwrap();
        for _ in 0..2 {
            let (journal, mut accounts) = open(&path).unwrap();
            journal.end().unwrap();
            assert_eq!(accounts.items(), [HONEST]);
            // The run may have sent this post without recording it.
            accounts.add(Item::Honest(8), Answer::Verdict(VerdictKind::Replay));
            assert_eq!(accounts.complaints(), []);
        }
    }

    #[test]
    fn damage_and_other_files_are_told_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for (content, words) in [
            ("something else\n", "not the journal"),
            ("quotapass-bench-journal 1 origin\nhonest 1 accepted\nhonest accepted\n", "line 3"),
            ("quotapass-bench-journal 1 origin\nhonest 1 accepted twice\n", "line 2"),
        ] {
            fs::write(&path, content).unwrap();
            let error = open(&path).err().unwrap();
            let LoadError::Journal { source, .. } = error else { panic!("{error:?}") };
            assert!(source.to_string().contains(words), "{source}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content, "what is not understood stays as it is");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC{0,40}") {
            let _ = parse(&line);
        }
    }
}
