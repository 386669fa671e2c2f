//! A module's definition found by its name, for init functions that cannot be followed.
//!
//! A definition's `m_name` is a pointer that the loader makes, to a text whose last part is the
//! name that the init function has. That this is the definition the function hands over is likely,
//! not certain: so it counts only if there is one, and only where the walk came to nothing.

use crate::gil_analysis::memory::Memory;
use crate::gil_analysis::slots::{self, GilSetting, SlotReading};
use crate::gil_analysis::value::Value;
use crate::image::Image;

/// The longest dotted name that is looked for.
const MAX_NAME_LEN: usize = 200;
/// From `m_name` back to the definition's start, with either object head.
const NAME_OFFSETS: [u64; 2] = [40, 56];

/// The one definition of this name, if there is one and it has slots.
pub(crate) fn find_definition(image: &Image, name: &str) -> Option<SlotReading> {
    let memory = Memory::default();
    let mut found: Option<(u64, SlotReading)> = None;
    for (cell, target) in image.pointers() {
        let Some(text) = dotted_name_ending_in(image, target, name) else { continue };
        for head in NAME_OFFSETS {
            let Some(start) = cell.checked_sub(head) else { continue };
            let zero = |offset: u64| {
                memory.load(image, start.wrapping_add(offset), 8) == Some(Value::Known(0))
            };
            // m_init, m_index and m_copy, which are the interpreter's.
            if !(zero(head - 24) && zero(head - 16) && zero(head - 8)) {
                continue;
            }
            let reading = slots::read_definition(image, &memory, Value::Known(start));
            if reading.name.as_deref() != Some(text)
                || !matches!(
                    reading.gil,
                    GilSetting::NotUsed | GilSetting::Used | GilSetting::Unset
                )
            {
                continue;
            }
            match &found {
                Some((other, _)) if *other != start => return None,
                _ => found = Some((start, reading)),
            }
        }
    }
    found.map(|(_, reading)| reading)
}

/// The text at an address, if the last part of it is this name.
fn dotted_name_ending_in<'i>(image: &Image<'i>, address: u64, name: &str) -> Option<&'i str> {
    // Longer than any dotted name: there may be very many pointers, and each is looked at.
    let bytes = image.from(address)?;
    let bytes = bytes.get(..MAX_NAME_LEN).unwrap_or(bytes);
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (text.rsplit('.').next() == Some(name)).then_some(text)
}
