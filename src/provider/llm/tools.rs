//! Tools, as the upstream is offered them.

use crate::gateway::chat::{Function, Tool};
use crate::provider::credentials::ToolMode;
use crate::provider::errors::TAG;
use crate::runtime::InvokeError;
use crate::runtime::entities::{ToolChoice, ToolDefinition};
use serde_json::{Value, json};

/// The fields of a request that offer tools.
#[derive(Debug, Default)]
pub(super) struct Offer<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) tool_choice: Option<Value>,
    pub(super) functions: Vec<Function<'a>>,
    pub(super) function_call: Option<Value>,
}

impl<'a> Offer<'a> {
    /// Offers `tools` in the way of `mode`.
    ///
    /// # Errors
    ///
    /// A bad request for a choice that cannot be kept: a tool that is not there, or any at all without a way to call.
    pub(super) fn new(
        mode: ToolMode,
        tools: &'a [ToolDefinition],
        choice: Option<&ToolChoice>,
    ) -> Result<Self, InvokeError> {
        if let Some(ToolChoice::Tool(name)) = choice
            && !tools.iter().any(|tool| tool.name == *name)
        {
            return Err(refused(&format!("the tool {name:?} is to be called, but it is not among the tools")));
        }
        if tools.is_empty() {
            return match choice {
                Some(ToolChoice::Required) => Err(refused("a tool is to be called, but there are none")),
                _ => Ok(Self::default()),
            };
        }
        match mode {
            ToolMode::Tools => Ok(Self {
                tools: tools.iter().map(|tool| Tool { kind: "function", function: function(tool) }).collect(),
                tool_choice: Some(match choice {
                    None | Some(ToolChoice::Auto) => json!("auto"),
                    Some(ToolChoice::None) => json!("none"),
                    Some(ToolChoice::Required) => json!("required"),
                    Some(ToolChoice::Tool(name)) => json!({"type": "function", "function": {"name": name}}),
                }),
                ..Self::default()
            }),
            ToolMode::Functions => Ok(Self {
                functions: tools.iter().map(function).collect(),
                function_call: match choice {
                    None | Some(ToolChoice::Auto) => None,
                    Some(ToolChoice::None) => Some(json!("none")),
                    Some(ToolChoice::Tool(name)) => Some(json!({"name": name})),
                    // The older shape can force one function only.
                    Some(ToolChoice::Required) => match tools {
                        [only] => Some(json!({"name": only.name})),
                        _ => {
                            return Err(refused(
                                "some tool is to be called, and function_call cannot say so for several: set \
                                 function_calling_type to tool_call",
                            ));
                        }
                    },
                },
                ..Self::default()
            }),
            ToolMode::None => {
                if matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_))) {
                    return Err(refused(
                        "a tool is to be called, but function_calling_type of this model is no_call: set it to tool_call",
                    ));
                }
                tracing::warn!(tools = tools.len(), "tools are not offered: function_calling_type is no_call");
                Ok(Self::default())
            }
        }
    }
}

fn function(tool: &ToolDefinition) -> Function<'_> {
    Function { name: &tool.name, description: &tool.description, parameters: &tool.parameters }
}

fn refused(problem: &str) -> InvokeError {
    InvokeError::bad_request(format!("{TAG}{problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(mode: ToolMode, names: &[&str], choice: Option<&ToolChoice>) -> Result<Value, InvokeError> {
        let tool = |name: &&str| ToolDefinition {
            name: (*name).to_owned(),
            description: String::new(),
            parameters: json!({"type": "object"}),
        };
        let tools: Vec<_> = names.iter().map(tool).collect();
        let offer = Offer::new(mode, &tools, choice)?;
        let count = (offer.tools.len(), offer.functions.len());
        Ok(json!([count, offer.tool_choice, offer.function_call]))
    }

    #[test]
    fn tools_are_offered_in_the_way_of_the_mode() {
        assert_eq!(offer(ToolMode::Tools, &["f"], None).unwrap(), json!([[1, 0], "auto", null]));
        assert_eq!(offer(ToolMode::Functions, &["f"], None).unwrap(), json!([[0, 1], null, null]));
        assert_eq!(offer(ToolMode::None, &["f"], None).unwrap(), json!([[0, 0], null, null]));
        assert_eq!(offer(ToolMode::Tools, &[], None).unwrap(), json!([[0, 0], null, null]));
    }

    #[test]
    fn the_hosts_choice_is_passed_on() {
        let named = ToolChoice::Tool("f".to_owned());
        let named_tool = json!({"type": "function", "function": {"name": "f"}});
        assert_eq!(offer(ToolMode::Tools, &["f"], Some(&named)).unwrap()[1], named_tool);
        assert_eq!(offer(ToolMode::Tools, &["f"], Some(&ToolChoice::Required)).unwrap()[1], "required");
        assert_eq!(offer(ToolMode::Tools, &["f"], Some(&ToolChoice::None)).unwrap()[1], "none");
        assert_eq!(offer(ToolMode::Functions, &["f"], Some(&named)).unwrap()[2], json!({"name": "f"}));
        assert_eq!(offer(ToolMode::Functions, &["f"], Some(&ToolChoice::Required)).unwrap()[2], json!({"name": "f"}));
        assert_eq!(offer(ToolMode::Functions, &["f"], Some(&ToolChoice::None)).unwrap()[2], "none");
    }

    #[test]
    fn a_choice_that_cannot_be_kept_is_refused() {
        for (mode, names, choice) in [
            (ToolMode::Tools, &["f"][..], ToolChoice::Tool("g".to_owned())),
            (ToolMode::Tools, &[], ToolChoice::Required),
            (ToolMode::Functions, &["f", "g"], ToolChoice::Required),
            (ToolMode::None, &["f"], ToolChoice::Required),
        ] {
            assert!(offer(mode, names, Some(&choice)).is_err());
        }
    }
}
