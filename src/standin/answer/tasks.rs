//! Tasks that take a while: done after they were asked for often enough.

use super::Ask;
use crate::standin::reply::{Reply, request_id};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many tasks are kept; the oldest are forgotten.
const KEPT: usize = 1024;

/// The tasks of one stand-in.
#[derive(Debug)]
pub(in crate::standin) struct Tasks {
    polls: u32,
    kept: Mutex<VecDeque<Task>>,
}

#[derive(Debug)]
struct Task {
    id: String,
    urls: Vec<String>,
    fails: bool,
    asked: u32,
}

impl Tasks {
    /// Tasks that are running when they are asked for `polls` times, and done the next time.
    pub(in crate::standin) fn new(polls: u32) -> Self {
        Self { polls, kept: Mutex::default() }
    }

    /// Starts a task and gives its id.
    pub(super) fn start(&self, number: u64, urls: Vec<String>, fails: bool) -> String {
        let id = format!("task-{number}");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Task { id: id.clone(), urls, fails, asked: 0 });
        id
    }

    /// How far a task is. DashScope calls a task it does not know `UNKNOWN`.
    pub(super) fn show(&self, id: &str, ask: &Ask<'_>) -> Reply {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let output = match kept.iter_mut().find(|task| task.id == id) {
            Some(task) => task.next(self.polls),
            None => json!({"task_id": id, "task_status": "UNKNOWN"}),
        };
        let images = output["results"].as_array().map_or(0, Vec::len);
        Reply::ok(&json!({
            "output": output, "usage": {"image_count": images}, "request_id": request_id(ask.number),
        }))
    }
}

impl Task {
    fn next(&mut self, polls: u32) -> Value {
        if self.asked < polls {
            self.asked += 1;
            let status = if self.asked == 1 { "PENDING" } else { "RUNNING" };
            return json!({"task_id": self.id, "task_status": status});
        }
        if self.fails {
            return json!({
                "task_id": self.id, "task_status": "FAILED",
                "code": "DataInspectionFailed", "message": "Output data may contain inappropriate content.",
            });
        }
        let results: Vec<Value> = self.urls.iter().map(|url| json!({"url": url})).collect();
        let total = results.len();
        json!({
            "task_id": self.id, "task_status": "SUCCEEDED", "results": results,
            "task_metrics": {"TOTAL": total, "SUCCEEDED": total, "FAILED": 0},
        })
    }
}
