//! The lists that a scope enforces, read from the logs that the settings name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use quotapass_circuits::{
    identity::IdentitySecret,
    moderation::{Entry, record::Record},
    prover::RecordProvers,
    registry_id::RegistryId,
};
use quotapass_log::Source;
use quotapass_protocol::{LogIdentity, UnixSeconds};
use quotapass_relay::{LogState, Relay};
use quotapass_wallet::{
    BoundPolicy,
    keys::KeyStore,
    moderation::{CurrentList, ListError, LogServers, MemoryFolder, RecordProgress, ScopeLists, needs_large_key},
};

use super::{
    context::Context,
    exit_code::ExitKind,
    failure::{Failure, usage},
    keys::prover,
    output::note,
    text::plain,
};

/// The readers of a scope's lists, and the servers of their logs.
pub(super) struct Lists {
    lists: ScopeLists,
    servers: Vec<LogServers>,
    memory: MemoryFolder,
}

impl Lists {
    /// Opens the lists that a policy enforces. The settings must name each log: what a relay says of its logs is not used.
    /// A scope without lists needs no settings.
    pub(super) fn open(context: &Context, policy: &BoundPolicy) -> Result<Self> {
        let memory = MemoryFolder::new(&context.config().data_folder()?.join("logs"));
        let settings = context.config().logs(&policy.values().name);
        let lists = ScopeLists::open(policy, settings, &memory).map_err(in_words)?;
        let options = context.relay_options()?;
        let servers = lists
            .readers()
            .iter()
            .map(|reader| LogServers::new(reader.settings(), &options))
            .collect::<Result<_, _>>()?;
        Ok(Self { lists, servers, memory })
    }

    /// Reads the newest version of each list.
    pub(super) fn read(&mut self, now: UnixSeconds) -> Result<Vec<CurrentList>> {
        let sources: Vec<_> = self.servers.iter().map(|servers| servers as &dyn Source).collect();
        self.lists.refresh(&sources, &self.memory, now).map_err(in_words)
    }

    /// Refuses a member who is struck, with the reasons.
    pub(super) fn test(&self, secret: &IdentitySecret) -> Result<()> {
        let sources: Vec<_> = self.servers.iter().map(|servers| servers as &dyn Source).collect();
        self.lists.test(secret, &sources).map_err(in_words)
    }

    /// Returns the member's own listed posts, each with the server that takes an appeal.
    pub(super) fn posts_of(&self, secret: &IdentitySecret) -> Vec<(Entry, String)> {
        let of = |reader: &quotapass_wallet::moderation::ListReader| {
            let server = reader.settings().servers().first().map(|server| server.expose().to_owned());
            let posts = reader.posts_of(secret);
            posts.into_iter().map(move |post| (post, server.clone().unwrap_or_default())).collect::<Vec<_>>()
        };
        self.lists.readers().iter().flat_map(of).collect()
    }
}

/// How often logs are read if one of them moves on between two scopes.
const ATTEMPTS: u32 = 3;

/// Reads the lists of scopes, and makes them those in force at a relay.
pub(super) fn publish(
    context: &Context,
    registry: RegistryId,
    relay: &Relay,
    scopes: &BTreeSet<String>,
    now: UnixSeconds,
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut states: BTreeMap<LogIdentity, LogState> = BTreeMap::new();
        let mut is_steady = true;
        for scope in scopes {
            let bound = context.bound(registry, scope, now)?;
            for CurrentList { reference, entries } in Lists::open(context, &bound)?.read(now)? {
                let (log, size, root) =
                    (LogIdentity(*reference.log.as_bytes()), reference.size, *reference.root.as_bytes());
                let state = LogState { log, size, root, lists: Vec::new(), at: now };
                let state = states.entry(log).or_insert(state);
                is_steady &= state.size == size;
                state.lists.push((registry, scope.clone(), entries));
            }
        }
        if is_steady {
            for state in states.into_values() {
                relay.lists().publish(state);
            }
            return Ok(());
        }
    }
    bail!("a log of the scopes moves on faster than it is read; try again later")
}

/// Returns the provers of records, and the large one only if a list needs it.
pub(super) fn record_provers(store: &KeyStore, lists: &[CurrentList]) -> Result<RecordProvers> {
    let large = if needs_large_key(lists) { Some(prover::<Record<128>>(store)?) } else { None };
    Ok(RecordProvers { small: prover::<Record<16>>(store)?, large })
}

/// Says which list is being prepared, if it takes a while.
pub(super) fn show(progress: RecordProgress) {
    let RecordProgress { list, lists, entries } = progress;
    if entries > 64 {
        note(format!("Preparing records for {entries} listed posts (list {} of {lists}).", list + 1));
    }
}

/// Gives an error its exit code.
fn in_words(error: ListError) -> anyhow::Error {
    match error {
        ListError::Settings(error) => usage(format!("{error}. Write them as [[scopes.logs]]")).into(),
        ListError::Refused { .. } => Failure::new(ExitKind::Endpoint, plain(&error.to_string())).into(),
        ListError::Struck(struck) => {
            let text = format!("{}. `quotapass author appeal` makes the proof", plain(&struck.to_string()));
            Failure::new(ExitKind::Struck, text).into()
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use quotapass_log::moderation::{Ground, GroundKind, Reason, Until};
    use quotapass_wallet::moderation::{OwnStrike, StrikeDetails, Struck};

    use super::*;

    /// Attack: the operator of a log writes on the terminal of a struck member, with escape sequences in the statement of
    /// reasons.
    #[test]
    fn a_statement_of_reasons_cannot_write_on_the_screen() {
        let details = StrikeDetails {
            index: 0,
            id: "01970000-0000-7000-8000-000000000000".parse().unwrap(),
            at: UnixSeconds(0),
            scope: "room".into(),
            reason: Reason::Spam,
            ground: Ground { kind: GroundKind::Incompatible, reference: "rule\n3".into() },
            until: Until::Never,
            text: Some("\u{1b}[2J your deposit is free".into()),
            automated_detection: false,
            automated_decision: false,
        };
        let post = Entry::NEUTRAL;
        let (origin, log) = ("relay.example".into(), LogIdentity([0; 32]));
        let strike = OwnStrike { origin, log, servers: Vec::new(), post, details: Some(details) };
        let said = in_words(Struck { strikes: vec![strike] }.into()).to_string();
        assert!(said.contains("rule\\n3") && said.contains("\\u{1b}[2J") && !said.contains('\u{1b}'), "{said}");
    }
}
