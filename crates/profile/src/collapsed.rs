//! Collapsed stacks: a line for each stack, its frames from root to leaf with semicolons between
//! them, a blank and its weight, as flamegraph.pl, inferno, speedscope and many more read it.
//!
//! The first frame is the thread. What a thread that was not running waited for is one frame more
//! at the leaf, in brackets. Weights are nanoseconds (bytes for allocations), so that lines add up
//! to the profile.

use crate::model::*;
use crate::profile::Profile;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes the profile; lines are sorted, and each stack is one.
pub(crate) fn write(profile: &Profile, to: &mut dyn Write) -> io::Result<()> {
    let frames: Vec<String> =
        (0..profile.frames.len() as u32).map(|f| name(profile, FrameId(f))).collect();
    let threads: Vec<String> =
        profile.threads.iter().map(|t| clean(&profile.thread_label(t))).collect();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for (key, weight) in &profile.rows {
        let mut line = threads[key.thread.index()].clone();
        for frame in profile.root_to_leaf(key.stack) {
            line.push(';');
            line.push_str(&frames[frame.index()]);
        }
        if let Some(what) = profile.wait_label(key) {
            line.push(';');
            line.push_str(&clean(&what));
        }
        let sum = lines.entry(line).or_default();
        *sum = sum.saturating_add(weight.weight);
    }
    for (line, weight) in lines {
        writeln!(to, "{line} {weight}")?;
    }
    Ok(())
}

fn name(profile: &Profile, frame: FrameId) -> String {
    clean(&profile.frame_label(frame))
}

/// Without what separates frames and lines.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ';' => ':',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
