//! The open connections of a listener: their number, owners and states.

use core::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{Extensions, StatusCode},
};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

use super::{
    HttpSettings,
    error::ApiError,
    settings::contains,
    shares::{Full, Limits, Owner, Place, Shares, Tenure},
};

/// Maximum number of refusals that are sent at the same time; further connections are closed without an answer.
const REFUSALS: usize = 64;

/// The listener that accepted a request's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The public listener.
    Public,
    /// The operator's own listener at a TCP address.
    Admin,
    /// The operator's own listener at a Unix socket.
    AdminSocket,
}

/// The other end of a request's connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) door: Door,
    connection: Option<Arc<Connection>>,
}

impl Peer {
    pub(super) fn new(address: IpAddr, door: Door, connection: Arc<Connection>) -> Self {
        Self { address, door, connection: Some(connection) }
    }

    /// Creates a peer without a connection.
    #[cfg(test)]
    pub(super) fn at(address: IpAddr, door: Door) -> Self {
        Self { address, door, connection: None }
    }

    /// Returns the peer of a request.
    ///
    /// # Errors
    /// 500 for a request that did not come through the service, which sets the peer of each request.
    pub(super) fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let missing = || ApiError::new(status, "the client's address is unknown", "report it to the operator");
        extensions.get().cloned().ok_or_else(missing)
    }

    /// Marks its connection as waiting for the client until the result is dropped. A waiting connection may be closed
    /// to make room for another.
    pub(super) fn wait(&self) -> Waiting {
        self.hold(Tenure::Waiting);
        Waiting(self.clone())
    }

    /// Marks its connection as working on a request until the exchange is dropped.
    pub(super) fn begin(&self) -> Exchange {
        self.hold(Tenure::Working);
        Exchange(self.clone())
    }

    fn hold(&self, tenure: Tenure) {
        if let Some(connection) = &self.connection {
            connection.0.hold(tenure);
        }
    }
}

/// A connection that waits for its client, until dropped.
#[derive(Debug)]
pub(super) struct Waiting(Peer);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.hold(Tenure::Working);
    }
}

/// The open connections of a listener. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    shares: Shares,
    refusals: Arc<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    open: Mutex<usize>,
    ever: AtomicU64,
}

impl Connections {
    pub(super) fn count(&self) -> usize {
        self.shares.taken()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.shares.evicted()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refusals.ever.load(Ordering::Relaxed)
    }

    /// Registers a connection. It is idle until its first request.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(super) fn enter(&self, peer: IpAddr, settings: &HttpSettings) -> Result<Connection, StatusCode> {
        let place = self.shares.enter(owner(peer, settings), 1, Tenure::Idle, limits(settings)).map_err(status)?;
        Ok(Connection(place))
    }

    /// Registers a refusal to send; returns `None` if there are too many.
    pub(super) fn refuse(&self) -> Option<OpenRefusal> {
        self.refusals.ever.fetch_add(1, Ordering::Relaxed);
        let open = &mut *self.refusals.open.lock();
        (*open < REFUSALS).then(|| {
            *open += 1;
            OpenRefusal(Arc::clone(&self.refusals))
        })
    }
}

fn limits(settings: &HttpSettings) -> Limits {
    Limits { total: settings.max_connections, of_source: settings.max_connections_per_source }
}

fn owner(peer: IpAddr, settings: &HttpSettings) -> Owner {
    if contains(&settings.trusted_proxies, peer) { Owner::proxy(peer) } else { Owner::address(peer) }
}

fn status(full: Full) -> StatusCode {
    match full {
        Full::Source => StatusCode::TOO_MANY_REQUESTS,
        Full::Total => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A refusal that is being sent, until dropped.
pub(super) struct OpenRefusal(Arc<Refusals>);

impl Drop for OpenRefusal {
    fn drop(&mut self) {
        *self.0.open.lock() -= 1;
    }
}

/// An open connection, until dropped.
#[derive(Debug)]
pub(super) struct Connection(Place);

impl Connection {
    /// Waits until its place is given to another connection.
    pub(super) async fn evicted(&self) {
        self.0.evicted().await;
    }

    /// Makes the client that a proxy named the owner of the connection.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(super) fn pass_to(&self, client: IpAddr, settings: &HttpSettings) -> Result<(), StatusCode> {
        self.0.pass_to(owner(client, settings), limits(settings)).map_err(status)
    }
}

/// A request that is being answered, until dropped.
#[derive(Debug)]
pub(super) struct Exchange(Peer);

impl Exchange {
    /// Keeps the exchange until a body is sent or aborted.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(Held { body, _exchange: self })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.hold(Tenure::Idle);
    }
}

struct Held {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
