//! The number of the last commit, beside a database of [fjall](https://docs.rs/fjall).

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use super::files::create_new;

const FILE: &str = "witness";

/// The number of the last commit of a database, in the file `witness` beside it: the number, and its complement, 8 bytes
/// big-endian each.
///
/// The database takes the first invalid checksum for the end of its journal, because a crash leaves such an end. Damage in
/// the middle of the journal looks the same. A database with fewer commits than this number has lost answered writes.
///
/// It is written after the database has the commit on disk, and needs no flush: if the process is killed, the system still
/// has the number; after a power failure it may be older than the database, never newer.
pub struct Witness(File);

impl Witness {
    /// Creates the file, with zero commits.
    ///
    /// # Errors
    /// If the file exists, or cannot be written.
    pub fn create(folder: &Path) -> io::Result<()> {
        create_new(&folder.join(FILE), &encode(0))
    }

    /// Opens the file. The number is `None` if the content is invalid.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(folder: &Path) -> io::Result<(Self, Option<u64>)> {
        let mut file = OpenOptions::new().read(true).write(true).open(folder.join(FILE))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let number = content.first_chunk().map(|number| u64::from_be_bytes(*number));
        Ok((Self(file), number.filter(|number| encode(*number)[..] == content)))
    }

    /// Writes the number of a commit that the database has on disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, number: u64) -> io::Result<()> {
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
