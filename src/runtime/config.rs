//! Settings, from the environment and the file `.env`, with the names of the `dify_plugin` SDK.

use secrecy::SecretString;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// How the plugin meets its host (`INSTALL_METHOD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstallMethod {
    /// The host starts the process and speaks over stdin and stdout.
    #[default]
    Local,
    /// The process dials a host's remote-debugging port.
    Remote,
    /// The process serves HTTP.
    Serverless,
}

/// How log lines on stderr look (`<PREFIX>_LOG_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// All settings, read once. Strongest first: environment (names in any letter case), `.env` in the working
/// directory, default. An empty value counts as not set; unknown names are ignored.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `INSTALL_METHOD`: `local`, `remote` or `serverless`.
    pub install_method: InstallMethod,
    /// `MAX_WORKER`, 10,000, from 1 to 1,000,000: calls that run at the same time. More wait in order; as a serverless
    /// function they are turned away.
    pub max_worker: usize,
    /// `HEARTBEAT_INTERVAL`, 10 s.
    pub heartbeat_interval: Duration,
    /// `MAX_REQUEST_TIMEOUT`, 300 s: the longest silence of one serverless answer, and how long its client may take
    /// nothing of it.
    pub max_request_timeout: Duration,
    /// `REMOTE_INSTALL_URL`: wins over host and port.
    pub remote_install_url: Option<String>,
    /// `REMOTE_INSTALL_HOST`, `localhost`.
    pub remote_install_host: String,
    /// `REMOTE_INSTALL_PORT`, 5003.
    pub remote_install_port: u16,
    /// `REMOTE_INSTALL_KEY`: the debugging key.
    pub remote_install_key: Option<SecretString>,
    /// `SERVERLESS_HOST`, `0.0.0.0`.
    pub serverless_host: String,
    /// `SERVERLESS_PORT`, 8080.
    pub serverless_port: u16,
    /// `<PREFIX>_SESSION_CEILING`, 630 s: a call that runs longer is given up. The host gives up after 600 s.
    pub session_ceiling: Duration,
    /// `<PREFIX>_STOP_PROBE`, on: whether long calls are checked for somebody who still waits.
    pub stop_probe: bool,
    /// `<PREFIX>_LOG`: what is logged, for example `debug` or `warn,call=info`; see `tracing_subscriber`'s
    /// `EnvFilter`. Each transport has its own default.
    pub log: Option<String>,
    /// `<PREFIX>_LOG_FORMAT`: `text` or `json`.
    pub log_format: LogFormat,
}

/// A setting that cannot be used. It names the setting and what would be right; a value that may be secret is not
/// shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the process environment and `.env`. `prefix` begins the names that are the program's own, for example
    /// `HIGRESS`.
    ///
    /// # Errors
    ///
    /// As [`from_variables`](Self::from_variables), and when there is a `.env` that cannot be read or that holds a line
    /// not of the form `NAME=value`.
    pub fn load(prefix: &str) -> Result<Self, SettingsError> {
        // Values that are not UTF-8 can be none of ours.
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_variables(prefix, environment, dotenv(Path::new(".env"))?)
    }

    /// Settings from given variables, `environment` over `dotenv`.
    ///
    /// # Errors
    ///
    /// When a value is not one of its setting's choices, not a number, or outside its setting's range. The first of
    /// them is named.
    pub fn from_variables(
        prefix: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut values = HashMap::new();
        for (name, value) in dotenv.into_iter().chain(environment) {
            if !value.trim().is_empty() {
                values.insert(name.to_ascii_uppercase(), value.trim().to_owned());
            }
        }
        let variables = Variables(values);
        let own = |name: &str| format!("{}_{name}", prefix.to_ascii_uppercase());
        Ok(Self {
            install_method: variables.one_of(
                "INSTALL_METHOD",
                &[
                    ("local", InstallMethod::Local),
                    ("remote", InstallMethod::Remote),
                    ("serverless", InstallMethod::Serverless),
                ],
            )?,
            max_worker: variables.number("MAX_WORKER", 10_000, 1..=1_000_000)?,
            heartbeat_interval: variables.seconds("HEARTBEAT_INTERVAL", 10.0)?,
            max_request_timeout: variables.seconds("MAX_REQUEST_TIMEOUT", 300.0)?,
            remote_install_url: variables.text("REMOTE_INSTALL_URL"),
            remote_install_host: variables.text("REMOTE_INSTALL_HOST").unwrap_or_else(|| "localhost".to_owned()),
            remote_install_port: variables.number("REMOTE_INSTALL_PORT", 5003, 1..=u16::MAX)?,
            remote_install_key: variables.text("REMOTE_INSTALL_KEY").map(SecretString::from),
            serverless_host: variables.text("SERVERLESS_HOST").unwrap_or_else(|| "0.0.0.0".to_owned()),
            serverless_port: variables.number("SERVERLESS_PORT", 8080, 0..=u16::MAX)?,
            session_ceiling: variables.seconds(&own("SESSION_CEILING"), 630.0)?,
            stop_probe: variables.one_of(&own("STOP_PROBE"), &[("on", Switch(true)), ("off", Switch(false))])?.0,
            log: variables.text(&own("LOG")),
            log_format: variables
                .one_of(&own("LOG_FORMAT"), &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
        })
    }
}

#[derive(Clone, Copy)]
struct Switch(bool);

impl Default for Switch {
    fn default() -> Self {
        Self(true)
    }
}

/// The variables of `file`; none when there is no such file.
fn dotenv(file: &Path) -> Result<Vec<(String, String)>, SettingsError> {
    let unusable = |error: &dyn fmt::Display| SettingsError(format!("the file .env cannot be read: {error}"));
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(&error)),
    };
    // Editors on Windows begin a file with a mark.
    let lines = dotenvy::from_read_iter(text.trim_start_matches('\u{feff}').as_bytes());
    // The error of a line would quote the line, and with it perhaps a key.
    lines.collect::<Result<_, _>>().map_err(|_| unusable(&"a line is not of the form NAME=value"))
}

/// Values that are set, by name in capitals.
struct Variables(HashMap<String, String>);

impl Variables {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn one_of<T: Copy + Default>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, SettingsError> {
        let Some(value) = self.0.get(name) else { return Ok(T::default()) };
        let found = choices.iter().find(|(choice, _)| choice == value);
        found.map(|(_, chosen)| *chosen).ok_or_else(|| {
            let known: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            SettingsError(format!("{name} must be one of {}, not {value:?}", known.join(", ")))
        })
    }

    fn number<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        name: &str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> Result<T, SettingsError> {
        let Some(value) = self.0.get(name) else { return Ok(default) };
        value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            SettingsError(format!("{name} must be a whole number from {least} to {most}, not {value:?}"))
        })
    }

    fn seconds(&self, name: &str, default: f64) -> Result<Duration, SettingsError> {
        const SHORTEST: f64 = 0.001;
        const LONGEST: f64 = 86_400.0;
        let Some(value) = self.0.get(name) else { return Ok(Duration::from_secs_f64(default)) };
        let seconds: Option<f64> = value.parse().ok().filter(|seconds| (SHORTEST..=LONGEST).contains(seconds));
        seconds.map(Duration::from_secs_f64).ok_or_else(|| {
            SettingsError(format!("{name} must be a number of seconds from {SHORTEST} to {LONGEST}, not {value:?}"))
        })
    }
}

#[cfg(test)]
mod tests;
