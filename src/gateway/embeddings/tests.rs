use super::super::images::Picture;
use super::super::{Error, ErrorKind};
use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/embedding/", $name))
    };
}

fn vectors(reply: &Reply) -> Vec<&str> {
    reply.vectors.iter().map(|vector| vector.get()).collect()
}

fn refused(body: &str, expected: usize) -> String {
    let error = decode(body.as_bytes(), expected).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Decode);
    error.message
}

#[test]
fn the_request_has_the_fields_of_the_python_plugin_in_its_order() {
    let common =
        Common { model: "text-embedding-v4", user: Some("u-42"), encoding_format: Some("float"), dimensions: None };
    assert_eq!(
        texts(["alpha", "beta"], &common).unwrap(),
        r#"{"input":["alpha","beta"],"model":"text-embedding-v4","user":"u-42","encoding_format":"float"}"#
    );
    let common = Common { model: "m", dimensions: Some(256), ..Common::default() };
    assert_eq!(texts(["a"], &common).unwrap(), r#"{"input":["a"],"model":"m","dimensions":256}"#);
    let common = Common { model: "m", ..Common::default() };
    assert_eq!(single_text("ping", &common).unwrap(), r#"{"input":"ping","model":"m"}"#);
}

#[test]
fn a_vllm_request_is_a_conversation_of_one_message() {
    let common = Common { model: "vlm", encoding_format: Some("float"), ..Common::default() };
    assert_eq!(
        message(&Input::Text("a cat".into()), &common).unwrap(),
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a cat"}]}],"model":"vlm","encoding_format":"float"}"#
    );
    assert_eq!(
        message(&Input::Picture(Picture("/9j/AAAA")), &common).unwrap(),
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/AAAA"}}]}],"model":"vlm","encoding_format":"float"}"#
    );
}

#[test]
fn a_dashscope_request_lists_texts_and_pictures() {
    let common = Common { model: "qwen3-vl-embedding", dimensions: Some(1024), ..Common::default() };
    let inputs = [Input::Text("a cat".into()), Input::Picture(Picture("iVBORw0KGgo="))];
    assert_eq!(
        dashscope_contents(&inputs, &common).unwrap(),
        r#"{"model":"qwen3-vl-embedding","input":{"contents":[{"text":"a cat"},{"image":"data:image/png;base64,iVBORw0KGgo="}]},"parameters":{"dimension":1024}}"#
    );
}

#[test]
fn vectors_are_put_back_in_the_order_of_the_request() {
    let reply = decode(fixture!("openai_out_of_order.json"), 2).unwrap();
    assert_eq!(vectors(&reply), ["[0.1,0.2]", "[0.3,0.4]"]);
    assert_eq!(reply.tokens, Some(4));
    let reply = decode(fixture!("dashscope_multimodal.json"), 2).unwrap();
    assert_eq!(vectors(&reply), ["[0.05,0.06]", "[-0.026611328125,-0.016571044921875]"]);
    assert_eq!(reply.tokens, Some(906));
}

#[test]
fn every_digit_of_a_vector_passes_through() {
    let reply = decode(fixture!("openai_digits.json"), 1).unwrap();
    assert_eq!(
        vectors(&reply),
        ["[-0.0069292834,1.0,1,-2e-10,5E+2,0.10000000149011612,0.1234567890123456789012345678901234567890,-0]"]
    );
}

#[test]
fn an_indented_vector_becomes_one_line() {
    let reply = decode(fixture!("indented_vllm.json"), 1).unwrap();
    assert_eq!(vectors(&reply), ["[0.25,-0.5]"]);
}

#[test]
fn base64_is_decoded_to_exactly_its_floats() {
    let reply = decode(fixture!("openai_base64.json"), 1).unwrap();
    assert_eq!(vectors(&reply), ["[0.10000000149011612,-1.0,2.0]"]);
}

#[test]
fn entries_without_an_index_are_in_the_order_of_the_request() {
    let reply = decode(br#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#, 2).unwrap();
    assert_eq!(vectors(&reply), ["[1]", "[2]"]);
    assert_eq!(reply.tokens, None);
}

#[test]
fn an_index_is_read_however_its_number_is_written() {
    let reply = decode(br#"{"data":[{"index":1.0,"embedding":[1]},{"index":0e0,"embedding":[2]}]}"#, 2).unwrap();
    assert_eq!(vectors(&reply), ["[2]", "[1]"]);
    let negative = r#"{"data":[{"index":-1,"embedding":[1]}]}"#;
    assert_eq!(refused(negative, 1), "the answer holds a vector with index -1, but only 1 texts were sent");
}

#[test]
fn a_reply_without_exactly_one_vector_per_text_is_refused() {
    let short = r#"{"data":[{"index":0,"embedding":[1]}]}"#;
    assert_eq!(refused(short, 2), "2 texts were sent in one request, but 1 vectors came back");
    let twice = r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#;
    assert_eq!(refused(twice, 2), "the answer holds two vectors with index 0");
    let outside = r#"{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[2]}]}"#;
    assert_eq!(refused(outside, 2), "the answer holds a vector with index 2, but only 2 texts were sent");
    let half = r#"{"data":[{"index":0,"embedding":[1]},{"embedding":[2]}]}"#;
    assert_eq!(refused(half, 2), "vector 1 of the answer has no index");
    assert_eq!(
        refused(r#"{"object":"list"}"#, 1),
        "the answer holds no vectors: neither `data` nor `output.embeddings`"
    );
    assert_eq!(refused(r#"{"data":[{"index":0}]}"#, 1), "the answer holds no vector for index 0");
}

#[test]
fn a_vector_with_anything_but_finite_numbers_is_refused() {
    for (vector, flaw) in [
        ("[]", "it is empty"),
        ("[0.1,null]", "it holds something that is not a number"),
        ("[[0.1]]", "it holds something that is not a number"),
        ("[\"0.1\"]", "it holds something that is not a number"),
        ("[true]", "it holds something that is not a number"),
        ("[0.1,1e999]", "it holds a number that is not finite"),
        ("[0.1,-1E+400]", "it holds a number that is not finite"),
        ("{\"a\":1}", "it is neither a list of numbers nor base64 text"),
        ("\"????\"", "its text is not base64"),
        ("\"AAAA\"", "its base64 does not hold whole 32-bit floats"),
        ("\"AADAfw==\"", "it holds a number that is not finite"),
    ] {
        let raw = RawValue::from_string(vector.to_owned()).unwrap();
        assert_eq!(vector::read(&raw).unwrap_err(), flaw, "{vector}");
    }
    let huge = RawValue::from_string(format!("[1{}]", "0".repeat(400))).unwrap();
    assert_eq!(vector::read(&huge).unwrap_err(), "it holds a number that is not finite");
}

#[test]
fn refusals_of_a_batch_are_told_from_refusals_of_a_text() {
    let refusal = |message: &str| Error::new(ErrorKind::BadRequest, message);
    for message in [
        "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 10.: input.contents",
        "batch size 64 > maximum allowed batch size 32",
        "Too many inputs. The max number of inputs is 16.",
        "Invalid 'input': array too long. Expected an array with maximum length 2048, but got 4096.",
        "Requested 453357 tokens, max 300000 tokens per request",
        "Too many inputs in request, split into more batches.",
        "Too many tokens overall, split into more batches.",
        "invalid request: total number of texts must be at most 96 - received 131",
        "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch",
        "List should have at most 512 items after validation, not 513",
        "input数组最大不得超过64条",
    ] {
        assert!(is_batch_too_large(&refusal(message)), "{message}");
    }
    for message in [
        "Range of input length should be [1, 8192]",
        "This model's maximum context length is 8192 tokens, however you requested 9001 tokens",
        "String should have at most 8192 characters, the text is too long",
    ] {
        assert!(is_text_too_long(&refusal(message)) && !is_batch_too_large(&refusal(message)), "{message}");
    }
    let mut large = refusal("Payload Too Large");
    large.status = Some(413);
    assert!(is_batch_too_large(&large) && !counts_inputs(&large), "another batch of as many texts may be smaller");
    large.message = "batch size 64 > maximum allowed batch size 32".to_owned();
    assert!(is_batch_too_large(&large) && counts_inputs(&large));
    assert!(!is_batch_too_large(&Error::new(ErrorKind::RateLimited, "batch size quota")));
}

proptest! {
    /// serde_json as the oracle: what it reads as a list of finite numbers passes unchanged, nothing else passes.
    #[test]
    fn the_scanner_agrees_with_a_json_parser(numbers in prop::collection::vec(any::<f64>().prop_filter("JSON", |n| n.is_finite()), 1..50)) {
        let text = serde_json::to_string(&numbers).unwrap();
        let raw = RawValue::from_string(text.clone()).unwrap();
        let passed = vector::read(&raw).unwrap();
        prop_assert_eq!(passed.json.get(), text);
        prop_assert_eq!(passed.length, numbers.len());
    }

    /// A float keeps its bits through base64, decoding and printing, read back in 32 or in 64 bits.
    #[test]
    fn a_float_in_base64_keeps_its_bits(bits in any::<u32>()) {
        use base64::Engine;
        let float = f32::from_bits(bits);
        prop_assume!(float.is_finite());
        let text = base64::engine::general_purpose::STANDARD.encode(float.to_le_bytes());
        let raw = RawValue::from_string(format!("\"{text}\"")).unwrap();
        let printed = vector::read(&raw).unwrap();
        let number = printed.json.get().trim_matches(['[', ']']);
        prop_assert_eq!(number.parse::<f32>().unwrap().to_bits(), bits);
        prop_assert_eq!(number.parse::<f64>().unwrap().to_bits(), f64::from(float).to_bits());
    }
}
