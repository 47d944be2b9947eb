//! Calls that nobody waits for any more are found, and no other call is ever cut.

use crate::support::{OPTIONS, Said, Scene, ask, scene, scene_on};
use higress_dify_plugin::runtime::server::{Outcome, ServeOptions};
use higress_dify_plugin::runtime::transport::memory;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const PROBING: ServeOptions = ServeOptions { probe: true, ..OPTIONS };

/// A host as the Dify plugin daemon is one: it refuses questions about sessions it knows, and forgets sessions whose
/// client has left.
struct Daemon {
    scene: Scene,
    heard: HashMap<String, Said>,
    questions: usize,
    gone: HashSet<String>,
    /// How late it answers; `None`: never.
    delay: Option<Duration>,
    answers: VecDeque<(Instant, String)>,
}

impl Daemon {
    fn new(scene: Scene, delay: Option<Duration>) -> Self {
        Self { scene, heard: HashMap::new(), questions: 0, gone: HashSet::new(), delay, answers: VecDeque::new() }
    }

    async fn ask(&self, session: &str, prompt: &str) {
        self.scene.host.send(ask(session, prompt)).await;
    }

    fn running(&self) -> usize {
        self.scene.provider.running.load(Ordering::SeqCst)
    }

    /// Reads and answers until `deadline`, or until `done`.
    async fn until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) {
        while Instant::now() < deadline && !done(self) {
            let next = self.answers.front().map_or(deadline, |(due, _)| deadline.min(*due));
            tokio::select! {
                event = self.scene.host.event() => self.hear(&event.expect("more output")),
                () = sleep_until(next) => {}
            }
            while self.answers.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                let (_, line) = self.answers.pop_front().expect("the one just seen");
                self.scene.host.send(line).await;
            }
        }
    }

    async fn for_seconds(&mut self, seconds: u64) {
        self.until(Instant::now() + Duration::from_secs(seconds), |_| false).await;
    }

    fn hear(&mut self, event: &Value) {
        let session = event["session_id"].as_str().expect("a session").to_owned();
        self.heard.entry(session.clone()).or_default().hear(&event["data"]);
        if event["data"]["type"] != "invoke" {
            return;
        }
        assert_eq!(event["data"]["data"]["type"], "storage");
        self.questions += 1;
        let Some(delay) = self.delay.filter(|_| !self.gone.contains(&session)) else { return };
        for kind in ["error", "end"] {
            let line = json!({"session_id": session, "event": "backwards_response", "data": {
                "backwards_request_id": event["data"]["data"]["backwards_request_id"], "event": kind,
                "message": "you can not invoke dify from model", "data": {},
            }});
            self.answers.push_back((Instant::now() + delay, line.to_string()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_answers_keeps_a_long_silent_call() {
    let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
    daemon.ask("S", "sleep 500").await;
    daemon.for_seconds(510).await;
    daemon.heard["S"].assert_whole();
    assert!(daemon.questions > 150, "{} questions", daemon.questions);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_keeps_a_long_silent_call() {
    let mut daemon = Daemon::new(scene(PROBING), None);
    daemon.ask("S", "sleep 500").await;
    daemon.for_seconds(510).await;
    daemon.heard["S"].assert_whole();
    assert_eq!(daemon.questions, 5);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_answers_late_keeps_its_calls() {
    for late in [2, 8, 12, 20, 40] {
        let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_secs(late)));
        daemon.ask("S", "sleep 500").await;
        daemon.ask("T", "tick 200 2000").await;
        daemon.for_seconds(510).await;
        daemon.heard["S"].assert_whole();
        daemon.heard["T"].assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_call_within_fifteen_seconds_and_no_other() {
    for left_after in 4..8 {
        let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
        daemon.ask("gone", "tick 20 20000").await;
        daemon.ask("here", "tick 20 5000").await;
        daemon.for_seconds(left_after).await;
        daemon.gone.insert("gone".to_owned());
        let left = Instant::now();
        daemon.until(left + Duration::from_secs(60), |daemon| daemon.running() == 1).await;
        assert!(left.elapsed() <= Duration::from_secs(15), "{:?}", left.elapsed());
        daemon.for_seconds(110).await;
        daemon.heard["here"].assert_whole();
        assert_eq!(daemon.heard["gone"].ends, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_call_that_is_alone_ends_it_within_fifteen_seconds() {
    for prompt in ["sleep 500", "tick 20 20000"] {
        let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
        daemon.ask("S", prompt).await;
        daemon.for_seconds(20).await;
        daemon.gone.insert("S".to_owned());
        let left = Instant::now();
        daemon.until(left + Duration::from_secs(60), |daemon| daemon.running() == 0).await;
        assert!(left.elapsed() <= Duration::from_secs(15), "{prompt}: {:?}", left.elapsed());
        // The process is as good as before.
        daemon.ask("T", "sleep 100").await;
        daemon.for_seconds(110).await;
        daemon.heard["T"].assert_whole();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_the_first_call_of_a_process_after_a_second_ends_it_within_fifteen_seconds() {
    let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
    daemon.ask("S", "tick 20 20000").await;
    daemon.for_seconds(1).await;
    daemon.gone.insert("S".to_owned());
    let left = Instant::now();
    daemon.until(left + Duration::from_secs(60), |daemon| daemon.running() == 0).await;
    assert!(left.elapsed() <= Duration::from_secs(15), "{:?}", left.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_given_up_leave_nothing_behind() {
    let (connection, host) = memory::connect(None);
    let outbox = connection.outbox.clone();
    let mut daemon = Daemon::new(scene_on(connection, host, PROBING), Some(Duration::from_millis(10)));
    for call in 0..100 {
        daemon.ask(&call.to_string(), "tick 20 20000").await;
    }
    daemon.for_seconds(10).await;
    daemon.gone.extend((0..100).map(|call| call.to_string()));
    daemon.until(Instant::now() + Duration::from_secs(15), |daemon| daemon.running() == 0).await;
    assert_eq!(daemon.running(), 0);
    daemon.for_seconds(1).await;
    assert!(daemon.heard.len() == 100 && daemon.heard.values().all(|said| (said.ends, said.after_end) == (1, 0)));
    assert!(format!("{outbox:?}").contains("waiting_bytes: 0"), "{outbox:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_held_up_by_one_slow_client_again_and_again_keeps_all_its_calls() {
    let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
    for call in ["a", "b", "c"] {
        daemon.ask(call, "tick 100 4000").await;
    }
    daemon.ask("silent", "sleep 380").await;
    // It reads nothing, and answers nothing, for longer and longer.
    for held_up in (10..=60).step_by(10) {
        daemon.for_seconds(5).await;
        tokio::time::sleep(Duration::from_secs(held_up)).await;
    }
    daemon.for_seconds(400).await;
    assert_eq!(daemon.heard.len(), 4);
    daemon.heard.values().for_each(Said::assert_whole);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_calls_to_a_host_that_has_answered_nothing_yet_is_asked_about_once() {
    let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
    for call in 0..50 {
        daemon.ask(&call.to_string(), "sleep 2").await;
    }
    daemon.for_seconds(3).await;
    assert_eq!(daemon.questions, 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_socket_a_call_that_is_alone_stays_until_its_ceiling() {
    let (mut connection, host) = memory::connect(None);
    connection.unread = None;
    let mut daemon = Daemon::new(scene_on(connection, host, PROBING), Some(Duration::from_millis(10)));
    daemon.ask("S", "sleep 5000").await;
    daemon.for_seconds(20).await;
    daemon.gone.insert("S".to_owned());
    daemon.for_seconds(605).await;
    assert_eq!(daemon.running(), 1);
    daemon.for_seconds(10).await;
    assert_eq!(daemon.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_reading_while_requests_keep_coming_keeps_its_calls() {
    // Silent, its questions lie in the pipe; loud, the pipe is full and they wait before it.
    for prompt in ["sleep 300", "tick 20 14000"] {
        let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
        daemon.ask("long", prompt).await;
        daemon.for_seconds(20).await;
        for number in 0..120 {
            daemon.ask(&format!("new{number}"), "say hello").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(daemon.running() >= 1, "{prompt}: cut after {number} s");
        }
        daemon.for_seconds(300).await;
        assert_eq!(daemon.heard.len(), 121);
        daemon.heard.values().for_each(Said::assert_whole);
    }
}

#[tokio::test(start_paused = true)]
async fn switched_off_no_question_is_asked() {
    let mut daemon = Daemon::new(scene(OPTIONS), Some(Duration::from_millis(10)));
    daemon.ask("S", "sleep 500").await;
    daemon.for_seconds(510).await;
    daemon.heard["S"].assert_whole();
    assert_eq!(daemon.questions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_closed_its_side_keeps_its_calls() {
    let mut daemon = Daemon::new(scene(PROBING), Some(Duration::from_millis(10)));
    daemon.ask("S", "sleep 200").await;
    daemon.for_seconds(20).await;
    daemon.scene.host.close_input();
    daemon.until(Instant::now() + Duration::from_secs(190), |daemon| daemon.running() == 0).await;
    assert_eq!(daemon.scene.server.await.unwrap(), Outcome::InputEnded);
    while let Some(event) = daemon.scene.host.event().await {
        daemon.heard.entry("S".to_owned()).or_default().hear(&event["data"]);
    }
    daemon.heard["S"].assert_whole();
}
