//! Resident pages of a region, from `/proc/PID/pagemap`, which has a word per page.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Flag of a resident page (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
/// Number of pages read at once.
const BATCH: u64 = 1 << 13;

/// Returns the resident bytes in `start..end` of process `pid`; `None` if unavailable.
pub(crate) fn resident(pid: u32, start: u64, end: u64) -> Option<u64> {
    let page = rustix::param::page_size() as u64;
    let (first, after) = (start / page, end / page);
    let file = File::open(super::task::folder(pid).join("pagemap")).ok()?;
    let mut words = vec![0; BATCH as usize * 8];
    let mut present = 0;
    for from in (first..after).step_by(BATCH as usize) {
        let now = (after - from).min(BATCH) as usize;
        let words = &mut words[..now * 8];
        file.read_exact_at(words, from * 8).ok()?;
        let flagged = words
            .as_chunks::<8>()
            .0
            .iter()
            .filter(|word| u64::from_le_bytes(**word) & PRESENT != 0);
        present += flagged.count() as u64;
    }
    Some(present * page)
}
