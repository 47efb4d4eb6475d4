//! The wallet's own settings of logs.

use quotapass_log::{CosignerPublicKey, LogId, LogName, NotAnOrigin, Trust, TrustError};
use quotapass_protocol::{LogIdentity, Policy, note::NoteError};
use quotapass_text::EndpointUrl;
use serde::{Deserialize, Serialize};

/// Errors of the settings of logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogSettingsError {
    /// The origin is not one.
    #[error(transparent)]
    Origin(#[from] NotAnOrigin),
    /// The root key is not a public key.
    #[error("the root key of the log `{origin}` is not a public key of the form NAME+HASH+KEY: {error}")]
    RootKey {
        /// The origin.
        origin: String,
        /// What is wrong.
        error: NoteError,
    },
    /// A witness is not a public key.
    #[error("`{witness}` is not the public key of a witness, of the form NAME+HASH+KEY")]
    Witness {
        /// The text.
        witness: String,
    },
    /// The witnesses protect no reader.
    #[error("the log `{origin}`: {error}")]
    Trust {
        /// The origin.
        origin: String,
        /// What is wrong.
        error: TrustError,
    },
    /// No server is named.
    #[error("the log `{0}` has no server; name the address of a relay that serves it")]
    NoServer(String),
    /// A log is named twice.
    #[error("the log `{0}` is named twice; keep one")]
    Twice(String),
    /// The policy enforces a list of a log that the settings do not name.
    ///
    /// The attack: a relay announces a list of a log of its own, in which only it decides who is listed, to learn who falls
    /// silent. The log's key must come with the address of the room.
    #[error(
        "`{scope}` enforces a list of the log {log}, which your settings do not name ({}); name its origin, root key, \
         servers and witnesses as the address of the room gives them, never as a relay answers",
        named(.known)
    )]
    Unnamed {
        /// The scope.
        scope: String,
        /// The log of the policy.
        log: LogIdentity,
        /// The logs of the settings: origin and identity.
        known: Vec<(String, LogIdentity)>,
    },
    /// The settings name a log that no policy of the scope enforces a list of.
    #[error(
        "the settings of `{scope}` name the log `{origin}` with the identity {log}, and its policy enforces no list of it; \
         compare origin and root key with the address of the room"
    )]
    NotEnforced {
        /// The scope.
        scope: String,
        /// The origin.
        origin: String,
        /// The log of the settings.
        log: LogIdentity,
    },
}

fn named(known: &[(String, LogIdentity)]) -> String {
    match known {
        [] => "they name no log".into(),
        known => {
            let known: Vec<_> = known.iter().map(|(origin, log)| format!("`{origin}` is {log}")).collect();
            known.join(", ")
        }
    }
}

/// What a wallet knows of a log from its own settings or from the address of a room: the name and the root key, where it is
/// served, and which witnesses the wallet trusts to have seen the same log as all others.
///
/// Nothing of this comes from `/v1/policy`. The relay that answers there may be the log's operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    trust: Trust,
    required: usize,
    servers: Vec<EndpointUrl>,
}

impl LogSettings {
    /// Creates the settings of a log that is used only if at least `required` of the witnesses cosigned it. The servers
    /// are addresses of relays, in the order in which they are asked.
    ///
    /// # Errors
    /// [`LogSettingsError`].
    pub fn new(
        name: LogName,
        servers: Vec<EndpointUrl>,
        witnesses: Vec<CosignerPublicKey>,
        required: usize,
    ) -> Result<Self, LogSettingsError> {
        let origin = name.origin.to_string();
        if servers.is_empty() {
            return Err(LogSettingsError::NoServer(origin));
        }
        let trust = Trust::new(name, witnesses, required).map_err(|error| LogSettingsError::Trust { origin, error })?;
        Ok(Self { trust, required, servers })
    }

    /// The log.
    pub fn name(&self) -> &LogName {
        self.trust.name()
    }

    /// The log's identity.
    pub fn id(&self) -> LogId {
        self.name().id()
    }

    /// The log's identity, as policies state it.
    pub fn identity(&self) -> LogIdentity {
        LogIdentity(*self.id().as_bytes())
    }

    /// Addresses of relays that serve the log.
    pub fn servers(&self) -> &[EndpointUrl] {
        &self.servers
    }

    /// The witnesses.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }
}

/// The text form of [`LogSettings`], for settings files and addresses of rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedLog {
    /// The origin, for example `relay.example/moderation`.
    pub origin: String,
    /// The root key, as `NAME+HASH+KEY`.
    pub root_key: String,
    /// Addresses of relays that serve the log.
    pub servers: Vec<String>,
    /// Public keys of witnesses, each as `NAME+HASH+KEY`.
    pub witnesses: Vec<String>,
    /// Number of these witnesses that must have cosigned.
    #[serde(default = "one")]
    pub cosignatures: usize,
}

fn one() -> usize {
    1
}

impl TryFrom<&StatedLog> for LogSettings {
    type Error = LogSettingsError;

    fn try_from(stated: &StatedLog) -> Result<Self, LogSettingsError> {
        let root_key = stated.root_key.parse();
        let root_key = root_key.map_err(|error| LogSettingsError::RootKey { origin: stated.origin.clone(), error })?;
        let witness = |text: &String| text.parse().map_err(|_| LogSettingsError::Witness { witness: text.clone() });
        let witnesses = stated.witnesses.iter().map(witness).collect::<Result<_, _>>()?;
        let servers = stated.servers.iter().map(|server| server.as_str().into()).collect();
        Self::new(LogName { origin: stated.origin.parse()?, root_key }, servers, witnesses, stated.cosignatures)
    }
}

impl From<&LogSettings> for StatedLog {
    fn from(settings: &LogSettings) -> Self {
        Self {
            origin: settings.name().origin.to_string(),
            root_key: settings.name().root_key.to_string(),
            servers: settings.servers.iter().map(|server| server.expose().to_owned()).collect(),
            witnesses: settings.trust.witnesses().iter().map(ToString::to_string).collect(),
            cosignatures: settings.required,
        }
    }
}

/// Returns the settings of each log that a policy enforces a list of, with the most entries of the list, in the policy's
/// order.
///
/// # Errors
/// [`LogSettingsError::Unnamed`] if the settings lack a log.
pub fn enforced<'a>(
    policy: &Policy,
    settings: &'a [LogSettings],
) -> Result<Vec<(&'a LogSettings, usize)>, LogSettingsError> {
    let of = |log: LogIdentity| settings.iter().find(|settings| settings.identity() == log);
    let lists = policy.lists().iter().map(|list| match of(list.log) {
        Some(settings) => Ok((settings, usize::from(list.limit))),
        None => Err(LogSettingsError::Unnamed {
            scope: policy.name.clone(),
            log: list.log,
            known: settings.iter().map(|known| (known.name().origin.to_string(), known.identity())).collect(),
        }),
    });
    lists.collect()
}

/// Checks the settings of a scope's logs against all its policies, those in force and those announced: each log is named
/// once, and at least one policy enforces a list of it.
///
/// # Errors
/// [`LogSettingsError::Twice`], [`LogSettingsError::NotEnforced`].
pub fn check_named<'a>(
    scope: &str,
    policies: impl Iterator<Item = &'a Policy> + Clone,
    settings: &[LogSettings],
) -> Result<(), LogSettingsError> {
    for (place, log) in settings.iter().enumerate() {
        let origin = || log.name().origin.to_string();
        if settings[..place].iter().any(|other| other.id() == log.id()) {
            return Err(LogSettingsError::Twice(origin()));
        }
        let mut lists = policies.clone().flat_map(|policy| policy.lists());
        if lists.all(|list| list.log != log.identity()) {
            return Err(LogSettingsError::NotEnforced { scope: scope.into(), origin: origin(), log: log.identity() });
        }
    }
    Ok(())
}
