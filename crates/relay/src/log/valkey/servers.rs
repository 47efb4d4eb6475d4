//! The server of a log, or the servers of a cluster: which server has which key, and what to do when that changes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use quotapass_protocol::LogError;
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value, cmd, from_redis_value, pipe,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    ValkeyLogError, ValkeySettings,
    node::{Failure, Node},
    slot::{SLOTS, slot_of},
    vitals::{Questions, Vitals, check_mark},
};
use crate::log::LogIdentity;

/// Maximum number of attempts for a command whose key has moved, or whose answer was lost.
const ATTEMPTS: u32 = 3;
/// Pause between a failed attempt and the next one.
const PAUSE: Duration = Duration::from_millis(30);
/// Minimum time between two requests for the cluster's slots because a server is gone.
const REFRESH_AFTER: Duration = Duration::from_millis(500);

/// A command that can be repeated: its repetition recognises what it has already done.
#[derive(Clone)]
pub(super) struct Request {
    slot: u16,
    command: Cmd,
}

impl Request {
    /// Creates a request about a key.
    pub(super) fn new(key: &[u8], command: Cmd) -> Self {
        Self { slot: slot_of(key), command }
    }
}

/// Kind of a request. Writes wait for replicas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// The last slot of each range and the server that has the range, in order.
type Slots = Vec<(u16, Arc<Node>)>;

pub(super) struct Servers {
    settings: ValkeySettings,
    /// What all servers have in common: user, password, TLS.
    template: ConnectionInfo,
    seeds: Vec<Arc<Node>>,
    is_cluster: bool,
    nodes: Mutex<HashMap<String, Arc<Node>>>,
    slots: RwLock<Arc<Slots>>,
    refreshed: Mutex<Instant>,
    /// The keys that have the log's identity, by their slots.
    marks: HashMap<u16, Vec<u8>>,
    /// The identity to check; `None` while the log is being found, or if it may be lost.
    identity: RwLock<Option<LogIdentity>>,
}

/// Parses addresses.
pub(super) fn parse(addresses: &[String]) -> Result<Vec<ConnectionInfo>, ValkeyLogError> {
    // The library's message contains no password, because it contains no address.
    let parsed = |address: &String| {
        address.as_str().into_connection_info().map_err(|error| ValkeyLogError::Address(error.to_string()))
    };
    addresses.iter().map(parsed).collect()
}

impl Servers {
    /// Connects to the server, or to the reachable servers of the cluster. `marks` are the keys of the log's identity:
    /// each slot in use has one of them.
    pub(super) async fn connect(settings: ValkeySettings, marks: &[Vec<u8>]) -> Result<Self, ValkeyLogError> {
        let infos = parse(&settings.addresses)?;
        let template = infos.first().ok_or_else(|| ValkeyLogError::Address("no address is given".into()))?.clone();
        let sentinels = parse(&settings.sentinels)?;
        let seeds = if sentinels.is_empty() {
            let node = |info| Node::new(info, &settings).map(Arc::new);
            infos.into_iter().map(node).collect::<Result<Vec<_>, _>>()?
        } else {
            let [info] = &infos[..] else {
                return Err(ValkeyLogError::Address(
                    "sentinels need the name of one primary, and several are given".into(),
                ));
            };
            vec![Arc::new(Node::watched(info, sentinels, &settings)?)]
        };
        let mut is_cluster = Err(ValkeyLogError::Address("no address is given".into()));
        for seed in &seeds {
            is_cluster = match seed.connect().await {
                // The slots show its primary.
                Err(ValkeyLogError::Replica(_)) if seeds.len() > 1 => continue,
                connected => connected.map(|server| server.is_cluster),
            };
            if is_cluster.is_ok() {
                break;
            }
        }
        let is_cluster = is_cluster?;
        if let (false, [_, other, ..]) = (is_cluster, &seeds[..]) {
            return Err(ValkeyLogError::NotACluster(other.name().into()));
        }
        let all = seeds.iter().take(1).map(|node| (SLOTS - 1, Arc::clone(node))).collect();
        let nodes = seeds.iter().map(|node| (node.name().into(), Arc::clone(node))).collect();
        let servers = Self {
            settings,
            template,
            seeds,
            is_cluster,
            nodes: Mutex::new(nodes),
            slots: RwLock::new(Arc::new(all)),
            refreshed: Mutex::new(Instant::now()),
            marks: marks.iter().map(|mark| (slot_of(mark), mark.clone())).collect(),
            identity: RwLock::default(),
        };
        if is_cluster {
            servers.refresh(servers.deadline()).await;
            for node in servers.primaries() {
                match node.connect().await {
                    // A server that is gone now may come back, or another may take over its slots.
                    Ok(_) | Err(ValkeyLogError::Unreachable { .. }) => {}
                    Err(refused) => return Err(refused),
                }
            }
        }
        Ok(servers)
    }

    /// Sets the identity that every request checks from now on; `None` turns the check off.
    pub(super) fn expect(&self, identity: Option<LogIdentity>) {
        *self.identity.write() = identity;
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    /// Returns every server that has slots.
    fn primaries(&self) -> Vec<Arc<Node>> {
        let mut primaries: Vec<Arc<Node>> = Vec::new();
        for (_, node) in self.slots.read().iter() {
            if !primaries.iter().any(|known| Arc::ptr_eq(known, node)) {
                primaries.push(Arc::clone(node));
            }
        }
        primaries
    }

    fn node_of(&self, slot: u16) -> Option<Arc<Node>> {
        let slots = Arc::clone(&self.slots.read());
        let range = slots.partition_point(|(last, _)| *last < slot);
        slots.get(range).map(|(_, node)| Arc::clone(node))
    }

    /// Returns the server at an address that the cluster gave.
    fn node_at(&self, host: &str, port: u16) -> Option<Arc<Node>> {
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.get(&format!("{host}:{port}")) {
            return Some(Arc::clone(node));
        }
        let address = match self.template.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.into(), port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host.into(), port),
        };
        let info = self.template.clone().set_addr(address);
        let node = Arc::new(Node::new(info, &self.settings).ok()?);
        nodes.insert(node.name().into(), Arc::clone(&node));
        Some(node)
    }

    /// Asks the cluster which server has which slots.
    async fn refresh(&self, deadline: Instant) {
        *self.refreshed.lock() = Instant::now();
        let mut ask = pipe();
        ask.ignore_errors().cmd("CLUSTER").arg("SLOTS");
        let mut asked = self.primaries();
        asked.extend(self.seeds.iter().cloned());
        for node in asked {
            let Ok(answers) = node.ask(&ask, deadline).await else { continue };
            let Some(Ok(answer)) = answers.into_iter().next() else { continue };
            let Some(ranges) = ranges_from(&answer) else { continue };
            let own_host = node.name().rsplit_once(':').map_or("", |(host, _)| host);
            let mut slots = Vec::with_capacity(ranges.len());
            for (last, host, port) in ranges {
                // A server that does not know its own host name sends an empty one.
                let host = if host.is_empty() { own_host } else { &host };
                slots.extend(self.node_at(host, port).map(|node| (last, node)));
            }
            slots.sort_unstable_by_key(|(last, _)| *last);
            *self.slots.write() = Arc::new(slots);
            return;
        }
    }

    /// Sends commands to the servers that have their keys, and returns the answer to each. Commands about one key are
    /// executed in this order.
    pub(super) async fn run(&self, requests: Vec<Request>, kind: Kind) -> Vec<Result<Value, LogError>> {
        let deadline = self.deadline();
        let mut answers: Vec<Result<Value, LogError>> = vec![Err(unanswered()); requests.len()];
        // The remaining commands, and the server that the cluster names instead of the slot's own.
        let mut open: Vec<(usize, Option<Arc<Node>>)> = (0..requests.len()).map(|index| (index, None)).collect();
        for attempt in 1..=ATTEMPTS {
            let mut groups: Vec<Group> = Vec::new();
            for (index, asking) in open.drain(..) {
                let is_asking = asking.is_some();
                let Some(node) = asking.or_else(|| self.node_of(requests[index].slot)) else {
                    answers[index] = Err(LogError::Unavailable("no server has the nullifier's slot".into()));
                    continue;
                };
                let known =
                    groups.iter_mut().find(|group| group.is_asking == is_asking && Arc::ptr_eq(&group.node, &node));
                match known {
                    Some(group) => group.indices.push(index),
                    None => groups.push(Group { node, is_asking, indices: vec![index] }),
                }
            }
            let replicas = if kind == Kind::Write { self.settings.replicas } else { 0 };
            let patience = self.settings.timeout / 2;
            let identity = *self.identity.read();
            let mut asked = JoinSet::new();
            for group in groups {
                let mut commands = group.commands(&requests);
                self.questions(&group, &requests, kind, identity).add_to(&mut commands);
                if replicas > 0 {
                    // On the connection of the writes, because `WAIT` counts only those.
                    commands.add_command(cmd("WAIT").arg(replicas).arg(patience.as_millis() as u64).to_owned());
                }
                asked.spawn(async move {
                    let answers = group.node.ask(&commands, deadline).await;
                    (group, answers)
                });
            }
            let mut is_stale = false;
            while let Some(done) = asked.join_next().await {
                let Ok((group, answered)) = done else { continue };
                let answered = match answered {
                    Ok(answered) => answered,
                    Err(failure) => {
                        let (error, is_open) = match failure {
                            Failure::Paused(error) => (error, false),
                            Failure::Broken(error) => (error, true),
                        };
                        is_stale |= is_open || self.refreshed.lock().elapsed() > REFRESH_AFTER;
                        for index in group.indices {
                            answers[index] = Err(error.clone());
                            open.extend(is_open.then_some((index, None)));
                        }
                        continue;
                    }
                };
                let questions = self.questions(&group, &requests, kind, identity);
                let vitals = questions.answers(&answered, group.indices.len());
                let copies = answered.get(group.indices.len() + questions.count());
                let standing = match self.check(&group.node, &vitals, identity, deadline).await {
                    Ok(()) if !is_copied(copies, replicas) => {
                        Err(LogError::Unavailable("too few replicas have the write".into()))
                    }
                    standing => standing,
                };
                if answered.iter().take(group.indices.len()).any(|answer| answer.as_ref().is_err_and(is_demoted)) {
                    group.node.demoted().await;
                }
                for (index, answer) in group.indices.into_iter().zip(answered) {
                    answers[index] = match answer {
                        Ok(value) => standing.clone().map(|()| value),
                        Err(error) => {
                            match Redirection::of(&error) {
                                Redirection::None => {}
                                Redirection::Refresh => {
                                    is_stale = true;
                                    open.push((index, None));
                                }
                                Redirection::Ask(host, port, _) => open.push((index, self.node_at(&host, port))),
                            }
                            Err(refused(&error))
                        }
                    };
                }
            }
            if is_stale && self.is_cluster {
                self.refresh(deadline).await;
            }
            if open.is_empty() || attempt == ATTEMPTS || Instant::now() + PAUSE >= deadline {
                break;
            }
            open.sort_unstable_by_key(|(index, _)| *index);
            sleep(PAUSE).await;
        }
        answers
    }

    /// Returns the queries for the server of a group, in addition to its commands. While a slot moves, its mark may be
    /// at either server, and is not queried.
    fn questions(
        &self,
        group: &Group,
        requests: &[Request],
        kind: Kind,
        identity: Option<LogIdentity>,
    ) -> Questions<'_> {
        let slot = group.indices.first().map(|index| requests[*index].slot);
        let mark = slot.filter(|_| identity.is_some() && !group.is_asking).and_then(|slot| self.marks.get(&slot));
        Questions { mark: mark.map(Vec::as_slice), is_write: kind == Kind::Write }
    }

    /// Checks whether a server's answers count.
    async fn check(
        &self,
        node: &Node,
        vitals: &Vitals<'_>,
        identity: Option<LogIdentity>,
        deadline: Instant,
    ) -> Result<(), LogError> {
        let Some(identity) = identity else { return vitals.check(u64::MAX) };
        match vitals.mark {
            None => {}
            Some(Ok(mark)) => check_mark(mark, identity)?,
            Some(Err(error)) => match Redirection::of(error) {
                Redirection::Ask(host, port, slot) => {
                    let mark = self.marks.get(&slot).ok_or_else(unanswered)?;
                    let mut ask = pipe();
                    ask.ignore_errors().cmd("ASKING").ignore().cmd("GET").arg(mark);
                    let node = self.node_at(&host, port).ok_or_else(unanswered)?;
                    let answered = node.ask(&ask, deadline).await.map_err(Failure::into_error)?;
                    let mark = answered.into_iter().next().ok_or_else(unanswered)?;
                    check_mark(&mark.map_err(|error| refused(&error))?, identity)?;
                }
                Redirection::None | Redirection::Refresh => return Err(refused(error)),
            },
        }
        vitals.check(node.evicted())
    }

    /// Checks every server that has slots, and writes a probe to it.
    ///
    /// # Errors
    /// The first error: a server is unfit, or accepts no writes.
    pub(super) async fn look(&self, probe: impl Fn(&[u8]) -> Cmd) -> Result<(), LogError> {
        let mut probes = Vec::new();
        for node in self.primaries() {
            node.look().await?;
            let own =
                self.marks.iter().find(|(slot, _)| self.node_of(**slot).is_some_and(|of| Arc::ptr_eq(&of, &node)));
            probes.extend(own.map(|(slot, mark)| Request { slot: *slot, command: probe(mark) }));
        }
        self.run(probes, Kind::Write).await.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Sends one command to every server that has slots.
    pub(super) async fn ask_all(&self, command: &Cmd) -> Result<Vec<Value>, LogError> {
        let deadline = self.deadline();
        let mut ask = pipe();
        ask.ignore_errors().add_command(command.clone());
        let mut answers = Vec::new();
        for node in self.primaries() {
            let answered = node.ask(&ask, deadline).await.map_err(Failure::into_error)?;
            let answer = answered.into_iter().next().ok_or_else(unanswered)?;
            answers.push(answer.map_err(|error| refused(&error))?);
        }
        Ok(answers)
    }
}

/// Commands for one server.
struct Group {
    node: Arc<Node>,
    /// Whether `ASKING` is sent first: the server must answer although it does not have the whole slot yet.
    is_asking: bool,
    indices: Vec<usize>,
}

impl Group {
    fn commands(&self, requests: &[Request]) -> Pipeline {
        let mut commands = pipe();
        commands.ignore_errors();
        for index in &self.indices {
            if self.is_asking {
                commands.cmd("ASKING").ignore();
            }
            commands.add_command(requests[*index].command.clone());
        }
        commands
    }
}

/// Returns whether this number of replicas has the writes.
fn is_copied(answer: Option<&RedisResult<Value>>, replicas: u32) -> bool {
    replicas == 0 || matches!(answer, Some(Ok(Value::Int(copies))) if *copies >= i64::from(replicas))
}

/// Returns whether a server reports that it is a replica now.
fn is_demoted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// The redirection in a server's error.
enum Redirection {
    None,
    /// Another server has the slot now, or will have it soon.
    Refresh,
    /// The server at this host and port has the key of this slot, if any server has it.
    Ask(String, u16, u16),
}

impl Redirection {
    fn of(error: &RedisError) -> Self {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        match error.kind() {
            ErrorKind::Server(Moved | BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain) => Self::Refresh,
            ErrorKind::Server(Ask) => {
                let address = error.redirect_node().and_then(|(address, slot)| {
                    let (host, port) = address.rsplit_once(':')?;
                    Some(Self::Ask(host.into(), port.parse().ok()?, slot))
                });
                address.unwrap_or(Self::Refresh)
            }
            _ => Self::None,
        }
    }
}

/// Parses the answer of `CLUSTER SLOTS`: for each range its first and last slot, and its servers, the primary first,
/// each with host and port.
fn ranges_from(answer: &Value) -> Option<Vec<(u16, String, u16)>> {
    let Value::Array(ranges) = answer else { return None };
    let range = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let [_, last, Value::Array(primary), ..] = &range[..] else { return None };
        let [host, port, ..] = &primary[..] else { return None };
        let host: Option<String> = from_redis_value(host.clone()).ok()?;
        Some((from_redis_value(last.clone()).ok()?, host.unwrap_or_default(), from_redis_value(port.clone()).ok()?))
    };
    ranges.iter().map(range).collect()
}

fn unanswered() -> LogError {
    LogError::Unavailable("the server gave no answer".into())
}

/// Converts a server's error without its details, which may name servers.
fn refused(error: &RedisError) -> LogError {
    let code = error.code().unwrap_or_else(|| error.category());
    LogError::Unavailable(match code {
        "OOM" => "the server's memory is full".into(),
        "READONLY" => "the server is a replica now".into(),
        "NOREPLICAS" => "too few replicas follow the server".into(),
        "MISCONF" => "the server cannot write to its disk".into(),
        "LOADING" => "the server is loading its data".into(),
        other => other.into(),
    })
}
