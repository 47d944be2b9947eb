//! When a call must be over.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// Stands for "never": further away than any call goes, and still within the clock.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The end of a time, and the limit that set it. Several requests that make up one call end by the same deadline, and
/// an error names the limit as it was set, not what was left of it.
///
/// Shown with the option that sets it: `600 s (total_timeout)`.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
    option: Option<&'static str>,
}

impl Deadline {
    /// `limit` after `from`, as `total_timeout` says.
    pub fn total(from: impl Into<Instant>, limit: Duration) -> Self {
        Self { at: later(from.into(), limit), limit, option: Some("total_timeout") }
    }

    /// `limit` from now, as `first_byte_timeout` says.
    pub(super) fn first_byte(limit: Duration) -> Self {
        Self { at: later(Instant::now(), limit), limit, option: Some("first_byte_timeout") }
    }

    /// `limit` after `from`, which no option changes.
    pub fn fixed(from: impl Into<Instant>, limit: Duration) -> Self {
        Self { at: later(from.into(), limit), limit, option: None }
    }

    /// The earlier of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// The moment.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// The time that is left; none once it is over.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// `advice`, or a longer limit where an option sets it.
    #[must_use]
    pub fn advice(&self, advice: &str) -> String {
        self.option
            .map_or_else(|| advice.to_owned(), |option| format!("{advice}, or raise {option} in advanced_options"))
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.limit.as_secs_f64())?;
        self.option.map_or(Ok(()), |option| write!(f, " ({option})"))
    }
}

/// `from` + `span`, far away if that is beyond the clock.
pub(super) fn later(from: Instant, span: Duration) -> Instant {
    from + span.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_limit_is_shown_and_advised_only_where_an_option_sets_it() {
        let now = Instant::now();
        let host = Deadline::fixed(now, Duration::from_secs(590));
        let (short, long) = [60, 600].map(|limit| Deadline::total(now, Duration::from_secs(limit))).into();
        assert_eq!(
            (long.min(host).to_string(), long.min(host).advice("Try again")),
            ("590 s".into(), "Try again".into())
        );
        assert_eq!(short.min(host).to_string(), "60 s (total_timeout)");
        assert_eq!(short.min(host).advice("Try again"), "Try again, or raise total_timeout in advanced_options");
    }

    #[test]
    fn the_longest_limit_is_within_the_clock() {
        let never = Deadline::fixed(Instant::now(), Duration::MAX);
        assert!(never.left() > Duration::from_secs(3600));
    }
}
