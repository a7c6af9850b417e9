//! When work is due: at intervals, or once a day at a time of the company's own clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Written `every 5m`, `daily 06:10` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    Every(TimeDelta),
    /// At this time of the settings' time zone.
    Daily(NaiveTime),
    Off,
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no schedule: write 'every 5m' (s, m, h), 'daily 06:10' or 'off'")]
pub struct ScheduleError(String);

/// Longer than this, "every" is a slip; a day has its own word.
const INTERVAL_MAX: TimeDelta = TimeDelta::hours(24);

impl Schedule {
    /// The first time after `last` at which it is due; `None` where it never is.
    pub fn next_after(self, last: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Off => None,
            Self::Every(interval) => Some(last + interval),
            Self::Daily(time) => {
                let day = last.with_timezone(&zone).date_naive();
                let at = |days| moment(zone, day.checked_add_days(Days::new(days))?.and_time(time));
                [0, 1, 2].into_iter().filter_map(at).find(|at| *at > last)
            }
        }
    }

    /// How long until it is due again.
    pub const fn cycle(self) -> TimeDelta {
        match self {
            Self::Every(interval) => interval,
            Self::Daily(_) | Self::Off => TimeDelta::hours(24),
        }
    }
}

/// The UTC moment of a local time; a time that a change of clocks leaves out is an hour later, one that it repeats the first.
fn moment(zone: Tz, local: chrono::NaiveDateTime) -> Option<DateTime<Utc>> {
    let found = zone.from_local_datetime(&local).earliest();
    let found = found.or_else(|| zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest());
    found.map(|at| at.to_utc())
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let refuse = || ScheduleError(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["off"] => Ok(Self::Off),
            ["daily", time] => {
                let well_formed = time.len() == 5;
                let time = NaiveTime::parse_from_str(time, "%H:%M").ok().filter(|_| well_formed);
                time.map(Self::Daily).ok_or_else(refuse)
            }
            ["every", interval] => {
                let (unit_at, unit) = interval.char_indices().next_back().ok_or_else(refuse)?;
                let count: i64 = interval[..unit_at].parse().map_err(|_| refuse())?;
                let seconds = match unit {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    _ => return Err(refuse()),
                };
                let interval = count.checked_mul(seconds).and_then(TimeDelta::try_seconds);
                let fits = |i: &TimeDelta| *i >= TimeDelta::seconds(1) && *i <= INTERVAL_MAX;
                interval.filter(fits).map(Self::Every).ok_or_else(refuse)
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Daily(time) => write!(f, "daily {}", time.format("%H:%M")),
            Self::Every(interval) => match interval.num_seconds() {
                seconds if seconds % 3600 == 0 => write!(f, "every {}h", seconds / 3600),
                seconds if seconds % 60 == 0 => write!(f, "every {}m", seconds / 60),
                seconds => write!(f, "every {seconds}s"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn schedules_are_read_strictly_and_printed_alike() {
        for text in ["every 5m", "every 30s", "every 24h", "daily 06:10", "off"] {
            assert_eq!(
                text.parse::<Schedule>().map(|s| s.to_string()).ok().as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "every",
            "every m",
            "every 0s",
            "every -1m",
            "every 25h",
            "every 5x",
            "daily",
            "daily 6:10",
            "daily 25:00",
            "5m",
            "every 99999999999999h",
            "daily 06:10 JST",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_daily_time_is_of_the_companys_clock() {
        let daily: Schedule = "daily 06:10".parse().unwrap_or_else(|e| panic!("{e}"));
        let tokyo = chrono_tz::Asia::Tokyo;
        assert_eq!(
            daily.next_after(at("2026-11-22T00:00:00Z"), tokyo),
            Some(at("2026-11-22T21:10:00Z"))
        );
        assert_eq!(
            daily.next_after(at("2026-11-22T21:10:00Z"), tokyo),
            Some(at("2026-11-23T21:10:00Z"))
        );
        // The night on which this hour does not exist.
        let berlin = chrono_tz::Europe::Berlin;
        let gap: Schedule = "daily 02:30".parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            gap.next_after(at("2027-03-27T12:00:00Z"), berlin),
            Some(at("2027-03-28T01:30:00Z"))
        );
    }
}
