//! What a model offers.
