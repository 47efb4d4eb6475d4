//! Ctrl-C while a transaction is on its way.

use core::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
};
use std::{
    process,
    sync::{Once, mpsc},
    thread,
};

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
        let (installed, is_installed) = mpsc::channel();
        thread::spawn(move || wait(&installed));
        // An error means that there is no handler.
        let _ = is_installed.recv();
    });
}

/// Ends this for a transaction whose outcome is known.
pub(super) fn is_over(transaction: TxHash) {
    SENT.lock().retain(|sent| *sent != transaction);
}

/// Says when the handler is installed. Waits for Ctrl-C, and ends the process.
fn wait(installed: &mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without a handler, Ctrl-C ends the process silently. The data folder has the transaction in any case.
    let Ok(runtime) = runtime else { return };
    let waited = runtime.block_on(async {
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        // The first poll installs the handler.
        let first = poll_fn(|context| Poll::Ready(interrupt.as_mut().poll(context))).await;
        // The other thread waits for this.
        let _ = installed.send(());
        match first {
            Poll::Ready(waited) => waited,
            Poll::Pending => interrupt.await,
        }
    });
    if waited.is_err() {
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
