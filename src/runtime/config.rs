//! Settings, with the names of the `dify_plugin` SDK: from the environment (names in any case), then from the file
//! `.env` in the working directory, then the default.

use std::collections::HashMap;
use std::time::Duration;

/// How the plugin reaches its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallMethod {
    /// Over stdin and stdout of a process the host started.
    Local,
    /// Over a socket to a host somewhere: remote debugging.
    Remote,
    /// Over HTTP, one request a call.
    Serverless,
}

/// Every setting of a process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `INSTALL_METHOD`: `local`, `remote` or `serverless`.
    pub install_method: InstallMethod,
    /// `MAX_REQUEST_TIMEOUT`, seconds: the longest silence of one answer in serverless mode.
    pub max_request_timeout: Duration,
    /// `MAX_WORKER`: sessions that run at once.
    pub max_worker: usize,
    /// `HEARTBEAT_INTERVAL`, seconds.
    pub heartbeat_interval: Duration,
    /// `REMOTE_INSTALL_URL`: wins over host and port.
    pub remote_install_url: Option<String>,
    /// `REMOTE_INSTALL_HOST`
    pub remote_install_host: String,
    /// `REMOTE_INSTALL_PORT`
    pub remote_install_port: u16,
    /// `REMOTE_INSTALL_KEY`
    pub remote_install_key: Option<secrecy::SecretString>,
    /// `SERVERLESS_HOST`
    pub serverless_host: String,
    /// `SERVERLESS_PORT`
    pub serverless_port: u16,
    /// `<PREFIX>_STOP_PROBE`: `off` switches off finding abandoned sessions.
    pub stop_probe: bool,
    /// `<PREFIX>_LOG`: what goes to standard error, for example `debug` or `call=info`.
    pub log: Option<String>,
    /// `<PREFIX>_LOG_FORMAT`: `json` for one JSON object a line.
    pub log_json: bool,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is {value:?}: {expected}")]
pub struct SettingError {
    name: String,
    value: String,
    expected: &'static str,
}

impl Settings {
    /// Reads the environment and `.env`. `prefix` is the plugin's own, for the settings that the SDK does not have.
    ///
    /// # Errors
    ///
    /// When a setting has a value that cannot be used; the text names it.
    pub fn load(prefix: &str) -> Result<Self, SettingError> {
        let file = dotenvy::from_filename_iter(".env").into_iter().flatten().flatten();
        Self::read(
            prefix,
            file.chain(
                std::env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
            ),
        )
    }

    /// Reads pairs of names and values, later ones winning.
    fn read(prefix: &str, pairs: impl Iterator<Item = (String, String)>) -> Result<Self, SettingError> {
        let found = Found(pairs.map(|(name, value)| (name.to_ascii_uppercase(), value)).collect());
        let install_method = match found.text("INSTALL_METHOD").as_deref() {
            None | Some("local") => InstallMethod::Local,
            Some("remote") => InstallMethod::Remote,
            Some("serverless") => InstallMethod::Serverless,
            Some(other) => {
                return Err(SettingError {
                    name: "INSTALL_METHOD".to_owned(),
                    value: other.to_owned(),
                    expected: "it must be local, remote or serverless",
                });
            }
        };
        Ok(Self {
            install_method,
            max_request_timeout: found.seconds("MAX_REQUEST_TIMEOUT", 300.0)?,
            max_worker: found.number("MAX_WORKER", 10_000, "it must be a whole number above 0")?,
            heartbeat_interval: found.seconds("HEARTBEAT_INTERVAL", 10.0)?,
            remote_install_url: found.text("REMOTE_INSTALL_URL"),
            remote_install_host: found.text("REMOTE_INSTALL_HOST").unwrap_or_else(|| "localhost".to_owned()),
            remote_install_port: found.number("REMOTE_INSTALL_PORT", 5003, PORT)?,
            remote_install_key: found.text("REMOTE_INSTALL_KEY").map(Into::into),
            serverless_host: found.text("SERVERLESS_HOST").unwrap_or_else(|| "0.0.0.0".to_owned()),
            serverless_port: found.number("SERVERLESS_PORT", 8080, PORT)?,
            stop_probe: !found
                .text(&format!("{prefix}_STOP_PROBE"))
                .is_some_and(|text| text.eq_ignore_ascii_case("off")),
            log: found.text(&format!("{prefix}_LOG")),
            log_json: found.text(&format!("{prefix}_LOG_FORMAT")).is_some_and(|text| text.eq_ignore_ascii_case("json")),
        })
    }
}

const PORT: &str = "it must be a port from 1 to 65535";

struct Found(HashMap<String, String>);

impl Found {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn number<T: std::str::FromStr + Default + PartialEq>(
        &self,
        name: &str,
        default: T,
        expected: &'static str,
    ) -> Result<T, SettingError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        match value.parse() {
            Ok(number) if number != T::default() => Ok(number),
            _ => Err(SettingError { name: name.to_owned(), value, expected }),
        }
    }

    fn seconds(&self, name: &str, default: f64) -> Result<Duration, SettingError> {
        let Some(value) = self.text(name) else { return Ok(Duration::from_secs_f64(default)) };
        let seconds = value.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
        seconds.map(Duration::from_secs_f64).ok_or_else(|| SettingError {
            name: name.to_owned(),
            value,
            expected: "it must be a number of seconds from 0.01 to 86400",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
        Settings::read("DEMO", pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn nothing_set_means_stdio_with_the_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.install_method, InstallMethod::Local);
        assert_eq!(settings.heartbeat_interval, Duration::from_secs(10));
        assert!(settings.stop_probe);
    }

    #[test]
    fn names_count_in_any_case_and_later_sources_win() {
        let settings = read(&[("MAX_WORKER", "5"), ("max_worker", "7"), ("demo_stop_probe", "off")]).unwrap();
        assert_eq!(settings.max_worker, 7);
        assert!(!settings.stop_probe);
    }

    #[test]
    fn a_wrong_value_is_named() {
        let error = read(&[("INSTALL_METHOD", "Local")]).unwrap_err().to_string();
        assert_eq!(error, "the setting INSTALL_METHOD is \"Local\": it must be local, remote or serverless");
        assert!(read(&[("HEARTBEAT_INTERVAL", "soon")]).is_err());
        assert!(read(&[("MAX_WORKER", "0")]).is_err());
    }

    #[test]
    fn the_debugging_key_is_not_shown() {
        assert!(!format!("{:?}", read(&[("REMOTE_INSTALL_KEY", "very-secret")]).unwrap()).contains("very-secret"));
    }
}
