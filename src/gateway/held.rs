//! How much all answers together may hold while they are read.
//!
//! One answer is bounded by [`super::MAX_BODY`] and one event by [`super::sse::MAX_EVENT`], but hundreds may come at
//! once. What is large takes part of a common room; when that is full, an answer waits (nothing is read from its
//! connection meanwhile) until others are done. So that they do not wait for each other, one at a time may go on
//! without room.

use std::sync::LazyLock;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What each answer may hold without asking. Nearly all answers and events are smaller.
pub(super) const FREE: usize = 64 << 10;
/// What all may hold together beyond that, in bytes.
const ROOM: usize = 48 << 20;
/// The room is given out in pieces of this size.
const PIECE: usize = 256 << 10;

static COMMON: LazyLock<Room> = LazyLock::new(|| Room::new(ROOM / PIECE));

/// Pieces that are free, and the turn of the one that needs none.
#[derive(Debug)]
struct Room {
    pieces: Semaphore,
    turn: Semaphore,
}

impl Room {
    fn new(pieces: usize) -> Self {
        Self { pieces: Semaphore::new(pieces), turn: Semaphore::new(1) }
    }
}

/// What one answer holds of the room. Dropping it makes room for others.
#[derive(Debug)]
pub(super) struct Held {
    room: &'static Room,
    pieces: Option<SemaphorePermit<'static>>,
    turn: Option<SemaphorePermit<'static>>,
}

impl Default for Held {
    fn default() -> Self {
        Self::of(&COMMON)
    }
}

impl Held {
    const fn of(room: &'static Room) -> Self {
        Self { room, pieces: None, turn: None }
    }

    /// Whether `bytes` may be held now.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= FREE || self.turn.is_some() || missing(bytes, self.pieces.as_ref()) == 0
    }

    /// Waits until `bytes` in all may be held. Safe to cancel.
    pub(super) async fn make_room_for(&mut self, bytes: usize) {
        if self.has_room_for(bytes) {
            return;
        }
        let missing = missing(bytes, self.pieces.as_ref());
        // Neither fails: the semaphores are never closed.
        tokio::select! {
            biased;
            Ok(more) = self.room.pieces.acquire_many(missing) => match &mut self.pieces {
                Some(pieces) => pieces.merge(more),
                None => self.pieces = Some(more),
            },
            Ok(turn) = self.room.turn.acquire() => self.turn = Some(turn),
            else => {}
        }
    }
}

/// The pieces that `bytes` take beyond those that are held.
fn missing(bytes: usize, held: Option<&SemaphorePermit<'_>>) -> u32 {
    let held = held.map_or(0, SemaphorePermit::num_permits);
    u32::try_from(bytes.div_ceil(PIECE).saturating_sub(held)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn room(pieces: usize) -> &'static Room {
        Box::leak(Box::new(Room::new(pieces)))
    }

    #[tokio::test]
    async fn small_answers_never_wait() {
        let room = room(0);
        let (mut first, mut second) = (Held::of(room), Held::of(room));
        first.make_room_for(2 * PIECE).await;
        second.make_room_for(FREE).await;
        assert!(second.has_room_for(FREE) && !second.has_room_for(FREE + 1));
    }

    #[tokio::test]
    async fn when_the_room_is_full_one_goes_on_and_the_others_wait_for_it() {
        let room = room(4);
        let mut answers: Vec<_> = (0..4).map(|_| Held::of(room)).collect();
        for answer in &mut answers {
            answer.make_room_for(PIECE).await;
        }
        let mut rest = answers.split_off(1);
        let first = &mut answers[0];
        for size in 2..40 {
            first.make_room_for(size * PIECE).await;
        }
        assert!(rest[0].make_room_for(2 * PIECE).now_or_never().is_none());
        drop(answers);
        rest[0].make_room_for(2 * PIECE).await;
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_no_room() {
        let room = room(1);
        let (mut first, mut second, mut third) = (Held::of(room), Held::of(room), Held::of(room));
        first.make_room_for(PIECE).await;
        second.make_room_for(PIECE).await;
        assert!(third.make_room_for(PIECE).now_or_never().is_none());
        drop((first, second, third));
        assert_eq!((room.pieces.available_permits(), room.turn.available_permits()), (1, 1));
    }
}
