//! The built-in gateway: a small stand-in for Higress, for development and tests.
