//! `POST /v1/verify`.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use quotapass_protocol::{Gossip, Verdict, VerdictKind};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    HttpSettings, Service,
    body::Format,
    error::{ApiError, ErrorBody},
    frames::{FramesErrorKind, read_posts},
    posts::{Posts, VerifyBody, as_text, read_item},
    received::{Received, in_time, parse, pause_if_refused},
    rules::admit,
};
use crate::OwnedPost;

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
    pub(super) verdict: Verdict,
    /// Whether its scope is in [shadow mode](quotapass_protocol::PolicyTable::is_shadow).
    pub(super) is_shadow: bool,
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

/// Returns the description of `/v1/verify`, with the numbers of all verdicts.
fn verify_description() -> String {
    let numbers = VerdictKind::ALL.map(|kind| format!("{} {}", kind.number(), kind.name())).join(", ");
    format!(
        "In JSON, or in binary as `scope length u8 | scope | message length u32 BE | message | pass` for each post. A pass \
         has 246 bytes, or with records the bytes that the numbers of lists and proofs in it state. With \
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
    let (mut posts, is_one) = match received.format {
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
        posts.iter_mut().for_each(|post| received.check_name(&mut post.scope, &policies));
        posts.iter().map(|post| policies.is_shadow(&post.scope)).collect()
    };
    let passes = || posts.iter().filter_map(|post| post.pass.as_deref().ok());
    service.engine.relay().lists().fetch_for(passes()).await;
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
