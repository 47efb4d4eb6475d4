//! What a relay answers over HTTP.
//!
//! | route | answer |
//! |---|---|
//! | `POST /v1/verify` | verdicts on one post or many, in JSON or binary ([`frames`]) |
//! | `POST /v1/badges` | the verdict on a badge, and whose it is |
//! | `GET /v1/badges/challenge` | what the owner of a chat key signs to show that it is at hand |
//! | `GET /v1/policy`, `/v1/roots`, `/v1/slashed` | what is public about the relay |
//! | `GET /v1/members/...` | the member tree for light wallets ([`members_routes`]) |
//! | `GET /v1/events` | roots, slashes and reloads as server-sent events |
//! | `GET /v1/summary` | all that the page shows, with the last fifteen minutes |
//! | `GET /healthz`, `/readyz`, `/metrics` | for whoever runs the relay, also on a [listener of their own](AdminListener) |
//! | `GET /openapi.json` | all of this for machines |
//! | `GET /` | a page |
//!
//! Verdicts have status 200 whatever they say. Only a request that is itself wrong, or cannot be served, has another
//! one, with an [`ErrorBody`]. Everything has a limit ([`HttpSettings`]): a client that is slow, silent, greedy or many
//! costs what it may and no more, and what there is is shared by source. Nothing is logged here, and no address is kept
//! but of connections that are open and, in memory for some minutes, of sources that sent forgeries or accepted posts.

mod admin;
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
mod page;
mod policy;
mod process;
pub mod proxy_protocol;
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
        Arc, OnceLock, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use admin::{AdminAddress, AdminAddressError, AdminError, AdminListener};
pub use error::ErrorBody;
pub use members::{Members, members_routes};
pub use rules::{Allowance, SourceRules};
pub use settings::{ForwardedHeader, HttpSettings};

use super::{Challenger, Engine, read, write};
use crate::note::NoteKey;
use members::members_api;
use metrics::{Answers, Gauges, Refusals};
use policy::PolicySigner;

/// How long a browser need not ask again whether it may.
const CORS_MAX_AGE: Duration = Duration::from_secs(3_600);

/// What all requests share.
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
    challenger: Challenger,
    stopping: watch::Sender<bool>,
    signer: OnceLock<PolicySigner>,
    /// Whether it is to stop soon, and says so to who asks whether it is ready.
    draining: AtomicBool,
    /// In Unix seconds.
    started: u64,
}

impl Service {
    fn settings(&self) -> Arc<HttpSettings> {
        read(&self.settings).clone()
    }

    fn now(&self) -> u64 {
        self.engine.context().clock.now()
    }

    /// Whether it stops, or is about to.
    fn is_stopping(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || *self.stopping.borrow()
    }
}

/// A relay's HTTP service. A clone is the same service.
#[derive(Clone)]
pub struct HttpService {
    service: Arc<Service>,
    router: Router,
}

impl HttpService {
    /// A service before an engine, with the member tree for light wallets.
    pub fn new(engine: Engine, members: Arc<dyn Members>, settings: HttpSettings) -> Self {
        let (answers, connections) = (Answers::default(), connections::Connections::default());
        let (listeners, body_memory) = (events::Listeners::default(), body::BodyMemory::default());
        let refusals = Refusals::new();
        let context = engine.context();
        let gauges = Gauges {
            status: context.status.clone(),
            clock: context.clock.clone(),
            connections: connections.clone(),
            listeners: listeners.clone(),
            body_memory: body_memory.clone(),
        };
        let registry = metrics::registry(engine.metrics(), &answers, &refusals, gauges);
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
            challenger: Challenger::new(rand::random()),
            stopping: watch::Sender::new(false),
            signer: OnceLock::new(),
            draining: AtomicBool::new(false),
            started,
        });
        let router = router(&service, members);
        Self { service, router }
    }

    /// The same service, which signs the policies that it publishes with this key. The first key stays.
    pub fn with_policy_key(self, key: NoteKey) -> Self {
        self.service.signer.get_or_init(|| PolicySigner::new(key));
        self
    }

    /// The same service with more routes, which must be others than its own. They share its connections and stop with
    /// it, but none of its limits on requests.
    pub fn with_routes(self, routes: Router) -> Self {
        Self { router: self.router.merge(routes), ..self }
    }

    /// Becomes true when the service stops, so that answers without an end can end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.service.stopping.subscribe()
    }

    /// Changes the limits.
    pub fn change_settings(&self, settings: HttpSettings) {
        self.service.buckets.retain(&settings.sources);
        *write(&self.service.settings) = Arc::new(settings);
    }

    /// Serves on a listener until `stop`. Then `/readyz` says that the relay stops, and it serves on for the [drain
    /// delay](HttpSettings::drain_delay), in which those that spread the load turn to others. After it no connection is
    /// taken any more, requests that were begun are answered within [their time](HttpSettings::stop_timeout), and the engine
    /// stops.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let stop = async {
            stop.await;
            self.service.draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(self.service.settings().drain_delay).await;
        };
        server::serve(self.service.clone(), self.guarded(self.router.clone()), listener, stop).await;
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` to the operator until `stop`, whatever happens to the listener for
    /// everybody. The metrics are for those who may read them; a Unix socket's file mode says who that is.
    pub async fn serve_admin(&self, listener: AdminListener, stop: impl Future<Output = ()>) {
        let router = operation().with_state(self.service.clone());
        let router = finished(router.into(), &self.service);
        server::serve_admin(self.service.clone(), self.guarded(router), listener, stop).await;
    }

    fn guarded(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.service.clone(), host::guard))
    }
}

/// All routes, within the layers that go for each.
fn router(service: &Arc<Service>, members: Arc<dyn Members>) -> Router {
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
            ])
            .expose_headers([header::ETAG, header::RETRY_AFTER])
            .max_age(CORS_MAX_AGE)
    };
    // Pages of other sites are for apps. What the operator reads, and the relay's own page, are not theirs. The layer goes
    // around what is said to `OPTIONS`, a method that no path has.
    let (public, described) = public().with_state(service.clone()).merge(members_api(members)).split_for_parts();
    let public = public.method_not_allowed_fallback(error::method_not_allowed).layer(cors);
    let own = operation().merge(own_page()).with_state(service.clone());
    let (own, mut document) = OpenApiRouter::with_openapi(Api::openapi()).merge(own).split_for_parts();
    document.merge(described);
    let router = own.merge(public);
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let router = router.layer(from_fn_with_state(service.clone(), rules::guard));
    finished(router.layer(Extension(Document(document))), service)
}

/// Routes with what is said to paths that are none, and with the headers that all answers have.
fn finished(router: Router, service: &Arc<Service>) -> Router {
    router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(map_response_with_state(service.clone(), finish))
}

/// Counts an answer, and gives it the headers that all have.
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
        description = "Verdicts on posts and badges of anonymous members. A verdict has status 200 whatever it says; \
                       errors of the request itself have another status and say what to do."
    ),
    tags(
        (name = "posts", description = "Posts and badges"),
        (name = "relay", description = "What is public about the relay"),
        (name = "members", description = "The member tree, for wallets without one"),
        (name = "operation", description = "For whoever runs the relay"),
        (name = "page", description = "For people"),
    )
)]
struct Api;

/// The document that [`openapi`] answers with.
#[derive(Clone)]
struct Document(Bytes);

/// What apps use, but for the member tree.
fn public() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(verify::verify))
        .routes(routes!(verify::badges))
        .routes(routes!(verify::challenge))
        .routes(routes!(policy::policy))
        .routes(routes!(views::roots))
        .routes(routes!(views::slashed))
        .routes(routes!(events::events))
        .routes(routes!(summary::summary))
}

/// What the operator reads.
fn operation() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The relay's own page, and its document.
fn own_page() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(openapi))
        .routes(routes!(page::page))
        .routes(routes!(page::style))
        .routes(routes!(page::script))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, body = Object)))]
async fn openapi(Extension(Document(document)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
