//! `google.protobuf.Timestamp` and `Duration` as text.
//!
//! Timestamps are RFC 3339 in UTC with `Z`; both have the 0, 3, 6 or 9 fraction digits that lose nothing.

use prost_types::{Duration, Timestamp};

use super::sealed::Write;

const NANOS: i32 = 1_000_000_000;
const DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, between which a timestamp has a text form.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// About ten thousand years: the range of a duration.
const MAX_DURATION: i64 = 315_576_000_000;

/// Times outside the years 1 to 9999 are written as the nearest that has a text form.
impl Write for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        let carried = self.seconds.saturating_add(i64::from(self.nanos.div_euclid(NANOS)));
        let seconds = carried.clamp(*RANGE.start(), *RANGE.end());
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY) as u32;
        let mut text = *b"\"0000-00-00T00:00:00";
        digits(&mut text[1..5], year as u32);
        digits(&mut text[6..8], month);
        digits(&mut text[9..11], day);
        digits(&mut text[12..14], second / 3600);
        digits(&mut text[15..17], second / 60 % 60);
        digits(&mut text[18..20], second % 60);
        out.extend_from_slice(&text);
        fraction(out, self.nanos.rem_euclid(NANOS) as u32);
        out.extend_from_slice(b"Z\"");
    }
}

impl Write for Duration {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        if self.seconds < 0 || self.nanos < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(self.seconds.unsigned_abs()).as_bytes());
        fraction(out, self.nanos.unsigned_abs().min(NANOS as u32 - 1));
        out.extend_from_slice(b"s\"");
    }
}

fn digits(place: &mut [u8], mut value: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn fraction(out: &mut Vec<u8>, nanos: u32) {
    if nanos == 0 {
        return;
    }
    let mut text = *b".000000000";
    digits(&mut text[1..], nanos);
    let len = match nanos {
        n if n % 1_000_000 == 0 => 4,
        n if n % 1_000 == 0 => 7,
        _ => 10,
    };
    out.extend_from_slice(&text[..len]);
}

/// Year, month and day of a day counted from 1970-01-01. Years begin in March here, so that the leap day is the last
/// of its year, and 400 of them (146,097 days) repeat.
fn date(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Day counted from 1970-01-01 of a date; the inverse of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A timestamp from RFC 3339 text with any offset.
pub(super) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let (date_part, rest) = text.split_at_checked(10)?;
    let (time_part, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let [year, month, day] = numbers(date_part, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time_part, ':', [2, 2, 2])?;
    let (nanos, zone) = parse_fraction(rest)?;
    let offset = if zone == "Z" {
        0
    } else {
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let [hours, minutes] = numbers(zone.strip_prefix(['+', '-'])?, ':', [2, 2])?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        sign * (hours * 3600 + minutes * 60)
    };
    let day_number = days(year, month, day);
    if hour > 23 || minute > 59 || second > 59 || date(day_number) != (year, month as u32, day as u32) {
        return None;
    }
    let seconds = day_number * DAY + hour * 3600 + minute * 60 + second - offset;
    RANGE.contains(&seconds).then_some(Timestamp { seconds, nanos })
}

/// A duration from text such as `1.5s`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.strip_suffix('s')?;
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    let end = text.find('.').unwrap_or(text.len());
    let whole = &text[..end];
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok().filter(|&seconds| seconds <= MAX_DURATION)?;
    let (nanos, rest) = parse_fraction(&text[end..])?;
    rest.is_empty().then_some(Duration {
        seconds: sign * seconds,
        nanos: sign as i32 * nanos,
    })
}

/// Nanoseconds of a fraction of one to nine digits after a dot, 0 without one, and what comes after it.
fn parse_fraction(text: &str) -> Option<(i32, &str)> {
    let Some(text) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let value: i32 = text[..len].parse().ok()?;
    Some((value * 10_i32.pow(9 - len as u32), &text[len..]))
}

/// Numbers of exactly the given digits, with `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, lens: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, len) in values.iter_mut().zip(lens) {
        let part = parts
            .next()
            .filter(|part| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl Write) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn timestamps() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (0, 120_000_000, "1970-01-01T00:00:00.120Z"),
            (0, 120_000, "1970-01-01T00:00:00.000120Z"),
            (0, 7, "1970-01-01T00:00:00.000000007Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_927_857_906, 11, "2031-02-03T04:05:06.000000011Z"),
            (*RANGE.start(), 0, "0001-01-01T00:00:00Z"),
            (*RANGE.end(), 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ];
        for (seconds, nanos, expected) in cases {
            let time = Timestamp { seconds, nanos };
            assert_eq!(text(&time), expected);
            assert_eq!(parse_timestamp(expected), Some(time));
        }
        assert_eq!(
            text(&Timestamp {
                seconds: i64::MAX,
                nanos: i32::MAX
            }),
            "9999-12-31T23:59:59.147483647Z"
        );
        assert_eq!(
            parse_timestamp("2031-02-03T04:05:06.5+01:30"),
            Some(Timestamp {
                seconds: 1_927_852_506,
                nanos: 500_000_000
            })
        );
    }

    #[test]
    fn every_day_has_one_date() {
        for day in -719_162..=2_932_896 {
            let (year, month, dom) = date(day);
            assert_eq!(days(year, i64::from(month), i64::from(dom)), day);
        }
    }

    #[test]
    fn not_timestamps() {
        for text in [
            "",
            "2031-02-03",
            "2031-02-03T04:05:06",
            "2031-02-30T04:05:06Z",
            "2031-13-03T04:05:06Z",
            "2031-02-03T24:00:00Z",
            "2031-02-03T04:05:06.Z",
            "2031-02-03T04:05:06.0000000000Z",
            "2031-02-03T04:05:06Zz",
            "2031-02-0é",
            "+031-02-03T04:05:06Z",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (seconds, nanos, expected) in [
            (15, 0, "15s"),
            (1, 500_000_000, "1.500s"),
            (0, -1, "-0.000000001s"),
            (-3, -250_000, "-3.000250s"),
        ] {
            let duration = Duration { seconds, nanos };
            assert_eq!(text(&duration), expected);
            assert_eq!(parse_duration(expected), Some(duration));
        }
        for text in ["", "s", "15", "-s", "+1s", "1.s", "1.5.5s", "99999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
