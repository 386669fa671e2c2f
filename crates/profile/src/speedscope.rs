use crate::profile::Profile;
use crate::recording::Recording;
use std::io::{self, Write};
pub(crate) fn write(_: &Profile, _: Option<&Recording>, _: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
