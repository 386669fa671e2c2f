//! Collapsed stacks, as read by flamegraph.pl, inferno, speedscope and others: one line per stack,
//! with its frames from root to leaf separated by semicolons, a space, and its weight.
//!
//! The first frame is the thread. A stack of a waiting thread has one more frame at the leaf, in
//! brackets: what it waited for. Weights are nanoseconds (bytes for allocations), so that the lines
//! add up to the profile.

use crate::model::*;
use crate::profile::Profile;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes the profile. Lines are sorted, and each stack is one line.
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

/// Replaces the characters that separate frames and lines.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ';' => ':',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
