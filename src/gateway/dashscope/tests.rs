use super::super::images::{Generated, Picture};
use super::*;
use serde_json::{Value, json};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image/", $name))
    };
}

const FOX: Prompt<'_> = Prompt { text: "A red fox", pictures: &[] };
const BLUE: Prompt<'_> = Prompt { text: "Make it blue", pictures: &[Picture("https://example.com/1.png")] };

fn body(call: &super::super::Call) -> Value {
    serde_json::from_slice(call.body.as_ref().unwrap()).unwrap()
}

fn url(url: &str) -> Generated {
    Generated::Url(url.to_owned())
}

#[test]
fn a_picture_is_asked_for_as_the_python_plugin_asks() {
    let parameters = Parameters {
        negative_prompt: Some(String::new()),
        prompt_extend: Some(true),
        watermark: Some(false),
        size: Some("1328*1328".to_owned()),
        ..Parameters::default()
    };
    let call = generation("qwen-image-plus", Some(&FOX), Some(&parameters)).unwrap();
    assert_eq!(call.path, "/api/v1/services/aigc/multimodal-generation/generation");
    assert_eq!(
        call.body.unwrap(),
        r#"{"model":"qwen-image-plus","input":{"messages":[{"role":"user","content":[{"text":"A red fox"}]}]},"parameters":{"negative_prompt":"","prompt_extend":true,"watermark":false,"size":"1328*1328"}}"#
    );
}

#[test]
fn pictures_to_change_stand_before_the_words() {
    let call = generation("qwen-image-edit", Some(&BLUE), None).unwrap();
    assert_eq!(
        call.body.unwrap(),
        r#"{"model":"qwen-image-edit","input":{"messages":[{"role":"user","content":[{"image":"https://example.com/1.png"},{"text":"Make it blue"}]}]}}"#
    );
}

#[test]
fn without_a_prompt_nothing_is_asked_for() {
    let call = generation("qwen-image-plus", None, None).unwrap();
    assert_eq!(
        call.body.unwrap(),
        r#"{"model":"qwen-image-plus","input":{"messages":[{"role":"user","content":[]}]}}"#
    );
    let call = submission("wanx2.1-t2i-turbo", None, &Parameters::default()).unwrap();
    assert_eq!(call.body.unwrap(), r#"{"model":"wanx2.1-t2i-turbo","input":{},"parameters":{}}"#);
}

#[test]
fn a_task_goes_where_its_model_is_served() {
    let parameters = Parameters { negative_prompt: Some("dogs".to_owned()), n: Some(1), ..Parameters::default() };
    let call = submission("wanx2.1-t2i-turbo", Some(&FOX), &parameters).unwrap();
    assert_eq!(call.path, "/api/v1/services/aigc/text2image/image-synthesis");
    assert_eq!(call.headers.get("x-dashscope-async").unwrap(), "enable");
    assert_eq!(
        body(&call),
        json!({"model": "wanx2.1-t2i-turbo", "input": {"prompt": "A red fox", "negative_prompt": "dogs"}, "parameters": {"n": 1}})
    );
    let call = submission("wan2.5-i2i-preview", Some(&BLUE), &parameters).unwrap();
    assert_eq!(call.path, "/api/v1/services/aigc/image2image/image-synthesis");
    assert_eq!(body(&call)["input"]["images"], json!(["https://example.com/1.png"]));
    let call = submission("wanx2.1-imageedit", Some(&BLUE), &parameters).unwrap();
    assert_eq!(body(&call)["input"]["function"], "description_edit");
    assert_eq!(body(&call)["input"]["base_image_url"], "https://example.com/1.png");
    let call = submission("wan2.6-t2i", Some(&FOX), &parameters).unwrap();
    assert_eq!(call.path, "/api/v1/services/aigc/image-generation/generation");
    assert_eq!(body(&call)["input"]["messages"][0]["content"], json!([{"text": "A red fox"}]));
    assert_eq!(body(&call)["parameters"], json!({"negative_prompt": "dogs", "n": 1}));
}

#[test]
fn a_task_is_asked_for_by_its_id_and_by_nothing_else() {
    let call = check("0385dc79-5ff8-4d82-bcb6-000000000001").unwrap();
    assert_eq!(
        (call.method, call.path.as_str()),
        (http::Method::GET, "/api/v1/tasks/0385dc79-5ff8-4d82-bcb6-000000000001")
    );
    assert!(call.body.is_none());
    for id in ["", "../keys", "a/b", "a?b", "a b"] {
        assert!(check(id).is_err(), "{id}");
    }
}

#[test]
fn the_picture_of_an_answer_is_found() {
    assert_eq!(
        decode(fixture!("dashscope_generation.json")).unwrap(),
        [url("https://dashscope-result.example/x.png?Expires=1")]
    );
    assert!(decode(br#"{"output":{"choices":[{"message":{"content":[{"text":"no"}]}}]}}"#).is_err());
    assert!(decode(b"<html>").is_err());
}

#[test]
fn the_states_of_a_task_are_told_apart() {
    let task = Task::decode(fixture!("dashscope_submitted.json")).unwrap();
    assert_eq!(task, Task { id: "0385dc79-5ff8-4d82-bcb6-000000000001".to_owned(), status: Status::Running });
    assert_eq!(Task::decode(fixture!("dashscope_running.json")).unwrap().status, Status::Running);
    assert_eq!(
        Task::decode(fixture!("dashscope_succeeded.json")).unwrap().status,
        Status::Succeeded(vec![
            url("https://dashscope-result.example/1.png?Expires=2"),
            url("https://dashscope-result.example/2.jpeg")
        ])
    );
    assert_eq!(
        Task::decode(fixture!("dashscope_succeeded_messages.json")).unwrap().status,
        Status::Succeeded(vec![url("https://dashscope-result.example/w.png")])
    );
    assert_eq!(
        Task::decode(fixture!("dashscope_failed.json")).unwrap().status,
        Status::Failed("DataInspectionFailed: Input data may contain inappropriate content.".to_owned())
    );
    let state = |status: &str| {
        Task::decode(format!(r#"{{"output":{{"task_id":"t","task_status":"{status}"}}}}"#).as_bytes())
            .map(|task| task.status)
    };
    assert_eq!(state("CANCELED").unwrap(), Status::Canceled);
    assert_eq!(state("UNKNOWN").unwrap(), Status::Unknown);
    assert_eq!(state("SUCCEEDED").unwrap(), Status::Succeeded(Vec::new()));
    assert!(state("ASLEEP").is_err());
}

#[test]
fn a_task_none_of_whose_pictures_was_made_has_failed() {
    let body = br#"{"output":{"task_id":"t","task_status":"SUCCEEDED","results":[{"code":"InternalError.Timeout","message":"slow"}]}}"#;
    assert_eq!(Task::decode(body).unwrap().status, Status::Failed("InternalError.Timeout: slow".to_owned()));
}
