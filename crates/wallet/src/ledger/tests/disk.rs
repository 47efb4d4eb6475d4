//! A simulated disk that can stop at any step, and loses or tears unflushed data.

use std::{
    cell::{RefCell, RefMut},
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    rc::Rc,
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::ledger::disk::{Disk, Stamp, Stored, folder_of};

/// One file: the content that a reader sees, and the content that is certain after a power loss.
#[derive(Clone, Debug)]
struct SimulatedFile {
    content: Vec<u8>,
    flushed: Vec<u8>,
    stamp: Stamp,
}

type FileId = usize;

#[derive(Debug, Default)]
struct DiskState {
    files: Vec<SimulatedFile>,
    names: BTreeMap<PathBuf, FileId>,
    flushed_names: BTreeMap<PathBuf, FileId>,
    /// Steps until power is lost.
    power: Option<u32>,
    is_full: bool,
    births: u64,
}

/// A disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk(Rc<RefCell<DiskState>>);

impl DiskState {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => return Err(ErrorKind::Interrupted.into()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    /// The lowest free inode number: systems reuse numbers immediately.
    fn new_file(&mut self, content: Vec<u8>, flushed: Vec<u8>) -> FileId {
        let taken: BTreeSet<u64> = self.names.values().map(|id| self.files[*id].stamp.inode).collect();
        let inode = (1..).find(|inode| !taken.contains(inode)).unwrap();
        self.births += 1;
        self.files.push(SimulatedFile { content, flushed, stamp: Stamp { inode, born: self.births } });
        self.files.len() - 1
    }
}

impl SimulatedDisk {
    fn state(&self) -> RefMut<'_, DiskState> {
        self.0.borrow_mut()
    }

    /// Cuts the power after this number of steps; every later call fails.
    pub(super) fn lose_power_after(&self, steps: u32) {
        self.state().power = Some(steps);
    }

    /// Number of steps until power is lost.
    pub(super) fn power(&self) -> Option<u32> {
        self.state().power
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Restarts after a power loss. Each unflushed name refers to its old or its new file; each unflushed file has its
    /// old content, its new content, or a torn one.
    pub(super) fn restart(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut state = self.state();
        let state = &mut *state;
        let names: BTreeSet<PathBuf> = state.names.keys().chain(state.flushed_names.keys()).cloned().collect();
        let mut left = BTreeMap::new();
        for name in names {
            let source = if rng.gen_bool(0.5) { &state.names } else { &state.flushed_names };
            source.get(&name).into_iter().for_each(|id| {
                left.insert(name.clone(), *id);
            });
        }
        for file in &mut state.files {
            if file.content != file.flushed {
                match rng.gen_range(0..3) {
                    0 => file.content.clone_from(&file.flushed),
                    1 => file.content.truncate(rng.gen_range(0..=file.content.len())),
                    _ => {}
                }
                file.flushed.clone_from(&file.content);
            }
        }
        state.names = left.clone();
        state.flushed_names = left;
        state.power = None;
    }

    /// The content that a backup takes.
    pub(super) fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|id| state.files[*id].content.clone())
    }

    /// Puts a file back as a new file.
    pub(super) fn put_copy(&self, path: &Path, content: Vec<u8>) {
        let mut state = self.state();
        let id = state.new_file(content.clone(), content);
        state.names.insert(path.into(), id);
        state.flushed_names.insert(path.into(), id);
    }

    /// Overwrites the existing file.
    pub(super) fn put_in_place(&self, path: &Path, content: Vec<u8>) {
        let id = self.state().names.get(path).copied();
        match id {
            None => self.put_copy(path, content),
            Some(id) => {
                let file = &mut self.state().files[id];
                file.content.clone_from(&content);
                file.flushed = content;
            }
        }
    }

    pub(super) fn remove(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.flushed_names.remove(path);
    }
}

impl Disk for SimulatedDisk {
    type Draft = (FileId, PathBuf);

    fn read(&self, path: &Path) -> io::Result<Option<Stored>> {
        let mut state = self.state();
        state.step()?;
        let file = state.names.get(path).map(|id| &state.files[*id]);
        Ok(file.map(|file| Stored { content: file.content.clone(), stamp: Some(file.stamp) }))
    }

    fn create(&self, path: &Path) -> io::Result<(Self::Draft, Option<Stamp>)> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(path);
        let id = state.new_file(Vec::new(), Vec::new());
        state.names.insert(path.into(), id);
        let stamp = state.files[id].stamp;
        Ok(((id, path.into()), Some(stamp)))
    }

    fn write(&self, (id, _): &mut Self::Draft, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let result = state.step();
        // A full disk or a power loss leaves half a write.
        let count = if result.is_err() || state.is_full { content.len() / 2 } else { content.len() };
        state.files[*id].content = content[..count].to_vec();
        result?;
        if state.is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self, (id, _): &Self::Draft) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = &mut state.files[*id];
        file.flushed.clone_from(&file.content);
        Ok(())
    }

    fn rename(&self, (id, draft): &Self::Draft, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(draft);
        state.names.insert(path.into(), *id);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let folder = folder_of(path);
        let here = |name: &PathBuf| folder_of(name) == folder;
        let DiskState { names, flushed_names, .. } = &mut *state;
        flushed_names.retain(|name, _| !here(name));
        flushed_names.extend(names.iter().filter(|(name, _)| here(name)).map(|(name, id)| (name.clone(), *id)));
        Ok(())
    }

    fn discard(&self, (_, draft): Self::Draft) {
        let mut state = self.state();
        if state.step().is_ok() {
            state.names.remove(&draft);
        }
    }
}
