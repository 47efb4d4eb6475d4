//! Proving keys and provers.

use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    key_id::{KeyId, NotAKeyId},
    membership,
    moderation::{author::Author, record::Record},
    post::Post,
    prover::{KeyOrigin, Prover as KeyedProver},
    verifier::Verifier,
};
use quotapass_protocol::BadgeChallenge;
use quotapass_wallet::{Poster, PosterError, make_badge, moderation::RecordVerifiers, trusted_key};
use rand::rngs::OsRng;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Account, Membership, PreparedProver, argument, error::Failure, to_json};

/// A prover and its verifier.
type Keyed<C> = (KeyedProver<C>, Verifier<C>);

/// Trusted proving keys and their verifiers.
#[wasm_bindgen]
pub struct Prover {
    pub(crate) posts: Keyed<Post>,
    pub(crate) badges: Option<Keyed<Badge>>,
    pub(crate) authors: Option<Keyed<Author>>,
    pub(crate) records16: Option<Keyed<Record<16>>>,
    pub(crate) records128: Option<Keyed<Record<128>>>,
    trusted: Vec<KeyId>,
}

#[wasm_bindgen]
impl Prover {
    /// Reads the key for posts, and the key for badges if given. If `trusted` has ids, each key must be a ceremony key
    /// with one of them; if it is empty, only development keys are accepted.
    ///
    /// # Errors
    /// `invalid_key`, `untrusted_key`, `invalid_argument`.
    #[wasm_bindgen(js_name = fromKeys)]
    pub fn from_keys(post: &[u8], badge: Option<Box<[u8]>>, trusted: Vec<String>) -> Result<Self, Failure> {
        let trusted = trusted.iter().map(|id| id.parse()).collect::<Result<Vec<_>, NotAKeyId>>()?;
        let badges = badge.map(|badge| keyed(&badge, &trusted)).transpose()?;
        let posts = keyed(post, &trusted)?;
        Ok(Self { posts, badges, authors: None, records16: None, records128: None, trusted })
    }

    /// Whether the key of a circuit is loaded.
    ///
    /// # Errors
    /// `invalid_argument` if it is none of the circuits for rooms with moderation.
    #[wasm_bindgen(js_name = hasKey)]
    pub fn has_key(&self, circuit: &str) -> Result<bool, Failure> {
        match circuit {
            "author" => Ok(self.authors.is_some()),
            "record16" => Ok(self.records16.is_some()),
            "record128" => Ok(self.records128.is_some()),
            _ => Err(Failure::argument(format!("there is no circuit `{circuit}` for moderation"))),
        }
    }

    /// Reads one more key, for rooms with moderation. It is trusted as those of [`from_keys`](Self::from_keys) are.
    ///
    /// # Errors
    /// `invalid_key`, `untrusted_key`, `invalid_argument`.
    #[wasm_bindgen(js_name = addKey)]
    pub fn add_key(&mut self, circuit: &str, key: &[u8]) -> Result<(), Failure> {
        if self.has_key(circuit)? {
            return Ok(());
        }
        match circuit {
            "author" => self.authors = Some(keyed(key, &self.trusted)?),
            "record16" => self.records16 = Some(keyed(key, &self.trusted)?),
            _ => self.records128 = Some(keyed(key, &self.trusted)?),
        }
        Ok(())
    }

    /// The origin of the keys.
    pub fn origin(&self) -> String {
        self.posts.0.origin().to_string()
    }

    /// Whether one of the keys is a development key.
    #[wasm_bindgen(js_name = isDevelopment)]
    pub fn is_development(&self) -> bool {
        let badges = self.badges.as_ref().map(|(prover, _)| prover.origin());
        // Keys that are added later are trusted in the same way.
        self.posts.0.origin() == KeyOrigin::Development || badges == Some(KeyOrigin::Development)
    }

    /// Prepares for messages of a member in a room, at a stake level or at the lowest one.
    ///
    /// # Errors
    /// `ineligible`, `invalid_argument`, or those of a sync.
    pub fn prepare(
        &self,
        account: &Account,
        membership: &Membership,
        room: &str,
        stake: Option<u32>,
        now: f64,
    ) -> Result<PreparedProver, Failure> {
        let policy = argument::policy_at(room, stake)?;
        if *policy.registry() != account.registry {
            return Err(Failure::OtherRegistry);
        }
        let (member, path) = membership.located()?;
        let membership = membership::Membership { secret: &account.secret, member: &member, path: &path };
        Ok(PreparedProver { poster: Poster::new(&self.posts.0, policy, membership, argument::moment(now)?)? })
    }

    /// Makes a badge for a chat key. Returns it as JSON, its pass as text.
    ///
    /// # Errors
    /// `no_key`, `ineligible`, `invalid_argument`, or those of a sync.
    pub fn badge(
        &self,
        account: &Account,
        membership: &Membership,
        room: &str,
        chat_key: &[u8],
        now: f64,
    ) -> Result<String, Failure> {
        let (prover, _) = self.badges.as_ref().ok_or(Failure::NoKey("badge"))?;
        let policy = argument::policy(room)?;
        if *policy.registry() != account.registry {
            return Err(Failure::OtherRegistry);
        }
        let (member, path) = membership.located()?;
        let membership = membership::Membership { secret: &account.secret, member: &member, path: &path };
        let pass = make_badge(prover, &policy, membership, chat_key, argument::moment(now)?, &mut OsRng)?;
        Ok(to_json(&json!({ "text": pass.to_text(), "pseudonym": pass.pseudonym, "root": pass.root })))
    }
}

impl Prover {
    /// The verifiers of records.
    pub(crate) fn record_verifiers(&self) -> Result<RecordVerifiers, Failure> {
        let (_, small) = self.records16.as_ref().ok_or(Failure::NoKey("record16"))?;
        Ok(RecordVerifiers { small: small.clone(), large: self.records128.as_ref().map(|(_, large)| large.clone()) })
    }
}

/// Returns the bytes that the owner of a badge's chat key signs, for a relay that asks for this challenge.
///
/// # Errors
/// `invalid_argument`, for example if the challenge does not have 32 bytes.
#[wasm_bindgen(js_name = badgeChallengeMessage)]
pub fn badge_challenge_message(room: &str, challenge: &[u8]) -> Result<Vec<u8>, Failure> {
    let policy = argument::policy(room)?;
    let challenge = challenge.try_into().map_err(|_| Failure::argument("a challenge has 32 bytes"))?;
    Ok(BadgeChallenge(challenge).message(policy.scope()))
}

/// Loads the prover of a trusted key, and its verifier.
fn keyed<C: Circuit>(file: &[u8], trusted: &[KeyId]) -> Result<Keyed<C>, Failure> {
    let prover = KeyedProver::new(trusted_key::<C>(file, trusted)?).map_err(PosterError::from)?;
    let verifier = prover.verifier()?;
    Ok((prover, verifier))
}
