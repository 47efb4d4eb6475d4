//! `[badges]`.

use serde::Deserialize;

/// `[badges]`: what is asked of whoever shows one.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BadgesSection {
    pub(super) ask_for_chat_key: bool,
}
