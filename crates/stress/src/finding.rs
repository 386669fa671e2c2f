//! What was found in one or more runs, as users read it.

use crate::event::{AccessSide, Event, HeldCount, HeldLock, Part, Pattern, Race, StackFrame};
use crate::lock_cycle;
use crate::source::Sources;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing need be done, but it is worth knowing.
    Note,
    /// It may go wrong.
    Warning,
    /// Under some schedule the program does something else.
    Error,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub level: Level,
    pub pattern: Pattern,
    /// What it is about: `Counter.value`, `cache['key']`.
    pub subject: String,
    /// The other thread's write was seen to come between the two operations.
    pub observed: bool,
    /// The parties, with what each did.
    pub sides: Vec<AccessSide>,
    /// Where the read is that the last side's write depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<StackFrame>>,
    /// With which locks all accesses were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldCount>,
    /// What the run printed, for a failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How to fix it.
    pub advice: String,
    /// Number of runs that showed it.
    pub runs: u32,
    /// Seed of the first run that showed it.
    pub seed: u64,
    /// Name of the saved schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Finding {
    /// Returns what makes it the same finding in another run.
    pub(crate) fn key(&self) -> (Pattern, Vec<(String, i64)>) {
        let place = |side: &AccessSide| side.stack.first().map(|at| (at.file.clone(), at.line));
        let mut places: Vec<_> = self.sides.iter().filter_map(place).collect();
        places.sort();
        places.dedup();
        (self.pattern, places)
    }
}

/// Returns what one run's report shows.
pub(crate) fn findings(events: &[Event], seed: u64, sources: &mut Sources) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for event in events {
        match event {
            Event::Race(race) => found.push(of_race(race, seed, sources)),
            Event::Await(held) => {
                let subject = sources.lock_name(&held.acquired);
                let side = party("", "await", &held.stack, &[(0, &held.acquired)]);
                let advice = format!(
                    "use asyncio.Lock, or release {subject} before the await: another coroutine of \
                     this thread that acquires it stops the event loop"
                );
                found.push(simple(
                    Level::Error,
                    Pattern::AwaitWithLock,
                    subject,
                    vec![side],
                    advice,
                    seed,
                ));
            }
            Event::Fork(fork) => {
                let held = fork.held.first();
                let subject =
                    held.map_or_else(String::new, |lock| sources.lock_name(&lock.acquired));
                let locks: Vec<_> =
                    fork.held.iter().map(|lock| (lock.lock, lock.acquired.as_slice())).collect();
                let side = party("", "fork", &fork.stack, &locks);
                let advice = "start processes with the spawn or forkserver method, or before any \
                              thread is started"
                    .to_owned();
                let (level, pattern) = match held {
                    Some(_) => (Level::Error, Pattern::ForkWithLock),
                    None => (Level::Note, Pattern::ForkBesideThreads),
                };
                found.push(simple(level, pattern, subject, vec![side], advice, seed));
            }
            Event::Gil { warning } => {
                let module = warning.split('\'').nth(1).unwrap_or("an import").to_owned();
                let advice = format!(
                    "{module} does not declare that it runs without the GIL: ungil audit says what \
                     it would need; PYTHON_GIL=0 keeps the GIL off at your own risk"
                );
                let level = Level::Error;
                found.push(simple(level, Pattern::GilEnabled, module, Vec::new(), advice, seed));
            }
            Event::Order(_) | Event::End => {}
        }
    }
    found.extend(lock_cycle::cycles(events).into_iter().map(|cycle| {
        let sides: Vec<_> = cycle
            .iter()
            .map(|order| {
                party(&order.thread, "acquire", &order.stack, &[(order.held, &order.held_stack)])
            })
            .collect();
        let names: Vec<_> =
            cycle.iter().map(|order| sources.lock_name(&order.held_stack)).collect();
        let level = if lock_cycle::can_meet(&cycle) { Level::Error } else { Level::Warning };
        let advice = "acquire these locks in one order everywhere, or one lock for both".to_owned();
        simple(level, Pattern::LockOrder, names.join(", "), sides, advice, seed)
    }));
    found
}

fn party(
    thread: &str,
    access: &str,
    stack: &[StackFrame],
    locks: &[(u64, &[StackFrame])],
) -> AccessSide {
    AccessSide {
        thread: thread.to_owned(),
        access: access.to_owned(),
        locks: locks
            .iter()
            .map(|(lock, acquired)| HeldLock { lock: *lock, acquired: acquired.to_vec() })
            .collect(),
        stack: stack.to_vec(),
    }
}

fn simple(
    level: Level,
    pattern: Pattern,
    subject: String,
    sides: Vec<AccessSide>,
    advice: String,
    seed: u64,
) -> Finding {
    Finding {
        level,
        pattern,
        subject,
        observed: false,
        sides,
        read: None,
        held: Vec::new(),
        output: String::new(),
        advice,
        runs: 1,
        seed,
        token: None,
    }
}

/// Returns the finding of a run that failed where others did not.
pub(crate) fn failure(output: String, code: String, seed: u64) -> Finding {
    let advice = "replay it, or look for its cause among the findings above".to_owned();
    let mut finding = simple(Level::Error, Pattern::Failure, code, Vec::new(), advice, seed);
    finding.observed = true;
    finding.output = output;
    finding
}

fn of_race(race: &Race, seed: u64, sources: &mut Sources) -> Finding {
    let level = match race.pattern {
        Pattern::LostUpdate | Pattern::CheckThenAct | Pattern::Iteration => Level::Error,
        Pattern::UnsafePublication | Pattern::HalfUpdate => Level::Warning,
        _ => Level::Note,
    };
    let subject = subject(race, sources);
    let advice = advice(race, &subject, sources);
    Finding {
        level,
        pattern: race.pattern,
        observed: race.observed,
        sides: vec![race.first.clone(), race.second.clone()],
        read: race.read.clone(),
        held: race.held.clone(),
        ..simple(level, race.pattern, subject, Vec::new(), advice, seed)
    }
}

/// Names the part of the object that the accesses concern.
fn subject(race: &Race, sources: &mut Sources) -> String {
    let place = race.second.stack.first();
    let expression = place.and_then(|place| sources.expression(place));
    match race.part {
        // The globals of a module are the items of its dict.
        Part::Attribute if race.class == "dict" => format!("the global {}", race.name),
        Part::Attribute => format!("{}.{}", race.class, race.name),
        Part::Item => match expression.and_then(|text| container(&text)) {
            Some(container) => format!("{container}[{}]", race.name),
            None => format!("{} item {}", race.class, race.name),
        },
        Part::Structure => match expression.and_then(|text| structure_name(&text)) {
            Some(name) => format!("the items of {name} ({})", race.class),
            None => format!("the items of a {}", race.class),
        },
        Part::Closure => {
            let name =
                expression.filter(|text| text.chars().all(|c| c.is_alphanumeric() || c == '_'));
            name.map_or_else(
                || "a closure's variable".to_owned(),
                |name| format!("the variable {name}"),
            )
        }
    }
}

/// Returns `cache` of `cache[key]`.
fn container(expression: &str) -> Option<String> {
    let (container, _) = expression.split_once('[')?;
    (!container.trim().is_empty()).then(|| container.trim().to_owned())
}

/// Returns `items` of `items.append(x)`, `len(items)` or `items`.
fn structure_name(expression: &str) -> Option<String> {
    let text = expression.trim();
    let text = text.strip_prefix("len(").map_or(text, |rest| rest.trim_end_matches(')'));
    let text = match text.split_once('(') {
        Some((call, _)) => call.rsplit_once('.')?.0,
        None => text.split_once('[').map_or(text, |(container, _)| container),
    };
    let is_name = text.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    (is_name && !text.is_empty()).then(|| text.to_owned())
}

/// Returns how to fix the fault.
fn advice(race: &Race, subject: &str, sources: &mut Sources) -> String {
    // A lock that some accesses hold is the one that the others forget.
    let most = race.held.iter().filter(|held| !held.locks.is_empty()).max_by_key(|held| held.count);
    if let Some(lock) = most.and_then(|held| held.locks.first())
        && race.held.iter().any(|held| held.locks.is_empty())
    {
        let total: u32 = race.held.iter().map(|held| held.count).sum();
        let held = most.map_or(0, |held| held.count);
        let name = sources.lock_name(&lock.acquired);
        return format!("hold {name} here too: {held} of {total} accesses to {subject} hold it");
    }
    match (race.pattern, race.part) {
        (Pattern::LostUpdate, Part::Attribute | Part::Closure) => {
            "hold one lock around the read and the write, or count with ungil.AtomicInt, or \
             ungil.Adder if only the sum matters"
        }
        (Pattern::LostUpdate, Part::Item)
            if race.class == "dict" || race.class == "defaultdict" =>
        {
            "hold one lock around the read and the write, or use ungil.ConcurrentCounter"
        }
        (Pattern::CheckThenAct, Part::Item) => {
            "use one operation that does both, such as setdefault, or hold one lock around both; \
             ungil.ConcurrentDict.get_or_compute calls its function once for each key"
        }
        (Pattern::CheckThenAct, Part::Structure) => {
            "take the item and handle its absence (IndexError, KeyError), or use ungil.Queue"
        }
        (Pattern::CheckThenAct, _) => "hold one lock around the test and the action",
        (Pattern::Iteration, _) => {
            "iterate over a copy (list(...) copies in one step), hold one lock around the loop and \
             the changes, or use ungil.ConcurrentDict or ungil.ConcurrentSet"
        }
        (Pattern::UnsafePublication, _) => {
            "let others reach the object only after __init__ has set all attributes"
        }
        (Pattern::HalfUpdate, _) => "hold the writers' lock around the reads",
        (Pattern::StaleRead, _) => "nothing, if an older value is as good; otherwise hold one lock",
        (Pattern::BlindWrites, _) => {
            "nothing, if either value may be the last; otherwise hold one lock"
        }
        _ => "hold one lock around each use",
    }
    .to_owned()
}
