//! The plan of all requests, with their order and times. A seed fixes it before the first request is sent.

use std::{collections::BTreeMap, fmt, net::IpAddr, num::NonZeroUsize, ops::Range, str::FromStr, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{LoadError, Sources};

/// A share of all posts, written as `5%` or `0.05`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percentage(f64);

impl FromStr for Percentage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
        let number: f64 = digits.trim().parse().map_err(|_| "write it as 5% or 0.05".to_owned())?;
        let fraction = number / unit;
        if (0.0..=1.0).contains(&fraction) { Ok(Self(fraction)) } else { Err("use 0% to 100%".into()) }
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

/// One post. Equal values have the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Item {
    /// The honest post of this number. The second time it is sent, it is a replay.
    Honest(u32),
    /// One of the two posts that a spammer makes under one message id.
    Half {
        /// The number of the spammer.
        pair: u32,
        /// Whether it is the second of the two posts.
        second: bool,
    },
    /// The honest pass of this number with another message.
    Forgery(u32),
}

/// The shares of posts that are not new honest posts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    /// Share of replays.
    pub replays: Percentage,
    /// Share of posts with an invalid proof.
    pub forgeries: Percentage,
    /// Share of second posts under a used message id.
    pub conflicts: Percentage,
}

impl Mix {
    /// Checks that the shares fit into all posts. Each conflict needs a first post too.
    pub(crate) fn check(self) -> Result<(), LoadError> {
        let Self { replays, forgeries, conflicts } = self;
        let taken = replays.0 + forgeries.0 + 2.0 * conflicts.0;
        if taken > 1.0 { Err(LoadError::Shares { replays, forgeries, conflicts }) } else { Ok(()) }
    }
}

/// Posts that are sent together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// The planned time, from the start of the run. Latencies count from here, even if it is sent later.
    pub(crate) due: Duration,
    pub(crate) items: Vec<Item>,
    /// Whether it contains forgeries, and nothing else: forgers have separate connections.
    pub(crate) is_forged: bool,
    /// The source address that it states.
    pub(crate) from: IpAddr,
}

/// All requests, in the order of their planned times.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) requests: Vec<Request>,
    /// The number of honest posts that it needs, from number 0 on.
    pub(crate) honest: u32,
    /// The number of spammers.
    pub(crate) pairs: u32,
}

/// The parameters of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Number of honest posts that are sent before the measurement, from number 0 on.
    pub warm_up: u32,
    /// Number of posts.
    pub posts: u32,
    /// Posts per second.
    pub rate: f64,
    /// Number of posts in a request.
    pub posts_per_request: NonZeroUsize,
    /// Number of forgeries in a request.
    pub forgeries_per_request: NonZeroUsize,
    /// Source addresses.
    pub sources: Sources,
    /// Shares of posts that are not new honest posts.
    pub mix: Mix,
    /// Seed of the members, and of the posts and their order.
    pub seed: u64,
}

impl Plan {
    /// Draws a random plan from the seed.
    pub(crate) fn draw(shape: &Shape) -> Self {
        let (items, honest, pairs) = draw_items(shape);
        Self { requests: gather(shape, &items), honest, pairs }
    }

    /// Returns a plan that sends these items as fast as possible.
    pub(crate) fn of(items: &[Item], posts_per_request: NonZeroUsize, sources: Sources) -> Self {
        let request = |(number, items): (u32, &[Item])| Request {
            due: Duration::ZERO,
            items: items.to_vec(),
            is_forged: false,
            from: sources.honest(number),
        };
        let requests = (0..).zip(items.chunks(posts_per_request.get())).map(request).collect();
        let (mut honest, mut pairs) = (0, 0);
        for item in items {
            match *item {
                Item::Honest(number) | Item::Forgery(number) => honest = honest.max(number + 1),
                Item::Half { pair, .. } => pairs = pairs.max(pair + 1),
            }
        }
        Self { requests, honest, pairs }
    }

    /// Returns the number of posts.
    pub(crate) fn posts(&self) -> u64 {
        self.requests.iter().map(|request| request.items.len() as u64).sum()
    }
}

fn draw_items(shape: &Shape) -> (Vec<Item>, u32, u32) {
    let Mix { replays, forgeries, conflicts } = shape.mix;
    let mut rng = StdRng::seed_from_u64(shape.seed);
    // A relay may judge two concurrent posts in either order, so the second half follows a second or two later if the
    // plan is long enough.
    let apart = (shape.rate as u32).clamp(1, (shape.posts / 8).max(1));
    let distances: Range<u32> = apart..2 * apart + 1;
    let (mut honest, mut pairs) = (shape.warm_up, 0);
    let mut seconds: BTreeMap<(u32, u32), Item> = BTreeMap::new();
    let mut items = Vec::with_capacity(shape.posts as usize);
    for position in 0..shape.posts {
        if seconds.first_key_value().is_some_and(|((due, _), _)| *due <= position)
            && let Some((_, second)) = seconds.pop_first()
        {
            items.push(second);
            continue;
        }
        let mut drawn = rng.gen_range(0.0..1.0);
        let mut falls = |share: Percentage| {
            drawn -= share.0;
            drawn < 0.0
        };
        let other = rng.gen_range(0..honest.max(1));
        let item = if falls(forgeries) {
            Item::Forgery(other)
        } else if falls(replays) && honest > 0 {
            Item::Honest(other)
        } else if falls(conflicts) && shape.posts - position > 2 * distances.end + seconds.len() as u32 {
            let pair = pairs;
            pairs += 1;
            seconds.insert((position + rng.gen_range(distances.clone()), pair), Item::Half { pair, second: true });
            Item::Half { pair, second: false }
        } else {
            honest += 1;
            Item::Honest(honest - 1)
        };
        items.push(item);
    }
    // A forgery needs an honest pass, even if the plan has no honest posts.
    let forged = items.iter().any(|item| matches!(item, Item::Forgery(_)));
    (items, honest.max(u32::from(forged)), pairs)
}

/// The request of one kind of poster that is being filled.
struct Filling {
    is_forged: bool,
    size: NonZeroUsize,
    items: Vec<Item>,
    /// The number of requests so far.
    count: u32,
}

impl Filling {
    fn new(is_forged: bool, size: NonZeroUsize) -> Self {
        Self { is_forged, size, items: Vec::new(), count: 0 }
    }

    /// Takes the current items as a request with this due time.
    fn request(&mut self, due: Duration, sources: &Sources) -> Request {
        let (is_forged, number) = (self.is_forged, self.count);
        self.count += 1;
        let from = if is_forged { sources.forged(number) } else { sources.honest(number) };
        Request { due, items: std::mem::take(&mut self.items), is_forged, from }
    }
}

/// Puts the posts into requests. A request is due when its last post is.
fn gather(shape: &Shape, items: &[Item]) -> Vec<Request> {
    let due = |position: usize| Duration::from_secs_f64(position as f64 / shape.rate);
    let mut kinds = [Filling::new(false, shape.posts_per_request), Filling::new(true, shape.forgeries_per_request)];
    let mut requests = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let filling = &mut kinds[usize::from(matches!(item, Item::Forgery(_)))];
        filling.items.push(*item);
        if filling.items.len() >= filling.size.get() {
            requests.push(filling.request(due(position), &shape.sources));
        }
    }
    for mut filling in kinds {
        if !filling.items.is_empty() {
            requests.push(filling.request(due(items.len().saturating_sub(1)), &shape.sources));
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::Forgers;

    fn percent(number: u32) -> Percentage {
        format!("{number}%").parse().unwrap()
    }

    fn shape(posts: u32, [replays, forgeries, conflicts]: [u32; 3], posts_per_request: usize, seed: u64) -> Shape {
        let [replays, forgeries, conflicts] = [replays, forgeries, conflicts].map(percent);
        let mix = Mix { replays, forgeries, conflicts };
        let sources = Sources { honest: 64, forgers: Forgers::Addresses(16) };
        let [posts_per_request, forgeries_per_request] =
            [posts_per_request, posts_per_request + 1].map(|count| NonZeroUsize::new(count).unwrap());
        Shape { warm_up: 0, posts, rate: 100.0, posts_per_request, forgeries_per_request, sources, mix, seed }
    }

    #[test]
    fn percentages_read() {
        assert_eq!("5%".parse::<Percentage>().unwrap().0, 0.05);
        assert_eq!("0.05".parse::<Percentage>().unwrap().0, 0.05);
        assert_eq!(percent(5).to_string(), "5%");
        for text in ["", "%", "101%", "-1%", "NaN", "2", "five"] {
            assert!(text.parse::<Percentage>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_come_out_as_asked() {
        let plan = Plan::draw(&shape(100_000, [20, 5, 1], 1, 7));
        let mut seen = HashSet::new();
        let (mut replays, mut forgeries, mut conflicts) = (0, 0, 0);
        for item in plan.requests.iter().flat_map(|request| &request.items) {
            match item {
                Item::Honest(_) => replays += u32::from(!seen.insert(*item)),
                Item::Half { second, .. } => conflicts += u32::from(*second),
                Item::Forgery(_) => forgeries += 1,
            }
        }
        for (count, expected) in [(replays, 20_000), (forgeries, 5_000), (conflicts, 1_000)] {
            assert!((expected * 9 / 10..expected * 11 / 10).contains(&count), "{count} of {expected}");
        }
        assert_eq!(plan.pairs, conflicts);
    }

    #[test]
    fn shares_above_all_are_refused() {
        let mix = |[replays, forgeries, conflicts]: [u32; 3]| Mix {
            replays: percent(replays),
            forgeries: percent(forgeries),
            conflicts: percent(conflicts),
        };
        assert!(mix([40, 40, 10]).check().is_ok());
        assert!(mix([40, 40, 11]).check().unwrap_err().to_string().contains("twice the conflicts"));
    }

    #[test]
    fn posts_are_due_at_their_rate() {
        let plan = Plan::draw(&shape(10, [0, 0, 0], 1, 1));
        let due: Vec<_> = plan.requests.iter().map(|request| request.due.as_millis()).collect();
        assert_eq!(due, (0..10).map(|position| position * 10).collect::<Vec<_>>());
        let plan = Plan::draw(&shape(10, [0, 0, 0], 4, 1));
        let due: Vec<_> = plan.requests.iter().map(|request| request.due.as_millis()).collect();
        assert_eq!(due, [30, 70, 90]);
    }

    proptest! {
        #[test]
        fn every_plan_is_whole(
            posts in 1u32..3_000,
            parts in prop::array::uniform3(0u32..25),
            posts_per_request in 1usize..40,
            seed: u64,
        ) {
            let shape = shape(posts, parts, posts_per_request, seed);
            let sources = shape.sources;
            let plan = Plan::draw(&shape);
            prop_assert_eq!(&plan, &Plan::draw(&shape));
            prop_assert_eq!(plan.posts(), u64::from(posts));
            prop_assert!(plan.requests.is_sorted_by_key(|request| request.due));
            let mut halves: HashMap<u32, Vec<bool>> = HashMap::new();
            let mut honest = HashSet::new();
            for request in &plan.requests {
                let most = posts_per_request + usize::from(request.is_forged);
                prop_assert!((1..=most).contains(&request.items.len()));
                prop_assert_eq!(request.is_forged, request.from >= sources.forged(0));
                for item in &request.items {
                    prop_assert_eq!(request.is_forged, matches!(item, Item::Forgery(_)));
                    match *item {
                        Item::Honest(number) => { honest.insert(number); }
                        Item::Half { pair, second } => halves.entry(pair).or_default().push(second),
                        Item::Forgery(number) => prop_assert!(number < plan.honest),
                    }
                }
            }
            // Numbers start at zero without gaps, and a second half follows each first half.
            prop_assert!(honest.iter().all(|number| *number < plan.honest));
            prop_assert!(honest.len() as u32 == plan.honest || honest.is_empty());
            prop_assert_eq!(halves.len() as u32, plan.pairs);
            prop_assert!(halves.values().all(|order| *order == [false, true]));
        }
    }
}
