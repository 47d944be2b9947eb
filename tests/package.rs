//! The commands `package` and `verify`, from the outside.

#[path = "package/archives.rs"]
mod archives;
#[path = "package/fixture.rs"]
mod fixture;
#[path = "package/refusals.rs"]
mod refusals;
#[path = "package/signatures.rs"]
mod signatures;
#[path = "package/wheels.rs"]
mod wheels;
