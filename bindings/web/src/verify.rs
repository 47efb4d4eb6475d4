//! Verification of the passes of others.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use core::num::NonZeroU32;
use quotapass_circuits::{
    formats::wire::decode_text,
    identity::IdentitySecret,
    share::{Nullifier, Share},
    signal::Epoch,
};
use quotapass_protocol::{Evidence, Verdict};
use quotapass_wallet::VerifiedPost;

use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Prover, argument, error::Failure, to_json};

#[wasm_bindgen]
impl Prover {
    /// Checks a post, whose pass is given as bytes or text. Returns the verdict as JSON.
    ///
    /// # Errors
    /// `invalid_argument`; a fault of the pass is a verdict.
    #[wasm_bindgen(js_name = verifyPost)]
    pub fn verify_post(
        &self,
        room: &str,
        message: &[u8],
        pass: Option<Box<[u8]>>,
        text: Option<String>,
        roots: Vec<String>,
        now: f64,
    ) -> Result<String, Failure> {
        let (policy, roots, now) = (argument::policy(room)?, argument::roots(&roots)?, argument::moment(now)?);
        let verdict = bytes(pass, text).and_then(|pass| {
            quotapass_wallet::verify_post(&self.posts.1, &policy, message, &pass, roots.as_slice(), now)
        });
        Ok(to_json(&post_verdict(verdict)))
    }

    /// Checks a badge, whose pass is given as bytes or text. Returns the verdict as JSON, with the chat key in
    /// base64url.
    ///
    /// # Errors
    /// `no_key`, `invalid_argument`; a fault of the pass is a verdict.
    #[wasm_bindgen(js_name = verifyBadge)]
    pub fn verify_badge(
        &self,
        room: &str,
        pass: Option<Box<[u8]>>,
        text: Option<String>,
        roots: Vec<String>,
        now: f64,
    ) -> Result<String, Failure> {
        let (_, verifier) = self.badges.as_ref().ok_or(Failure::NoKey("badge"))?;
        let (policy, roots, now) = (argument::policy(room)?, argument::roots(&roots)?, argument::moment(now)?);
        let verdict = bytes(pass, text)
            .and_then(|pass| quotapass_wallet::verify_badge(verifier, &policy, &pass, roots.as_slice(), now));
        Ok(to_json(&match verdict {
            Err(verdict) => rejection(&verdict),
            Ok(pass) => json!({
                "verdict": Verdict::Accepted.name(),
                "gossip": Verdict::Accepted.gossip(),
                "pseudonym": pass.pseudonym,
                "chatKey": URL_SAFE_NO_PAD.encode(pass.chat_key()),
                "root": pass.root,
                "requirement": requirement(&pass.requirement),
            }),
        }))
    }
}

/// Returns the verdict on a post.
pub(crate) fn post_verdict(verdict: Result<VerifiedPost, Verdict>) -> Value {
    match verdict {
        Err(verdict) => rejection(&verdict),
        Ok(VerifiedPost { epoch, public }) => json!({
            "verdict": Verdict::Accepted.name(),
            "gossip": Verdict::Accepted.gossip(),
            "nullifier": public.nullifier,
            "share": public.share,
            "root": public.root,
            "epoch": epoch.number(),
            "epochSeconds": epoch.seconds(),
            "requirement": requirement(&public.requirement),
            "limitCap": public.limit_cap,
        }),
    }
}

/// Returns the bytes of a pass that is given as bytes or text.
pub(crate) fn bytes(pass: Option<Box<[u8]>>, text: Option<String>) -> Result<Vec<u8>, Verdict> {
    match text {
        Some(text) => Ok(decode_text(&text)?),
        None => Ok(pass.unwrap_or_default().into_vec()),
    }
}

/// Returns a verdict in the form of a relay's answers, with a message.
fn rejection(verdict: &Verdict) -> Value {
    let mut value = json!(verdict);
    value["message"] = verdict.to_string().into();
    value
}

fn requirement(requirement: &quotapass_circuits::requirement::Requirement) -> Value {
    json!({ "minStake": requirement.min_stake, "sinceMax": requirement.since_max })
}

/// The facts of an accepted post that a recovery needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    nullifier: Nullifier,
    share: Share,
    epoch: u64,
    epoch_seconds: NonZeroU32,
}

/// Recovers the commitment of the member who sent two accepted posts, given as JSON, with the same nullifier.
///
/// # Errors
/// `cannot_recover`, `invalid_argument`.
#[wasm_bindgen]
pub fn recover(room: &str, first: &str, second: &str) -> Result<String, Failure> {
    Ok(recovered(room, first, second)?.commitment().to_string())
}

/// Recovers the identity secret of the member who sent two accepted posts, given as JSON, with the same nullifier: `0x`
/// and 64 hexadecimal digits. Anyone who has it can take the deposit.
///
/// # Errors
/// `cannot_recover`, `invalid_argument`.
#[wasm_bindgen(js_name = recoverSecret)]
pub fn recover_secret(room: &str, first: &str, second: &str) -> Result<String, Failure> {
    Ok(format!("0x{}", hex::encode(*recovered(room, first, second)?.to_be_bytes())))
}

fn recovered(room: &str, first: &str, second: &str) -> Result<IdentitySecret, Failure> {
    let policy = argument::policy(room)?;
    let [first, second] = [first, second].map(|facts| argument::json::<Facts>("accepted post", facts));
    let (first, second) = (first?, second?);
    let epoch = |facts: &Facts| Epoch::new(facts.epoch_seconds, facts.epoch);
    if (first.nullifier, epoch(&first)) != (second.nullifier, epoch(&second)) {
        return Err(Failure::argument("the posts have different nullifiers, so they break no rule together"));
    }
    let evidence = Evidence {
        scope: policy.scope(),
        epoch: epoch(&first),
        nullifier: first.nullifier,
        recorded: first.share,
        second: second.share,
    };
    Ok(quotapass_wallet::recover(&evidence, policy.values().limit_cap)?)
}
