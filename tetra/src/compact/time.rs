//! Time of an event, as the compact form and its readers know it: always with nine digits.

use std::fmt::Write as _;

use prost_types::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;

/// Appends `time` in UTC as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`; an event without a time is of 1970, as in Tetragon.
pub(super) fn write(time: Option<&Timestamp>, out: &mut String) {
    let (seconds, nanos) = time.map_or((0, 0), |time| (time.seconds, time.nanos.clamp(0, 999_999_999)));
    let (year, month, day) = date(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"
    );
}

/// Year, month and day of the day `days` after 1 January 1970, in the Gregorian calendar.
///
/// Counts in eras of 400 years, which all have as many days, and in years that begin with March, so that the leap day
/// is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_AN_ERA: i64 = 146_097;
    /// From 1 March of the year 0 to 1 January 1970.
    const EPOCH: i64 = 719_468;
    let days = days + EPOCH;
    let (era, day) = (days.div_euclid(DAYS_AN_ERA), days.rem_euclid(DAYS_AN_ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (-1, 5, "1969-12-31T23:59:59.000000005Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000000000Z"),
            (1_927_857_906, 11, "2031-02-03T04:05:06.000000011Z"),
            (4_107_542_399, 999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
        ];
        for (seconds, nanos, expected) in cases {
            let mut out = String::new();
            write(Some(&Timestamp { seconds, nanos }), &mut out);
            assert_eq!(out, expected);
        }
        for seconds in [i64::MIN, i64::MAX] {
            write(
                Some(&Timestamp {
                    seconds,
                    nanos: i32::MIN,
                }),
                &mut String::new(),
            );
        }
    }
}
