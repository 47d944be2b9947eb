//! Secrets come from the environment or from a person's hands, never from the command line, which others can read.

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};

/// The secret in the environment variable `variable`; without it a person is asked for `what`.
pub(super) fn read(variable: &str, what: &str) -> anyhow::Result<SecretString> {
    if let Some(secret) = std::env::var(variable).ok().filter(|secret| !secret.is_empty()) {
        return Ok(secret.into());
    }
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal.with_context(|| {
        format!("the {what} is missing: set {variable}, or run this on a terminal to be asked for it")
    })?;
    ask(&terminal, what).with_context(|| format!("the {what} could not be read from the terminal"))
}

fn ask(mut terminal: &File, what: &str) -> anyhow::Result<SecretString> {
    write!(terminal, "{what}: ")?;
    let silence = Silence::new(terminal)?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    drop(silence);
    writeln!(terminal)?;
    let secret = line.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("nothing was typed");
    }
    Ok(secret.to_owned().into())
}

/// While this lives, the terminal does not show what is typed.
struct Silence<'a> {
    terminal: &'a File,
    before: rustix::termios::Termios,
}

impl<'a> Silence<'a> {
    fn new(terminal: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
