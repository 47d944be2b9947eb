//! The provider's data, the form's values, what a model announces, and that the documentation names all of it.

#[cfg(test)]
#[path = "form/credentials.rs"]
mod credentials;
#[cfg(test)]
#[path = "form/data.rs"]
mod data;
#[cfg(test)]
#[path = "form/docs.rs"]
mod docs;
#[cfg(test)]
#[path = "form/examples.rs"]
mod examples;
#[cfg(test)]
#[path = "form/headers.rs"]
mod headers;
#[cfg(test)]
#[path = "form/options.rs"]
mod options;
#[cfg(test)]
#[path = "form/rows.rs"]
mod rows;
#[cfg(test)]
#[path = "form/saved.rs"]
mod saved;
#[cfg(test)]
#[path = "form/schema.rs"]
mod schema;
