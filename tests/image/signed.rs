//! Pictures through a gateway that checks signatures, and the digest of what was sent.

use crate::{content, context, draw, fields, fox, message, picture, request};
use higress_dify_plugin::runtime::entities::{Content, ContentPart, Credentials, Role};
use higress_dify_plugin::standin::{Config, Consumer, Standin, spawn};
use serde_json::json;

const PNG: &str = "iVBORw0KGgo=";
const JPEG: &str = "data:image/jpeg;base64,/9j/4AAQ";

fn credentials(gateway: &Standin, protocol: &str, prefix: &str, options: &str) -> Credentials {
    let consumer = Consumer::demo();
    let mut form = fields(protocol);
    form["endpoint_url"] = format!("http://{}{prefix}", gateway.addr()).into();
    form["consumer_auth_mode"] = "hmac".into();
    form["hmac_key"] = consumer.access_key.into();
    form["hmac_secret"] = consumer.secret.into();
    form["advanced_options"] = options.into();
    Credentials(form.as_object().unwrap().clone())
}

/// Both dialects of signing, with the digest of the body.
const WAYS: [(&str, &str); 2] =
    [("/hmac", r#"{"content_md5":true}"#), ("/apisix", r#"{"hmac_dialect":"apisix","content_md5":true}"#)];

#[tokio::test]
async fn a_form_with_pictures_is_signed_as_it_is_sent() {
    for (prefix, options) in WAYS {
        let gateway = spawn(Config::default()).unwrap();
        let parts = vec![picture(PNG, ""), picture(JPEG, ""), ContentPart::Text("Make it blue".to_owned())];
        let edit = vec![message(Role::User, Content::Parts(parts))];
        let credentials = credentials(&gateway, "openai_images", prefix, options);
        let deltas = draw(&context(), request(credentials, edit, json!({}))).await.unwrap();
        assert_eq!(content(&deltas).1.len(), 1, "{prefix}");
        let asked = gateway.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!(
            (asked[0].target.as_str(), asked[0].consumer.as_deref()),
            (&*format!("{prefix}/v1/images/edits"), Some("demo"))
        );
    }
}

#[tokio::test]
async fn a_task_and_the_questions_about_it_are_signed() {
    for (prefix, options) in WAYS {
        let gateway = spawn(Config::default()).unwrap();
        let credentials = credentials(&gateway, "dashscope_async", prefix, options);
        let deltas = draw(&context(), fox(credentials, json!({}))).await.unwrap();
        assert!(content(&deltas).0.starts_with("http://"), "{prefix}");
        let methods: Vec<String> = gateway.requests().iter().map(|asked| asked.method.clone()).collect();
        assert_eq!(methods.first().map(String::as_str), Some("POST"));
        assert!(methods.len() > 1 && methods[1..].iter().all(|method| method == "GET"), "{methods:?}");
        assert!(gateway.requests().iter().all(|asked| asked.consumer.as_deref() == Some("demo")));
    }
}
