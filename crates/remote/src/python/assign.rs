//! Which of the kernel's threads runs each thread state.
//!
//! A thread state has the number that its thread was given when it began. That is not enough in
//! three cases: in a pid namespace the number is another one here; a thread that the kernel has
//! ended may leave its state behind; and between `fork` and the moment at which Python notices that
//! it runs in another process (handlers of `pthread_atfork` run there), the states of the child are
//! copies of the parent's, with the parent's numbers.

use super::{Attachment, Thread};
use rustc_hash::FxHashMap;

/// Gives the threads of one interpreter their numbers as they are `here`, by those that the process
/// has for them, and drops those that have ended.
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
    // A thread state without a number is of a thread that has not begun.
    threads.retain(|thread| thread.listed_id == 0 || number(thread).is_some());
    for thread in threads {
        thread.native_id = number(thread).unwrap_or(0);
    }
}

/// The thread that called `fork`, among copies of the parent's thread states: it was attached, for
/// `fork` is called with the GIL held or, without a GIL, while all other threads are suspended.
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
    fn the_attached_one_of_several_called_fork() {
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
