//! Connections: how many, from whom, and for how long.

use core::{net::IpAddr, pin::pin, time::Duration};
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{Extensions, Request, StatusCode},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::{HttpSettings, Service, error::ErrorBody, settings::contains};
use crate::relay::{Source, lock};

/// How long to wait when the system has no room for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(100);
/// How many refusals are delivered at the same time; connections beyond are closed without a word.
const REFUSALS: usize = 64;
/// Bytes of a request's head at most.
const MAX_HEAD: usize = 32 << 10;
/// How long a refused client has to read why.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// That of a request. One that came some other way than through the service is nobody's.
    pub(super) fn of(extensions: &Extensions) -> IpAddr {
        extensions.get::<Self>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0)
    }
}

/// The open connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: Mutex<Open>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    refusals: usize,
    of: HashMap<Source, usize>,
}

impl Connections {
    pub(super) fn count(&self) -> usize {
        lock(&self.0.open).total
    }

    pub(super) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Counts a connection in.
    ///
    /// # Errors
    /// The status to refuse it with.
    fn enter(&self, peer: IpAddr, settings: &HttpSettings) -> Result<Connection, StatusCode> {
        let source = Source::address(peer);
        let open = &mut *lock(&self.0.open);
        if open.total >= settings.max_connections {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let own = open.of.get(&source).copied().unwrap_or(0);
        if own >= settings.max_connections_per_source && !contains(&settings.trusted_proxies, peer) {
            return Err(StatusCode::TOO_MANY_REQUESTS);
        }
        open.of.insert(source.clone(), own + 1);
        open.total += 1;
        Ok(Connection { connections: self.clone(), source })
    }

    /// Counts a refusal in; none if there are too many.
    fn refuse(&self) -> Option<Refusal> {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        let open = &mut *lock(&self.0.open);
        (open.refusals < REFUSALS).then(|| {
            open.refusals += 1;
            Refusal(self.clone())
        })
    }
}

/// An open connection, until dropped.
struct Connection {
    connections: Connections,
    source: Source,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let open = &mut *lock(&self.connections.0.open);
        open.total -= 1;
        if let Some(own) = open.of.get_mut(&self.source) {
            *own -= 1;
            if *own == 0 {
                open.of.remove(&self.source);
            }
        }
    }
}

/// A refusal that is being delivered, until dropped.
struct Refusal(Connections);

impl Drop for Refusal {
    fn drop(&mut self) {
        lock(&self.0.0.open).refusals -= 1;
    }
}

/// Serves until `stop`, then lets requests that were begun finish within their time.
pub(super) async fn serve(
    service: Arc<Service>,
    router: Router,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    // Dropped with the future, it ends them all.
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) if is_of_one_connection(&error) => continue,
            Err(_) => {
                // Others end, and leave room.
                time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        let settings = service.settings();
        match service.connections.enter(peer, &settings) {
            Ok(connection) => {
                let router = router.clone();
                let served = graceful.watch(handle(stream, peer, router, &settings));
                tasks.spawn(async move {
                    // Whoever breaks off a connection need not be told.
                    let _ = served.await;
                    drop(connection);
                });
            }
            Err(status) => {
                if let Some(refusal) = service.connections.refuse() {
                    tasks.spawn(async move {
                        let _ = time::timeout(REFUSAL_TIME, refuse(stream, status)).await;
                        drop(refusal);
                    });
                }
            }
        }
    }
    drop(listener);
    service.stopping.send_replace(true);
    // Those that take longer are broken off.
    let _ = time::timeout(service.settings().stop_timeout, graceful.shutdown()).await;
    tasks.shutdown().await;
    service.engine.stop().await;
}

/// Whether only one connection failed, and the next may not.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of a connection.
fn handle(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    settings: &HttpSettings,
) -> impl GracefulConnection<Error = hyper::Error> + use<> {
    // Answers are small and awaited.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer)
}

/// Says why a connection is not served.
async fn refuse(mut stream: TcpStream, status: StatusCode) -> io::Result<()> {
    let body = ErrorBody {
        error: "there are too many connections".into(),
        hint: "close those that are not needed, and try again soon".into(),
    };
    let body = serde_json::to_string(&body)?;
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    // Closed with something unread, the connection would be reset and the answer lost.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
