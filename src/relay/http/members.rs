//! The member tree for light wallets: the roots of all buckets, and whole buckets, never a path.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/members/upper` | [`UpperNodes::to_bytes`]; `ETag` is the root of the tree |
//! | `GET /v1/members/buckets/{number}` | [`Bucket::to_bytes`]; `ETag` is the root of the bucket; 404 if it has not been begun |
//!
//! Every answer is the same for everybody, so caches may keep it and ask again with `If-None-Match`.

use std::sync::{Arc, RwLock};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use quotapass_circuits::membership::{Bucket, BucketNumber, MemberTree, Root, UpperNodes};

use crate::relay::read;

/// Where the routes read the member tree.
pub trait Members: Send + Sync + 'static {
    /// The upper nodes, and the root they lead to.
    fn upper_nodes(&self) -> (UpperNodes, Root);

    /// A bucket and its root; none if it has not been begun.
    fn bucket(&self, number: BucketNumber) -> Option<(Bucket, Root)>;
}

impl Members for RwLock<MemberTree> {
    fn upper_nodes(&self) -> (UpperNodes, Root) {
        let tree = read(self);
        (tree.upper_nodes(), tree.root())
    }

    fn bucket(&self, number: BucketNumber) -> Option<(Bucket, Root)> {
        let tree = read(self);
        Some((tree.bucket(number)?, tree.bucket_root(number)?))
    }
}

/// The routes.
pub fn members_routes(members: Arc<dyn Members>) -> Router {
    Router::new()
        .route("/v1/members/upper", get(upper_nodes))
        .route("/v1/members/buckets/{number}", get(bucket))
        .with_state(members)
}

async fn upper_nodes(State(members): State<Arc<dyn Members>>, headers: HeaderMap) -> Response {
    let (upper, root) = members.upper_nodes();
    answer(&headers, root, || upper.to_bytes())
}

async fn bucket(State(members): State<Arc<dyn Members>>, Path(number): Path<u32>, headers: HeaderMap) -> Response {
    match members.bucket(BucketNumber(number)) {
        Some((bucket, root)) => answer(&headers, root, || bucket.to_bytes()),
        None => (StatusCode::NOT_FOUND, format!("there are no members in bucket {number}\n")).into_response(),
    }
}

/// The content, unless the caller has it.
fn answer(headers: &HeaderMap, root: Root, content: impl FnOnce() -> Vec<u8>) -> Response {
    let tag = format!("\"{root}\"");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".into())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, "application/octet-stream")], content()).into_response()
}
