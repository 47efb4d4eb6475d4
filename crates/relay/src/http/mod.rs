//! The HTTP service of a relay.
//!
//! | route | answer |
//! |---|---|
//! | `POST /v1/verify` | verdicts on one post or many, in JSON or binary ([`frames`]) |
//! | `POST /v1/badges` | the verdict on a badge, and its holder |
//! | `GET /v1/badges/challenge` | the challenge that the owner of a chat key signs to prove possession of the key |
//! | `GET /v1/policy`, `/v1/roots`, `/v1/slashed` | the public state of the relay |
//! | `GET /v1/members/...` | the member tree for light wallets ([`members_routes`]) |
//! | `GET /v1/events` | roots, slashes and reloads as server-sent events |
//! | `POST /v1/report`, `/v1/author` | a report of a post; the deletion of a post, or an appeal, by its author |
//! | `GET /v1/moderation/events` | numbered events of moderation |
//! | `GET /v1/moderation/.../appeals/...` | the state of an appeal |
//! | `GET /v1/moderation`, `/v1/moderation/...` | the moderation logs that the relay hosts and follows |
//! | `POST /v1/moderation/.../entries`, `.../cosignatures` | entries and cosignatures for the relay's own log |
//! | `.../queue`, `.../decisions`, `.../answers` | for the moderators of this log, with signed requests |
//! | `GET /v1/summary` | all data of the status page, with samples of the last fifteen minutes |
//! | `GET /healthz`, `/readyz`, `/metrics` | for the operator, also on a [separate listener](AdminListener) |
//! | `GET /openapi.json` | the OpenAPI document of all routes |
//! | `GET /` | a status page |
//! | `GET /moderation`, `/moderation/log` | the pages of moderation: for moderators, and receipts for the public |
//!
//! Every verdict has status 200. Only an invalid request, or one that the relay cannot serve, has another status, with
//! an [`ErrorBody`]. Every resource has a limit ([`HttpSettings`]) and is shared among sources: a client that is slow
//! or silent, or sends too much, or comes from many addresses, costs the relay no more than its limit. This module logs
//! nothing. It keeps addresses only of open connections and, in memory for some minutes, of sources that sent forgeries
//! or accepted posts.

mod admin;
mod asset;
mod badges;
mod body;
mod connections;
mod error;
mod events;
mod exposition;
pub mod forwarded;
pub mod frames;
mod health;
mod host;
mod members;
mod metrics;
mod moderation;
mod moderation_page;
mod page;
mod policy;
mod posts;
mod process;
pub mod proxy_protocol;
mod received;
mod rules;
mod server;
mod settings;
mod shares;
mod source;
mod summary;
mod verify;
mod views;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use admin::{AdminAddress, AdminAddressError, AdminError, AdminListener};
pub use asset::{Asset, Freshness};
pub use error::ErrorBody;
pub use members::members_routes;
pub use rules::{Allowance, SourceRules};
pub use settings::{ForwardedHeader, HttpSettings};

use super::{
    Challenger, Engine, LatestTree,
    moderation::host::{MODERATOR_HEADER, ModerationHost},
};
use members::members_api;
use metrics::{Answers, Gauges, Refusals};
use policy::PolicySigner;
use quotapass_protocol::{UnixSeconds, note::NoteKey};

/// Time for which a browser may cache the answer to a CORS preflight request.
const CORS_MAX_AGE: Duration = Duration::from_secs(3_600);

/// The state that all requests share.
struct Service {
    engine: Engine,
    settings: RwLock<Arc<HttpSettings>>,
    registry: Registry,
    answers: Answers,
    refusals: Refusals,
    buckets: rules::Buckets,
    connections: connections::Connections,
    listeners: events::Listeners,
    body_memory: body::BodyMemory,
    pending: received::Pending,
    author_turns: Arc<Semaphore>,
    challenger: Challenger,
    /// Cancelled when the service stops.
    stopping: CancellationToken,
    signer: OnceLock<PolicySigner>,
    /// The moderation logs.
    moderation: OnceLock<Arc<ModerationHost>>,
    /// The status page.
    page: OnceLock<Asset>,
    /// Whether the service is about to stop, which `/readyz` reports.
    draining: AtomicBool,
    /// Start time.
    started: UnixSeconds,
}

impl Service {
    fn settings(&self) -> Arc<HttpSettings> {
        self.settings.read().clone()
    }

    fn now(&self) -> UnixSeconds {
        self.engine.context().clock.now()
    }

    /// Returns whether the service stops, or is about to stop.
    fn is_stopping(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || self.stopping.is_cancelled()
    }
}

/// A relay's HTTP service. Clones share the same service.
#[derive(Clone)]
pub struct HttpService {
    service: Arc<Service>,
    router: Router,
}

impl HttpService {
    /// Creates a service that passes posts to an engine, and serves the member tree to light wallets.
    pub fn new(engine: Engine, members: LatestTree, settings: HttpSettings) -> Self {
        let (answers, connections) = (Answers::default(), connections::Connections::default());
        let (listeners, body_memory) = (events::Listeners::default(), body::BodyMemory::default());
        let refusals = Refusals::new();
        let context = engine.context();
        let gauges = Gauges {
            engine: engine.clone(),
            status: context.status.clone(),
            clock: context.clock.clone(),
            connections: connections.clone(),
            listeners: listeners.clone(),
            body_memory: body_memory.clone(),
        };
        let registry = metrics::registry(&engine, &answers, &refusals, gauges);
        let started = context.clock.now();
        let service = Arc::new(Service {
            engine,
            settings: RwLock::new(Arc::new(settings)),
            registry,
            answers,
            refusals,
            buckets: rules::Buckets::default(),
            connections,
            listeners,
            body_memory,
            pending: received::Pending::default(),
            author_turns: moderation::author_turns(),
            challenger: Challenger::new(rand::random()),
            stopping: CancellationToken::new(),
            signer: OnceLock::new(),
            moderation: OnceLock::new(),
            page: OnceLock::new(),
            draining: AtomicBool::new(false),
            started,
        });
        let router = router(&service, members);
        Self { service, router }
    }

    /// Sets the key that signs the published policies. The first key stays: later calls change nothing.
    pub fn with_policy_key(self, key: NoteKey) -> Self {
        self.service.signer.get_or_init(|| PolicySigner::new(key));
        self
    }

    /// Serves the moderation logs of a host. The first host stays: later calls change nothing.
    pub fn with_moderation(self, host: Arc<ModerationHost>) -> Self {
        self.service.moderation.get_or_init(|| host);
        self
    }

    /// Adds a link to a chat at this path to the status page. The first path stays: later calls change nothing.
    pub fn with_chat_link(self, path: &str) -> Self {
        self.service.page.get_or_init(|| page::html(Some(path)));
        self
    }

    /// Adds routes, which must differ from the service's own. They share its connections and stop with it, but its
    /// limits on requests do not apply to them. Each of their requests has its [`Source`](crate::Source) as an extension.
    pub fn with_routes(self, routes: Router) -> Self {
        let routes = routes.layer(from_fn_with_state(self.service.clone(), source::tell));
        Self { router: self.router.merge(routes), ..self }
    }

    /// Returns a token that is cancelled when the service stops, so that endless answers can end. Cancelling it does not
    /// stop the service.
    pub fn stopping(&self) -> CancellationToken {
        self.service.stopping.child_token()
    }

    /// Changes the settings.
    pub fn change_settings(&self, settings: HttpSettings) {
        self.service.buckets.retain(&settings.sources);
        *self.service.settings.write() = Arc::new(settings);
    }

    /// Serves on a listener until `stop`. Then `/readyz` reports that the relay stops, and the service continues for
    /// the [drain delay](HttpSettings::drain_delay), in which load balancers switch to other relays. After the delay it
    /// accepts no more connections, answers the requests in progress within the [stop
    /// timeout](HttpSettings::stop_timeout), and stops the engine.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let stop = async {
            stop.await;
            self.service.draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(self.service.settings().drain_delay).await;
        };
        server::serve(self.service.clone(), self.guarded(self.router.clone()), listener, stop).await;
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` to the operator until `stop`, independently of the public listener.
    /// [`metrics_from`](HttpSettings::metrics_from) limits access to the metrics; for a Unix socket, only the socket's
    /// file mode does.
    pub async fn serve_admin(&self, listener: AdminListener, stop: impl Future<Output = ()>) {
        let router = operation().with_state(self.service.clone());
        let router = finished(router.into(), &self.service);
        server::serve_admin(self.service.clone(), self.guarded(router), listener, stop).await;
    }

    fn guarded(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.service.clone(), host::guard))
    }
}

/// Returns all routes with their layers.
fn router(service: &Arc<Service>, members: LatestTree) -> Router {
    let cors = {
        let service = service.clone();
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |_, _| service.settings().cors))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::ACCEPT,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
                HeaderName::from_static("last-event-id"),
                HeaderName::from_static(MODERATOR_HEADER),
            ])
            .expose_headers([header::ETAG, header::RETRY_AFTER])
            .max_age(CORS_MAX_AGE)
    };
    // CORS is for apps on other sites: it excludes the operator's routes and the relay's own page. The layer must be
    // outside the fallback, because preflight requests use `OPTIONS`, a method that no path has.
    let (public, described) = public().with_state(service.clone()).merge(members_api(members)).split_for_parts();
    let public = public.method_not_allowed_fallback(error::method_not_allowed).layer(cors);
    let own = operation().merge(own_page()).with_state(service.clone());
    let (own, mut document) = OpenApiRouter::with_openapi(Api::openapi()).merge(own).split_for_parts();
    document.merge(described);
    let router = own.merge(public);
    let router = router.layer(from_fn_with_state(service.clone(), rules::guard));
    finished(router.layer(Extension(Document(Arc::new(document)))), service)
}

/// Adds the answers for unknown paths and methods, and the headers of all answers.
fn finished(router: Router, service: &Arc<Service>) -> Router {
    router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(map_response_with_state(service.clone(), finish))
}

/// Counts an answer, and sets the headers of all answers.
async fn finish(State(service): State<Arc<Service>>, mut response: Response) -> Response {
    service.answers.count(response.status());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "quotapass relay",
        description = "Verdicts on posts and badges of anonymous members. Every verdict has status 200; an invalid \
                       request has another status, with an error that says what to do."
    ),
    tags(
        (name = "posts", description = "Posts and badges"),
        (name = "moderation", description = "Reports, actions of authors, and their events"),
        (name = "relay", description = "Public state of the relay"),
        (name = "members", description = "The member tree, for wallets without a copy of it"),
        (name = "operation", description = "For the operator"),
        (name = "page", description = "For people"),
    )
)]
struct Api;

/// The OpenAPI document that [`openapi`] returns.
#[derive(Clone)]
struct Document(Arc<utoipa::openapi::OpenApi>);

/// Returns the routes for apps, without the member tree.
fn public() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(verify::verify))
        .routes(routes!(badges::badges))
        .routes(routes!(badges::challenge))
        .routes(routes!(policy::policy))
        .routes(routes!(views::roots))
        .routes(routes!(views::slashed))
        .routes(routes!(events::events))
        .routes(routes!(summary::summary))
        .merge(moderation::routes())
}

/// Returns the operator's routes.
fn operation() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// Returns the routes of the relay's own pages, and of its OpenAPI document.
fn own_page() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(openapi))
        .routes(routes!(page::page))
        .routes(routes!(page::style))
        .routes(routes!(page::script))
        .routes(routes!(moderation_page::moderators))
        .routes(routes!(moderation_page::log))
        .routes(routes!(moderation_page::file))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, body = Object)))]
async fn openapi(Extension(Document(document)): Extension<Document>) -> Response {
    Json(&*document).into_response()
}
