//! What an app set for its pictures.

use crate::gateway::dashscope::Parameters;
use crate::gateway::images::Generation;
use crate::provider::schema;
use crate::runtime::InvokeError;
use crate::runtime::entities::LlmRequest;
use serde_json::{Map, Value};

/// How pictures are given to Dify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum OutputFormat {
    /// Their URLs, as text.
    #[default]
    UrlText,
    /// Files, which Dify keeps and shows.
    Image,
    /// First the text, then the files.
    Both,
}

impl OutputFormat {
    /// From the value of the parameter, or of a polling state.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "url_text" => Some(Self::UrlText),
            "image" => Some(Self::Image),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// The value of the parameter.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UrlText => "url_text",
            Self::Image => "image",
            Self::Both => "both",
        }
    }
}

/// The parameters of an image model that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImageParameters {
    size: Option<String>,
    n: Option<i64>,
    negative_prompt: Option<String>,
    prompt_extend: Option<bool>,
    watermark: Option<bool>,
    seed: Option<i64>,
    /// How the pictures are given to Dify.
    pub(super) output: OutputFormat,
}

impl ImageParameters {
    /// Reads what the app set by the rules the model announces.
    pub(super) fn read(request: &LlmRequest) -> Result<Self, InvokeError> {
        Ok(Self::of(&schema::given_parameters(request)?))
    }

    pub(super) fn of(values: &Map<String, Value>) -> Self {
        let text = |name: &str| Some(values.get(name)?.as_str()?.trim().to_owned()).filter(|text| !text.is_empty());
        let number = |name: &str| values.get(name)?.as_i64();
        let flag = |name: &str| values.get(name)?.as_bool();
        Self {
            size: text("size"),
            n: number("n"),
            negative_prompt: text("negative_prompt"),
            prompt_extend: flag("prompt_extend"),
            watermark: flag("watermark"),
            seed: number("seed"),
            output: text("output_format").and_then(|name| OutputFormat::named(&name)).unwrap_or_default(),
        }
    }

    /// For `DashScope`'s one-call API, where the Python plugin sent four constants: they are the defaults. A changed
    /// picture keeps its own size. Models of the Wan family make, and bill, four pictures unless told otherwise.
    pub(super) fn for_dashscope(&self, model: &str, editing: bool) -> Parameters {
        let own_size = if editing { None } else { Some("1328*1328".to_owned()) };
        Parameters {
            negative_prompt: Some(self.negative_prompt.clone().unwrap_or_default()),
            prompt_extend: Some(self.prompt_extend.unwrap_or(true)),
            watermark: Some(self.watermark.unwrap_or(false)),
            size: self.size_with("*").or(own_size),
            n: self.n.or_else(|| model.starts_with("wan").then_some(1)),
            seed: self.seed,
        }
    }

    /// For `DashScope`'s tasks. One picture unless more are asked for: some models make, and bill, four by default.
    pub(super) fn for_task(&self) -> Parameters {
        Parameters {
            negative_prompt: self.negative_prompt.clone(),
            prompt_extend: self.prompt_extend,
            watermark: self.watermark,
            size: self.size_with("*"),
            n: Some(self.n.unwrap_or(1)),
            seed: self.seed,
        }
    }

    /// For `OpenAI`'s API.
    pub(super) fn for_openai<'a>(&'a self, model: &'a str, prompt: &'a str) -> Generation<'a> {
        Generation {
            model,
            prompt: Some(prompt),
            n: self.n,
            size: self.size_with("x"),
            negative_prompt: self.negative_prompt.as_deref(),
            prompt_extend: self.prompt_extend,
            watermark: self.watermark,
            seed: self.seed,
        }
    }

    /// The size as this API writes it: `1328*1328` and `1024x1024` mean the same to people.
    fn size_with(&self, separator: &str) -> Option<String> {
        let size = self.size.as_deref()?;
        let sides = size.split_once(['*', 'x', 'X', '×']).map(|(width, height)| (width.trim(), height.trim()));
        let is_number = |side: &str| !side.is_empty() && side.bytes().all(|byte| byte.is_ascii_digit());
        Some(match sides {
            Some((width, height)) if is_number(width) && is_number(height) => format!("{width}{separator}{height}"),
            _ => size.to_owned(),
        })
    }
}
