//! Forms of values that flags take, each with an error that says what to give instead.

use std::time::Duration;

/// `true` or `false`, in the spellings that Go's `strconv.ParseBool` takes.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give true or false"),
    }
}

/// A whole number from `least` to `most`.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ if most == u64::MAX => Err(format!("give a whole number, {least} or more")),
        _ => Err(format!("give a whole number from {least} to {most}")),
    }
}

/// Events a minute, any number of them when negative.
pub(super) fn rate(text: &str) -> Result<i64, &'static str> {
    text.parse()
        .map_err(|_| "give a whole number, or -1 for any number of events")
}

/// A number of bytes: digits, and perhaps `K`, `M` or `G` for powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let value: Option<u64> = digits.parse().ok();
    value
        .and_then(|value| value.checked_mul(1 << shift))
        .ok_or("give a number of bytes, such as 65536, 64K or 1M")
}

/// A duration in the form of Go's `time.ParseDuration`: `30s`, `1m30s`, `1.5h`, `250ms`; not below zero.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const ERROR: &str = "give a duration such as 30s, 1m30s or 500ms";
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(ERROR);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(ERROR)?;
        let (number, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, behind) = behind.split_at(end.unwrap_or(behind.len()));
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(ERROR)?;
        seconds += number.parse::<f64>().map_err(|_| ERROR)? * scale;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| ERROR)
}

/// Permissions of a file in octal. Never executable, never writable for others, always readable and writable for the
/// owner, whatever was given.
pub(super) fn permissions(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(mode & 0o777 & !0o113 | 0o600),
        _ => Err("give permissions in octal, such as 600 or 0640"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("65535", Some(65_535)),
            ("64K", Some(65_536)),
            ("3m", Some(3 << 20)),
            ("2G", Some(2 << 30)),
            ("", None),
            ("K", None),
            ("1.5M", None),
            ("-1", None),
            ("1T", None),
            ("99999999999999999G", None),
            ("1µ", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-5s", None),
            ("5 s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn permissions_never_widen_too_far() {
        for (text, expected) in [
            ("600", Some(0o600)),
            ("0640", Some(0o640)),
            ("0", Some(0o600)),
            ("777", Some(0o664)),
            ("4755", Some(0o644)),
            ("", None),
            ("8", None),
            ("rw", None),
            ("+600", None),
        ] {
            assert_eq!(permissions(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number(1, 9)("9"), Ok(9));
        assert_eq!(number(1, 9)("0"), Err("give a whole number from 1 to 9".into()));
        assert_eq!(number(1, u64::MAX)("x"), Err("give a whole number, 1 or more".into()));
        assert_eq!(boolean("T"), Ok(true));
        assert_eq!(boolean("yes"), Err("give true or false"));
    }
}
