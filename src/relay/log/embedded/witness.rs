//! The number of the last commit, beside the database.
//!
//! The database's journal ends where its checksums cease to hold, for that is what a crash leaves behind; damage in the
//! middle of it looks the same. So the number of each commit is written here too, once the database has it on disk. It
//! need not be flushed: a process that is killed leaves it with the system, and after a power failure it may be older
//! than the database, never younger. A database that does not reach it has lost what was answered.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use crate::files;

const FILE: &str = "witness";

/// The open file: the number, and its complement, 8 bytes big-endian each.
pub(super) struct Witness(File);

impl Witness {
    /// A new one of no commit.
    pub(super) fn create(folder: &Path) -> io::Result<()> {
        files::create_new(&folder.join(FILE), &encode(0))
    }

    /// Opens it; none in place of the number if it makes no sense.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Option<u64>)> {
        let mut file = OpenOptions::new().read(true).write(true).open(folder.join(FILE))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let number = content.first_chunk().map(|number| u64::from_be_bytes(*number));
        Ok((Self(file), number.filter(|number| encode(*number)[..] == content)))
    }

    /// The database has this commit on disk.
    pub(super) fn write(&mut self, number: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&encode(number))
    }
}

fn encode(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&(!number).to_be_bytes());
    bytes
}
