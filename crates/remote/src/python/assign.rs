//! Maps thread states to kernel threads.
//!
//! A thread state stores the id that its thread had when it started. That is not sufficient in
//! three cases: in a pid namespace the id is a different one here; a thread that has ended may
//! leave its state behind; and after `fork`, until Python notices that it runs in another process
//! (handlers of `pthread_atfork` run before that), the thread states of the child are copies of the
//! parent's, with the parent's ids.

use super::{Attachment, Thread};
use rustc_hash::FxHashMap;

/// Sets the ids of the threads of one interpreter. `here` maps ids as the process sees them to ids
/// in this pid namespace. Drops threads that have ended.
pub(super) fn assign(threads: &mut Vec<Thread>, here: &FxHashMap<u32, u32>) {
    let number = |thread: &Thread| here.get(&thread.listed_id).copied();
    if let Some((&own_id, &native_id)) = here.iter().next()
        && here.len() == 1
        && threads.iter().all(|thread| number(thread).is_none())
        && let Some(forker) = forker(threads)
    {
        *threads = vec![Thread { native_id, own_id, ..forker }];
        return;
    }
    // A thread state without an id belongs to a thread that has not started.
    threads.retain(|thread| thread.listed_id == 0 || number(thread).is_some());
    for thread in threads {
        thread.native_id = number(thread).unwrap_or(0);
    }
}

/// Returns the thread that called `fork`, among copies of the parent's thread states. It was
/// attached, because `fork` is called with the GIL held or, without a GIL, while all other threads
/// are suspended.
fn forker(threads: &[Thread]) -> Option<Thread> {
    if let [only] = threads {
        return Some(*only);
    }
    let mut attached = threads.iter().filter(|thread| thread.attachment == Attachment::Attached);
    attached.next().copied().filter(|_| attached.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(listed_id: u32, attachment: Attachment) -> Thread {
        Thread {
            address: u64::from(listed_id),
            interpreter: 0,
            interpreter_state: 0,
            native_id: listed_id,
            own_id: listed_id,
            listed_id,
            ident: 1,
            attachment,
            frame: 0,
            holds_gil: None,
        }
    }

    #[test]
    fn attached_thread_called_fork() {
        use Attachment::{Attached, Detached, Suspended};
        let found = |states: &[Attachment]| {
            let threads: Vec<Thread> =
                (1..).zip(states).map(|(id, state)| thread(id, *state)).collect();
            forker(&threads).map(|thread| thread.listed_id)
        };
        assert_eq!(found(&[Detached]), Some(1));
        assert_eq!(found(&[Detached, Attached, Suspended]), Some(2));
        assert_eq!(found(&[Detached, Detached]), None);
        assert_eq!(found(&[Attached, Attached]), None);
        assert_eq!(found(&[]), None);
    }
}
