//! Pauses between attempts.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// A restarted host has its plugin back within this time, and an attempt costs next to nothing.
const LONGEST: Duration = Duration::from_secs(15);

/// Pauses that double from 1 s to 15 s, each shortened by a random part of up to a half, so that many plugins do not
/// come back to a restarted host in step.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { pause: FIRST }
    }
}

impl Backoff {
    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        let [random, ..] = uuid::Uuid::new_v4().into_bytes();
        pause.saturating_sub(pause / 2 * u32::from(random) / 256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_15_s_and_vary() {
        let mut backoff = Backoff::default();
        for longest in [1, 2, 4, 8, 15, 15] {
            let longest = Duration::from_secs(longest);
            let pause = backoff.next();
            assert!(pause <= longest && pause >= longest / 2, "{pause:?}");
        }
    }
}
