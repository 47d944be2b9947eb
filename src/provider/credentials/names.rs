//! What a model's name decides: the name that is sent, and what `auto` means.

use super::{MultimodalFormat, ThinkingStyle};

/// The models that DashScope's synchronous multimodal generation serves (Model Studio, "Qwen-Image API").
const SYNC_IMAGE_FAMILIES: [&str; 4] = ["qwen-image", "z-image", "wan2.6", "wan2.7"];

/// What the Python plugin sent when no name was configured. Models saved with a name of their own rely on it.
const DEFAULT_IMAGE_MODEL: &str = "qwen-image-plus";
const DEFAULT_RERANK_MODEL: &str = "gte-rerank-v2";

/// The name to send for a synchronous DashScope image: the configured one, else Dify's if that API serves it.
pub(super) fn image(configured: Option<&str>, model: &str) -> String {
    configured_or(configured, model, &SYNC_IMAGE_FAMILIES, DEFAULT_IMAGE_MODEL)
}

/// The name to send for DashScope's rerank: the configured one, else Dify's if it is one of those models.
pub(super) fn rerank(configured: Option<&str>, model: &str) -> String {
    configured_or(configured, model, &["qwen3-rerank", "qwen3-vl-rerank"], DEFAULT_RERANK_MODEL)
}

fn configured_or(configured: Option<&str>, model: &str, served: &[&str], default: &str) -> String {
    let name = configured.unwrap_or_else(|| if starts_with_any(model, served) { model } else { default });
    name.to_owned()
}

/// Whether DashScope serves this rerank model flat at `/v1/reranks`, dated snapshots included.
pub(super) fn rerank_is_flat(upstream_model: &str) -> bool {
    starts_with_any(upstream_model, &["qwen3-rerank"])
}

/// Whether a rerank model of this name takes pictures: `qwen3-vl-rerank`, `Qwen3-VL-Reranker-2B`, `jina-reranker-m0`.
pub(in crate::provider) fn rerank_takes_pictures(upstream_model: &str) -> bool {
    let name = upstream_model.to_ascii_lowercase();
    name.contains("vl-rerank") || name.contains("reranker-m0")
}

/// The fields that switch thinking for models of this name.
pub(super) fn thinking_style(upstream_model: &str) -> ThinkingStyle {
    let name = family(upstream_model);
    if starts_with_any(name, &["qwen", "qwq", "qvq"]) {
        ThinkingStyle::EnableThinking
    } else if starts_with_any(name, &["deepseek", "glm", "kimi", "doubao"]) {
        ThinkingStyle::ThinkingType
    } else if starts_with_any(name, &["gpt-5", "o1", "o3", "o4"]) {
        ThinkingStyle::ReasoningEffort
    } else {
        ThinkingStyle::None
    }
}

/// How files are sent to models of this name.
pub(super) fn multimodal_format(upstream_model: &str) -> MultimodalFormat {
    if starts_with_any(family(upstream_model), &["qwen", "qvq", "qwq"]) {
        MultimodalFormat::DashScope
    } else {
        MultimodalFormat::OpenAi
    }
}

/// The name without an owner in front (`owner/name`), as routers and self-hosted engines write it.
fn family(upstream_model: &str) -> &str {
    upstream_model.rsplit('/').next().unwrap_or(upstream_model)
}

/// Whether `name` starts with one of `prefixes`, whatever its case.
fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
