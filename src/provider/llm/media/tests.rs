use super::*;
use serde_json::{Value, json};

fn media(kind: MediaKind) -> Media {
    Media {
        kind,
        format: String::new(),
        mime_type: String::new(),
        url: String::new(),
        base64_data: "QUJD".to_owned(),
        filename: String::new(),
        detail: ImageDetail::Low,
    }
}

fn sent(media: &Media, format: MultimodalFormat) -> Value {
    serde_json::to_value(part(media, format).unwrap()).unwrap()
}

const BOTH: [MultimodalFormat; 2] = [MultimodalFormat::OpenAi, MultimodalFormat::DashScope];

#[test]
fn pictures_films_and_documents_have_parts_of_their_own_in_both_dialects() {
    for format in BOTH {
        let image = Media { mime_type: "image/png".to_owned(), detail: ImageDetail::High, ..media(MediaKind::Image) };
        let expected =
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "high"}});
        assert_eq!(sent(&image, format), expected);
        let video = Media { url: "http://x/v.mp4".to_owned(), ..media(MediaKind::Video) };
        assert_eq!(sent(&video, format), json!({"type": "video_url", "video_url": {"url": "http://x/v.mp4"}}));
        let document = Media {
            mime_type: "application/pdf".to_owned(),
            filename: "f.pdf".to_owned(),
            ..media(MediaKind::Document)
        };
        let expected =
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "f.pdf"}});
        assert_eq!(sent(&document, format), expected);
    }
}

#[test]
fn sound_is_bare_base64_for_openai_and_a_data_uri_or_address_for_dashscope() {
    let sound = Media { format: "wav".to_owned(), mime_type: "audio/x-wav".to_owned(), ..media(MediaKind::Audio) };
    let data = |media: &Media, format| sent(media, format)["input_audio"].clone();
    assert_eq!(data(&sound, MultimodalFormat::OpenAi), json!({"data": "QUJD", "format": "wav"}));
    assert_eq!(
        data(&sound, MultimodalFormat::DashScope),
        json!({"data": "data:audio/x-wav;base64,QUJD", "format": "wav"})
    );
    let inline = Media { url: "data:audio/mpeg;base64,WFla".to_owned(), format: "mp3".to_owned(), ..sound.clone() };
    assert_eq!(data(&inline, MultimodalFormat::OpenAi), json!({"data": "WFla", "format": "mp3"}));
    let remote = Media { url: "http://wav.example/s.mp3".to_owned(), base64_data: String::new(), ..sound };
    assert_eq!(data(&remote, MultimodalFormat::DashScope)["data"], "http://wav.example/s.mp3");
    let error = part(&remote, MultimodalFormat::OpenAi).unwrap_err();
    assert!(error.message.contains("MULTIMODAL_SEND_FORMAT"), "{error}");
}

#[test]
fn the_format_of_sound_comes_from_extension_then_mime_type_then_name() {
    for (format, mime_type, filename, expected) in [
        ("mp3", "audio/x-wav", "", "mp3"),
        (".MP3", "", "", "mp3"),
        ("", "audio/mpeg", "", "mp3"),
        ("", "audio/x-wav", "", "wav"),
        ("", "audio/vnd.wave", "", "wav"),
        ("", "audio/mp4; codecs=aac", "", "m4a"),
        ("", "audio/x-m4a", "", "m4a"),
        ("", "audio/flac", "", "flac"),
        ("", "audio/ogg", "", "ogg"),
        ("", "application/octet-stream", "talk.amr", "amr"),
    ] {
        let sound = Media {
            format: format.to_owned(),
            mime_type: mime_type.to_owned(),
            filename: filename.to_owned(),
            ..media(MediaKind::Audio)
        };
        assert_eq!(audio_format(&sound).unwrap(), expected, "{format} {mime_type} {filename}");
    }
}

#[test]
fn a_file_that_cannot_be_sent_is_an_error_that_names_it() {
    let empty = Media { base64_data: String::new(), filename: "a.png".to_owned(), ..media(MediaKind::Image) };
    let error = part(&empty, MultimodalFormat::OpenAi).unwrap_err();
    assert_eq!(error.message, "[higress] the picture \"a.png\" has neither an address nor a content");
    assert!(part(&media(MediaKind::Audio), MultimodalFormat::OpenAi).is_err());
}

#[test]
fn pictures_of_an_answer_come_by_address_or_content() {
    let remote = picture(Cow::Borrowed("https://x/a/pic.JPG?Expires=1"));
    assert_eq!((remote.mime_type.as_str(), remote.filename.as_str()), ("image/jpeg", "pic.JPG"));
    let inline = picture(Cow::Borrowed("data:image/webp;base64,QUJD"));
    assert_eq!((inline.format.as_str(), inline.base64_data.as_str(), inline.url.as_str()), ("webp", "QUJD", ""));
}
