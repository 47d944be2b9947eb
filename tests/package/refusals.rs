//! Packages that somebody on the way into Dify would refuse, and the rule that is named.

use crate::fixture::{AMD64, ARM64, INTERPRETER, LOAD, Plugin, elf};

/// Edits one file and expects the refusal to name the place, the rule and the judge.
fn assert_refused(path: &str, edit: (&str, &str), expected: &str) {
    let plugin = Plugin::new();
    plugin.edit(path, edit.0, edit.1);
    let refusal = plugin.refused(&[]);
    assert!(refusal.contains(expected), "{edit:?}: expected {expected:?} in {refusal}");
}

#[test]
fn a_manifest_that_somebody_refuses_is_refused() {
    let long = format!("en_US: {}", "x".repeat(1024));
    let cases: [((&str, &str), &str); 51] = [
        (("version: 0.1.0", "version: 0.1"), "version: must be like 1.2.3"),
        (("version: 0.1.0", "version: 0.1.0-mine"), "version: what follows the dash"),
        (("type: plugin", "type: bundle"), "type: \"bundle\" is not one of plugin"),
        (("author: someone\n", ""), "author: must match ^[a-z0-9_-]{1,64}$ [plugin daemon]"),
        (("author: someone", "author: Someone"), "author: must match"),
        (("author: someone", "author: 11111111-1111-4111-8111-111111111111"), "author: must not be a UUID"),
        (("name: sample", "name: sam.ple"), "name: must match ^[a-z0-9_-]{1,128}$ [plugin daemon]"),
        (("{en_US: Sample, zh_Hans: 样例}", "{zh_Hans: 样例}"), "label.en_US: is required"),
        (("description: {en_US: A sample plugin}", "description: text"), "description: must map languages to texts"),
        (("en_US: A sample plugin", &long), "description.en_US: 1024 characters; at most 1023"),
        (("icon: icon.svg\n", ""), "icon: is required"),
        (("icon: icon.svg", "icon: gone.svg"), "icon: the package holds no _assets/gone.svg"),
        (("icon: icon.svg", "icon: icon.svg\nicon_dark: gone.svg"), "icon_dark: the package holds no"),
        (("created_at: 2026-08-01T00:00:00Z\n", ""), "created_at: is required"),
        (("2026-08-01T00:00:00Z", "'1 August 2026'"), "created_at: must be a time like"),
        (("memory: 268435456", "memory: 0"), "resource.memory: must not be 0"),
        (("memory: 268435456, ", ""), "resource.memory: is required"),
        (("memory: 268435456", "memory: lots"), "resource.memory: must be a whole number [plugin daemon]"),
        (("permission: {}", "permission: {storage: {enabled: true, size: 1}}"), "storage.size: must be from 1024"),
        (("models: [provider/sample.yaml]", ""), "plugins.models: must name a provider file"),
        (("plugins: {", "plugins: {tools: [t.yaml], "), "plugins.tools: cannot stand beside plugins.models"),
        (("provider/sample.yaml", "provider/gone.yaml"), "provider/gone.yaml: the manifest names it"),
        (("version: 0.0.1", "version: one"), "meta.version: must be like 0.0.1"),
        (("[amd64, arm64]", "[amd64, riscv64]"), "meta.arch[1]: \"riscv64\" is not one of amd64, arm64"),
        (("language: python", "language: rust"), "meta.runner.language: \"rust\" is not one of python"),
        (("entrypoint: main", "entrypoint: start.main"), "meta.runner.entrypoint: the package holds no start/main.py"),
        (("meta:\n", "meta:\n  minimum_dify_version: soon\n"), "meta.minimum_dify_version: must be a version"),
        (("tags: [utilities]", "tags: [gateway]"), "tags[0]: \"gateway\" is not one of search"),
        (("https://example.com/sample", "example"), "repo: must be a URL"),
        (("type: plugin", "type: plugin\ntype: plugin"), "manifest.yaml: not YAML: duplicate"),
        // Go's decoder takes any scalar of YAML for a text; in the JSON of remote debugging it must be one.
        (("author: someone", "author: 42"), "author: must be a text: put it in quotes [remote debugging]"),
        (("version: '3.12'", "version: 3.12"), "meta.runner.version: must be a text: put it in quotes"),
        (("tags: [utilities]", "tags: [utilities]\nprivacy: true"), "privacy: must be a text: put it in quotes"),
        (("tags: [utilities]", "tags: [utilities]\nprivacy: []"), "privacy: must be a text [plugin daemon]"),
        (("2026-08-01T00:00:00Z", "2026-08-01T00:00:00"), "created_at: must be a time like"),
        (("2026-08-01T00:00:00Z", "2026-08-01 00:00:00Z"), "created_at: must be a time like"),
        (("2026-08-01T00:00:00Z", "2026-08-01t00:00:00z"), "created_at: must be a time like"),
        (("2026-08-01T00:00:00Z", "2026-06-30T23:59:60Z"), "created_at: must be a time like"),
        (("2026-08-01T00:00:00Z", "0001-01-01T00:00:00Z"), "created_at: must be a time like"),
        (("permission: {}", "permission: some"), "resource.permission: must be a mapping [plugin daemon]"),
        (("permission: {}", "permission: {tool: []}"), "resource.permission.tool: must be a mapping"),
        (("permission: {}", "permission: {node: {enabled: maybe}}"), "permission.node.enabled: must be true or false"),
        (("permission: {}", "permission: {model: {llm: 1}}"), "permission.model.llm: must be true or false"),
        (
            ("permission: {}", "permission: {storage: {enabled: 5, size: 1024}}"),
            "storage.enabled: must be true or false",
        ),
        (("https://example.com/sample", "''"), "repo: must be a URL"),
        (("https://example.com/sample", "example.com/sample"), "repo: must be a URL"),
        (("icon: icon.svg", "icon: _assets/icon.svg"), "icon: the package holds no _assets/_assets/icon.svg"),
        (
            ("icon: icon.svg", "icon: more/icon.svg"),
            "icon: must lie in _assets/ itself: remote debugging sends no folders",
        ),
        (("type: plugin", "type: plugin\nmodel: {provider: x}"), "model: the plugin daemon fills this in"),
        (("type: plugin", "type: plugin\nverified: sure"), "verified: must be true or false"),
        (("type: plugin", "type: plugin\nverified: 1"), "verified: must be true or false"),
    ];
    for (edit, expected) in cases {
        assert_refused("manifest.yaml", edit, expected);
    }
}

#[test]
fn a_provider_that_remote_debugging_refuses_is_refused() {
    let many = format!("credential_form_schemas:{}", "\n  - {variable: v, label: {en_US: V}, type: switch}".repeat(33));
    let cases: [((&str, &str), &str); 22] = [
        (("provider: sample\n", ""), "provider: is required [remote debugging]"),
        (("label: {en_US: Sample}\n", ""), "label: is required"),
        (("{en_US: icon.svg}", "{en_US: icon.svg, ja_JP: gone.svg}"), "icon_small.ja_JP: the package holds no"),
        (("supported_model_types: [llm, text-embedding]\n", ""), "supported_model_types: is required"),
        (("text-embedding]", "text_embedding]"), "supported_model_types[1]: \"text_embedding\" is not one of"),
        (("[customizable-model]", "[custom]"), "configurate_methods[0]: \"custom\" is not one of"),
        (("{label: {en_US: Model}}", "{}"), "model_credential_schema.model.label: is required"),
        (("credential_form_schemas:", &many), "credential_form_schemas: 34 items; at most 32"),
        (("type: select", "type: dropdown"), "credential_form_schemas[0].type: \"dropdown\" is not one of"),
        (("required: true", "required: maybe"), "credential_form_schemas[0].required: must be true or false"),
        (("value: text", "value: ''"), "credential_form_schemas[0].options[1].value: is required"),
        (("{variable: mode, value: chat}", "{variable: mode}"), "options[1].show_on[0].value: is required"),
        (
            ("provider: sample", "provider: sample\nmodels: {text-embedding: {}}"),
            "models.text-embedding: is passed over",
        ),
        (
            ("provider: sample", "provider: sample\nmodels: {llm: {position: provider/sample.yaml}}"),
            "models.llm.position: provider/sample.yaml must list model names [plugin daemon]",
        ),
        (
            ("provider: sample", "provider: sample\nmodels: {llm: {predefined: [provider/*.yaml]}}"),
            "provider/sample.yaml: model: is required [plugin daemon]",
        ),
        (
            ("provider: sample", "provider: sample\nmodels: {llm: {predefined: ['m/[.yaml']}}"),
            "models.llm.predefined[0]: \"m/[.yaml\" is no pattern [plugin daemon]",
        ),
        (("provider: sample", "provider: sample\nposition: {}"), "position: the plugin daemon fills this in"),
        (("provider: sample", "provider: sample\nbackground: []"), "background: must be a text [plugin daemon]"),
        (("default: chat", "default: 5"), "[0].default: must be a text: put it in quotes [remote debugging]"),
        (("value: text", "value: 1.50"), "options[1].value: must be a text: put it in quotes"),
        (("mode, value: chat", "mode, value: true"), "show_on[0].value: must be a text: put it in quotes"),
        (("type: select", "type: select\n    url: 7"), "[0].url: must be a text: put it in quotes"),
    ];
    for (edit, expected) in cases {
        assert_refused("provider/sample.yaml", edit, expected);
    }
}

#[test]
fn an_empty_icon_is_refused() {
    let plugin = Plugin::new();
    plugin.put("_assets/icon.svg", "");
    let refusal = plugin.refused(&[]);
    assert!(refusal.contains("icon: _assets/icon.svg is empty"), "{refusal}");
}

#[test]
fn what_everybody_takes_is_taken() {
    for (edit, replacement) in [
        ("2026-08-01T00:00:00Z", "'2026-08-01T00:00:00.123456789+08:00'"),
        ("https://example.com/sample", "ssh://git@example.com/sample"),
        ("https://example.com/sample", "mailto:someone@example.com"),
        ("https://example.com/sample", "file:///srv/sample"),
        ("[amd64, arm64]", "[]"),
        ("tags: [utilities]", "tags: [utilities, utilities]"),
        ("type: plugin", "type: plugin\nfoo: bar\nverified: true"),
        ("permission: {}", "permission: {model: {enabled: true, llm: true}, tool: null, storage: {size: 1024}}"),
    ] {
        let plugin = Plugin::new();
        plugin.edit("manifest.yaml", edit, replacement);
        plugin.packaged(&[]);
    }
}

#[test]
fn a_predefined_pattern_stays_within_its_folder() {
    let plugin = Plugin::new();
    plugin.edit(
        "provider/sample.yaml",
        "provider: sample",
        "provider: sample\nmodels: {llm: {predefined: [m/*.yaml]}}",
    );
    plugin.put("m/deep/not-a-model.yaml", "rules: []");
    plugin.put("m/_position.yaml", "[]");
    plugin.packaged(&[]);
    plugin.put(
        "m/model.yaml",
        "{model: a, label: {en_US: A}, model_type: llm, parameter_rules: [{name: t, use_template: t}]}",
    );
    assert!(plugin.refused(&[]).contains("m/model.yaml: parameter_rules[0].use_template: \"t\" is not one of"));
}

#[test]
fn missing_and_misplaced_files_are_refused() {
    for (path, expected) in [
        ("manifest.yaml", "manifest.yaml: is missing"),
        ("requirements.txt", "requirements.txt: is missing"),
        ("README.md", "README.md: is missing"),
        ("main.py", "the package holds no main.py"),
    ] {
        let plugin = Plugin::new();
        plugin.remove(path);
        let refusal = plugin.refused(&[]);
        assert!(refusal.contains(expected), "{path}: {refusal}");
    }
    for path in [".env", "keys/signer.pem", "signer.key", ".verification.dify.json", "uv.lock", "pyproject.toml"] {
        let plugin = Plugin::new();
        plugin.put(path, "{}");
        let refusal = plugin.refused(&[]);
        assert!(refusal.contains(&format!("{path}: ")), "{path}: {refusal}");
    }
}

#[test]
fn every_broken_rule_is_named_at_once() {
    let plugin = Plugin::new();
    plugin.edit("manifest.yaml", "author: someone", "author: Someone");
    plugin.edit("provider/sample.yaml", "type: select", "type: dropdown");
    plugin.remove("README.md");
    let refusal = plugin.refused(&[]);
    assert!(refusal.contains("author") && refusal.contains("dropdown") && refusal.contains("README.md"), "{refusal}");
}

#[test]
fn a_release_needs_a_static_program_for_each_machine() {
    let cases = [
        (None, "bin/higress-linux-arm64: is missing"),
        (Some(b"#!/bin/sh\n".to_vec()), "is no 64-bit Linux program"),
        (Some(elf(AMD64, LOAD)), "is built for another machine"),
        (Some(elf(ARM64, INTERPRETER)), "is linked dynamically"),
        (Some(b"\x7fELF\x02\x01".to_vec()), "is no 64-bit Linux program"),
    ];
    for (program, expected) in cases {
        let plugin = Plugin::new();
        match program {
            Some(program) => plugin.put("bin/higress-linux-arm64", program),
            None => plugin.remove("bin/higress-linux-arm64"),
        }
        let refusal = plugin.refused(&[]);
        assert!(refusal.contains(expected), "expected {expected:?} in {refusal}");
    }
}

#[test]
fn one_program_is_enough_to_try_a_build() {
    let plugin = Plugin::new();
    plugin.remove("bin/higress-linux-arm64");
    plugin.put("bin/higress-linux-amd64", elf(AMD64, INTERPRETER));
    plugin.packaged(&["--programs", "any"]);
    plugin.remove("bin/higress-linux-amd64");
    assert!(plugin.refused(&["--programs", "any"]).contains("holds no program"));
}
