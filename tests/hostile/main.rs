//! The real program between a hostile gateway and a hostile host: the right error, in time, in bounded memory, and
//! nobody else notices.

mod bounds;
mod gateway;
mod host;
mod plugin;
mod secrets;
mod signals;
mod stopping;
