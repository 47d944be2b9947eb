//! The answer of `get_ai_model_schemas`.

use super::super::super::entities::{I18n, ModelSchema, ModelType, ParameterRule, PriceConfig};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A model schema on the wire. All models here are made from a person's credentials, so all are "customizable".
#[derive(Debug, Clone, Copy)]
pub struct SchemaAnswer<'a>(pub &'a ModelSchema);

#[derive(Serialize)]
struct Wire<'a> {
    model_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    model: &'a str,
    label: &'a I18n,
    model_type: ModelType,
    features: &'a [String],
    fetch_from: &'static str,
    model_properties: &'a Map<String, Value>,
    deprecated: bool,
    parameter_rules: &'a [ParameterRule],
    pricing: Option<&'a PriceConfig>,
}

impl Serialize for SchemaAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = self.0;
        Wire {
            model_schema: Schema {
                model: &schema.model,
                label: &schema.label,
                model_type: schema.model_type,
                features: &schema.features,
                fetch_from: "customizable-model",
                model_properties: &schema.model_properties,
                deprecated: false,
                parameter_rules: &schema.parameter_rules,
                pricing: schema.pricing.as_ref(),
            },
        }
        .serialize(serializer)
    }
}
