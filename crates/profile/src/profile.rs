//! One profile: tables of what was seen (functions, lines, stacks, threads, locks), each thing
//! once, and the weights: how much was seen of each combination of thread, stack and activity.
//!
//! Stacks are a tree of prefixes, so that a stack is one number and a deep one costs one row more
//! than its caller. A profile is the sum over time; the order in time is in the recording.

use crate::header::{Header, Totals};
use crate::model::*;

/// A profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What was looked at, and how.
    pub header: Header,
    /// What came of it.
    pub totals: Totals,
    pub(crate) strings: Vec<Box<str>>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Lines of functions.
    pub frames: Vec<Frame>,
    /// Stacks; a parent stands before its children.
    pub stacks: Vec<Stack>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Locks.
    pub locks: Vec<Lock>,
    /// Pauses, in the order they were reported.
    pub pauses: Vec<Pause>,
    /// Weights, each key once.
    pub rows: Vec<(Key, Weight)>,
}

impl Profile {
    /// A string of this profile.
    pub fn string(&self, id: StringId) -> &str {
        self.strings.get(id.index()).map_or("", |s| s)
    }

    /// The function of a frame of this profile.
    pub fn function(&self, frame: FrameId) -> Function {
        self.functions[self.frames[frame.index()].function.index()]
    }

    /// The frames of a stack of this profile, from its leaf to its root.
    pub fn leaf_to_root(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            (at != StackId::EMPTY).then(|| {
                let stack = self.stacks[at.index()];
                at = stack.parent;
                stack.frame
            })
        })
    }

    /// The frames of a stack of this profile, from its root to its leaf.
    pub fn root_to_leaf(&self, stack: StackId) -> Vec<FrameId> {
        let mut frames: Vec<FrameId> = self.leaf_to_root(stack).collect();
        frames.reverse();
        frames
    }

    /// The sum of all weights.
    pub fn total(&self) -> Weight {
        self.total_of(|_| true)
    }

    /// The sum of the weights whose key is wanted.
    pub fn total_of(&self, wanted: impl Fn(&Key) -> bool) -> Weight {
        let mut sum = Weight::default();
        for (_, weight) in self.rows.iter().filter(|(key, _)| wanted(key)) {
            sum.samples = sum.samples.saturating_add(weight.samples);
            sum.weight = sum.weight.saturating_add(weight.weight);
        }
        sum
    }
}
