//! Notifications to the service manager that started the relay, and to its watchdog.
//!
//! The protocol is `sd_notify(3)`, which systemd and others support. Without the environment variable `NOTIFY_SOCKET`
//! nothing is sent.

use core::time::Duration;

use quotapass_relay::{Engine, Progress};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

/// Notifies that the relay listens, or that a reload is over. The text is for `systemctl status`.
pub(super) fn ready(status: &str) {
    send(Told::Ready(status));
}

/// Notifies that the configuration is being reloaded.
pub(super) fn reloading() {
    send(Told::Reloading);
}

/// Notifies that the relay is stopping.
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
        // The time lets a manager that reloads by signal distinguish this reload from an earlier one.
        Told::Reloading => NotifyState::monotonic_usec_now().and_then(|time| notify(&[NotifyState::Reloading, time])),
        Told::Stopping => notify(&[NotifyState::Stopping]),
        Told::Alive => notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot notify the service manager; check NOTIFY_SOCKET");
    }
}

#[cfg(not(unix))]
fn send(_: Told<'_>) {}

/// Returns the watchdog timeout of the service manager, or `None` without a watchdog.
fn patience() -> Option<Duration> {
    #[cfg(unix)]
    return sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    return None;
}

/// Sends keep-alive notifications to the watchdog of the service manager, as long as the engine makes progress.
///
/// The watchdog detects a deadlock, or a disk that never responds: such an engine has posts waiting and finishes no
/// batch. The notifications then stop, and the service manager restarts the relay. An idle engine counts as healthy.
pub(super) fn watch(engine: Engine) -> Option<JoinHandle<()>> {
    let patience = patience()?;
    Some(tokio::spawn(async move {
        let mut ticks = interval((patience / 3).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<Progress> = None;
        loop {
            ticks.tick().await;
            let engine = engine.clone();
            // This blocks: it takes the queue's lock, which a stuck engine may hold forever, and the manager may be
            // slow to receive.
            let looked = spawn_blocking(move || {
                let progress = engine.progress();
                if before.is_some_and(|before| progress.is_stuck_since(&before)) {
                    tracing::error!(open = progress.open, "posts are waiting, and no batch finishes");
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
