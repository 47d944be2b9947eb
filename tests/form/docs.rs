//! The documentation names every field, option and parameter, and none that does not exist.

use super::data::{fields, variable};
use higress_dify_plugin::provider::options::KEYS;
use serde_json::Value;
use std::collections::BTreeSet;

const READMES: [(&str, &str); 2] = [
    ("README.md", include_str!("../../README.md")),
    ("README_zh_Hans.md", include_str!("../../readme/README_zh_Hans.md")),
];

/// The names in the first column of the table whose first heading cell is `heading`.
fn first_column<'a>(document: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let start = format!("| {heading} |");
    document
        .lines()
        .skip_while(|line| !line.starts_with(&start))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').nth(1).expect("a column").trim().trim_matches('`'))
        .collect()
}

#[test]
fn the_readmes_list_every_field_of_the_form() {
    let fields = fields();
    let form: BTreeSet<_> = fields.iter().map(variable).collect();
    for ((name, readme), heading) in READMES.into_iter().zip(["field", "字段"]) {
        assert_eq!(first_column(readme, heading), form, "{name}");
    }
}

#[test]
fn the_readmes_list_every_advanced_option() {
    let keys: BTreeSet<_> = KEYS.into_iter().collect();
    for ((name, readme), heading) in READMES.into_iter().zip(["key", "键"]) {
        assert_eq!(first_column(readme, heading), keys, "{name}");
    }
}

#[test]
fn the_configuration_lists_every_parameter() {
    let configuration = include_str!("../../docs/CONFIGURATION.md");
    for (section, rules) in [
        ("### Text models", include_str!("../../models/llm/text.yaml")),
        ("### Image models", include_str!("../../models/llm/image.yaml")),
    ] {
        let rules: Value = serde_norway::from_str(rules).expect("YAML");
        let names: BTreeSet<_> =
            rules["parameter_rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
        let section = &configuration[configuration.find(section).expect("the section")..];
        assert_eq!(first_column(section, "parameter"), names);
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in
        ["README.md", "readme/README_zh_Hans.md", "docs/CONFIGURATION.md", "docs/MIGRATION.md", "CONTRIBUTING.md"]
    {
        let text = std::fs::read_to_string(root.join(file)).expect(file);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            // Drawn by a command from its real output, and the map of the code: both have checks of their own.
            let elsewhere = path.ends_with("demo.svg") || path.ends_with("ARCHITECTURE.md");
            if path.is_empty() || target.contains("://") || target.contains("{{") || elsewhere {
                continue;
            }
            let folder = root.join(file).parent().expect("a folder").to_owned();
            assert!(folder.join(path).exists(), "{file} links to {target}");
        }
    }
}

#[test]
fn the_errors_list_every_text_and_code_that_the_code_knows() {
    let table = include_str!("../../src/gateway/error_table.rs").replace("\\\"", "");
    let documented = include_str!("../../docs/ERRORS.md").to_lowercase();
    let codes = table.split("CODES: &[(&str, ErrorKind)] = &[").nth(1).and_then(|rest| rest.split("];").next());
    let codes = codes.expect("the table of codes").split("(\"").skip(1);
    let texts = table.split("Text::Starts(\"").skip(1).chain(table.split("Text::Has(\"").skip(1));
    let mut count = 0;
    for text in texts.chain(codes) {
        let text = text.split('"').next().expect("a text").trim().to_lowercase();
        assert!(documented.contains(&text), "docs/ERRORS.md does not name {text:?}");
        count += 1;
    }
    assert!(count > 60, "only {count} found: has the table moved?");
}
