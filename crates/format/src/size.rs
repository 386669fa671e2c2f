//! Sizes as users write them.

/// Parses a size in bytes: `1500000`, `512MiB`, `4 GB`, `64k`. As in the GNU tools, `k`, `M`, `G`
/// and `T` are powers of 1024, alone or before `iB`, and powers of 1000 before `B`. Case does not
/// matter.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let size = match unit.trim_end().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024_f64.powi(2),
        "g" | "gib" => 1024_f64.powi(3),
        "t" | "tib" => 1024_f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    };
    let bytes = number.trim().parse::<f64>().ok()? * size;
    (0.0..=1e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn parses_sizes() {
        let sizes = [
            ("1", 1),
            ("1500000", 1_500_000),
            ("7 B", 7),
            ("64k", 65536),
            ("64KiB", 65536),
            ("1 M", 1 << 20),
            ("24.5MiB", 25_690_112),
            ("512mib", 512 << 20),
            ("4 GB", 4_000_000_000),
            ("2kB", 2000),
            (" 3 TiB ", 3 << 40),
        ];
        for (text, size) in sizes {
            assert_eq!(parse_bytes(text), Some(size), "{text}");
        }
        for text in
            ["", "x", "-1", "1e30", "nan", "MiB", "64x", "1 µB", "99999999999999999999", "9999999T"]
        {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
