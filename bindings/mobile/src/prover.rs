//! Proving keys and provers.

use std::sync::{Arc, RwLock};

use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    key_id::{KeyId, NotAKeyId},
    post::Post,
    prover::{Tables, development_setup},
    verifier,
};
use quotapass_wallet::trusted_key;

use crate::{
    CancelToken, QuotapassError, Verifier,
    progress::{Progress, Step},
    read, write,
};

/// The files of proving keys, which `quotapass keys export-app` writes from the result of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct KeyFiles {
    /// The key for posts.
    pub post: Vec<u8>,
    /// The key for badges, needed only to make or verify badges.
    #[uniffi(default = None)]
    pub badge: Option<Vec<u8>>,
}

/// Makes development keys. They are always the same and **insecure**, because their seed is public. Use them only for
/// tests and test networks, never with a deposit of value. This takes some seconds.
///
/// # Errors
/// `Cancelled`.
#[uniffi::export(default(token = None))]
pub fn development_keys(token: Option<Arc<CancelToken>>) -> Result<KeyFiles, QuotapassError> {
    fn make<C: Circuit>(progress: &Progress) -> Result<Vec<u8>, QuotapassError> {
        progress.begin(Step::MakeKey)?;
        Ok(development_setup(C::STANDARD).map_err(QuotapassError::key)?.to_bytes())
    }
    let progress = Progress::of(token);
    Ok(KeyFiles { post: make::<Post>(&progress)?, badge: Some(make::<Badge>(&progress)?) })
}

/// Verified proving keys.
#[derive(uniffi::Object)]
pub struct Prover {
    post: RwLock<quotapass_circuits::prover::Prover<Post>>,
    badge: Option<quotapass_circuits::prover::Prover<Badge>>,
    verifier: Arc<Verifier>,
}

#[uniffi::export]
impl Prover {
    /// Reads keys. `trusted` lists the id of each trusted key, 64 hexadecimal digits, as `quotapass keys export-app`
    /// prints it. Then only ceremony keys are accepted. If the list is empty, only the **insecure** development keys are
    /// accepted; `is_development` then returns true.
    ///
    /// # Errors
    /// `Key` if a key is damaged, of another circuit, or not trusted; `BadInput` if an id is not valid; `Cancelled`.
    #[uniffi::constructor(default(token = None))]
    pub fn load(keys: KeyFiles, trusted: Vec<String>, token: Option<Arc<CancelToken>>) -> Result<Self, QuotapassError> {
        let progress = Progress::of(token);
        let trusted = trusted.iter().map(|text| text.parse()).collect::<Result<Vec<KeyId>, NotAKeyId>>();
        let trusted = trusted.map_err(|error| QuotapassError::bad_input("trusted", error))?;
        let (post, post_verifier) = load::<Post>(&keys.post, &trusted, &progress)?;
        let badge = keys.badge.map(|file| load::<Badge>(&file, &trusted, &progress)).transpose()?;
        let (badge, badge_verifier) = badge.unzip();
        let verifier = Arc::new(Verifier::of(post_verifier, badge_verifier));
        Ok(Self { post: RwLock::new(post), badge, verifier })
    }

    /// Whether the keys are development keys, with which anyone can forge proofs.
    pub fn is_development(&self) -> bool {
        self.verifier.is_development()
    }

    /// The verifier of proofs made with these keys.
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier)
    }

    /// Builds the tables of the key for posts, uses them from now on, and returns their file. Proofs then take three
    /// tenths fewer instructions. Building takes a few seconds and about 25 MiB of memory and of disk, so it is useful
    /// for an app that posts many times. Provers that were prepared before do not use the tables.
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

    /// Uses tables that `build_tables` returned for the same key. Store their file with the same protection as the
    /// app's code: an attacker who can replace it controls the content of proofs.
    ///
    /// # Errors
    /// `Key` if they are damaged or belong to another key; build them again then.
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
        let missing = "the prover was loaded without a badge key; load it with one";
        self.badge.as_ref().ok_or_else(|| QuotapassError::key(missing))
    }
}

type Loaded<C> = (quotapass_circuits::prover::Prover<C>, verifier::Verifier<C>);

/// Loads the prover of a trusted key, and its verifier.
fn load<C: Circuit>(file: &[u8], trusted: &[KeyId], progress: &Progress) -> Result<Loaded<C>, QuotapassError> {
    progress.begin(Step::LoadKey)?;
    let prover = quotapass_circuits::prover::Prover::<C>::new(trusted_key::<C>(file, trusted)?)?;
    let verifier = prover.verifier().map_err(QuotapassError::key)?;
    Ok((prover, verifier))
}
