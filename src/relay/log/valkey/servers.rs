//! The server of a log, or the servers of a cluster: who has which key, and what to do when that changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

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
};
use crate::relay::{LogError, lock, read, write};

/// How often a command is sent that was refused because its key has moved, or whose answer was lost.
const ATTEMPTS: u32 = 3;
/// How long after a failed attempt the next is made.
const PAUSE: Duration = Duration::from_millis(30);
/// How long after the cluster was asked for its slots it is asked again because a server is gone.
const REFRESH_AFTER: Duration = Duration::from_millis(500);

/// A command that can be repeated: what it did is seen by itself when it comes again.
#[derive(Clone)]
pub(super) struct Request {
    slot: u16,
    command: Cmd,
}

impl Request {
    /// One about a key.
    pub(super) fn new(key: &[u8], command: Cmd) -> Self {
        Self { slot: slot_of(key), command }
    }
}

/// Whether to wait for replicas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// The last slot of each range, and who has it; in order.
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
}

impl Servers {
    /// Connects to the server, or to those of the cluster that can be reached.
    pub(super) async fn connect(settings: ValkeySettings) -> Result<Self, ValkeyLogError> {
        let infos = settings.addresses.iter().map(|address| {
            // The library's message holds no password, for it holds no address.
            address.as_str().into_connection_info().map_err(|error| ValkeyLogError::Address(error.to_string()))
        });
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        let template = infos.first().ok_or_else(|| ValkeyLogError::Address("no address is given".into()))?.clone();
        let node = |info| Node::new(info, settings.timeout, settings.durability).map(Arc::new);
        let seeds = infos.into_iter().map(node).collect::<Result<Vec<_>, _>>()?;
        let mut is_cluster = Err(ValkeyLogError::Address("no address is given".into()));
        for seed in &seeds {
            is_cluster = match seed.connect().await {
                // The slots tell who its primary is.
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
        };
        if is_cluster {
            servers.refresh(servers.deadline()).await;
            for node in servers.primaries() {
                match node.connect().await {
                    // One that is gone now may come back, or have its slots taken over.
                    Ok(_) | Err(ValkeyLogError::Unreachable { .. }) => {}
                    Err(refused) => return Err(refused),
                }
            }
        }
        Ok(servers)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    /// Every server that has slots.
    fn primaries(&self) -> Vec<Arc<Node>> {
        let mut primaries: Vec<Arc<Node>> = Vec::new();
        for (_, node) in read(&self.slots).iter() {
            if !primaries.iter().any(|known| Arc::ptr_eq(known, node)) {
                primaries.push(Arc::clone(node));
            }
        }
        primaries
    }

    fn node_of(&self, slot: u16) -> Option<Arc<Node>> {
        let slots = Arc::clone(&read(&self.slots));
        let range = slots.partition_point(|(last, _)| *last < slot);
        slots.get(range).map(|(_, node)| Arc::clone(node))
    }

    /// The server at an address that the cluster gave.
    fn node_at(&self, host: &str, port: u16) -> Option<Arc<Node>> {
        let mut nodes = lock(&self.nodes);
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
        let node = Arc::new(Node::new(info, self.settings.timeout, self.settings.durability).ok()?);
        nodes.insert(node.name().into(), Arc::clone(&node));
        Some(node)
    }

    /// Asks the cluster who has which slots.
    async fn refresh(&self, deadline: Instant) {
        *lock(&self.refreshed) = Instant::now();
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
                // A server that does not know its own name sends none.
                let host = if host.is_empty() { own_host } else { &host };
                slots.extend(self.node_at(host, port).map(|node| (last, node)));
            }
            slots.sort_unstable_by_key(|(last, _)| *last);
            *write(&self.slots) = Arc::new(slots);
            return;
        }
    }

    /// Sends commands to whoever has their keys, and returns the answer to each. Those about one key are done in this
    /// order.
    pub(super) async fn run(&self, requests: Vec<Request>, kind: Kind) -> Vec<Result<Value, LogError>> {
        let deadline = self.deadline();
        let mut answers: Vec<Result<Value, LogError>> = vec![Err(unanswered()); requests.len()];
        // What is left to do, and whom the cluster says to ask instead of the one who has the slot.
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
            let mut asked = JoinSet::new();
            for group in groups {
                let commands = group.commands(&requests, replicas, patience);
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
                        is_stale |= is_open || lock(&self.refreshed).elapsed() > REFRESH_AFTER;
                        for index in group.indices {
                            answers[index] = Err(error.clone());
                            open.extend(is_open.then_some((index, None)));
                        }
                        continue;
                    }
                };
                let is_copied = replicas == 0 || group.is_copied(&answered, replicas);
                for (index, answer) in group.indices.into_iter().zip(answered) {
                    answers[index] = match answer {
                        Ok(_) if !is_copied => Err(LogError::Unavailable("too few replicas have it".into())),
                        Ok(value) => Ok(value),
                        Err(error) => {
                            match Redirection::of(&error) {
                                Redirection::None => {}
                                Redirection::Refresh => {
                                    is_stale = true;
                                    open.push((index, None));
                                }
                                Redirection::Ask(host, port) => open.push((index, self.node_at(&host, port))),
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

    /// Sends one command to every server that has slots.
    pub(super) async fn ask_all(&self, command: &Cmd) -> Result<Vec<Value>, LogError> {
        let deadline = self.deadline();
        let mut ask = pipe();
        ask.ignore_errors().add_command(command.clone());
        let mut answers = Vec::new();
        for node in self.primaries() {
            let answered = node.ask(&ask, deadline).await.map_err(|failure| match failure {
                Failure::Paused(error) | Failure::Broken(error) => error,
            })?;
            let answer = answered.into_iter().next().ok_or_else(unanswered)?;
            answers.push(answer.map_err(|error| refused(&error))?);
        }
        Ok(answers)
    }
}

/// Commands for one server.
struct Group {
    node: Arc<Node>,
    /// Whether it is told to answer although the slot is not wholly its own yet.
    is_asking: bool,
    indices: Vec<usize>,
}

impl Group {
    fn commands(&self, requests: &[Request], replicas: u32, patience: Duration) -> Pipeline {
        let mut commands = pipe();
        commands.ignore_errors();
        for index in &self.indices {
            if self.is_asking {
                commands.cmd("ASKING").ignore();
            }
            commands.add_command(requests[*index].command.clone());
        }
        if replicas > 0 {
            // On the connection of the writes, for those it counts.
            commands.add_command(cmd("WAIT").arg(replicas).arg(patience.as_millis() as u64).to_owned());
        }
        commands
    }

    /// Whether so many replicas have what was written.
    fn is_copied(&self, answers: &[RedisResult<Value>], replicas: u32) -> bool {
        matches!(answers.get(self.indices.len()), Some(Ok(Value::Int(copies))) if *copies >= i64::from(replicas))
    }
}

/// What a refusal says about where to go.
enum Redirection {
    None,
    /// Somebody else has the slot now, or will soon.
    Refresh,
    /// This server has the key, if anybody has.
    Ask(String, u16),
}

impl Redirection {
    fn of(error: &RedisError) -> Self {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        match error.kind() {
            ErrorKind::Server(Moved | BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain) => Self::Refresh,
            ErrorKind::Server(Ask) => {
                let address = error.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
                let address = address.and_then(|(host, port)| Some((host, port.parse().ok()?)));
                address.map_or(Self::Refresh, |(host, port)| Self::Ask(host.into(), port))
            }
            _ => Self::None,
        }
    }
}

/// `CLUSTER SLOTS`: for each range its first and last slot, and its servers, the primary first, each with host and port.
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

/// A refusal without its details, which may name servers.
fn refused(error: &RedisError) -> LogError {
    LogError::Unavailable(error.code().unwrap_or_else(|| error.category()).into())
}
