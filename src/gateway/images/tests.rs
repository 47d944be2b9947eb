use super::super::ErrorKind;
use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image/", $name))
    };
}

#[test]
fn only_what_is_set_is_sent() {
    let call = generation(&Generation { model: "gpt-image-1", prompt: Some("A red fox"), ..Generation::default() });
    let call = call.unwrap();
    assert_eq!(call.path, "/v1/images/generations");
    assert_eq!(call.body.unwrap(), r#"{"model":"gpt-image-1","prompt":"A red fox"}"#);
}

#[test]
fn an_edit_is_a_form_with_the_picture_in_it() {
    let edit = Edit {
        generation: Generation {
            model: "gpt-image-1",
            prompt: Some("Make it blue"),
            n: Some(2),
            ..Generation::default()
        },
        pictures: &[Picture("aGk=")],
    };
    let call = super::edit(&edit, "b0").unwrap();
    assert_eq!(call.path, "/v1/images/edits");
    assert_eq!(call.content_type.unwrap(), "multipart/form-data; boundary=b0");
    let expected = "--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1\r\n\
        --b0\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n\
        --b0\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nMake it blue\r\n\
        --b0\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image-1.png\"\r\nContent-Type: image/png\r\n\r\nhi\r\n\
        --b0--\r\n";
    let mut expected: Vec<&str> = expected.split("--b0").collect();
    let body = call.body.unwrap();
    let mut body: Vec<&str> = std::str::from_utf8(&body).unwrap().split("--b0").collect();
    // The order of a form's fields means nothing.
    expected.sort_unstable();
    body.sort_unstable();
    assert_eq!(body, expected);
}

#[test]
fn an_edit_needs_the_picture_itself() {
    let edit = Edit { generation: Generation::default(), pictures: &[Picture("https://dify.example/files/1")] };
    let error = super::edit(&edit, "b").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.advice.unwrap().contains("MULTIMODAL_SEND_FORMAT"));
}

#[test]
fn pictures_come_by_address_or_by_content() {
    let reply = decode(fixture!("openai_url.json")).unwrap();
    assert_eq!(reply.pictures, [Generated::Url("https://oaidalle.example/img-1.png?se=1".to_owned())]);
    let reply = decode(fixture!("openai_base64.json")).unwrap();
    assert!(matches!(&reply.pictures[..], [Generated::Base64 { media_type: "image/png", .. }]));
    assert_eq!((reply.input_tokens, reply.output_tokens), (50, 4160));
    let inline = decode(br#"{"data":[{"url":"data:image/jpeg;base64,/9j/AA=="}]}"#).unwrap();
    assert_eq!(inline.pictures, [Generated::Base64 { data: "/9j/AA==".to_owned(), media_type: "image/jpeg" }]);
    assert!(decode(br#"{"data":[]}"#).is_err());
}

#[test]
fn the_media_type_is_read_off_the_content() {
    for (content, url) in [
        ("iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="),
        ("/9j/4AAQ", "data:image/jpeg;base64,/9j/4AAQ"),
        ("R0lGODlh", "data:image/gif;base64,R0lGODlh"),
        ("UklGRg==", "data:image/webp;base64,UklGRg=="),
        ("Qk0eAAAA", "data:image/bmp;base64,Qk0eAAAA"),
        ("SUkqAA==", "data:image/tiff;base64,SUkqAA=="),
        ("TU0AKg==", "data:image/tiff;base64,TU0AKg=="),
        ("data:image/tiff;base64,SUkq", "data:image/tiff;base64,SUkq"),
        ("https://example.com/x", "https://example.com/x"),
    ] {
        assert_eq!(serde_json::to_value(Picture(content)).unwrap(), url);
    }
}

#[test]
fn what_is_no_picture_is_not_passed_on_as_one() {
    for item in [
        r#"{"b64_json":"!!! not base64"}"#,
        r#"{"url":"data:image/png;base64,@@@"}"#,
        r#"{"url":"data:text/html;base64,AAAA"}"#,
        r#"{"url":"javascript:alert(1)"}"#,
        r#"{"url":"file:///etc/passwd"}"#,
        r#"{"url":"/x.png"}"#,
        r#"{"url":"","b64_json":""}"#,
    ] {
        let error = decode(format!(r#"{{"data":[{item}]}}"#).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("holds no picture"), "{item}: {error}");
    }
    let prefixed = decode(br#"{"data":[{"b64_json":"data:image/jpeg;base64,/9j/AA=="}]}"#).unwrap();
    assert_eq!(prefixed.pictures, [Generated::Base64 { data: "/9j/AA==".to_owned(), media_type: "image/jpeg" }]);
}
