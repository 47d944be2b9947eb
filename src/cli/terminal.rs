//! Text for a person, with colour where it is wanted.

use clap::ValueEnum;
use std::io::{self, IsTerminal as _, Write as _};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always, for example to make a picture of it
    Always,
    /// Never
    Never,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Dim,
    Good,
    Bad,
    Signed,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Title => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Signed => "\x1b[36m",
        }
    }
}

/// Lines are broken before this column.
const WIDTH: usize = 100;
const RESET: &str = "\x1b[0m";

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    color: bool,
    /// Where the next letter goes, while text flows.
    column: usize,
}

impl Screen {
    pub(super) fn new(color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && !no_color,
        };
        Self { color, column: 0 }
    }

    /// Writes a piece of text as it is, and shows it at once.
    pub(super) fn write(&mut self, style: Style, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.color && style != Style::Plain && !text.is_empty() {
            write!(out, "{}{text}{RESET}", style.code())?;
        } else {
            out.write_all(text.as_bytes())?;
        }
        out.flush()?;
        self.column = match text.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.column + text.chars().count(),
        };
        Ok(())
    }

    /// A line of its own.
    pub(super) fn line(&mut self, style: Style, text: &str) -> io::Result<()> {
        self.write(style, text)?;
        self.write(Style::Plain, "\n")
    }

    /// Text that comes in pieces, indented by `indent` and broken between words.
    pub(super) fn flow(&mut self, style: Style, indent: usize, text: &str) -> io::Result<()> {
        let mut column = self.column;
        let mut lines = vec![String::new()];
        for word in text.split_inclusive([' ', '\n']) {
            let (word, breaks) = word.strip_suffix('\n').map_or((word, false), |word| (word, true));
            if column > indent && column + word.trim_end().chars().count() > WIDTH {
                lines.push(String::new());
                column = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(word);
            }
            column = column.max(indent) + word.chars().count();
            if breaks {
                lines.push(String::new());
                column = 0;
            }
        }
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                self.write(Style::Plain, "\n")?;
            }
            if self.column == 0 && !line.is_empty() {
                self.write(Style::Plain, &" ".repeat(indent))?;
            }
            self.write(style, line)?;
        }
        Ok(())
    }

    /// Ends a line that text flowed into.
    pub(super) fn end_flow(&mut self) -> io::Result<()> {
        if self.column > 0 { self.write(Style::Plain, "\n") } else { Ok(()) }
    }
}
