//! Reading YAML fields the way Go's decoder and validator do, noting every rule that is broken.

use serde_norway::Value;

use super::{Judge, Refusal};

/// The longest text of one locale.
const MAX_LOCALE_CHARS: usize = 1023;

/// Languages a declaration may carry; `en_US` is required wherever a text is given.
pub(super) const LOCALES: [&str; 4] = ["en_US", "zh_Hans", "ja_JP", "pt_BR"];

/// Walks one YAML file. Places are written as `file: path.to.field`.
#[derive(Debug)]
pub(super) struct Fields {
    file: String,
    /// Who enforces field rules in this file; a value of the wrong kind is always the daemon's to refuse.
    judge: Judge,
    refusals: Vec<Refusal>,
}

impl Fields {
    pub(super) fn new(file: &str, judge: Judge) -> Self {
        Self { file: file.to_owned(), judge, refusals: Vec::new() }
    }

    /// Parses YAML; a file that is none breaks the package.
    pub(super) fn parse(&mut self, data: &[u8]) -> Option<Value> {
        let parsed = serde_norway::from_slice(data).and_then(|mut value: Value| {
            value.apply_merge()?;
            Ok(value)
        });
        match parsed {
            Ok(value @ Value::Mapping(_)) => Some(value),
            Ok(_) => {
                self.refuse_as(Judge::Daemon, "", "must be a mapping");
                None
            }
            Err(error) => {
                self.refuse_as(Judge::Daemon, "", format!("not YAML: {error}"));
                None
            }
        }
    }

    /// Notes that the field at `at` breaks `rule`.
    pub(super) fn refuse(&mut self, at: &str, rule: impl Into<String>) {
        self.refuse_as(self.judge, at, rule);
    }

    /// The same, for a rule that another judge enforces.
    pub(super) fn refuse_as(&mut self, judge: Judge, at: &str, rule: impl Into<String>) {
        let place = if at.is_empty() { self.file.clone() } else { format!("{}: {at}", self.file) };
        self.refusals.push(Refusal { place, rule: rule.into(), judge });
    }

    /// A text field of at most `max` characters, if it is there and not empty. Go's decoder takes any scalar of YAML for
    /// a text; remote debugging sends JSON, where a number is none.
    pub(super) fn text(&mut self, node: &Value, at: &str, max: usize) -> Option<String> {
        let value = lookup(node, at)?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                self.refuse_as(Judge::Daemon, at, "must be a text");
                return None;
            }
        };
        if !value.is_string() {
            self.refuse_as(Judge::RemoteDebugging, at, "must be a text: put it in quotes");
        }
        let length = text.chars().count();
        if length > max {
            self.refuse(at, format!("{length} characters; at most {max}"));
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// A text field that must be there and not empty.
    pub(super) fn required_text(&mut self, node: &Value, at: &str, max: usize) -> Option<String> {
        let before = self.refusals.len();
        let text = self.text(node, at, max);
        if text.is_none() && self.refusals.len() == before {
            self.refuse(at, "is required");
        }
        text
    }

    /// A text that must be one of `known`.
    pub(super) fn one_of(&mut self, at: &str, text: &str, known: &[&str]) {
        if !known.contains(&text) {
            self.refuse(at, format!("{text:?} is not one of {}", known.join(", ")));
        }
    }

    /// A text in several languages, if it is there; `en_US` must be among them.
    pub(super) fn translated(&mut self, node: &Value, at: &str) {
        if lookup(node, at).is_some() {
            self.required_translated(node, at);
        }
    }

    /// A text in several languages that must be there.
    pub(super) fn required_translated(&mut self, node: &Value, at: &str) {
        match lookup(node, at) {
            Some(Value::Mapping(_)) => {
                for locale in LOCALES {
                    let field = format!("{at}.{locale}");
                    if locale == "en_US" {
                        self.required_text(node, &field, MAX_LOCALE_CHARS);
                    } else {
                        self.text(node, &field, MAX_LOCALE_CHARS);
                    }
                }
            }
            Some(_) => self.refuse_as(Judge::Daemon, at, "must map languages to texts"),
            None => self.refuse(at, "is required"),
        }
    }

    /// The items of a list, each with its place; at most `max`. A field that is not there has none.
    pub(super) fn list<'a>(&mut self, node: &'a Value, at: &str, max: usize) -> Vec<(String, &'a Value)> {
        match lookup(node, at) {
            Some(Value::Sequence(items)) => {
                if items.len() > max {
                    self.refuse(at, format!("{} items; at most {max}", items.len()));
                }
                items.iter().enumerate().map(|(index, item)| (format!("{at}[{index}]"), item)).collect()
            }
            Some(_) => {
                self.refuse_as(Judge::Daemon, at, "must be a list");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// A list that must be there.
    pub(super) fn required_list<'a>(&mut self, node: &'a Value, at: &str, max: usize) -> Vec<(String, &'a Value)> {
        if lookup(node, at).is_none() {
            self.refuse(at, "is required");
        }
        self.list(node, at, max)
    }

    /// The texts of a list; `required` and `max` are the list's.
    pub(super) fn texts(&mut self, node: &Value, at: &str, required: bool, max: usize) -> Vec<(String, String)> {
        let items = if required { self.required_list(node, at, max) } else { self.list(node, at, max) };
        items
            .into_iter()
            .filter_map(|(at, item)| {
                let text = item.as_str().map(str::to_owned);
                if text.is_none() {
                    self.refuse_as(Judge::Daemon, &at, "must be a text");
                }
                Some((at, text?))
            })
            .collect()
    }

    /// A field that, where given, must be true or false.
    pub(super) fn flag(&mut self, node: &Value, at: &str) {
        if lookup(node, at).is_some_and(|value| !value.is_bool()) {
            self.refuse_as(Judge::Daemon, at, "must be true or false");
        }
    }

    /// Fields that the daemon fills in from other files, and that must not stand here.
    pub(super) fn filled_in(&mut self, node: &Value, fields: &[&str]) {
        for at in fields {
            if lookup(node, at).is_some() {
                self.refuse_as(Judge::Project, at, "the plugin daemon fills this in from other files; leave it out");
            }
        }
    }

    /// A mapping, if it is there, whose `flags` are true or false.
    pub(super) fn flags(&mut self, node: &Value, at: &str, flags: &[&str]) {
        if lookup(node, at).is_some_and(|value| !value.is_mapping()) {
            self.refuse_as(Judge::Daemon, at, "must be a mapping");
        }
        for flag in flags {
            self.flag(node, &format!("{at}.{flag}"));
        }
    }

    /// A field that, where given, must be a whole number.
    pub(super) fn whole(&mut self, node: &Value, at: &str) -> Option<i64> {
        let value = lookup(node, at)?;
        if value.as_i64().is_none() {
            self.refuse_as(Judge::Daemon, at, "must be a whole number");
        }
        value.as_i64()
    }

    /// Rules for the fields of `node`, an item of a list at the place `at`; their places are put behind it.
    pub(super) fn within(&mut self, at: &str, check: impl FnOnce(&mut Self)) {
        let before = self.refusals.len();
        check(self);
        let prefix = format!("{}: ", self.file);
        for refusal in self.refusals.iter_mut().skip(before) {
            let field = refusal.place.strip_prefix(&prefix).unwrap_or_default();
            refusal.place = format!("{prefix}{at}.{field}");
        }
    }

    /// Notes what another file's check found.
    pub(super) fn refusals_of(&mut self, others: Vec<Refusal>) {
        self.refusals.extend(others);
    }

    pub(super) fn into_refusals(self) -> Vec<Refusal> {
        self.refusals
    }
}

/// The value at a dotted path; null counts as absent, as it does for Go's decoder.
pub(super) fn lookup<'a>(node: &'a Value, at: &str) -> Option<&'a Value> {
    at.split('.').try_fold(node, |node, key| node.get(key)).filter(|value| !value.is_null())
}
