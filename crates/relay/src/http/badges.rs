//! `POST /v1/badges` and `GET /v1/badges/challenge`.

use core::slice;
use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
};
use quotapass_circuits::{formats::wire::decode_text, share::Pseudonym, signal::ChatKeyHash};
use quotapass_protocol::{BadgeChallenge, Possession, UnixSeconds};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Service,
    body::Format,
    error::{ApiError, ErrorBody},
    received::{Received, in_time, parse, pause_if_refused},
    rules::admit,
    verify::Judged,
};
use crate::{BadgeAnswer, BadgeHolder, CHALLENGE_SECONDS, ChatKey, KeyCheck, OwnedBadge};

/// A badge to verify.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BadgeBody {
    /// The scope's name.
    scope: String,
    /// The pass in base64url without padding.
    pass: String,
    /// A challenge of this relay, 64 hexadecimal digits; given together with `signature`.
    challenge: Option<String>,
    /// The chat key's signature of the challenge, 128 hexadecimal digits.
    signature: Option<String>,
}

impl BadgeBody {
    /// # Errors
    /// If only one of challenge and signature is given, or one is not hexadecimal.
    fn possession(&self) -> Result<Option<Possession>, ApiError> {
        let hint = "give both `challenge`, 64 hexadecimal digits, and `signature`, 128, or neither";
        match (&self.challenge, &self.signature) {
            (None, None) => Ok(None),
            (Some(challenge), Some(signature)) => {
                let (mut answered, mut by) = ([0; 32], [0; 64]);
                hex::decode_to_slice(challenge, &mut answered)
                    .and_then(|()| hex::decode_to_slice(signature, &mut by))
                    .map_err(|error| ApiError::bad_request(format!("invalid hexadecimal: {error}"), hint))?;
                Ok(Some(Possession { challenge: BadgeChallenge(answered), signature: by }))
            }
            _ => Err(ApiError::bad_request("only one of `challenge` and `signature` is given", hint)),
        }
    }
}

/// The holder of an accepted badge.
#[derive(Serialize, ToSchema)]
struct HolderBody {
    /// The member's only pseudonym in the scope.
    #[schema(value_type = String)]
    pseudonym: Pseudonym,
    /// Hash of the chat key of the badge.
    #[schema(value_type = String)]
    chat_key_hash: ChatKeyHash,
    /// `first`: the first chat key of the pseudonym at this relay. `bound`: the chat key that is bound to the
    /// pseudonym. `second`: another chat key is bound to the pseudonym.
    chat_key: &'static str,
    /// Hash of the chat key that is bound to the pseudonym, if it is another one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<ChatKeyHash>,
    /// Whether an answer to a challenge proved possession of the chat key. Without an answer, anyone may have shown a
    /// copy of the badge.
    has_chat_key: bool,
}

/// The verdict on a badge, and its holder if it was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct BadgeAnswerBody {
    #[serde(flatten)]
    verdict: Judged,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<HolderBody>,
}

impl BadgeAnswerBody {
    fn new(answer: BadgeAnswer, is_shadow: bool) -> Self {
        let holder = answer.holder.map(|holder| {
            let (chat_key, bound) = match holder.chat_key {
                ChatKey::First => ("first", None),
                ChatKey::Bound => ("bound", None),
                ChatKey::Second { bound } => ("second", Some(bound)),
            };
            let BadgeHolder { pseudonym, chat_key_hash, has_chat_key, .. } = holder;
            HolderBody { pseudonym, chat_key_hash, chat_key, bound, has_chat_key }
        });
        Self { verdict: Judged { verdict: answer.verdict, is_shadow }, holder }
    }
}

/// The verdict on a badge, and its holder
#[utoipa::path(
    post,
    path = "/v1/badges",
    tag = "posts",
    request_body = BadgeBody,
    responses(
        (status = 200, body = BadgeAnswerBody),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 408, body = ErrorBody, description = "the body did not arrive in time"),
        (status = 413, body = ErrorBody, description = "the body is too long"),
        (status = 415, body = ErrorBody, description = "unsupported content type"),
        (status = 429, body = ErrorBody, description = "this source exceeds its share, or its network sends too many posts"),
        (status = 503, body = ErrorBody, description = "the relay is overloaded"),
    )
)]
pub(super) async fn badges(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<BadgeAnswerBody>, ApiError> {
    let settings = service.settings();
    let received = Received::new(request, &service, &settings).await?;
    if received.format == Format::Binary {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "badges are accepted only in JSON",
            "send content-type application/json",
        ));
    }
    let mut body: BadgeBody = parse(&received.bytes)?;
    admit(&service, received.client, 1)?;
    let key_check = KeyCheck {
        challenger: service.challenger.clone(),
        possession: body.possession()?,
        is_required: settings.ask_for_chat_key,
    };
    let is_shadow = {
        let policies = service.engine.relay().policies();
        received.check_name(&mut body.scope, &policies);
        policies.is_shadow(&body.scope)
    };
    let pass = decode_text(&body.pass).map(Bytes::from).map_err(Into::into);
    let badge = OwnedBadge { scope: body.scope, pass, key_check: Some(key_check) };
    let answer = service.engine.submit_badge(received.source.clone(), badge);
    let answer = in_time(&received, answer, &settings).await?;
    drop(received.share);
    pause_if_refused(&received.place, slice::from_ref(&answer.verdict)).await;
    Ok(Json(BadgeAnswerBody::new(answer, is_shadow)))
}

/// Query of `/v1/badges/challenge`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeQuery {
    /// The scope's name.
    scope: String,
}

/// A challenge for the owner of a chat key.
#[derive(Serialize, ToSchema)]
pub(super) struct ChallengeBody {
    /// The challenge, 64 hexadecimal digits.
    challenge: String,
    /// The last Unix second at which the answer is accepted.
    #[schema(value_type = u64)]
    expires: UnixSeconds,
    /// Whether badges are accepted only with an answer.
    required: bool,
}

/// A challenge for the owner of a chat key
///
/// The client sends the answer with the badge: the signature of `quotapass.badge-challenge.v1`, a zero byte, the scope
/// and the challenge. A chat key of 32 bytes signs with Ed25519. A chat key of 33 or 65 bytes signs the SHA-256 with
/// ECDSA over secp256k1, encoded as r and s, with low s.
#[utoipa::path(
    get,
    path = "/v1/badges/challenge",
    tag = "posts",
    params(ChallengeQuery),
    responses(
        (status = 200, body = ChallengeBody),
        (status = 400, body = ErrorBody, description = "the query has no scope"),
        (status = 404, body = ErrorBody, description = "the relay does not carry the scope"),
    )
)]
pub(super) async fn challenge(
    State(service): State<Arc<Service>>,
    query: Result<Query<ChallengeQuery>, QueryRejection>,
) -> Result<Json<ChallengeBody>, ApiError> {
    let Query(ChallengeQuery { scope }) =
        query.map_err(|error| ApiError::bad_request(error.body_text(), "give `scope`"))?;
    let scope = service.engine.relay().policies().get(&scope).map(|found| found.scope()).map_err(|error| {
        ApiError::new(StatusCode::NOT_FOUND, error.to_string(), "see /v1/policy for the relay's scopes")
    })?;
    let now = service.now();
    let challenge = service.challenger.challenge(scope, now);
    Ok(Json(ChallengeBody {
        challenge: hex::encode(challenge.0),
        expires: now.saturating_add(CHALLENGE_SECONDS),
        required: service.settings().ask_for_chat_key,
    }))
}
