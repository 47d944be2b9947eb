use super::*;
use serde_json::json;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rerank/", $name))
    };
}

const TEXTS: [Item<'_>; 3] = [Item::Text("a"), Item::Text("b"), Item::Text("c")];

fn texts(model: &str, top_n: Option<usize>) -> Request<'_> {
    Request { model, query: Item::Text("q"), documents: &TEXTS, top_n, typed_documents: false }
}

fn scores(body: &[u8], documents: usize) -> Vec<(usize, f64)> {
    decode(body, documents).unwrap().scores.iter().map(|scored| (scored.index, scored.score)).collect()
}

#[test]
fn requests_are_written_in_the_form_of_their_dialect() {
    assert_eq!(
        encode(Form::DashScopeNested, &texts("gte-rerank-v2", Some(2))).unwrap(),
        r#"{"model":"gte-rerank-v2","input":{"query":"q","documents":["a","b","c"]},"parameters":{"return_documents":true,"top_n":2}}"#
    );
    assert_eq!(
        encode(Form::DashScopeFlat, &texts("qwen3-rerank", Some(2))).unwrap(),
        r#"{"model":"qwen3-rerank","query":"q","documents":["a","b","c"],"top_n":2}"#
    );
    for form in [Form::Jina, Form::Vllm] {
        assert_eq!(
            encode(form, &texts("bge", None)).unwrap(),
            r#"{"model":"bge","query":"q","documents":["a","b","c"]}"#
        );
    }
}

#[test]
fn pictures_are_written_as_each_dialect_takes_them() {
    let documents = [Item::Text("a"), Item::Picture(Picture("iVBORw0KGgo="))];
    let text =
        Request { model: "m", query: Item::Text("q"), documents: &documents, top_n: None, typed_documents: true };
    let picture = Request { query: Item::Picture(Picture("https://example.com/q.jpg")), ..text };
    assert_eq!(
        encode(Form::DashScopeNested, &text).unwrap(),
        r#"{"model":"m","input":{"query":"q","documents":[{"text":"a"},{"image":"data:image/png;base64,iVBORw0KGgo="}]},"parameters":{"return_documents":true}}"#
    );
    assert_eq!(
        encode(Form::Jina, &picture).unwrap(),
        r#"{"model":"m","query":{"image":"https://example.com/q.jpg"},"documents":[{"text":"a"},{"image":"data:image/png;base64,iVBORw0KGgo="}]}"#
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&encode(Form::Vllm, &picture).unwrap()).unwrap(),
        json!({
            "model": "m",
            "query": {"content": [{"type": "image_url", "image_url": {"url": "https://example.com/q.jpg"}}]},
            "documents": {"content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
        })
    );
}

#[test]
fn replies_are_recognised_by_their_own_shape() {
    assert_eq!(scores(fixture!("dashscope_nested.json"), 3), [(2, 0.91), (0, 0.12)]);
    assert_eq!(scores(fixture!("dashscope_flat.json"), 3), [(2, 0.91)]);
    assert_eq!(scores(fixture!("cohere.json"), 2), [(1, 0.999_071), (0, 0.327_130_68)]);
    assert_eq!(scores(fixture!("jina.json"), 3), [(0, 0.87), (2, -1.25)]);
    assert_eq!(scores(fixture!("vllm.json"), 2), [(1, 0.998_535_156_25), (0, 0.000_586_032_867_431_640_6)]);
    assert_eq!(scores(fixture!("text_embeddings_inference.json"), 2), [(1, 0.998), (0, 0.03)]);
    assert_eq!(decode(fixture!("dashscope_nested.json"), 3).unwrap().total_tokens, Some(9));
}

#[test]
fn indices_outside_the_request_are_dropped_and_of_repeated_ones_the_first_counts() {
    let body = br#"{"results":[{"index":7,"relevance_score":0.9},{"index":1,"relevance_score":0.5},{"index":-1,"relevance_score":0.4},{"index":1,"relevance_score":0.3}]}"#;
    let reply = decode(body, 2).unwrap();
    assert_eq!(reply.scores, [Scored { index: 1, score: 0.5 }]);
    assert_eq!((reply.out_of_range, reply.repeated), (2, 1));
}

#[test]
fn a_reply_without_results_index_or_score_is_refused() {
    for body in [
        r#"{"object":"list"}"#,
        r#"{"results":[{"relevance_score":0.9}]}"#,
        r#"{"results":[{"index":0}]}"#,
        r#"{"results":[{"index":0,"relevance_score":"high"}]}"#,
        "<html>",
    ] {
        assert!(decode(body.as_bytes(), 1).is_err(), "{body}");
    }
}
