//! Work on all cores with the feature `parallel`, and in turn without it.

/// Runs both and returns what they return.
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    #[cfg(feature = "parallel")]
    return rayon::join(a, b);
    #[cfg(not(feature = "parallel"))]
    (a(), b())
}

/// Maps each item, and keeps their order.
pub(crate) fn map<T: Send, U: Send>(items: Vec<T>, each: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        items.into_par_iter().map(each).collect()
    }
    #[cfg(not(feature = "parallel"))]
    items.into_iter().map(each).collect()
}

/// How many threads work.
pub(crate) fn count() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    1
}
