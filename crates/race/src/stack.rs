//! Call stacks as numbers: each distinct stack is stored once.
#![allow(unsafe_code)] // Keeps code objects alive.

use crate::frame::Frame;
use crate::python::{Object, python};
use std::collections::HashMap;
use std::sync::Mutex;

/// Frames stored of one stack, the innermost ones.
const MAX_DEPTH: usize = 64;

/// A place in a program: a code object and the offset of an instruction in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Site {
    pub(crate) code: usize,
    pub(crate) offset: u32,
}

/// Number of a stored stack; 0 is the empty one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct StackId(u32);

#[derive(Default)]
struct Stacks {
    numbers: HashMap<Box<[Site]>, u32>,
    stacks: Vec<Box<[Site]>>,
}

static STACKS: Mutex<Option<Stacks>> = Mutex::new(None);

/// Stores the stack whose innermost frame is `frame`.
pub(crate) fn capture(frame: Frame) -> StackId {
    let mut sites = [Site::default(); MAX_DEPTH];
    let mut depth = 0;
    let mut next = Some(frame);
    while let (Some(frame), Some(slot)) = (next, sites.get_mut(depth)) {
        *slot = frame.site();
        depth += 1;
        next = frame.caller();
    }
    let sites = sites.get(..depth).unwrap_or_default();
    let Ok(mut guard) = STACKS.lock() else { return StackId(0) };
    let stacks = guard.get_or_insert_default();
    if let Some(number) = stacks.numbers.get(sites) {
        return StackId(*number);
    }
    for site in sites {
        // SAFETY: the frame keeps its code object alive; one more reference keeps it for the report.
        unsafe { (python().keep)(site.code as Object) };
    }
    stacks.stacks.push(sites.into());
    let number = stacks.stacks.len() as u32;
    stacks.numbers.insert(sites.into(), number);
    StackId(number)
}

/// Returns the sites of a stack, innermost first.
pub(crate) fn sites(stack: StackId) -> Vec<Site> {
    let Ok(guard) = STACKS.lock() else { return Vec::new() };
    let stacks = guard.as_ref().map(|stacks| stacks.stacks.as_slice()).unwrap_or_default();
    let index = (stack.0 as usize).wrapping_sub(1);
    stacks.get(index).map(|sites| sites.to_vec()).unwrap_or_default()
}
