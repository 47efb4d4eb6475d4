//! Keys, and the provers that have them.

use std::sync::{Arc, RwLock};

use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    field::FieldError,
    membership::Levels,
    post::Post,
    prover::{CeremonyHash, KeyOrigin, ProvingKey, Tables, development_setup, pin},
    verifier,
};

use crate::{
    CancelToken, QuotapassError, Verifier,
    progress::{Progress, Step},
    read, write,
};

/// What `.zkey` files begin with.
const ZKEY: &[u8] = b"zkey";

/// The files of proving keys: quotapass's own, or the `.zkey` files that ended their ceremonies.
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
    /// Reads keys. `trusted` lists what they are trusted by, 64 hexadecimal digits each: the SHA-256 of a ceremony's
    /// `.zkey` file, or the SHA-256 that a quotapass key file ends with. If it is empty, the **insecure** development keys
    /// are accepted, and no others; `is_development` then says so.
    ///
    /// # Errors
    /// `Key` if a key is damaged, of another circuit, or not trusted; `BadInput` if a hash is none; `Cancelled`.
    #[uniffi::constructor(default(token = None))]
    pub fn load(keys: KeyFiles, trusted: Vec<String>, token: Option<Arc<CancelToken>>) -> Result<Self, QuotapassError> {
        let progress = Progress::of(token);
        let trusted = trusted.iter().map(|text| text.parse()).collect::<Result<Vec<CeremonyHash>, FieldError>>();
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

    /// Builds the tables of the key of posts, uses them from now on, and returns their file. Proofs then take a third of
    /// the time or less. It takes a second or a few, and some 25 MiB of memory and of disk: worth while for whoever posts
    /// again and again. Provers that were prepared before go on without.
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

/// Reads a key that is trusted: as the key store of the command line does, and quotapass's own key files by the SHA-256
/// that they end with besides, for the hash of a ceremony that such a file states is only its own word.
fn load<C: Circuit>(file: &[u8], trusted: &[CeremonyHash], progress: &Progress) -> Result<Loaded<C>, QuotapassError> {
    progress.begin(Step::LoadKey)?;
    let (key, hash) = if file.starts_with(ZKEY) {
        let key = ProvingKey::from_zkey::<C>(Levels::STANDARD, file).map_err(QuotapassError::key)?;
        let KeyOrigin::Ceremony(hash) = key.origin() else {
            return Err(QuotapassError::key("nobody has contributed to this key; take one that a ceremony has made"));
        };
        (key, hash)
    } else {
        let key = ProvingKey::from_bytes::<C>(Levels::STANDARD, file).map_err(QuotapassError::key)?;
        let hash = CeremonyHash(key.fingerprint());
        (key, hash)
    };
    let is_trusted = match trusted {
        [] => hash.0 == pin(C::KIND).development_key,
        trusted => trusted.contains(&hash) && !key.verifying_key().is_development(),
    };
    if !is_trusted {
        let list = match trusted {
            [] => "the list of trusted hashes is empty, so that the pinned development key alone would be used".into(),
            trusted => format!("it is not among the {} trusted hashes, or a development key", trusted.len()),
        };
        let reason =
            format!("the key of the circuit `{}` has the SHA-256 {hash}: {list}; check where it comes from", C::KIND);
        return Err(QuotapassError::key(reason));
    }
    let prover = quotapass_circuits::prover::Prover::<C>::new(key)?;
    let verifier = prover.verifier().map_err(QuotapassError::key)?;
    Ok((prover, verifier))
}
