//! A file of passes that were made in advance.
//!
//! The format: 32 bytes that identify the origin of the passes, then records of equal length, each a pass and a
//! checksum over the record's number and the pass. A truncated record is made again; a damaged one is an error.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use quotapass_circuits::formats::wire::POST_BYTES;
use sha2::{Digest, Sha256};

use crate::LoadError;

const ORIGIN_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 8;
const RECORD_BYTES: usize = POST_BYTES + CHECKSUM_BYTES;

/// Fault of a file of passes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassFault {
    /// The passes are of another registry or another kind.
    #[error("it holds other passes")]
    Origin,
    /// A record does not match its checksum.
    #[error("record {0} is damaged")]
    Record(usize),
}

/// The encoding of a pass on the wire.
pub(crate) type PassBytes = [u8; POST_BYTES];

/// A file of passes, which are all in memory as well.
pub(crate) struct PassFile {
    path: PathBuf,
    file: File,
    origin: [u8; ORIGIN_BYTES],
    passes: Vec<PassBytes>,
}

impl PassFile {
    /// Opens or creates the file of passes that are made from `origin`.
    pub(crate) fn open(path: &Path, origin: &str) -> Result<Self, LoadError> {
        let about = || LoadError::file("use", path);
        let origin: [u8; ORIGIN_BYTES] = Sha256::digest(origin).into();
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(about())?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(about())?;
        let passes =
            decode(&origin, &content).map_err(|source| LoadError::Passes { path: path.to_path_buf(), source })?;
        let whole = ORIGIN_BYTES + passes.len() * RECORD_BYTES;
        if content.len() < ORIGIN_BYTES {
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&origin)).map_err(about())?;
        } else {
            file.set_len(whole as u64).map_err(about())?;
        }
        file.seek(SeekFrom::End(0)).map_err(about())?;
        Ok(Self { path: path.into(), file, origin, passes })
    }

    pub(crate) fn passes(&self) -> &[PassBytes] {
        &self.passes
    }

    /// Appends passes, so that they survive if this program is killed.
    pub(crate) fn append(&mut self, passes: &[PassBytes]) -> Result<(), LoadError> {
        let mut records = Vec::with_capacity(passes.len() * RECORD_BYTES);
        for (number, pass) in (self.passes.len()..).zip(passes) {
            records.extend_from_slice(pass);
            records.extend_from_slice(&checksum(&self.origin, number, pass));
        }
        self.file.write_all(&records).map_err(LoadError::file("write to", &self.path))?;
        self.passes.extend_from_slice(passes);
        Ok(())
    }
}

fn decode(origin: &[u8; ORIGIN_BYTES], content: &[u8]) -> Result<Vec<PassBytes>, PassFault> {
    let Some((found, records)) = content.split_first_chunk::<ORIGIN_BYTES>() else { return Ok(Vec::new()) };
    if found != origin {
        return Err(PassFault::Origin);
    }
    let mut passes = Vec::with_capacity(records.len() / RECORD_BYTES);
    for (number, record) in records.chunks_exact(RECORD_BYTES).enumerate() {
        match record.split_first_chunk::<POST_BYTES>() {
            Some((pass, check)) if check == checksum(origin, number, pass) => passes.push(*pass),
            _ => return Err(PassFault::Record(number)),
        }
    }
    Ok(passes)
}

fn checksum(origin: &[u8; ORIGIN_BYTES], number: usize, pass: &PassBytes) -> [u8; CHECKSUM_BYTES] {
    let hash = Sha256::new().chain_update(origin).chain_update((number as u64).to_be_bytes()).chain_update(pass);
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash.finalize()[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn pass(byte: u8) -> PassBytes {
        [byte; POST_BYTES]
    }

    fn file_of(count: u8) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passes");
        let mut file = PassFile::open(&path, "origin").unwrap();
        file.append(&[pass(0)]).unwrap();
        file.append(&(1..count).map(pass).collect::<Vec<_>>()).unwrap();
        (folder, path)
    }

    #[test]
    fn passes_are_there_when_the_file_is_opened_again() {
        let (_folder, path) = file_of(3);
        let mut file = PassFile::open(&path, "origin").unwrap();
        assert_eq!(file.passes(), [pass(0), pass(1), pass(2)]);
        file.append(&[pass(3)]).unwrap();
        assert_eq!(PassFile::open(&path, "origin").unwrap().passes().len(), 4);
    }

    #[test]
    fn what_was_cut_off_is_made_again() {
        let (_folder, path) = file_of(3);
        let content = fs::read(&path).unwrap();
        for length in 0..content.len() {
            fs::write(&path, &content[..length]).unwrap();
            let mut file = PassFile::open(&path, "origin").unwrap();
            let whole = length.saturating_sub(ORIGIN_BYTES) / RECORD_BYTES;
            assert_eq!(file.passes().len(), whole);
            file.append(&[pass(9)]).unwrap();
            assert_eq!(PassFile::open(&path, "origin").unwrap().passes()[whole], pass(9));
        }
    }

    #[test]
    fn damage_and_other_files_are_errors() {
        let (_folder, path) = file_of(3);
        let content = fs::read(&path).unwrap();
        assert!(PassFile::open(&path, "elsewhere").is_err());
        for position in (0..content.len()).step_by(7) {
            let mut damaged = content.clone();
            damaged[position] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let error = PassFile::open(&path, "origin").err().unwrap();
            assert!(error.to_string().contains("delete it"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
        // Whole records in another place are damage too.
        let mut swapped = content[..ORIGIN_BYTES].to_vec();
        let records = &content[ORIGIN_BYTES..];
        swapped.extend([&records[RECORD_BYTES..], &records[..RECORD_BYTES]].concat());
        fs::write(&path, swapped).unwrap();
        assert!(PassFile::open(&path, "origin").is_err());
    }

    proptest! {
        #[test]
        fn no_content_panics(content in prop::collection::vec(any::<u8>(), 0..900)) {
            let _ = decode(&[0; ORIGIN_BYTES], &content);
        }
    }
}
