//! What a relay tells the service manager that started it, and its watchdog.
//!
//! The protocol is `sd_notify(3)`, which systemd and others speak. Without the variable `NOTIFY_SOCKET` nothing is told.

use core::time::Duration;

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use crate::relay::{Engine, Progress};

/// Tells that the relay listens, or that a reload is over. The text is for `systemctl status`.
pub(super) fn ready(status: &str) {
    send(Told::Ready(status));
}

/// Tells that the configuration is being read again.
pub(super) fn reloading() {
    send(Told::Reloading);
}

/// Tells that the relay is about to end.
pub(super) fn stopping() {
    send(Told::Stopping);
}

enum Told<'a> {
    Ready(&'a str),
    Reloading,
    Stopping,
    Alive,
}

#[cfg(unix)]
fn send(told: Told<'_>) {
    use sd_notify::{NotifyState, notify};
    let sent = match told {
        Told::Ready(status) => notify(&[NotifyState::Ready, NotifyState::Status(status)]),
        // A manager that reloads by signal tells this reload from an earlier one by its time.
        Told::Reloading => NotifyState::monotonic_usec_now().and_then(|time| notify(&[NotifyState::Reloading, time])),
        Told::Stopping => notify(&[NotifyState::Stopping]),
        Told::Alive => notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager cannot be told how the relay fares; see NOTIFY_SOCKET");
    }
}

#[cfg(not(unix))]
fn send(_: Told<'_>) {}

/// The time within which the service manager wants a sign of life; none if it does not watch.
fn patience() -> Option<Duration> {
    #[cfg(unix)]
    return sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    return None;
}

/// Gives signs of life to a service manager that wants them, as long as the engine answers.
///
/// A process that lives and answers nobody, because its threads wait for each other or for a disk that never answers, is
/// what a watchdog is for: such an engine has posts waiting and finishes no batch. It then gets no more signs of life from
/// here, and the service manager starts it anew. An engine with nothing to do is well.
pub(super) fn watch(engine: Engine) -> Option<JoinHandle<()>> {
    let patience = patience()?;
    Some(tokio::spawn(async move {
        let mut ticks = interval((patience / 3).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<Progress> = None;
        loop {
            ticks.tick().await;
            let engine = engine.clone();
            // It takes the queue's lock, which an engine that is stuck may hold for good, and a manager may be slow to
            // listen.
            let looked = spawn_blocking(move || {
                let progress = engine.progress();
                if before.is_some_and(|before| progress.is_stuck_since(&before)) {
                    tracing::error!(open = progress.open, "posts wait and no batch is finished");
                } else {
                    send(Told::Alive);
                }
                progress
            });
            let Ok(progress) = looked.await else { return };
            before = Some(progress);
        }
    }))
}
