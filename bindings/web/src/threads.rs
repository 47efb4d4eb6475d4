//! Threads: workers that run an instance of the module each, over one memory.
//!
//! rayon hands out a thread for each of them, as in
//! [wasm-bindgen-rayon](https://github.com/RReverser/wasm-bindgen-rayon). The workers are the package's own, started by
//! the page, so that a bundler has one worker to find and the page learns when one of them fails.

use std::sync::{Condvar, Mutex, PoisonError};

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::error::Failure;

/// Threads that no worker runs yet.
static WAITING: Mutex<Vec<ThreadBuilder>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();

/// The compiled module, which the other workers instantiate over the memory of this one.
#[wasm_bindgen]
pub fn module() -> JsValue {
    wasm_bindgen::module()
}

/// Starts as many threads as there are workers in [`run_thread`], and waits for them. All that is proved and verified
/// from then on is shared between them.
///
/// # Errors
/// `start_failed` if threads were started before.
#[wasm_bindgen(js_name = startThreads)]
pub fn start_threads(count: usize) -> Result<(), Failure> {
    let pool = ThreadPoolBuilder::new().num_threads(count).spawn_handler(|thread| {
        WAITING.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        ARRIVED.notify_one();
        Ok(())
    });
    Ok(pool.build_global()?)
}

/// Becomes one of the threads, and never returns.
#[wasm_bindgen(js_name = runThread)]
pub fn run_thread() {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let arrived = ARRIVED.wait_while(waiting, |waiting| waiting.is_empty());
    let thread = arrived.unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(thread) = thread {
        thread.run();
    }
}
