//! Turns the coloured output of a command into a picture:
//! `cargo run -- demo --color always | cargo run --example demo_picture > docs/images/demo.svg`

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut ansi = String::new();
    io::stdin().read_to_string(&mut ansi)?;
    io::stdout().write_all(anstyle_svg::Term::new().render_svg(&ansi).as_bytes())
}
