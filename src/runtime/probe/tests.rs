use super::*;

mod daemon;

/// A host and the calls of one connection, second by second.
struct Scene {
    probes: Probes,
    start: Instant,
    now: Instant,
    position: u64,
    asked: Vec<(String, u64)>,
}

impl Scene {
    fn new(calls: &[&str]) -> Self {
        let start = Instant::now();
        let mut probes = Probes::default();
        for call in calls {
            probes.begin(call, start);
        }
        Self { probes, start, now: start, position: 0, asked: Vec::new() }
    }

    /// One second passes; questions that are due are written. Returns those and the calls found abandoned.
    fn second(&mut self) -> (Vec<(String, u64)>, Vec<String>) {
        self.now += Duration::from_secs(1);
        let due = self.probes.due(self.now);
        for (_, number) in &due {
            self.position += 100;
            self.probes.written(*number, self.position, self.now);
        }
        self.asked.extend(due.iter().cloned());
        (due, self.probes.abandoned(self.now))
    }

    fn answer(&mut self, call: &str, number: u64) {
        self.probes.answered(call, Some(number), self.now);
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The host answers everything, at once, for `seconds`.
    fn answered_for(&mut self, seconds: u32) {
        for _ in 0..seconds {
            let (due, abandoned) = self.second();
            assert_eq!(abandoned, [""; 0]);
            for (call, number) in due {
                self.answer(&call, number);
            }
        }
    }
}

#[test]
fn a_call_is_asked_about_every_few_seconds_and_not_at_once() {
    let mut scene = Scene::new(&["a"]);
    assert!(scene.probes.due(scene.now).is_empty());
    scene.answered_for(10);
    assert_eq!(scene.asked.len(), 4);
    scene.probes.begin("b", scene.now);
    let (due, _) = scene.second();
    assert_eq!(due, []);
}

#[test]
fn a_host_that_has_never_answered_is_asked_early_about_one_call() {
    let mut scene = Scene::new(&["a", "b", "c"]);
    assert_eq!(scene.second().0.len(), 1);
    assert_eq!(scene.second().0.len(), 0);
}

#[test]
fn a_host_that_answers_keeps_its_calls() {
    let mut scene = Scene::new(&["a", "b"]);
    scene.answered_for(600);
}

#[test]
fn a_host_that_never_answers_keeps_its_calls_and_is_not_buried_in_questions() {
    let mut scene = Scene::new(&["a"]);
    for _ in 0..600 {
        let (_, abandoned) = scene.second();
        scene.probes.read_up_to(scene.position);
        assert_eq!(abandoned, [""; 0]);
    }
    assert_eq!(scene.asked.len(), MAX_UNANSWERED);
}

#[test]
fn a_silent_session_is_found_by_the_answers_of_another() {
    let mut scene = Scene::new(&["gone", "here"]);
    scene.answered_for(30);
    let left = scene.now;
    let found = loop {
        let (due, abandoned) = scene.second();
        for (call, number) in due.into_iter().filter(|(call, _)| call == "here") {
            scene.answer(&call, number);
        }
        if let [found] = abandoned.as_slice() {
            break found.clone();
        }
        assert!(scene.elapsed() < Duration::from_secs(60));
    };
    assert_eq!(found, "gone");
    assert!(scene.now - left <= Duration::from_secs(15), "{:?}", scene.now - left);
    assert!(scene.now - left >= PATIENCE);
}

#[test]
fn a_session_that_is_alone_is_found_by_what_the_host_has_read() {
    let mut scene = Scene::new(&["gone"]);
    scene.answered_for(30);
    let left = scene.now;
    while scene.second().1.is_empty() {
        scene.probes.read_up_to(scene.position);
        assert!(scene.now - left <= Duration::from_secs(15));
    }
}

#[test]
fn a_session_that_is_alone_stays_where_nobody_can_tell_what_was_read() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    for _ in 0..600 {
        assert_eq!(scene.second().1, [""; 0]);
    }
}

#[test]
fn questions_that_the_host_has_not_read_say_nothing() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    let read = scene.position;
    for _ in 0..600 {
        scene.probes.read_up_to(read);
        assert_eq!(scene.second().1, [""; 0]);
    }
}

#[test]
fn a_host_that_reads_again_after_a_minute_may_take_a_moment_to_answer() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    for _ in 0..60 {
        scene.second();
    }
    scene.probes.read_up_to(scene.position);
    for _ in 0..9 {
        assert_eq!(scene.second().1, [""; 0]);
    }
}

#[test]
fn a_host_that_takes_all_questions_at_once_and_works_through_them_slowly_keeps_its_calls() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    for _ in 0..20 {
        // It reads nothing for twelve seconds, takes what is there, and is held up before the first question by a
        // client that reads slowly.
        for _ in 0..12 {
            assert_eq!(scene.second().1, [""; 0], "after {:?}", scene.elapsed());
        }
        scene.probes.read_up_to(scene.position);
        let taken: Vec<u64> = scene.probes.calls["a"].unanswered.iter().map(|question| question.number).collect();
        for _ in 0..12 {
            assert_eq!(scene.second().1, [""; 0], "after {:?}", scene.elapsed());
        }
        for number in taken {
            scene.answer("a", number);
        }
    }
}

#[test]
fn an_answer_that_comes_late_behind_a_long_hold_up_keeps_its_call() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    let first = loop {
        if let Some((_, number)) = scene.second().0.first() {
            break *number;
        }
    };
    scene.probes.read_up_to(scene.position);
    // It has the first question in hand, and a slow client before it.
    for _ in 0..18 {
        assert_eq!(scene.second().1, [""; 0]);
    }
    // It is through with that, reads on, and its answers are on their way.
    for _ in 0..5 {
        scene.probes.read_up_to(scene.position);
        assert_eq!(scene.second().1, [""; 0], "after {:?}", scene.elapsed());
    }
    scene.answer("a", first);
    scene.answered_for(30);
}

#[test]
fn an_answer_starts_the_count_anew() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(30);
    for _ in 0..60 {
        // Eight silent seconds, then an answer to the oldest question.
        for _ in 0..8 {
            assert_eq!(scene.second().1, [""; 0]);
            scene.probes.read_up_to(scene.position);
        }
        let oldest = scene.probes.calls["a"].unanswered[0].number;
        scene.answer("a", oldest);
    }
}

#[test]
fn a_host_that_is_always_late_keeps_its_calls() {
    let mut scene = Scene::new(&["a"]);
    let mut on_the_way: VecDeque<(Instant, u64)> = VecDeque::new();
    for _ in 0..600 {
        let (due, abandoned) = scene.second();
        assert_eq!(abandoned, [""; 0], "after {:?}", scene.elapsed());
        scene.probes.read_up_to(scene.position);
        on_the_way.extend(due.iter().map(|(_, number)| (scene.now + Duration::from_secs(25), *number)));
        while on_the_way.front().is_some_and(|(due, _)| *due <= scene.now) {
            let (_, number) = on_the_way.pop_front().unwrap();
            scene.answer("a", number);
        }
    }
}

#[test]
fn a_question_still_in_the_queue_is_not_asked_twice() {
    let mut probes = Probes::default();
    let start = Instant::now();
    probes.begin("a", start);
    assert_eq!(probes.due(start + Duration::from_secs(3)).len(), 1);
    assert!(probes.due(start + Duration::from_secs(60)).is_empty());
}

#[test]
fn an_answer_to_somebody_else_s_question_proves_nothing_about_the_host() {
    let mut scene = Scene::new(&["a"]);
    scene.probes.answered("a", None, scene.now);
    scene.probes.answered("unknown", Some(99), scene.now);
    for _ in 0..600 {
        assert_eq!(scene.second().1, [""; 0]);
        scene.probes.read_up_to(scene.position);
    }
}

#[test]
fn a_call_that_has_ended_leaves_nothing_behind() {
    let mut scene = Scene::new(&["a"]);
    scene.answered_for(4);
    scene.second();
    scene.second();
    scene.probes.end("a");
    assert!(scene.probes.calls.is_empty() && scene.probes.asked.is_empty());
}
