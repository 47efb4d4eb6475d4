//! Keys, and the provers that have them.

use std::sync::{Arc, RwLock};

use quotapass::client::{KeyFileHash, NotAHash, trusted_key};
use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    membership::Levels,
    post::Post,
    prover::{Tables, development_setup},
    verifier,
};

use crate::{
    CancelToken, QuotapassError, Verifier,
    progress::{Progress, Step},
    read, write,
};

/// The files of proving keys, as `quotapass keys export-app` writes them from what a ceremony ended with.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct KeyFiles {
    /// The key of posts.
    pub post: Vec<u8>,
    /// The key of badges, if badges are made or verified.
    #[uniffi(default = None)]
    pub badge: Option<Vec<u8>>,
}

/// Makes development keys: always the same ones, and **insecure**, for their seed is public. They serve tests and test
/// networks, never a deposit of value. Takes some seconds.
///
/// # Errors
/// `Cancelled`.
#[uniffi::export(default(token = None))]
pub fn development_keys(token: Option<Arc<CancelToken>>) -> Result<KeyFiles, QuotapassError> {
    fn make<C: Circuit>(progress: &Progress) -> Result<Vec<u8>, QuotapassError> {
        progress.begin(Step::MakeKey)?;
        Ok(development_setup::<C>(Levels::STANDARD).map_err(QuotapassError::key)?.to_bytes())
    }
    let progress = Progress::of(token);
    Ok(KeyFiles { post: make::<Post>(&progress)?, badge: Some(make::<Badge>(&progress)?) })
}

/// Proving keys, checked and ready.
#[derive(uniffi::Object)]
pub struct Prover {
    post: RwLock<quotapass_circuits::prover::Prover<Post>>,
    badge: Option<quotapass_circuits::prover::Prover<Badge>>,
    verifier: Arc<Verifier>,
}

#[uniffi::export]
impl Prover {
    /// Reads keys. `trusted` lists what they are trusted by: the SHA-256 of each file, 64 hexadecimal digits, as
    /// `quotapass keys export-app` prints it. Only keys of ceremonies are then accepted. If it is empty, the **insecure**
    /// development keys are accepted, and no others; `is_development` then says so.
    ///
    /// # Errors
    /// `Key` if a key is damaged, of another circuit, or not trusted; `BadInput` if a hash is none; `Cancelled`.
    #[uniffi::constructor(default(token = None))]
    pub fn load(keys: KeyFiles, trusted: Vec<String>, token: Option<Arc<CancelToken>>) -> Result<Self, QuotapassError> {
        let progress = Progress::of(token);
        let trusted = trusted.iter().map(|text| text.parse()).collect::<Result<Vec<KeyFileHash>, NotAHash>>();
        let trusted = trusted.map_err(|error| QuotapassError::bad_input("trusted", error))?;
        let (post, post_verifier) = load::<Post>(&keys.post, &trusted, &progress)?;
        let badge = keys.badge.map(|file| load::<Badge>(&file, &trusted, &progress)).transpose()?;
        let (badge, badge_verifier) = badge.unzip();
        let verifier = Arc::new(Verifier::of(post_verifier, badge_verifier));
        Ok(Self { post: RwLock::new(post), badge, verifier })
    }

    /// Whether the keys are development keys, with which anybody can forge proofs.
    pub fn is_development(&self) -> bool {
        self.verifier.is_development()
    }

    /// What checks the proofs made with these keys.
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier)
    }

    /// Builds the tables of the key of posts, uses them from now on, and returns their file. Proofs then take three tenths
    /// fewer instructions. It takes a second or a few, and some 25 MiB of memory and of disk: worth while for whoever
    /// posts again and again. Provers that were prepared before go on without.
    ///
    /// # Errors
    /// `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn build_tables(&self, token: Option<Arc<CancelToken>>) -> Result<Vec<u8>, QuotapassError> {
        Progress::of(token).begin(Step::BuildTables)?;
        let prover = self.post();
        let tables = Tables::build(prover.key());
        let file = tables.to_bytes();
        *write(&self.post) = prover.with_tables(tables)?;
        Ok(file)
    }

    /// Uses tables that `build_tables` returned for the same key. Keep their file where the app keeps its own code: who
    /// can replace it decides what proofs are made of.
    ///
    /// # Errors
    /// `Key` if they are damaged, or another key's; build them anew then.
    pub fn use_tables(&self, file: Vec<u8>) -> Result<(), QuotapassError> {
        let prover = self.post();
        let tables = Tables::from_bytes(prover.key(), &file)?;
        *write(&self.post) = prover.with_tables(tables)?;
        Ok(())
    }
}

impl Prover {
    pub(crate) fn post(&self) -> quotapass_circuits::prover::Prover<Post> {
        read(&self.post).clone()
    }

    pub(crate) fn badge(&self) -> Result<&quotapass_circuits::prover::Prover<Badge>, QuotapassError> {
        let missing = "the prover was loaded without the key of badges; load it with one";
        self.badge.as_ref().ok_or_else(|| QuotapassError::key(missing))
    }
}

type Loaded<C> = (quotapass_circuits::prover::Prover<C>, verifier::Verifier<C>);

/// The prover of a key that is trusted, and its verifier.
fn load<C: Circuit>(file: &[u8], trusted: &[KeyFileHash], progress: &Progress) -> Result<Loaded<C>, QuotapassError> {
    progress.begin(Step::LoadKey)?;
    let prover = quotapass_circuits::prover::Prover::<C>::new(trusted_key::<C>(file, trusted)?)?;
    let verifier = prover.verifier().map_err(QuotapassError::key)?;
    Ok((prover, verifier))
}
