//! Ctrl-C while a transaction is on its way.

use std::{process, sync::Once, thread};

use alloy_primitives::TxHash;
use parking_lot::Mutex;

use super::output::note;

/// Exit code of a process that SIGINT ended, by the convention of shells.
const INTERRUPTED: i32 = 130;

/// Transactions of this process that may be mined after its end.
static SENT: Mutex<Vec<TxHash>> = Mutex::new(Vec::new());

/// Lets Ctrl-C name a transaction from now on.
pub(super) fn may_be_mined(transaction: TxHash) {
    static HANDLER: Once = Once::new();
    SENT.lock().push(transaction);
    HANDLER.call_once(|| {
        thread::spawn(wait);
    });
}

/// Ends this for a transaction whose outcome is known.
pub(super) fn is_over(transaction: TxHash) {
    SENT.lock().retain(|sent| *sent != transaction);
}

/// Waits for Ctrl-C, and ends the process.
fn wait() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without a handler, Ctrl-C ends the process silently. The data folder has the transaction in any case.
    let Ok(runtime) = runtime else { return };
    if runtime.block_on(async { tokio::signal::ctrl_c().await }).is_err() {
        return;
    }
    let sent: Vec<_> = SENT.lock().iter().map(ToString::to_string).collect();
    if !sent.is_empty() {
        note(format!(
            "\nInterrupted. Transaction {} may still be mined. Run the same command again to wait for it; `quotapass \
             status` shows it.",
            sent.join(", or its replacement ")
        ));
    }
    process::exit(INTERRUPTED);
}
