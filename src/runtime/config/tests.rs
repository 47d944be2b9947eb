use super::*;
use secrecy::ExposeSecret;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn settings(environment: &[(&str, &str)], dotenv: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables("ACME", pairs(environment), pairs(dotenv))
}

#[test]
fn without_variables_the_defaults_hold() {
    let settings = settings(&[], &[]).unwrap();
    assert_eq!(settings.install_method, InstallMethod::Local);
    assert_eq!(settings.max_worker, 10_000);
    assert_eq!(settings.heartbeat_interval, Duration::from_secs(10));
    assert_eq!(settings.max_request_timeout, Duration::from_secs(300));
    assert_eq!((settings.remote_install_host.as_str(), settings.remote_install_port), ("localhost", 5003));
    assert_eq!((settings.serverless_host.as_str(), settings.serverless_port), ("0.0.0.0", 8080));
    assert_eq!(settings.session_ceiling, Duration::from_secs(630));
    assert!(settings.stop_probe);
    assert_eq!((settings.log, settings.log_format), (None, LogFormat::Text));
}

#[test]
fn the_environment_wins_over_the_file_in_any_letter_case() {
    let settings = settings(
        &[("Install_Method", "remote"), ("heartbeat_interval", "2.5")],
        &[("INSTALL_METHOD", "serverless"), ("max_worker", "7"), ("REMOTE_INSTALL_KEY", " k ")],
    )
    .unwrap();
    assert_eq!(settings.install_method, InstallMethod::Remote);
    assert_eq!(settings.heartbeat_interval, Duration::from_millis(2500));
    assert_eq!(settings.max_worker, 7);
    assert_eq!(settings.remote_install_key.unwrap().expose_secret(), "k");
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let settings = settings(&[("MAX_WORKER", " "), ("INSTALL_METHOD", "")], &[]).unwrap();
    assert_eq!((settings.max_worker, settings.install_method), (10_000, InstallMethod::Local));
}

#[test]
fn the_program_s_own_names_carry_its_prefix() {
    let settings = settings(
        &[("ACME_STOP_PROBE", "off"), ("ACME_LOG", "debug"), ("ACME_LOG_FORMAT", "json"), ("OTHER_LOG", "trace")],
        &[],
    )
    .unwrap();
    assert!(!settings.stop_probe);
    assert_eq!((settings.log.as_deref(), settings.log_format), (Some("debug"), LogFormat::Json));
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_what_would_be_right() {
    for (name, value, advice) in [
        ("INSTALL_METHOD", "docker", "one of local, remote, serverless"),
        ("INSTALL_METHOD", "Local", "one of local, remote, serverless"),
        ("MAX_WORKER", "0", "from 1 to 1000000"),
        ("HEARTBEAT_INTERVAL", "soon", "number of seconds"),
        ("HEARTBEAT_INTERVAL", "NaN", "number of seconds"),
        ("HEARTBEAT_INTERVAL", "-1", "number of seconds"),
        ("REMOTE_INSTALL_PORT", "99999", "from 1 to 65535"),
        ("ACME_STOP_PROBE", "perhaps", "one of on, off"),
    ] {
        let error = settings(&[(name, value)], &[]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(advice) && error.contains(value), "{error}");
    }
}

#[test]
fn a_file_that_is_missing_is_empty_and_one_that_is_broken_is_an_error_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    assert_eq!(dotenv(&file), Ok(Vec::new()));
    std::fs::write(&file, "A=1\nB=\"two words\"\n").unwrap();
    assert_eq!(dotenv(&file), Ok(pairs(&[("A", "1"), ("B", "two words")])));
    std::fs::write(&file, "\u{feff}A=1\r\n# comment\r\nB=2\r\n").unwrap();
    assert_eq!(dotenv(&file), Ok(pairs(&[("A", "1"), ("B", "2")])), "as editors on Windows write it");
    std::fs::write(&file, "REMOTE_INSTALL_KEY=\"hush\n").unwrap();
    let error = dotenv(&file).unwrap_err().to_string();
    assert!(error.contains(".env") && !error.contains("hush"), "{error}");
}

#[test]
fn the_debugging_key_is_never_shown() {
    let settings = settings(&[("REMOTE_INSTALL_KEY", "hush")], &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hush"));
}
