//! Following a moderation log from the outside, with a copy in the data folder.

use anyhow::{Context as _, Result};
use quotapass_log::{
    Checkpoint, EmbeddedError, EmbeddedStore, LogStore, Mirror, Refusal, Rules as _, SignedLeaf, SourceError, Trust,
    moderation::{Entry, State},
};

use super::client::RelayClient;
use crate::{context::Context, exit_code::ExitKind, failure::Failure, time::now};

/// The most entries that are read at once.
const AT_ONCE: u64 = 4_096;

/// A log that was followed up to its newest checkpoint: every entry was applied to the rules, and what the log states is
/// what follows from them.
pub(super) struct Followed {
    mirror: Mirror<EmbeddedStore, State>,
    pub(super) checkpoint: Checkpoint,
}

impl Followed {
    /// What the entries mean.
    pub(super) fn state(&self) -> &State {
        self.mirror.rules()
    }

    /// Calls a function with each entry and its place.
    pub(super) fn each(&self, mut visit: impl FnMut(u64, &Entry) -> Result<()>) -> Result<()> {
        let size = self.mirror.rules().size();
        let mut begin = 0;
        while begin < size {
            let entries = self.mirror.store().entries(begin..size.min(begin + AT_ONCE))?;
            for bytes in &entries {
                visit(begin, &Entry::from_json(SignedLeaf::read(bytes)?.json())?)?;
                begin += 1;
            }
        }
        Ok(())
    }
}

/// Follows a log; `None` if it has no checkpoint yet. The copy stays in the data folder, so that the next call fetches only
/// new entries, and a log that was changed, cut or forked since is refused.
pub(super) fn follow(context: &Context, relay: &RelayClient, trust: Trust) -> Result<Option<Followed>> {
    let name = trust.name().clone();
    let path = context.config().data_folder()?.join("logs").join(name.id().to_string());
    let store = match path.exists() {
        true => EmbeddedStore::open(&path, &name.origin),
        false => EmbeddedStore::create(&path, &name.origin),
    };
    let store = store.map_err(|error| with_advice(error, &path))?;
    let unfit = |refusal: &Refusal| Failure::new(ExitKind::Endpoint, format!("{} at {}", refusal.name(), relay.name()));
    let mut mirror = Mirror::open(trust, store, State::new(name))?;
    match mirror.advance(relay, now()?) {
        Ok(checkpoint) => Ok(Some(Followed { mirror, checkpoint })),
        Err(Refusal::Source(SourceError::NotFound(_))) if mirror.seen().is_none() => Ok(None),
        Err(refusal) => {
            let failure = unfit(&refusal);
            Err(refusal).context(failure)
        }
    }
}

fn with_advice(error: EmbeddedError, path: &std::path::Path) -> anyhow::Error {
    anyhow::Error::new(error).context(format!(
        "cannot use the copy of the log in {}; another `quotapass moderate` may be running",
        path.display()
    ))
}
