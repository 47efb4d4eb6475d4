//! Parallel execution on all cores with the feature `threads`, and sequential execution without it.
//!
//! All closures are passed to rayon as the same type, so its code is compiled once. Compiled once per closure, it would
//! be a sixth of the WebAssembly module.

/// Runs both closures and returns their results.
pub fn join<A: Send, B: Send>(mut a: impl FnMut() -> A + Send, mut b: impl FnMut() -> B + Send) -> (A, B) {
    #[cfg(feature = "threads")]
    {
        let (mut first, mut second) = (None, None);
        both(&mut || first = Some(a()), &mut || second = Some(b()));
        (first.unwrap_or_else(a), second.unwrap_or_else(b))
    }
    #[cfg(not(feature = "threads"))]
    (a(), b())
}

/// Maps each item. The results are in the order of the items.
pub fn map<T: Sync, U: Send + Sync>(items: &[T], each: impl Fn(&T) -> U + Sync) -> Vec<U> {
    #[cfg(feature = "threads")]
    {
        use std::sync::OnceLock;
        let results: Vec<_> = items.iter().map(|_| OnceLock::new()).collect();
        for_each(items.len(), &|n| {
            results[n].get_or_init(|| each(&items[n]));
        });
        results.into_iter().zip(items).map(|(result, item)| result.into_inner().unwrap_or_else(|| each(item))).collect()
    }
    #[cfg(not(feature = "threads"))]
    items.iter().map(each).collect()
}

/// Number of threads.
pub fn count() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    1
}

#[cfg(feature = "threads")]
fn both(a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
    rayon::join(a, b);
}

/// Calls the closure with each number below `count`.
#[cfg(feature = "threads")]
fn for_each(count: usize, call: &(dyn Fn(usize) + Sync)) {
    use rayon::prelude::*;
    (0..count).into_par_iter().for_each(call);
}
