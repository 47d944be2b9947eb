//! The example apps: the plugin they need, and the walkthroughs that lead through them.

use serde_json::Value;

const README: &str = include_str!("../../README.md");
const READMES: [&str; 2] = [README, include_str!("../../readme/README_zh_Hans.md")];

fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).expect("YAML")
}

fn agent() -> Value {
    yaml(include_str!("../../examples/dify/customer_service_agent.yml"))
}

fn image_workflow() -> Value {
    yaml(include_str!("../../examples/dify/image_workflow.yml"))
}

fn chat_flow() -> Value {
    yaml(include_str!("../../examples/dify/chat_flow.yml"))
}

fn node<'a>(app: &'a Value, id: &str) -> &'a Value {
    let nodes = app["workflow"]["graph"]["nodes"].as_array().expect("nodes");
    &nodes.iter().find(|node| node["id"] == id).unwrap_or_else(|| panic!("no node {id}"))["data"]
}

/// The part of the README under this heading.
fn section(heading: &str) -> &'static str {
    let start = README.find(heading).unwrap_or_else(|| panic!("no heading {heading}"));
    let rest = &README[start + heading.len()..];
    &rest[..rest.find("\n#").unwrap_or(rest.len())]
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "the walkthrough does not say {word:?}");
    }
}

/// Dify hands the identifier to the plugin daemon, which refuses one without a version or a checksum.
#[test]
fn each_app_names_this_version_of_the_plugin() {
    let manifest = yaml(include_str!("../../manifest.yaml"));
    let version = manifest["version"].as_str().expect("a version");
    for app in [agent(), image_workflow(), chat_flow()] {
        assert_eq!((&app["kind"], &app["version"]), (&"app".into(), &"0.3.0".into()));
        let dependencies = app["dependencies"].as_array().expect("dependencies");
        let [dependency] = &dependencies[..] else { panic!("{dependencies:?}") };
        let identifier = dependency["value"]["marketplace_plugin_unique_identifier"].as_str().expect("an identifier");
        let (plugin, checksum) = identifier.split_once('@').expect("a checksum");
        assert_eq!(plugin, format!("higress/higress:{version}"));
        assert_eq!(checksum, "0".repeat(64), "the package's own is known only once it is built");
    }
}

#[test]
fn every_model_of_an_app_is_this_provider_s() {
    let (agent, image, chat) = (agent(), image_workflow(), chat_flow());
    let rerank = &agent["model_config"]["dataset_configs"]["reranking_model"];
    for provider in [
        &agent["model_config"]["model"]["provider"],
        &rerank["reranking_provider_name"],
        &node(&image, "draw")["model"]["provider"],
        &node(&chat, "llm")["model"]["provider"],
    ] {
        assert_eq!(provider, "higress/higress/higress");
    }
}

#[test]
fn the_agent_s_walkthrough_leads_to_the_agent_s_file() {
    let app = agent();
    let config = &app["model_config"];
    let [model, rerank] =
        [&config["model"]["name"], &config["dataset_configs"]["reranking_model"]["reranking_model_name"]]
            .map(|name| name.as_str().expect("a name"));
    assert_eq!(config["agent_mode"]["strategy"], "function_call");
    assert_eq!(config["dataset_configs"]["datasets"]["datasets"], Value::Array(Vec::new()));
    let tool = config["agent_mode"]["tools"][0]["tool_label"].as_str().expect("a label");
    let steps = section("### A customer-service agent with a knowledge base");
    let (model, rerank) = (format!("`{model}`"), format!("`{rerank}`"));
    assert_says(
        steps,
        &[
            &model,
            &rerank,
            "`support-embedding`",
            "`function_calling_type` = `tool_call`",
            "(examples/dify/customer_service_agent.yml)",
            "Under *Knowledge* add the knowledge base",
            &format!("*{tool}*"),
        ],
    );
    for readme in READMES {
        assert_says(readme, &[&model, &rerank]);
    }
}

#[test]
fn the_image_walkthrough_leads_to_the_workflow_s_file() {
    let app = image_workflow();
    let model = format!("`{}`", node(&app, "draw")["model"]["name"].as_str().expect("a name"));
    let template = format!("`{}`", node(&app, "markdown")["template"].as_str().expect("a template"));
    let steps = section("### An image workflow");
    assert_says(
        steps,
        &[&model, &template, "(examples/dify/image_workflow.yml)", "Start → image model → template → end"],
    );
    for output in node(&app, "end")["outputs"].as_array().expect("outputs") {
        assert_says(steps, &[&format!("`{}`", output["variable"].as_str().expect("a name"))]);
    }
    let question = node(&app, "start")["variables"][0]["label"].as_str().expect("a label");
    assert_says(steps, &[question]);
    for readme in READMES {
        assert_says(readme, &[&model, &template]);
    }
}

#[test]
fn the_chat_flow_uses_the_agent_s_model() {
    assert_eq!(node(&chat_flow(), "llm")["model"]["name"], agent()["model_config"]["model"]["name"]);
    assert_says(README, &["(examples/dify/chat_flow.yml)"]);
}
