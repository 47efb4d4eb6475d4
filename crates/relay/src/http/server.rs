//! Connections: admission, timeouts and shutdown.

use core::{convert::Infallible, net::IpAddr, pin::pin, time::Duration};
use std::{
    io::{self, Cursor},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    HttpSettings, Service,
    admin::{AdminListener, Sockets},
    connections::{Connection, Connections, Door, Peer},
    error::ErrorBody,
    proxy_protocol::receive,
    settings::contains,
};

/// Pause when the system cannot open another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(100);
/// Maximum size of a request's head in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Time for a refused client to read the reason.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Maximum number of open connections of the operator's own listener.
const MAX_ADMIN_CONNECTIONS: usize = 64;

/// A stream of bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type BoxedStream = Box<dyn Stream>;

/// A listener for connections.
enum Listener {
    Public(TcpListener),
    Admin(Sockets),
}

impl Listener {
    async fn accept(&self) -> io::Result<(BoxedStream, IpAddr, Door)> {
        let (stream, peer, door) = match self {
            Self::Public(listener) => {
                let (stream, peer) = listener.accept().await?;
                (stream, peer.ip(), Door::Public)
            }
            Self::Admin(Sockets::Tcp(listener)) => {
                let (stream, peer) = listener.accept().await?;
                (stream, peer.ip(), Door::Admin)
            }
            #[cfg(unix)]
            Self::Admin(Sockets::Unix(listener)) => {
                let (stream, _) = listener.accept().await?;
                return Ok((Box::new(stream), IpAddr::from([127, 0, 0, 1]), Door::AdminSocket));
            }
        };
        // Answers are small, and clients wait for them.
        let _ = stream.set_nodelay(true);
        Ok((Box::new(stream), peer, door))
    }

    /// Returns the limits of its connections.
    fn settings(&self, service: &Service) -> Arc<HttpSettings> {
        let settings = service.settings();
        match self {
            Self::Public(_) => settings,
            Self::Admin(_) => Arc::new(HttpSettings {
                max_connections: MAX_ADMIN_CONNECTIONS,
                max_connections_per_source: MAX_ADMIN_CONNECTIONS,
                trusted_proxies: Vec::new(),
                proxy_protocol: false,
                ..HttpSettings::clone(&settings)
            }),
        }
    }
}

/// Serves the public listener until `stop`, then lets the requests in progress finish within the stop timeout.
pub(super) async fn serve(
    service: Arc<Service>,
    router: Router,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let (listener, connections) = (Listener::Public(listener), service.connections.clone());
    let (graceful, mut tasks) = accept(&service, &router, &listener, &connections, stop).await;
    drop(listener);
    service.stopping.cancel();
    // Requests that take longer are aborted.
    let _ = time::timeout(service.settings().stop_timeout, graceful.shutdown()).await;
    tasks.shutdown().await;
    service.engine.stop().await;
}

/// Serves the operator's own listener until `stop`, with a separate connection limit.
pub(super) async fn serve_admin(
    service: Arc<Service>,
    router: Router,
    listener: AdminListener,
    stop: impl Future<Output = ()>,
) {
    let (sockets, _file) = listener.into_parts();
    let (_, mut tasks) = accept(&service, &router, &Listener::Admin(sockets), &Connections::default(), stop).await;
    tasks.shutdown().await;
}

/// Accepts connections until `stop`. Returns a handle that shuts the connections down, and their tasks; dropping the
/// tasks aborts the connections.
async fn accept(
    service: &Arc<Service>,
    router: &Router,
    listener: &Listener,
    connections: &Connections,
    stop: impl Future<Output = ()>,
) -> (GracefulShutdown, JoinSet<()>) {
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return (graceful, tasks),
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address, door) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(_) => {
                // Other connections end, and free resources.
                time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        let settings = listener.settings(service);
        match enter(connections, address, &settings) {
            Ok(connection) => {
                let attendant = Attendant {
                    router: router.clone(),
                    settings,
                    connection: Arc::new(connection),
                    stopping: service.stopping.clone(),
                };
                tasks.spawn(attendant.attend(stream, address, door, graceful.watcher()));
            }
            Err(refusal) => {
                if let Some(delivery) = connections.refuse() {
                    tasks.spawn(async move {
                        refuse(stream, refusal).await;
                        drop(delivery);
                    });
                }
            }
        }
    }
}

fn enter(connections: &Connections, address: IpAddr, settings: &HttpSettings) -> Result<Connection, RefusedConnection> {
    // Without this check, any client that reaches the listener could claim any address.
    if settings.proxy_protocol && !contains(&settings.trusted_proxies, address) {
        return Err(RefusedConnection {
            status: StatusCode::FORBIDDEN,
            error: "connections are accepted only from trusted proxies, and this address is not one".into(),
            hint: "connect through the proxy; the operator lists its address as `trusted_proxies` in [listen]",
        });
    }
    connections.enter(address, settings).map_err(RefusedConnection::too_many)
}

/// Returns whether the error concerns only one connection, so that the next may succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The state of a connection's task.
struct Attendant {
    router: Router,
    settings: Arc<HttpSettings>,
    connection: Arc<Connection>,
    stopping: CancellationToken,
}

impl Attendant {
    async fn attend(self, stream: BoxedStream, address: IpAddr, door: Door, watcher: Watcher) {
        let connection = Arc::clone(&self.connection);
        let served = async {
            let (stream, address) = if self.settings.proxy_protocol {
                match self.introduce(stream, address).await {
                    Ok(introduced) => introduced,
                    Err((stream, refusal)) => return refuse(stream, refusal).await,
                }
            } else {
                (stream, address)
            };
            let peer = Peer::new(address, door, Arc::clone(&self.connection));
            // A client that aborts its connection needs no error.
            let _ = watcher.watch(http(stream, peer, self.router, &self.settings)).await;
        };
        tokio::select! {
            () = served => {}
            () = connection.evicted() => {}
        }
    }

    /// Reads the PROXY protocol header. A connection without it is refused: it comes from a client that bypasses the
    /// proxy, or from a misconfigured proxy, whose clients would all count as one source.
    async fn introduce(
        &self,
        mut stream: BoxedStream,
        proxy: IpAddr,
    ) -> Result<(BoxedStream, IpAddr), (BoxedStream, RefusedConnection)> {
        let hint = "`proxy_protocol` is set in [listen]: let the proxy send the header, or unset it";
        let received = tokio::select! {
            received = time::timeout(self.settings.header_timeout, receive(&mut stream)) => received,
            () = self.stopping.cancelled() => return Err((stream, RefusedConnection {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "the relay is stopping".into(),
                hint: "try another relay",
            })),
        };
        let refusal = match received {
            Ok(Ok((client, rest))) => {
                let address = client.unwrap_or(proxy);
                match self.connection.pass_to(address, &self.settings) {
                    Ok(()) => {
                        let (read, write) = tokio::io::split(stream);
                        return Ok((Box::new(tokio::io::join(Cursor::new(rest).chain(read), write)), address));
                    }
                    Err(status) => RefusedConnection::too_many(status),
                }
            }
            Ok(Err(error)) => RefusedConnection { status: StatusCode::BAD_REQUEST, error: error.to_string(), hint },
            Err(_) => {
                let time = self.settings.header_timeout;
                let error = format!("the PROXY protocol header did not arrive within {time:?}");
                RefusedConnection { status: StatusCode::REQUEST_TIMEOUT, error, hint }
            }
        };
        Err((stream, refusal))
    }
}

/// Answers the requests of a connection.
fn http(
    stream: BoxedStream,
    peer: Peer,
    router: Router,
    settings: &HttpSettings,
) -> impl GracefulConnection<Error = hyper::Error> + use<> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let answer = service_fn(move |request: Request<Incoming>| {
        let exchange = peer.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let answer = router.clone().oneshot(request);
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| exchange.until_sent(body)))
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer)
}

/// Reason why a connection is not served.
struct RefusedConnection {
    status: StatusCode,
    error: String,
    hint: &'static str,
}

impl RefusedConnection {
    fn too_many(status: StatusCode) -> Self {
        let hint = "close unused connections, and try again soon";
        Self { status, error: "there are too many connections".into(), hint }
    }
}

/// Sends the reason why a connection is not served.
async fn refuse(stream: BoxedStream, refusal: RefusedConnection) {
    // A client that does not read the answer needs no error.
    let _ = time::timeout(REFUSAL_TIME, try_refuse(stream, refusal)).await;
}

async fn try_refuse(
    mut stream: BoxedStream,
    RefusedConnection { status, error, hint }: RefusedConnection,
) -> io::Result<()> {
    let body = serde_json::to_string(&ErrorBody { error, hint: hint.into() })?;
    let retry = if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        "retry-after: 1\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    // Closing a connection with unread data resets it, and the client would lose the answer.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
