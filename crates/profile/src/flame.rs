use crate::profile::Profile;
use std::io::{self, Write};
pub(crate) fn write(_: &Profile, _: Option<&Profile>, _: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
