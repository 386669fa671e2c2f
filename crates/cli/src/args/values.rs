//! Parsers of option values: times, shares, sizes, `NAME=COMMAND`.

use std::str::FromStr;

/// The value of `--also`.
#[derive(Debug, Clone)]
pub(crate) struct Also {
    pub(crate) name: String,
    pub(crate) command: String,
}

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Also, String> {
        let plain = |c: char| c.is_alphanumeric() || "._+-".contains(c);
        match text.split_once('=') {
            Some((name, command))
                if !name.is_empty() && name.chars().all(plain) && !command.trim().is_empty() =>
            {
                Ok(Also { name: name.into(), command: command.into() })
            }
            _ => Err("use NAME=COMMAND; the name consists of letters, digits and . _ + -".into()),
        }
    }
}

/// Parses a time; returns seconds: `90`, `90s`, `2m`, `1m30s`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<f64, String> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => text
            .parse::<jiff::SignedDuration>()
            .map_err(|_| "use a time such as 90s, 2m or 500ms")?
            .as_secs_f64(),
    };
    if seconds.is_finite() && (0.0..=1e9).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("a time must be between 0 and 1e9 seconds".into())
    }
}

/// Parses a share between 0 and 1, both excluded: `2%` or `0.02`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|p| p / 100.0),
        None => text.parse(),
    };
    match value {
        Ok(v) if v > 0.0 && v < 1.0 => Ok(v),
        _ => Err("use a share between 0 and 1, such as 2% or 0.02".into()),
    }
}

/// Parses a share of the paper's work: above 0 and at most 1.
pub(crate) fn scale(text: &str) -> Result<f64, String> {
    match text {
        "1" | "1.0" | "100%" => Ok(1.0),
        text => {
            share(text).map_err(|_| "use a share above 0 and at most 1, such as 0.1 or 10%".into())
        }
    }
}

/// Parses a size; returns bytes: `1500000`, `512MiB`, `4 GB`.
pub(crate) fn bytes(text: &str) -> Result<u64, &'static str> {
    ungil_format::parse_bytes(text).ok_or("use a size such as 512MiB or 4GB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_times() {
        for (text, seconds) in
            [("90", 90.0), ("2m", 120.0), ("1m30s", 90.0), ("500ms", 0.5), ("0.25", 0.25)]
        {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for text in ["", "x", "-1", "-2m", "nan", "inf", "1e300"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parses_shares() {
        assert_eq!(share("2%"), Ok(0.02));
        assert_eq!(share("0.5"), Ok(0.5));
        for text in ["0", "100%", "-1%", "x", "", "nan"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parses_scales() {
        assert_eq!((scale("1"), scale("10%"), scale("0.5")), (Ok(1.0), Ok(0.1), Ok(0.5)));
        assert!(scale("2").is_err() && scale("0").is_err());
    }
}
