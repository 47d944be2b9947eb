//! A body in pieces: what comes, how fast, and how it ends.

use super::stats::InFlight;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Bytes that are written together, and how many events they hold.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) events: u64,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Clean,
    /// The transfer breaks off.
    Cut,
    /// Nothing more comes, and the connection stays.
    Stall,
}

/// A body in pieces.
pub(super) struct Script {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    /// Between two pieces.
    pace: Duration,
    ending: Ending,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("pace", &self.pace).field("ending", &self.ending).finish_non_exhaustive()
    }
}

impl Script {
    pub(super) fn new(
        pieces: impl IntoIterator<Item = Piece, IntoIter: Send + 'static>,
        pace: Duration,
        ending: Ending,
    ) -> Self {
        Self { pieces: Box::new(pieces.into_iter()), pace, ending }
    }

    /// Events one by one.
    pub(super) fn events(events: Vec<String>, pace: Duration, ending: Ending) -> Self {
        Self::new(events.into_iter().map(|event| Piece { bytes: event.into(), events: 1 }), pace, ending)
    }

    /// Plays the script into a response's body. The request is in flight until its end; `stop` cuts it.
    pub(super) fn play(self, in_flight: InFlight, stop: CancellationToken) -> Body {
        let pace = (!self.pace.is_zero()).then(|| {
            let mut interval = tokio::time::interval(self.pace);
            interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
            interval
        });
        let playing = Playing { pieces: self.pieces, pace, ending: self.ending, in_flight, stop };
        Body::from_stream(stream::unfold(Some(playing), |playing| async {
            match playing {
                Some(playing) => playing.step().await,
                None => None,
            }
        }))
    }
}

struct Playing {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    pace: Option<Interval>,
    ending: Ending,
    in_flight: InFlight,
    stop: CancellationToken,
}

impl Playing {
    async fn step(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        if self.stop.is_cancelled() {
            return Some((Err(cut()), None));
        }
        if let Some(piece) = self.pieces.next() {
            if let Some(pace) = &mut self.pace {
                tokio::select! {
                    _ = pace.tick() => {}
                    () = self.stop.cancelled() => return Some((Err(cut()), None)),
                }
            }
            self.in_flight.stats().chunks(piece.events);
            return Some((Ok(piece.bytes), Some(self)));
        }
        match self.ending {
            Ending::Clean => {
                self.in_flight.whole();
                None
            }
            Ending::Cut => {
                self.in_flight.whole();
                // What was written before has to leave first.
                tokio::task::yield_now().await;
                Some((Err(cut()), None))
            }
            Ending::Stall => {
                self.stop.cancelled().await;
                Some((Err(cut()), None))
            }
        }
    }
}

fn cut() -> io::Error {
    io::Error::other("the stand-in cuts this answer")
}
