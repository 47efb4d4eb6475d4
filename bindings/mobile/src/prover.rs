//! Proving keys and provers.

use std::sync::{Arc, RwLock};

use quotapass_circuits::{
    badge::Badge,
    constraints,
    key_id::{KeyId, NotAKeyId},
    moderation::{author::Author, record::Record},
    post::Post,
    prover::{RecordProvers, Tables, development_setup},
    verifier,
};
use quotapass_wallet::{
    moderation::{CurrentList, needs_large_key},
    trusted_key,
};

use crate::{
    CancelToken, QuotapassError, Verifier,
    progress::{Progress, Step},
    read,
    verifier::RecordKeys,
    write,
};

/// The circuits of moderation. Their keys are added to a prover when it needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Circuit {
    /// Deletions, appeals and reports.
    Author,
    /// Posts in a room with lists.
    Record16,
    /// Posts in a room with a list of more than 64 entries. Its key has 9 MB.
    Record128,
}

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
    let progress = Progress::of(token);
    Ok(KeyFiles { post: make::<Post>(&progress)?, badge: Some(make::<Badge>(&progress)?) })
}

/// Makes the development key of a circuit of moderation, **insecure** like those of `development_keys`. That of `Record128`
/// takes several seconds.
///
/// # Errors
/// `Cancelled`.
#[uniffi::export(default(token = None))]
pub fn development_key(circuit: Circuit, token: Option<Arc<CancelToken>>) -> Result<Vec<u8>, QuotapassError> {
    let progress = Progress::of(token);
    match circuit {
        Circuit::Author => make::<Author>(&progress),
        Circuit::Record16 => make::<Record<16>>(&progress),
        Circuit::Record128 => make::<Record<128>>(&progress),
    }
}

fn make<C: constraints::Circuit>(progress: &Progress) -> Result<Vec<u8>, QuotapassError> {
    progress.begin(Step::MakeKey)?;
    Ok(development_setup(C::STANDARD).map_err(QuotapassError::key)?.to_bytes())
}

type KeyedProver<C> = quotapass_circuits::prover::Prover<C>;

/// Verified proving keys.
#[derive(uniffi::Object)]
pub struct Prover {
    post: RwLock<KeyedProver<Post>>,
    badge: Option<KeyedProver<Badge>>,
    author: RwLock<Option<KeyedProver<Author>>>,
    record16: RwLock<Option<KeyedProver<Record<16>>>>,
    record128: RwLock<Option<KeyedProver<Record<128>>>>,
    trusted: Vec<KeyId>,
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
        let (author, record16, record128) = Default::default();
        Ok(Self { post: RwLock::new(post), badge, author, record16, record128, trusted, verifier })
    }

    /// Adds the key of a circuit of moderation, which is trusted as those of `load` are. Nothing happens if it was added
    /// before.
    ///
    /// # Errors
    /// `Key` if it is damaged, of another circuit, or not trusted; `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn add_key(
        &self,
        circuit: Circuit,
        file: Vec<u8>,
        token: Option<Arc<CancelToken>>,
    ) -> Result<(), QuotapassError> {
        if self.has_key(circuit) {
            return Ok(());
        }
        let progress = Progress::of(token);
        match circuit {
            Circuit::Author => *write(&self.author) = Some(load::<Author>(&file, &self.trusted, &progress)?.0),
            Circuit::Record16 => {
                let (prover, verifier) = load::<Record<16>>(&file, &self.trusted, &progress)?;
                self.verifier.add_records(RecordKeys { small: Some(verifier), large: None });
                *write(&self.record16) = Some(prover);
            }
            Circuit::Record128 => {
                let (prover, verifier) = load::<Record<128>>(&file, &self.trusted, &progress)?;
                self.verifier.add_records(RecordKeys { small: None, large: Some(verifier) });
                *write(&self.record128) = Some(prover);
            }
        }
        Ok(())
    }

    /// Whether the key of a circuit of moderation was added.
    pub fn has_key(&self, circuit: Circuit) -> bool {
        match circuit {
            Circuit::Author => read(&self.author).is_some(),
            Circuit::Record16 => read(&self.record16).is_some(),
            Circuit::Record128 => read(&self.record128).is_some(),
        }
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
    pub(crate) fn post(&self) -> KeyedProver<Post> {
        read(&self.post).clone()
    }

    /// The prover of actions.
    pub(crate) fn authors(&self) -> Result<KeyedProver<Author>, QuotapassError> {
        read(&self.author).clone().ok_or_else(|| QuotapassError::key_needed(Circuit::Author))
    }

    /// The provers of the records of lists. The large key is needed only if one of the lists is long.
    pub(crate) fn records(&self, lists: &[CurrentList]) -> Result<RecordProvers, QuotapassError> {
        let (small, large) = (read(&self.record16).clone(), read(&self.record128).clone());
        if large.is_none() && needs_large_key(lists) {
            return Err(QuotapassError::key_needed(Circuit::Record128));
        }
        let small = small.ok_or_else(|| QuotapassError::key_needed(Circuit::Record16))?;
        Ok(RecordProvers { small, large })
    }

    pub(crate) fn badge(&self) -> Result<&KeyedProver<Badge>, QuotapassError> {
        let missing = "the prover was loaded without a badge key; load it with one";
        self.badge.as_ref().ok_or_else(|| QuotapassError::key(missing))
    }
}

type Loaded<C> = (KeyedProver<C>, verifier::Verifier<C>);

/// Loads the prover of a trusted key, and its verifier.
fn load<C: constraints::Circuit>(
    file: &[u8],
    trusted: &[KeyId],
    progress: &Progress,
) -> Result<Loaded<C>, QuotapassError> {
    progress.begin(Step::LoadKey)?;
    let prover = KeyedProver::<C>::new(trusted_key::<C>(file, trusted)?)?;
    let verifier = prover.verifier().map_err(QuotapassError::key)?;
    Ok((prover, verifier))
}
