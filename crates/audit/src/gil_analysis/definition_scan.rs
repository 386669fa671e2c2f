//! Finds a module definition by its name, for init functions that cannot be followed.
//!
//! The `m_name` field of a definition is a pointer, relocated by the loader, to a string that ends
//! with the name in the init function's symbol. Such a definition is probably, but not certainly,
//! the one that the function returns. So it is used only if it is the only one, and only if
//! symbolic execution found nothing.

use crate::gil_analysis::memory::Memory;
use crate::gil_analysis::slots::{self, GilSetting, SlotReading};
use crate::gil_analysis::value::Value;
use crate::image::Image;

/// Maximum length of a dotted name.
const MAX_NAME_LEN: usize = 200;
/// Offset of `m_name` in a definition, with the object head of either build.
const NAME_OFFSETS: [u64; 2] = [40, 56];

/// Returns the definition with this name, if there is exactly one and its slots can be read.
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
            // m_init, m_index and m_copy are zero until the interpreter sets them.
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

/// Returns the string at an address if its last dotted part is `name`.
fn dotted_name_ending_in<'i>(image: &Image<'i>, address: u64, name: &str) -> Option<&'i str> {
    // Bounded, because every pointer of the image is checked.
    let bytes = image.from(address)?;
    let bytes = bytes.get(..MAX_NAME_LEN).unwrap_or(bytes);
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (text.rsplit('.').next() == Some(name)).then_some(text)
}
