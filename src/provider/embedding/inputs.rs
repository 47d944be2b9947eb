//! What is embedded: prefixed and cut only where the model's settings ask for it.

use super::{EmbeddingCredentials, Input, InputType, TAG};
use crate::gateway::images::Picture;
use crate::provider::credentials::EmbeddingProtocol;
use crate::runtime::entities::MultimodalContent;
use crate::runtime::{InvokeError, tokens};
use std::borrow::Cow;

/// The texts as they are sent.
pub(super) async fn texts(
    credentials: &EmbeddingCredentials,
    mut texts: Vec<String>,
    input_type: InputType,
) -> Vec<String> {
    if let Some(prefix) = prefix(credentials, input_type) {
        for text in &mut texts {
            text.insert_str(0, prefix);
        }
    }
    match credentials.common.context_size {
        Some(context_size) => cut(texts, context_size).await,
        None => texts,
    }
}

/// Texts and pictures as they are sent. Pictures need a protocol that takes them.
pub(super) async fn documents<'a>(
    credentials: &EmbeddingCredentials,
    documents: &'a [MultimodalContent],
    input_type: InputType,
) -> Result<Vec<Input<'a>>, InvokeError> {
    let mut inputs = Vec::with_capacity(documents.len());
    for document in documents {
        inputs.push(match document {
            MultimodalContent::Text(text) => {
                let text = texts(credentials, vec![text.clone()], input_type).await;
                Input::Text(Cow::Owned(text.concat()))
            }
            MultimodalContent::Image(_) if credentials.protocol == EmbeddingProtocol::OpenAi => {
                return Err(InvokeError::bad_request(format!(
                    "{TAG}the protocol openai_compatible embeds texts only, but the call holds a picture. Set \
                     embedding_model_protocol to openai_multimodal or dashscope_multimodal, by what the model speaks."
                )));
            }
            MultimodalContent::Image(base64) => Input::Picture(Picture(base64)),
        });
    }
    Ok(inputs)
}

/// How many tokens the texts have when the upstream does not say. Pictures count nothing.
pub(super) async fn estimate(inputs: &[Input<'_>]) -> u64 {
    let texts = inputs.iter().filter_map(|input| match input {
        Input::Text(text) => Some(text.to_string()),
        Input::Picture(_) => None,
    });
    tokens::count_texts(texts.collect()).await.iter().sum()
}

fn prefix(credentials: &EmbeddingCredentials, input_type: InputType) -> Option<&str> {
    let prefix = match input_type {
        InputType::Document => &credentials.document_prefix,
        InputType::Query => &credentials.query_prefix,
    };
    prefix.as_deref().filter(|prefix| !prefix.is_empty())
}

/// Cuts texts that are longer than `context_size` tokens in proportion, as the `dify_plugin` SDK does and by its count:
/// GPT-2's vocabulary, which is part of this program.
async fn cut(mut texts: Vec<String>, context_size: u64) -> Vec<String> {
    // A token is at least one byte long: most texts need no count.
    let may_be_longer = |text: &String| text.len() as u64 > context_size;
    let long: Vec<String> = texts.iter().filter(|text| may_be_longer(text)).cloned().collect();
    if long.is_empty() {
        return texts;
    }
    let mut counts = tokens::count_texts(long).await.into_iter();
    for text in texts.iter_mut().filter(|text| may_be_longer(text)) {
        if let Some(count) = counts.next() {
            shorten(text, context_size, count);
        }
    }
    texts
}

/// Keeps the first `characters * context_size / count` characters of a text with `count` tokens.
fn shorten(text: &mut String, context_size: u64, count: u64) {
    if count <= context_size {
        return;
    }
    let characters = text.chars().count() as u128;
    let keep = characters * u128::from(context_size) / u128::from(count.max(1));
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    if let Some((end, _)) = text.char_indices().nth(keep) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_in_proportion_and_between_characters() {
        let mut text = "汉字abc".repeat(10);
        shorten(&mut text, 50, 100);
        assert_eq!(text, "汉字abc".repeat(5));
        let mut text = "ééé".to_owned();
        shorten(&mut text, 1, 2);
        assert_eq!(text, "é");
    }

    #[test]
    fn a_text_that_fits_is_not_cut() {
        let mut text = "fits".to_owned();
        shorten(&mut text, 1, 1);
        assert_eq!(text, "fits");
    }

    #[tokio::test]
    async fn only_texts_over_the_limit_are_cut() {
        let short = "one two".to_owned();
        let long = "one two three four five six seven eight ".repeat(20);
        let cut = cut(vec![short.clone(), long.clone()], 40).await;
        assert_eq!(cut[0], short);
        assert!(cut[1].len() < long.len() && long.starts_with(&cut[1]));
        let count = tokens::count_text(&cut[1]);
        assert!((30..=50).contains(&count), "{count} tokens are left");
    }
}
