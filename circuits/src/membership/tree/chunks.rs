//! A list whose clones share memory.

use std::{iter, sync::Arc};

/// Number of elements of a chunk: enough that a clone of a large list copies few pointers, and few enough that a change
/// of a shared list copies little.
const CHUNK: usize = 64;

/// A list without end: each place has a blank element until it gets another. A clone shares the chunks of the list. A
/// change copies the chunk that it is in if a clone has this chunk too, and copies nothing otherwise.
#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Arc<[T]>>,
    blank: Arc<T>,
}

impl<T: Clone> Chunks<T> {
    /// Creates a list of blank elements.
    pub(super) fn new(blank: T) -> Self {
        Self { chunks: Vec::new(), blank: Arc::new(blank) }
    }

    /// Returns an element.
    pub(super) fn get(&self, place: usize) -> &T {
        let chunk = self.chunks.get(place / CHUNK);
        chunk.and_then(|chunk| chunk.get(place % CHUNK)).unwrap_or(&self.blank)
    }

    /// Returns an element for a change, and allocates its memory if there is none yet.
    pub(super) fn get_mut(&mut self, place: usize) -> &mut T {
        let (number, place) = (place / CHUNK, place % CHUNK);
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, Arc::default);
        }
        let chunk = &mut self.chunks[number];
        if place >= chunk.len() {
            // The first chunk grows with a small list. A list with more chunks is large, so they are allocated whole.
            let len = if number == 0 { (place + 1).next_power_of_two() } else { CHUNK };
            let blanks = iter::repeat_n(T::clone(&self.blank), len - chunk.len());
            *chunk = chunk.iter().cloned().chain(blanks).collect();
        }
        &mut Arc::make_mut(chunk)[place]
    }

    /// Replaces all elements after the first `count` by blank ones, and frees the memory of whole chunks of them.
    pub(super) fn truncate(&mut self, count: usize) {
        self.chunks.truncate(count.div_ceil(CHUNK));
        let rest = self.chunks.get_mut(count / CHUNK).and_then(|last| Arc::make_mut(last).get_mut(count % CHUNK..));
        if let Some(rest) = rest {
            rest.fill(T::clone(&self.blank));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a list with the numbers from 1 to `count`. Blank elements are 0.
    fn numbers(count: usize) -> Chunks<usize> {
        let mut list = Chunks::new(0);
        (0..count).for_each(|place| *list.get_mut(place) = place + 1);
        list
    }

    fn has_numbers(list: &Chunks<usize>, count: usize) -> bool {
        (0..count + 2 * CHUNK).all(|place| *list.get(place) == if place < count { place + 1 } else { 0 })
    }

    #[test]
    fn a_clone_shares_all_chunks_except_changed_ones() {
        let mut list = numbers(5 * CHUNK);
        let snapshot = list.clone();
        let is_shared = |list: &Chunks<usize>| -> Vec<bool> {
            list.chunks.iter().zip(&snapshot.chunks).map(|(own, other)| Arc::ptr_eq(own, other)).collect()
        };
        assert_eq!(is_shared(&list), [true; 5]);
        *list.get_mut(CHUNK + 1) = 0;
        *list.get_mut(5 * CHUNK) = 7;
        assert_eq!(is_shared(&list), [true, false, true, true, true]);
        let copied = list.chunks[1].as_ptr();
        *list.get_mut(CHUNK + 2) = 0;
        assert_eq!(list.chunks[1].as_ptr(), copied, "a chunk is copied once");
        list.truncate(3 * CHUNK + 1);
        assert_eq!(is_shared(&list), [true, false, true, false]);
        assert!(has_numbers(&snapshot, 5 * CHUNK));
    }

    #[test]
    fn a_list_is_blank_after_its_end() {
        for count in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let mut list = numbers(count);
            assert!(has_numbers(&list, count), "{count}");
            for kept in [count + 1, count, count.saturating_sub(1), count / 2, 0] {
                list.truncate(kept);
                assert!(has_numbers(&list, kept.min(count)), "{count} {kept}");
            }
            assert!(list.chunks.is_empty());
        }
    }
}
