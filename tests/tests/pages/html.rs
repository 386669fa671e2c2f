//! Extracts links and anchors from a built page.

/// Returns the values of an attribute in a page, with entities replaced.
pub(crate) fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1);
    values
        .filter_map(|rest| rest.split('"').next())
        .map(|value| value.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\""))
        .collect()
}

/// Returns whether a reference leaves the site.
pub(crate) fn is_external(reference: &str) -> bool {
    ["http:", "https:", "mailto:", "data:", "javascript:", "//"]
        .iter()
        .any(|scheme| reference.starts_with(scheme))
}

/// Decodes the percent-encoding of a reference.
pub(crate) fn decoded(reference: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = reference.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
