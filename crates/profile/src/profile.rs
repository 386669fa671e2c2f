//! A profile: tables of functions, lines, stacks, threads and locks, each entry once, and the
//! weight of each combination of thread, stack and activity.
//!
//! Stacks form a prefix tree, so that a stack is one number, and a deeper one costs one more row
//! than its caller. A profile is a sum over time; the order in time is in the recording.

use crate::header::{Header, Totals};
use crate::model::*;

/// A profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The target and the settings.
    pub header: Header,
    /// Totals of the capture.
    pub totals: Totals,
    pub(crate) strings: Vec<Box<str>>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Lines of functions.
    pub frames: Vec<Frame>,
    /// Stacks; a parent precedes its children.
    pub stacks: Vec<Stack>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Locks.
    pub locks: Vec<Lock>,
    /// Pauses, in the order they were reported.
    pub pauses: Vec<Pause>,
    /// Weights; each key occurs once.
    pub rows: Vec<(RowKey, Weight)>,
}

impl Profile {
    /// Returns a string of this profile.
    pub fn string(&self, id: StringId) -> &str {
        self.strings.get(id.index()).map_or("", |s| s)
    }

    /// Returns the function of a frame.
    pub fn function(&self, frame: FrameId) -> Function {
        self.functions[self.frames[frame.index()].function.index()]
    }

    /// Returns the frames of a stack, from leaf to root.
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

    /// Returns the frames of a stack, from root to leaf.
    pub fn root_to_leaf(&self, stack: StackId) -> Vec<FrameId> {
        let mut frames: Vec<FrameId> = self.leaf_to_root(stack).collect();
        frames.reverse();
        frames
    }

    /// Returns the sum of all weights.
    pub fn total(&self) -> Weight {
        self.total_of(|_| true)
    }

    /// Returns the sum of the weights whose key is `wanted`.
    pub fn total_of(&self, wanted: impl Fn(&RowKey) -> bool) -> Weight {
        let mut sum = Weight::default();
        for (_, weight) in self.rows.iter().filter(|(key, _)| wanted(key)) {
            sum.samples = sum.samples.saturating_add(weight.samples);
            sum.weight = sum.weight.saturating_add(weight.weight);
        }
        sum
    }
}
