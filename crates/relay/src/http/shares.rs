//! Fair sharing of limited resources among sources: connections, memory of bodies, places of listeners.
//!
//! The same fixed limit for every address does not protect: sixteen addresses with 64 silent connections each took all
//! connections, and two addresses with slow bodies took all memory. Here each source has at most its share, and when
//! nothing is left, a newcomer takes the place of the source that has the most. Sources of one network are counted
//! together first (/48, /56 and /64 of IPv6, /24 of IPv4), so that many addresses of one home or one rented block get
//! no more than one address.

use core::{
    cmp::Reverse,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Source;

/// Number of networks of a source, widest first; the last one is the source itself.
const LEVELS: usize = 3;

/// The owner of a place.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    networks: [Source; LEVELS],
    /// Whether it represents many clients, as a trusted proxy does.
    is_proxy: bool,
}

impl Owner {
    pub(super) fn address(address: IpAddr) -> Self {
        let networks = match address.to_canonical() {
            IpAddr::V4(address) => [24, 24, 32].map(|length| {
                let bits = address.to_bits() & u32::MAX << (32 - length);
                IpAddr::V4(Ipv4Addr::from_bits(bits))
            }),
            IpAddr::V6(address) => [48, 56, 64].map(|length| {
                let bits = address.to_bits() & u128::MAX << (128 - length);
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            }),
        };
        Self { networks: networks.map(Source::address), is_proxy: false }
    }

    /// Creates the owner for a source that a trusted proxy names.
    pub(super) fn named(source: &Source) -> Self {
        Self { networks: core::array::from_fn(|_| source.clone()), is_proxy: false }
    }

    pub(super) fn proxy(address: IpAddr) -> Self {
        Self { is_proxy: true, ..Self::address(address) }
    }

    fn source(&self) -> &Source {
        let [.., source] = &self.networks;
        source
    }
}

/// State of a place, which decides when the place may be given to another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenure {
    /// The place may be given away whenever no other is free: nothing is lost with it.
    Idle,
    /// The place may be given away if its owner's network has more than the newcomer's network would have.
    Waiting,
    /// The place is never given away: the relay is working for it.
    Working,
}

/// Limits in total, and for one source that is not a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) total: usize,
    pub(super) of_source: usize,
}

/// Reason why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The source has used its share.
    Source,
    /// Others have used the rest, and none of them has more than the newcomer would have.
    Total,
}

/// A shared resource. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<Table>,
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    places: BTreeMap<u64, Entry>,
    total: usize,
    of: HashMap<Source, usize>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    amount: usize,
    tenure: Tenure,
    /// Sequence number of the last change of tenure; a smaller number is longer ago.
    since: u64,
    evicted: Arc<Notify>,
}

/// The places of a network.
#[derive(Debug, Default)]
struct Sum {
    amount: usize,
    /// The smallest `since` among its places that may be given away.
    oldest: Option<u64>,
}

impl Table {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn change(&mut self, source: &Source, before: usize, after: usize) {
        self.total = self.total - before + after;
        let own = self.of.entry(source.clone()).or_insert(0);
        *own = *own - before + after;
        if *own == 0 {
            self.of.remove(source);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.places.remove(&id)?;
        self.change(entry.owner.source(), entry.amount, 0);
        Some(entry)
    }

    /// Makes room for an additional amount of an owner. Returns the number of evicted places.
    fn make_room(&mut self, owner: &Owner, amount: usize, limits: Limits) -> Result<u64, Full> {
        let own = self.of.get(owner.source()).copied().unwrap_or(0);
        if !owner.is_proxy && own + amount > limits.of_source {
            return Err(Full::Source);
        }
        let mut evicted = 0;
        while self.total + amount > limits.total {
            let victim = self.idle(false).or_else(|| self.idle(true)).or_else(|| self.waiting(owner, amount));
            let entry = victim.and_then(|id| self.remove(id)).ok_or(Full::Total)?;
            entry.evicted.notify_one();
            evicted += 1;
        }
        Ok(evicted)
    }

    /// Returns the place that has been idle for longest, in the network that has the most.
    fn idle(&self, is_proxy: bool) -> Option<u64> {
        let can_go = |entry: &Entry| entry.tenure == Tenure::Idle && entry.owner.is_proxy == is_proxy;
        self.largest(can_go, |_, _, _| true)
    }

    /// Returns the place that has waited for longest, in the network that has the most, if the newcomer's network would
    /// have less.
    fn waiting(&self, newcomer: &Owner, amount: usize) -> Option<u64> {
        let can_go = |entry: &Entry| entry.tenure == Tenure::Waiting && !entry.owner.is_proxy;
        let mut is_decided = false;
        let chosen = self.largest(can_go, |level, network, sums| {
            let own = &newcomer.networks[level];
            if is_decided || network == own {
                return true;
            }
            is_decided = true;
            let has = |network| sums.get(network).map_or(0, |sum| sum.amount);
            has(network) > has(own) + amount
        });
        chosen.filter(|_| is_decided)
    }

    /// Descends from the widest networks to one source. At each level, it chooses the network that has the most, among
    /// those with a place that may be given away; of networks with equal amounts, the one with the oldest such place.
    /// It returns the oldest such place of the source, or `None` if `accept` refuses a network on the way.
    fn largest(
        &self,
        can_go: impl Fn(&Entry) -> bool,
        mut accept: impl FnMut(usize, &Source, &HashMap<&Source, Sum>) -> bool,
    ) -> Option<u64> {
        let mut pool: Vec<_> = self.places.iter().collect();
        for level in 0..LEVELS {
            let mut sums: HashMap<&Source, Sum> = HashMap::new();
            for (_, entry) in &pool {
                let sum = sums.entry(&entry.owner.networks[level]).or_default();
                sum.amount += entry.amount;
                if can_go(entry) {
                    sum.oldest = Some(sum.oldest.map_or(entry.since, |oldest| oldest.min(entry.since)));
                }
            }
            let can_go = sums.iter().filter_map(|(network, sum)| Some((network, sum.amount, sum.oldest?)));
            let (&network, ..) = can_go.max_by_key(|(_, amount, oldest)| (*amount, Reverse(*oldest)))?;
            if !accept(level, network, &sums) {
                return None;
            }
            pool.retain(|(_, entry)| entry.owner.networks[level] == *network);
        }
        let oldest = pool.into_iter().filter(|(_, entry)| can_go(entry)).min_by_key(|(_, entry)| entry.since);
        oldest.map(|(id, _)| *id)
    }
}

impl Shares {
    /// Takes a place.
    pub(super) fn enter(&self, owner: Owner, amount: usize, tenure: Tenure, limits: Limits) -> Result<Place, Full> {
        let table = &mut *self.0.table.lock();
        let evicted = table.make_room(&owner, amount, limits)?;
        self.0.evicted.fetch_add(evicted, Ordering::Relaxed);
        table.change(owner.source(), 0, amount);
        let (id, notify) = (table.next(), Arc::new(Notify::new()));
        table.places.insert(id, Entry { owner, amount, tenure, since: id, evicted: Arc::clone(&notify) });
        Ok(Place { shares: self.clone(), id, evicted: notify })
    }

    /// Returns the amount in use.
    pub(super) fn taken(&self) -> usize {
        self.0.table.lock().total
    }

    /// Returns how many places were given to other owners, since the start.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }
}

/// A place, until it is dropped or given to another owner.
#[derive(Debug)]
pub(super) struct Place {
    shares: Shares,
    id: u64,
    evicted: Arc<Notify>,
}

impl Place {
    /// Waits until it is given to another owner.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    pub(super) fn hold(&self, tenure: Tenure) {
        let table = &mut *self.shares.0.table.lock();
        let now = table.next();
        if let Some(entry) = table.places.get_mut(&self.id) {
            (entry.tenure, entry.since) = (tenure, now);
        }
    }

    /// Takes an additional amount. A place that was given to another owner is full.
    pub(super) fn grow(&self, amount: usize, limits: Limits) -> Result<(), Full> {
        let table = &mut *self.shares.0.table.lock();
        let Some(owner) = table.places.get(&self.id).map(|entry| entry.owner.clone()) else { return Err(Full::Total) };
        let evicted = table.make_room(&owner, amount, limits)?;
        self.shares.0.evicted.fetch_add(evicted, Ordering::Relaxed);
        let Some(entry) = table.places.get_mut(&self.id) else { return Err(Full::Total) };
        let before = entry.amount;
        entry.amount += amount;
        table.change(owner.source(), before, before + amount);
        Ok(())
    }

    /// Passes it to its real owner, who was unknown until now.
    pub(super) fn pass_to(&self, owner: Owner, limits: Limits) -> Result<(), Full> {
        let table = &mut *self.shares.0.table.lock();
        let own = table.of.get(owner.source()).copied().unwrap_or(0);
        let Some(entry) = table.places.get_mut(&self.id) else { return Err(Full::Total) };
        let amount = entry.amount;
        if !owner.is_proxy && own + amount > limits.of_source {
            return Err(Full::Source);
        }
        let former = core::mem::replace(&mut entry.owner, owner.clone());
        table.change(former.source(), amount, 0);
        table.change(owner.source(), 0, amount);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.0.table.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { total: 6, of_source: 4 };

    fn owner(address: &str) -> Owner {
        Owner::address(address.parse().unwrap())
    }

    fn enter(shares: &Shares, address: &str, tenure: Tenure) -> Result<Place, Full> {
        shares.enter(owner(address), 1, tenure, LIMITS)
    }

    /// Returns whether a place was given to another owner.
    fn is_gone(place: &Place) -> bool {
        !place.shares.0.table.lock().places.contains_key(&place.id)
    }

    #[test]
    fn a_source_has_its_share_and_no_more() {
        let shares = Shares::default();
        let held: Vec<_> =
            (0..4).map(|host| enter(&shares, &format!("2001:db8::{host}"), Tenure::Idle).unwrap()).collect();
        assert_eq!(enter(&shares, "2001:db8::7", Tenure::Idle).unwrap_err(), Full::Source);
        let proxy = Owner::proxy("2001:db8::7".parse().unwrap());
        drop(shares.enter(proxy, 1, Tenure::Idle, LIMITS).unwrap());
        assert!(held.iter().all(|place| !is_gone(place)));
        drop(held);
        assert_eq!((shares.taken(), shares.0.table.lock().of.len()), (0, 0));
    }

    #[test]
    fn the_oldest_idle_place_of_the_largest_network_goes_first() {
        let shares = Shares::default();
        let lonely = enter(&shares, "198.51.100.1", Tenure::Idle).unwrap();
        let working = enter(&shares, "192.0.2.1", Tenure::Working).unwrap();
        // Addresses of one /24.
        let block: Vec<_> =
            (2..6).map(|host| enter(&shares, &format!("192.0.2.{host}"), Tenure::Idle).unwrap()).collect();
        block[0].hold(Tenure::Idle);
        let newcomer = enter(&shares, "203.0.113.1", Tenure::Idle).unwrap();
        assert!(is_gone(&block[1]) && !is_gone(&block[0]) && !is_gone(&lonely) && !is_gone(&working));
        assert_eq!((shares.taken(), shares.evicted()), (6, 1));
        // The notification is not lost before it is awaited.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(block[1].evicted());
        drop(newcomer);
        assert_eq!(shares.taken(), 5);
    }

    #[test]
    fn idle_places_of_proxies_go_last_and_their_waiting_ones_never() {
        let shares = Shares::default();
        let proxy = || Owner::proxy("10.0.0.1".parse().unwrap());
        let idle: Vec<_> = (0..5).map(|_| shares.enter(proxy(), 1, Tenure::Idle, LIMITS).unwrap()).collect();
        let client = enter(&shares, "192.0.2.1", Tenure::Idle).unwrap();
        let newcomer = enter(&shares, "198.51.100.1", Tenure::Working).unwrap();
        assert!(is_gone(&client));
        let next = enter(&shares, "198.51.100.2", Tenure::Working).unwrap();
        assert!(is_gone(&idle[0]));
        idle[1..].iter().for_each(|place| place.hold(Tenure::Waiting));
        assert_eq!(enter(&shares, "203.0.113.1", Tenure::Idle).unwrap_err(), Full::Total);
        drop((newcomer, next));
    }

    #[test]
    fn a_waiting_place_goes_only_to_who_would_have_less() {
        let shares = Shares::default();
        let of = |address: &str, count: usize| -> Vec<_> {
            (0..count).map(|_| enter(&shares, address, Tenure::Waiting).unwrap()).collect()
        };
        let (many, few) = (of("192.0.2.1", 4), of("198.51.100.1", 2));
        let newcomer = enter(&shares, "203.0.113.1", Tenure::Waiting).unwrap();
        let second = enter(&shares, "203.0.113.1", Tenure::Waiting).unwrap();
        assert!(is_gone(&many[0]) && is_gone(&many[1]) && few.iter().all(|place| !is_gone(place)));
        // Each source has two now.
        for address in ["192.0.2.1", "198.51.100.1", "203.0.113.1"] {
            assert_eq!(enter(&shares, address, Tenure::Waiting).unwrap_err(), Full::Total, "{address}");
        }
        assert!(enter(&shares, "203.0.114.1", Tenure::Waiting).is_ok());
        drop((newcomer, second));
    }

    #[test]
    fn within_one_network_sources_share_as_well() {
        let shares = Shares::default();
        let hosts: Vec<_> = (0..4).map(|_| enter(&shares, "2001:db8:0:1::1", Tenure::Waiting).unwrap()).collect();
        let other: Vec<_> = (0..2).map(|_| enter(&shares, "2001:db8:0:2::1", Tenure::Waiting).unwrap()).collect();
        let neighbour = enter(&shares, "2001:db8:0:3::1", Tenure::Waiting).unwrap();
        assert!(is_gone(&hosts[0]) && !is_gone(&hosts[1]) && other.iter().all(|place| !is_gone(place)));
        // The whole /48 competes with a single source.
        let stranger = enter(&shares, "2001:db8:1::1", Tenure::Waiting).unwrap();
        assert!(is_gone(&hosts[1]));
        drop((neighbour, stranger));
    }

    #[test]
    fn a_place_grows_within_limits_and_can_be_passed_on() {
        let shares = Shares::default();
        let proxy = shares.enter(Owner::proxy("10.0.0.1".parse().unwrap()), 1, Tenure::Idle, LIMITS).unwrap();
        proxy.pass_to(owner("192.0.2.1"), LIMITS).unwrap();
        assert_eq!(proxy.grow(4, LIMITS), Err(Full::Source));
        proxy.grow(3, LIMITS).unwrap();
        let other = enter(&shares, "10.0.0.1", Tenure::Working).unwrap();
        assert_eq!(other.pass_to(owner("192.0.2.1"), LIMITS), Err(Full::Source));
        other.grow(2, LIMITS).unwrap();
        assert!(is_gone(&proxy));
        assert_eq!(proxy.grow(1, LIMITS), Err(Full::Total));
        assert_eq!(shares.taken(), 3);
    }

    proptest! {
        /// After any steps, the sums match the places, the limits hold, and no working place is evicted.
        #[test]
        fn sums_and_limits_hold(steps in prop::collection::vec((0u8..4, 0u8..12, 0usize..8, 1usize..3), 0..80)) {
            let shares = Shares::default();
            let mut places: Vec<Place> = Vec::new();
            for (action, host, which, amount) in steps {
                let place = places.len().checked_sub(1).map(|last| which.min(last));
                let tenure = [Tenure::Idle, Tenure::Waiting, Tenure::Working][which % 3];
                let working = |shares: &Shares| {
                    let table = shares.0.table.lock();
                    let working = table.places.iter().filter(|(_, entry)| entry.tenure == Tenure::Working);
                    working.map(|(id, _)| *id).collect::<Vec<_>>()
                };
                let before = working(&shares);
                match (action, place) {
                    (0, _) => places.extend(shares.enter(owner(&format!("192.0.{}.{host}", host % 4)), amount, tenure, LIMITS)),
                    (1, Some(place)) => drop(places.swap_remove(place)),
                    (2, Some(place)) => places[place].hold(tenure),
                    (_, Some(place)) => drop(places[place].grow(amount, LIMITS)),
                    _ => {}
                }
                if matches!(action, 0 | 3) {
                    let after = working(&shares);
                    prop_assert!(before.iter().all(|id| after.contains(id)));
                }
                let table = shares.0.table.lock();
                let sum: usize = table.places.values().map(|entry| entry.amount).sum();
                prop_assert_eq!((sum, table.of.values().sum::<usize>()), (table.total, table.total));
                prop_assert!(table.total <= LIMITS.total && table.of.values().all(|own| *own <= LIMITS.of_source));
            }
        }
    }
}
