//! Threads: workers that each run an instance of the module, over one memory.
//!
//! rayon provides a thread for each worker, as in
//! [wasm-bindgen-rayon](https://github.com/RReverser/wasm-bindgen-rayon). The page starts the workers from the
//! package's own script, so that a bundler must find only one worker, and the page is notified when one fails.

use std::sync::{Condvar, Mutex, PoisonError};

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::error::Failure;

/// Threads that wait for a worker.
static WAITING: Mutex<Vec<ThreadBuilder>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();

/// The compiled module, which the other workers instantiate over the memory of this one.
#[wasm_bindgen]
pub fn module() -> JsValue {
    wasm_bindgen::module()
}

/// Starts `count` threads, one for each worker in [`run_thread`], and waits for them. They share the work of all later
/// proofs and verifications.
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

/// Makes the calling worker one of the threads; never returns.
#[wasm_bindgen(js_name = runThread)]
pub fn run_thread() {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let arrived = ARRIVED.wait_while(waiting, |waiting| waiting.is_empty());
    let thread = arrived.unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(thread) = thread {
        thread.run();
    }
}
