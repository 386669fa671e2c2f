//! Which pages of a region are in memory: `/proc/PID/pagemap`, a word for each.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Set in the word of a page that is in memory (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
/// No stack is larger.
const LARGEST: u64 = 1 << 32;

/// Bytes of `start..end` of process `pid` that are in memory; `None` where the system does not say.
pub(crate) fn resident(pid: u32, start: u64, end: u64) -> Option<u64> {
    let page = rustix::param::page_size() as u64;
    let pages = end.checked_sub(start).filter(|&len| len <= LARGEST)? / page;
    let mut words = vec![0; usize::try_from(pages).ok()? * 8];
    let file = File::open(format!("/proc/{pid}/pagemap")).ok()?;
    file.read_exact_at(&mut words, start / page * 8).ok()?;
    let present = words.as_chunks::<8>().0.iter().filter(|word| u64::from_le_bytes(**word) & PRESENT != 0);
    Some(present.count() as u64 * page)
}
