//! Proving keys and provers.

use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    key_id::{KeyId, NotAKeyId},
    membership,
    post::Post,
    prover::{KeyOrigin, Prover as KeyedProver},
    verifier::Verifier,
};
use quotapass_protocol::BadgeChallenge;
use quotapass_wallet::{Poster, PosterError, make_badge, trusted_key};
use rand::rngs::OsRng;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Account, Membership, PreparedProver, argument, error::Failure, to_json};

/// Trusted proving keys and their verifiers.
#[wasm_bindgen]
pub struct Prover {
    pub(crate) posts: (KeyedProver<Post>, Verifier<Post>),
    pub(crate) badges: Option<(KeyedProver<Badge>, Verifier<Badge>)>,
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
        Ok(Self { posts: keyed(post, &trusted)?, badges })
    }

    /// The origin of the keys.
    pub fn origin(&self) -> String {
        self.posts.0.origin().to_string()
    }

    /// Whether one of the keys is a development key.
    #[wasm_bindgen(js_name = isDevelopment)]
    pub fn is_development(&self) -> bool {
        let badges = self.badges.as_ref().map(|(prover, _)| prover.origin());
        self.posts.0.origin() == KeyOrigin::Development || badges == Some(KeyOrigin::Development)
    }

    /// Prepares for messages of a member in a room.
    ///
    /// # Errors
    /// `ineligible`, `invalid_argument`, or those of a sync.
    pub fn prepare(
        &self,
        account: &Account,
        membership: &Membership,
        room: &str,
        now: f64,
    ) -> Result<PreparedProver, Failure> {
        let policy = argument::policy(room)?;
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
        let (prover, _) = self.badges.as_ref().ok_or(Failure::NoBadgeKey)?;
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
fn keyed<C: Circuit>(file: &[u8], trusted: &[KeyId]) -> Result<(KeyedProver<C>, Verifier<C>), Failure> {
    let prover = KeyedProver::new(trusted_key::<C>(file, trusted)?).map_err(PosterError::from)?;
    let verifier = prover.verifier()?;
    Ok((prover, verifier))
}
