//! Answers that the gateway's content guard makes in the model's place.
//!
//! Higress' ai-security-guard plugin answers with status 200. What it says is plain text, or JSON text with
//! `denyMessage` and `blockedDetails`; newer builds put the detail beside the answer.

use crate::gateway::json;
use serde::Deserialize;

/// Most of a guard's words that is kept, in bytes.
const MAX_WORDS: usize = 64 * 1024;

/// What the guard said so far.
#[derive(Debug, Default)]
pub(super) struct GuardAnswer {
    words: String,
    detail: Option<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "denyMessage")]
    deny_message: Option<String>,
    #[serde(rename = "blockedDetails")]
    blocked: Option<Vec<Blocked>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Blocked {
    #[serde(rename = "type", alias = "Type")]
    kind: Option<String>,
    #[serde(alias = "Level")]
    level: Option<String>,
}

impl GuardAnswer {
    /// Adds a piece of what it said.
    pub(super) fn say(&mut self, text: &str) {
        if self.words.len() + text.len() <= MAX_WORDS {
            self.words.push_str(text);
        }
    }

    /// Notes the detail beside an answer, JSON text.
    pub(super) fn note(&mut self, detail: &str) {
        self.detail = json::read_text(detail).ok().or(self.detail.take());
    }

    /// What a person should read, and the reasons in a few words, if there are any.
    pub(super) fn resolve(self) -> (String, Option<String>) {
        let said = serde_json::from_str::<Detail>(&self.words).ok();
        let plain = said.is_none().then(|| self.words.trim().to_owned()).filter(|words| !words.is_empty());
        let details: Vec<Detail> = said.into_iter().chain(self.detail).collect();
        let deny = details.iter().find_map(|detail| detail.deny_message.clone().filter(|text| !text.trim().is_empty()));
        let blocked = details.iter().find_map(|detail| detail.blocked.as_ref());
        let reasons: Vec<_> = blocked.into_iter().flatten().filter_map(Blocked::reason).collect();
        let reasons = (!reasons.is_empty()).then(|| reasons.join(", "));
        let message = deny.or(plain).unwrap_or_else(|| match &reasons {
            Some(reasons) => format!("The gateway's content guard blocked this conversation ({reasons})."),
            None => "The gateway's content guard blocked this conversation.".to_owned(),
        });
        (message, reasons)
    }
}

impl Blocked {
    fn reason(&self) -> Option<String> {
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty())?;
        Some(match self.level.as_deref().filter(|level| !level.is_empty()) {
            Some(level) => format!("{kind}: {level}"),
            None => kind.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(words: &[&str]) -> (String, Option<String>) {
        let mut answer = GuardAnswer::default();
        for piece in words {
            answer.say(piece);
        }
        answer.resolve()
    }

    #[test]
    fn the_deny_message_is_what_a_person_reads() {
        let (message, reasons) = resolved(&[
            r#"{"code":200,"denyMessage":"I cannot help with that.","#,
            r#""blockedDetails":[{"type":"contentModeration","level":"high"},{"type":"promptAttack"}]}"#,
        ]);
        assert_eq!(message, "I cannot help with that.");
        assert_eq!(reasons.as_deref(), Some("contentModeration: high, promptAttack"));
    }

    #[test]
    fn without_a_deny_message_the_reasons_are_told_in_words() {
        let (message, _) = resolved(&[r#"{"code":1,"blockedDetails":[{"type":"promptAttack","level":"max"}]}"#]);
        assert_eq!(message, "The gateway's content guard blocked this conversation (promptAttack: max).");
        assert_eq!(resolved(&["{}"]).0, "The gateway's content guard blocked this conversation.");
    }

    #[test]
    fn plain_words_are_shown_as_they_are() {
        assert_eq!(resolved(&["Sorry, ", "no."]), ("Sorry, no.".to_owned(), None));
        assert_eq!(resolved(&["\"quoted\""]), ("\"quoted\"".to_owned(), None));
    }

    #[test]
    fn the_detail_beside_an_answer_gives_the_reasons() {
        let mut answer = GuardAnswer::default();
        answer.say("Sorry.");
        answer.note(r#"{"blockedDetails":[{"type":"maliciousUrl"}]}"#);
        assert_eq!(answer.resolve(), ("Sorry.".to_owned(), Some("maliciousUrl".to_owned())));
    }
}
