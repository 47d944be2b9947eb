//! How much all answers together may hold while they are read.
//!
//! One answer is bounded by [`super::MAX_BODY`] and one event by [`super::sse::MAX_EVENT`], but hundreds may come at
//! once. What is large takes part of a common room; when that is full, an answer waits (nothing is read from its
//! connection meanwhile) until others are done. So that they do not wait for each other, one of each server at a time
//! may go on without room: a server that stalls in large answers holds up its own and no other's.

use super::Endpoint;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What each answer may hold without asking. Nearly all answers and events are smaller.
pub(super) const FREE: usize = 64 << 10;
/// What all may hold together beyond that, in bytes.
const ROOM: usize = 32 << 20;
/// The room is given out in pieces of this size.
const PIECE: usize = 256 << 10;
/// Servers remembered; when there are more, those without an answer under way are forgotten.
const MAX_SERVERS: usize = 1024;

static PIECES: Semaphore = Semaphore::const_new(ROOM / PIECE);
static TURNS: LazyLock<Mutex<HashMap<String, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// The room, as the answers of one server have it: pieces that are free, and the turn of the one that needs none.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pieces: &'static Semaphore,
    turn: Arc<Semaphore>,
}

impl Room {
    /// The room for answers of `endpoint`.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MAX_SERVERS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        let turn = turns.entry(endpoint.server()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        Self { pieces: &PIECES, turn: Arc::clone(turn) }
    }

    /// Nothing yet.
    pub(super) const fn hold(self) -> Held {
        Held { room: self, pieces: None, turn: None }
    }
}

/// What one answer holds of the room. Dropping it makes room for others.
#[derive(Debug)]
pub(super) struct Held {
    room: Room,
    pieces: Option<SemaphorePermit<'static>>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Gives back all of it.
    pub(super) fn release(&mut self) {
        (self.pieces, self.turn) = (None, None);
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
            Ok(turn) = Arc::clone(&self.room.turn).acquire_owned() => self.turn = Some(turn),
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

    fn room(pieces: usize) -> Room {
        Room { pieces: Box::leak(Box::new(Semaphore::new(pieces))), turn: Arc::new(Semaphore::new(1)) }
    }

    #[tokio::test]
    async fn small_answers_never_wait() {
        let room = room(0);
        let (mut first, mut second) = (room.clone().hold(), room.hold());
        first.make_room_for(2 * PIECE).await;
        second.make_room_for(FREE).await;
        assert!(second.has_room_for(FREE) && !second.has_room_for(FREE + 1));
    }

    #[tokio::test]
    async fn when_the_room_is_full_one_goes_on_and_the_others_wait_for_it() {
        let room = room(4);
        let mut answers: Vec<_> = (0..4).map(|_| room.clone().hold()).collect();
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
    async fn a_server_that_stalls_with_all_of_the_room_holds_up_no_other() {
        let stalling = room(1);
        let (mut first, mut second, mut third) =
            (stalling.clone().hold(), stalling.clone().hold(), stalling.clone().hold());
        first.make_room_for(PIECE).await;
        second.make_room_for(PIECE).await;
        assert!(third.make_room_for(PIECE).now_or_never().is_none());
        let other = Room { turn: Arc::new(Semaphore::new(1)), ..stalling };
        assert!(other.hold().make_room_for(9 * PIECE).now_or_never().is_some());
    }

    #[test]
    fn routes_of_one_server_share_a_turn() {
        let room = |url| Room::of(&Endpoint::parse(url).unwrap());
        let one = room("http://held.test:81/a");
        assert!(Arc::ptr_eq(&one.turn, &room("http://held.test:81/b?c=d").turn));
        assert!(!Arc::ptr_eq(&one.turn, &room("http://held.test:82/a").turn));
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_no_room() {
        let room = room(1);
        let (mut first, mut second, mut third) = (room.clone().hold(), room.clone().hold(), room.clone().hold());
        first.make_room_for(PIECE).await;
        second.make_room_for(PIECE).await;
        assert!(third.make_room_for(PIECE).now_or_never().is_none());
        drop((first, second, third));
        assert_eq!((room.pieces.available_permits(), room.turn.available_permits()), (1, 1));
    }
}
