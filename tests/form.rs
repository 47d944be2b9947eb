//! The provider's data, the form's values, what a model announces, and that the documentation names all of it.

#[path = "form/credentials.rs"]
mod credentials;
#[path = "form/data.rs"]
mod data;
#[path = "form/docs.rs"]
mod docs;
#[path = "form/headers.rs"]
mod headers;
#[path = "form/options.rs"]
mod options;
#[path = "form/schema.rs"]
mod schema;

use higress_dify_plugin::runtime::entities::Credentials;
use serde_json::Value;

/// Credentials as a saved model has them.
fn credentials(fields: Value) -> Credentials {
    serde_json::from_value(fields).expect("an object")
}

/// The least a model needs, and `fields` over it.
fn saved(fields: Value) -> Credentials {
    let mut credentials = credentials(serde_json::json!({"endpoint_url": "http://gw.example.com/demo"}));
    credentials.0.extend(self::credentials(fields).0);
    credentials
}
