//! The member tree for light wallets: the roots of all buckets, and whole buckets, never a path.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/members/upper` | [`UpperNodes::to_bytes`]; `ETag` is the root of the tree |
//! | `GET /v1/members/buckets/{number}` | [`Bucket::to_bytes`]; `ETag` is the root of the bucket; 404 if it has no members yet |
//!
//! Every answer is the same for all clients, so that caches may store it and revalidate it with `If-None-Match`.
//!
//! [`UpperNodes::to_bytes`]: quotapass_circuits::membership::UpperNodes::to_bytes
//! [`Bucket::to_bytes`]: quotapass_circuits::membership::Bucket::to_bytes

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use quotapass_circuits::membership::{BucketNumber, Root};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::error::{ApiError, ErrorBody};
use crate::LatestTree;

/// Returns the routes alone, for use in another service.
pub fn members_routes(members: LatestTree) -> Router {
    members_api(members).into()
}

/// Returns the routes with their OpenAPI documentation.
pub(super) fn members_api(members: LatestTree) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(upper_nodes)).routes(routes!(bucket)).with_state(members)
}

/// The roots of all buckets of the member tree
///
/// `ETag` is the root of the tree. For the format see `UpperNodes::to_bytes` of the crate `quotapass-circuits`.
#[utoipa::path(
    get,
    path = "/v1/members/upper",
    tag = "members",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
async fn upper_nodes(State(members): State<LatestTree>, headers: HeaderMap) -> Response {
    let tree = members.get();
    answer(&headers, tree.root(), || tree.upper_nodes().to_bytes())
}

/// A bucket of members
///
/// `ETag` is the root of the bucket. For the format see `Bucket::to_bytes` of the crate `quotapass-circuits`.
#[utoipa::path(
    get,
    path = "/v1/members/buckets/{number}",
    tag = "members",
    params(
        ("number" = u32, Path, description = "the bucket's number, from zero"),
        ("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer"),
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "the cached answer is still valid"),
        (status = 400, body = ErrorBody, description = "not a number"),
        (status = 404, body = ErrorBody, description = "the bucket has no members yet"),
    )
)]
async fn bucket(
    State(members): State<LatestTree>,
    number: Result<Path<u32>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(number) = number.map_err(|error| ApiError::bad_request(error.body_text(), "buckets count from 0"))?;
    let (tree, number) = (members.get(), BucketNumber(number));
    let (bucket, root) = tree.bucket(number).zip(tree.bucket_root(number)).ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            format!("there are no members in bucket {}", number.0),
            "the upper nodes say how many members there are",
        )
    })?;
    Ok(answer(&headers, root, || bucket.to_bytes()))
}

/// Returns the content, or status 304 if the client has it already.
fn answer(headers: &HeaderMap, root: Root, content: impl FnOnce() -> Vec<u8>) -> Response {
    let tag = format!("\"{root}\"");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".into())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, "application/octet-stream")], content()).into_response()
}
