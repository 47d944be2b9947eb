//! Credentials as a saved model has them.

use higress_dify_plugin::runtime::entities::Credentials;
use serde_json::{Value, json};

/// These fields and no others.
pub(crate) fn credentials(fields: Value) -> Credentials {
    serde_json::from_value(fields).expect("an object")
}

/// The least a model needs, and `fields` over it.
pub(crate) fn saved(fields: Value) -> Credentials {
    let mut least = credentials(json!({"endpoint_url": "http://gw.example.com/demo"}));
    least.0.extend(credentials(fields).0);
    least
}
