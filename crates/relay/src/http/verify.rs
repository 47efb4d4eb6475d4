//! `POST /v1/verify` and `POST /v1/badges`.

use core::{net::IpAddr, pin::pin, slice, time::Duration};
use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quotapass_circuits::{formats::wire::decode_text, share::Pseudonym, signal::ChatKeyHash};
use quotapass_protocol::{
    BadgeChallenge, Gossip, Overload, Possession, ScopePolicy, UnixSeconds, Verdict, VerdictKind,
};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::SerializeStruct};
use serde_json::value::RawValue;
use tokio::time::timeout;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    HttpSettings, Service,
    body::{Format, Share, receive},
    connections::Peer,
    error::{ApiError, ErrorBody},
    frames::{FramesErrorKind, read_posts},
    rules::admit,
    shares::{Limits, Owner, Place, Shares, Tenure},
    source::{asker, client, owner, source},
};
use crate::{BadgeAnswer, BadgeHolder, CHALLENGE_SECONDS, ChatKey, KeyCheck, OwnedBadge, OwnedPost, Source};

/// Time for which a request that waits for verdicts keeps its place and its memory, whatever other sources need. Verdicts
/// on honest posts take less, also under attack.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time after which a request that found the queue full is answered.
///
/// **Attack.** A forger whose posts find no place in the queue sends them again at once, and the relay reads and refuses
/// them as fast as it can.
///
/// **Defence.** With this pause, the number of connections that a source may have limits the refusals. The request keeps
/// its connection, which it loses as soon as another source needs it, and no memory.
const PAUSE: Duration = Duration::from_millis(100);

/// A post as `quotapass post` writes it. It has either `message` or `message_hex`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostBody {
    /// The scope's name.
    scope: String,
    /// The message, if it is text.
    message: Option<String>,
    /// The message's bytes in hexadecimal, if the message is not text.
    message_hex: Option<String>,
    /// The pass: 246 bytes in base64url without padding.
    pass: String,
    /// The author's note about the keys, for people; the relay ignores it.
    #[allow(dead_code, reason = "is accepted and ignored")]
    keys: Option<String>,
}

/// One post, or many.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes the requests that `Posts` reads")]
pub(super) enum VerifyBody {
    /// One post.
    One(PostBody),
    /// Many posts.
    Many {
        /// The posts, verified in this order. One that cannot be read gets the verdict `malformed`, and does not affect
        /// the others.
        posts: Vec<PostBody>,
    },
}

/// The posts of a request. Many posts are read one by one.
#[derive(Deserialize)]
#[serde(try_from = "VerifyFields")]
enum Posts {
    One(PostBody),
    Many(Vec<Box<RawValue>>),
}

/// The fields of both forms. A derived untagged enum would not report the position of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyFields {
    posts: Option<Vec<Box<RawValue>>>,
    scope: Option<String>,
    message: Option<String>,
    message_hex: Option<String>,
    pass: Option<String>,
    keys: Option<String>,
}

impl TryFrom<VerifyFields> for Posts {
    type Error = &'static str;

    fn try_from(fields: VerifyFields) -> Result<Self, &'static str> {
        match fields {
            VerifyFields {
                posts: Some(posts),
                scope: None,
                message: None,
                message_hex: None,
                pass: None,
                keys: None,
            } => Ok(Self::Many(posts)),
            VerifyFields { posts: None, scope: Some(scope), message, message_hex, pass: Some(pass), keys } => {
                Ok(Self::One(PostBody { scope, message, message_hex, pass, keys }))
            }
            _ => Err("expected either `posts`, or the `scope`, `message` and `pass` of one post"),
        }
    }
}

impl PostBody {
    /// # Errors
    /// The reason if it has no message, or two, or invalid hexadecimal. An invalid pass is not an error here: the verdict
    /// reports it.
    fn into_post(self) -> Result<OwnedPost, &'static str> {
        let message = match (self.message, self.message_hex) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(digits)) => {
                hex::decode(digits).map(Bytes::from).map_err(|_| "`message_hex` is not hexadecimal")?
            }
            (None, None) => return Err("the post has no message: give `message`, or `message_hex` if it is not text"),
            (Some(_), Some(_)) => return Err("the post has two messages: give either `message` or `message_hex`"),
        };
        let pass = decode_text(&self.pass).map(Bytes::from).map_err(Into::into);
        Ok(OwnedPost { scope: self.scope, message, pass })
    }
}

/// The field of a post by which an unreadable one is counted.
#[derive(Deserialize)]
struct ScopeField {
    scope: String,
}

/// Reads one of many posts. One that cannot be read gets its own verdict.
fn read_item(item: &RawValue) -> OwnedPost {
    let read = serde_json::from_str::<PostBody>(item.get()).map_err(|error| match error.is_syntax() {
        true => "a string of the post is not Unicode text; send a message that is not text as `message_hex`",
        false => "the item is not a post; see /openapi.json",
    });
    read.and_then(PostBody::into_post).unwrap_or_else(|reason| {
        let scope = serde_json::from_str::<ScopeField>(item.get()).map_or_else(|_| String::new(), |field| field.scope);
        OwnedPost::unreadable(scope, reason)
    })
}

/// Replaces bytes that are not UTF-8 by half of a surrogate pair, which is no text either. Without this, the JSON of a
/// whole request could not be read because one post has such bytes.
fn as_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    if core::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut text = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            text.extend_from_slice(b"\\ud800");
        }
    }
    Cow::Owned(text)
}

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

/// Returns the schema of a verdict's name.
fn verdict_name() -> ObjectBuilder {
    name_among(VerdictKind::ALL.map(VerdictKind::name)).description(Some("The name of a verdict."))
}

/// Returns the schema of a treatment's name.
fn gossip_name() -> ObjectBuilder {
    name_among(Gossip::ALL.map(Gossip::name))
        .description(Some("How a gossip node treats the message and the peer that forwarded it."))
}

fn name_among<const N: usize>(names: [&'static str; N]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

/// A verdict.
#[derive(ToSchema)]
#[schema(as = Verdict)]
#[allow(dead_code, reason = "describes the answers of `Verdict`")]
struct VerdictBody {
    #[schema(schema_with = verdict_name)]
    verdict: &'static str,
    #[schema(schema_with = gossip_name)]
    gossip: &'static str,
    /// Details, if there are any: for example the expected value, or the error and its offset. They never contain a
    /// secret.
    #[schema(required = false, value_type = Object)]
    detail: (),
    /// Only for a scope in shadow mode, where `verdict` is always `accepted`: the verdict that an enforced scope would
    /// give, with the same fields.
    #[schema(required = false, value_type = Object)]
    shadow: (),
}

/// A verdict, described by [`VerdictBody`].
pub(super) struct Judged {
    verdict: Verdict,
    /// Whether its scope is in [shadow mode](quotapass_protocol::PolicyTable::is_shadow).
    is_shadow: bool,
}

impl Judged {
    /// Returns the verdict for the client: a scope in shadow mode accepts everything.
    fn told(&self) -> &Verdict {
        if self.is_shadow { &Verdict::Accepted } else { &self.verdict }
    }
}

impl Serialize for Judged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_shadow {
            return self.verdict.serialize(serializer);
        }
        let mut answer = serializer.serialize_struct("Judged", 3)?;
        answer.serialize_field("verdict", self.told().name())?;
        answer.serialize_field("gossip", &self.told().gossip())?;
        answer.serialize_field("shadow", &self.verdict)?;
        answer.end()
    }
}

impl PartialSchema for Judged {
    fn schema() -> RefOr<Schema> {
        VerdictBody::schema()
    }
}

impl ToSchema for Judged {
    fn name() -> Cow<'static, str> {
        VerdictBody::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        VerdictBody::schemas(schemas);
    }
}

/// Verdicts, in the order of the posts.
#[derive(Serialize, ToSchema)]
pub(super) struct VerdictsBody {
    verdicts: Vec<Judged>,
}

/// One verdict or many, as in the request.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum VerifyAnswer {
    /// The verdict on one post.
    One(Judged),
    /// The verdicts on many posts.
    Many(VerdictsBody),
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

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The error contains line and column.
        ApiError::bad_request(format!("invalid request body: {error}"), "see /openapi.json")
    })
}

/// Returns the description of `/v1/verify`, with the numbers of all verdicts.
fn verify_description() -> String {
    let numbers = VerdictKind::ALL.map(|kind| format!("{} {}", kind.number(), kind.name())).join(", ");
    format!(
        "In JSON, or in binary as `scope length u8 | scope | message length u32 BE | message | pass` for each post. With \
         `Accept: application/octet-stream` the answer is one byte a post: {numbers}. The treatment of the forwarding \
         peer (`gossip`) also depends on the time, and is only in the JSON answer. A rejection has status 200, too."
    )
}

/// Verdicts on one post or many
#[utoipa::path(
    post,
    path = "/v1/verify",
    tag = "posts",
    description = verify_description(),
    request_body(content((VerifyBody = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 200, content((VerifyAnswer = "application/json"), (Vec<u8> = "application/octet-stream"))),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 408, body = ErrorBody, description = "the body did not arrive in time"),
        (status = 413, body = ErrorBody, description = "the body is too long, or there are too many posts"),
        (status = 415, body = ErrorBody, description = "unsupported content type"),
        (status = 429, body = ErrorBody, description = "this source exceeds its share, or its network sends too many posts"),
        (status = 503, body = ErrorBody, description = "the relay is overloaded"),
    )
)]
pub(super) async fn verify(State(service): State<Arc<Service>>, request: Request) -> Result<Response, ApiError> {
    let settings = service.settings();
    let received = Received::new(request, &service, &settings).await?;
    let (posts, is_one) = match received.format {
        Format::Binary => (read_frames(&received.bytes, &settings)?, false),
        Format::Json => match parse(&as_text(&received.bytes))? {
            Posts::One(post) => {
                let post = post.into_post().map_err(|reason| ApiError::bad_request(reason, "see /openapi.json"))?;
                (vec![post], true)
            }
            Posts::Many(items) if items.len() > settings.max_posts => return Err(too_many(items.len(), &settings)),
            Posts::Many(items) => (items.iter().map(|item| read_item(item)).collect(), false),
        },
    };
    admit(&service, received.client, posts.len())?;
    let shadows: Vec<bool> = {
        let policies = service.engine.relay().policies();
        posts.iter().map(|post| policies.is_shadow(&post.scope)).collect()
    };
    let answer = service.engine.submit(received.source.clone(), posts);
    let verdicts = in_time(&received, answer, &settings).await?;
    drop(received.share);
    pause_if_refused(&received.place, &verdicts).await;
    let verdicts = verdicts.into_iter().zip(shadows).map(|(verdict, is_shadow)| Judged { verdict, is_shadow });
    Ok(match received.answer {
        Format::Binary => {
            let bytes: Vec<u8> = verdicts.map(|judged| judged.told().kind().number()).collect();
            ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        Format::Json => {
            let mut verdicts: Vec<Judged> = verdicts.collect();
            let answer = match verdicts.pop() {
                Some(verdict) if is_one => VerifyAnswer::One(verdict),
                last => {
                    verdicts.extend(last);
                    VerifyAnswer::Many(VerdictsBody { verdicts })
                }
            };
            Json(answer).into_response()
        }
    })
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
    let body: BadgeBody = parse(&received.bytes)?;
    admit(&service, received.client, 1)?;
    let key_check = KeyCheck {
        challenger: service.challenger.clone(),
        possession: body.possession()?,
        is_required: settings.ask_for_chat_key,
    };
    let is_shadow = service.engine.relay().policies().is_shadow(&body.scope);
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
    let scope = service.engine.relay().policies().get(&scope).map(ScopePolicy::scope).map_err(|error| {
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

/// A request with its body.
struct Received {
    bytes: Bytes,
    /// The memory of the body, held until the answer is ready.
    share: Share,
    format: Format,
    answer: Format,
    /// Its place among the requests that wait for verdicts.
    place: Place,
    client: IpAddr,
    source: Source,
}

impl Received {
    async fn new(request: Request, service: &Service, settings: &HttpSettings) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let format = Format::of_request(&parts.headers)?;
        let peer = Peer::of(&parts.extensions)?;
        let source = source(&peer, &parts.headers, settings);
        let owner = owner(&peer, &parts.headers, settings);
        let client = client(&peer, &parts.headers, settings).address;
        let asker = asker(&peer, &parts.headers, settings);
        let waiting = peer.wait();
        let (bytes, share) = receive(body, &parts.headers, owner, &service.body_memory, settings).await?;
        drop(waiting);
        let place = service.pending.enter(asker, settings)?;
        let answer = Format::of_answer(&parts.headers);
        Ok(Self { bytes, share, format, answer, place, client, source })
    }
}

fn read_frames(bytes: &Bytes, settings: &HttpSettings) -> Result<Vec<OwnedPost>, ApiError> {
    read_posts(bytes, settings.max_posts).map_err(|error| match error.kind {
        FramesErrorKind::TooMany(_) => too_many(error.post + 1, settings),
        _ => ApiError::bad_request(
            format!("invalid request body: {error}"),
            "a post is `scope length u8 | scope | message length u32 BE | message | pass`",
        ),
    })
}

fn too_many(posts: usize, settings: &HttpSettings) -> ApiError {
    ApiError::too_large(
        format!("the request has {posts} or more posts, and {} are allowed", settings.max_posts),
        "send them in several requests",
    )
}

/// The requests that wait for verdicts.
///
/// Attack prevented: forgeries wait long in the engine, because it does little work for them, and each holds a
/// connection and the memory of its body. Sixteen addresses with 64 forgeries each took all connections, four with large
/// bodies took all memory, and behind a proxy the proxy had no connections left. Therefore these requests have three
/// quarters of the connections, and one that has waited for the [patience](PATIENCE) gives way to a source that has
/// less.
#[derive(Debug, Default)]
pub(super) struct Pending(Shares);

impl Pending {
    fn enter(&self, asker: Owner, settings: &HttpSettings) -> Result<Place, ApiError> {
        let total = (settings.max_connections - settings.max_connections / 4).max(1);
        let limits = Limits { total, of_source: total };
        let place = self.0.enter(asker, 1, Tenure::Working, limits);
        place.map_err(|_| ApiError::unavailable("too many requests wait for verdicts", "try again soon"))
    }
}

/// Waits for verdicts.
async fn in_time<T>(
    received: &Received,
    answer: impl Future<Output = T>,
    settings: &HttpSettings,
) -> Result<T, ApiError> {
    let (mut answer, limit) = (pin!(answer), settings.answer_timeout);
    if let Ok(answer) = timeout(PATIENCE.min(limit), &mut answer).await {
        return Ok(answer);
    }
    received.place.hold(Tenure::Waiting);
    received.share.wait();
    let error = tokio::select! {
        biased;
        answer = timeout(limit.saturating_sub(PATIENCE), answer) => match answer {
            Ok(answer) => return Ok(answer),
            Err(_) => format!("there was no answer within {limit:?}"),
        },
        () = received.place.evicted() => "the relay gave the place of this request to another source".into(),
        () = received.share.evicted() => "the relay gave the memory of this request to another source".into(),
    };
    Err(ApiError::unavailable(error, "send it again: `replay` then means that it was recorded"))
}

/// Waits for the [pause](PAUSE) if the queue had no room for the posts.
async fn pause_if_refused(place: &Place, verdicts: &[Verdict]) {
    if matches!(verdicts.first(), Some(Verdict::Overloaded(Overload::Queue))) {
        place.hold(Tenure::Waiting);
        // A time-out is the normal end.
        let _ = timeout(PAUSE, place.evicted()).await;
    }
}
