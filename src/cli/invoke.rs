//! `invoke`: one call of any gateway, through the plugin, as Dify makes it.

use super::answer::{Answer, Failure};
use super::block_on;
use super::host::Host;
use super::requests::{Model, message};
use super::secret;
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// Calls a gateway once, as Dify would, and prints the answer or the error.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Options {
    /// What to ask for
    #[arg(value_enum)]
    scenario: Scenario,
    /// The gateway's address with the route's prefix, without /v1: what the form calls Endpoint URL
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// How the route knows its callers
    #[arg(long, value_enum, default_value_t = Auth::Disabled)]
    auth: Auth,
    /// The model's name at the gateway [default: qwen-max, text-embedding-v4, gte-rerank-v2 or qwen-image-plus]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print the text as it streams
    #[arg(long)]
    stream: bool,
    /// A field of the form by its variable name; may be repeated
    #[arg(
        long = "option",
        value_name = "NAME=VALUE",
        value_parser = pair,
        long_help = "A field of the form by its variable name, for example agent_thought_support=supported; may be repeated"
    )]
    fields: Vec<(String, String)>,
    /// A parameter of the model, for example temperature=0.2; JSON where it is that, else text; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Seconds to wait for the next piece of the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// What to say: one prompt for llm and image, the texts for embedding, the query and then the documents for rerank
    #[arg(value_name = "TEXT", required = true)]
    texts: Vec<String>,
}

const ABOUT: &str = "Calls a gateway once, as Dify would, and prints the answer or the error.

The same plugin process that Dify starts makes the call, so what works here works there. The answer goes to standard \
output, figures and errors to standard error.

Secrets are read from the environment (HIGRESS_API_KEY, or HIGRESS_HMAC_KEY and HIGRESS_HMAC_SECRET); what is missing \
there is asked for on the terminal. They are never taken from the command line.";

const EXAMPLES: &str = "Examples:
  higress-dify-plugin invoke llm --endpoint http://127.0.0.1:8080/open --stream \"Why is the sky blue?\"
  higress-dify-plugin invoke rerank --endpoint https://gw.example.com/rr --auth hmac \"red fox\" \"a dog\" \"a fox\"";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Text from a chat model
    Llm,
    /// Vectors, one line of JSON for each TEXT
    Embedding,
    /// Documents by relevance to the first TEXT
    Rerank,
    /// A picture
    Image,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Auth {
    /// It does not ask
    Disabled,
    /// By an API key
    ApiKey,
    /// By an access key and a signature
    Hmac,
}

/// Secrets of the form, which others could read on the command line.
const SECRET_FIELDS: [&str; 3] = ["api_key", "hmac_key", "hmac_secret"];
/// Until the plugin's first heartbeat, and until it has ended.
const PROCESS_LIMIT: Duration = Duration::from_secs(30);

/// Makes the call; an error when the plugin answers one.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    if options.scenario == Scenario::Rerank && options.texts.len() < 2 {
        bail!("rerank needs a query and at least one document: invoke rerank … QUERY DOCUMENT…");
    }
    let model = model(options)?;
    block_on(call(options, &model))
}

async fn call(options: &Options, model: &Model) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut host = Host::start(&program)?;
    host.ready(PROCESS_LIMIT).await?;
    let started = Instant::now();
    let mut session = host.invoke(&request(options, model)).await?;
    let limit = Duration::from_secs(options.timeout);
    let answer = Answer::read(&mut session, started, limit, print).await?;
    host.finish(PROCESS_LIMIT).await?;
    print_rest(options.scenario, &answer)?;
    match &answer.error {
        Some(failure) => bail!("{}", as_dify_shows(failure)),
        None => figures(&answer),
    }
}

/// The model as its form would be filled in.
fn model(options: &Options) -> anyhow::Result<Model> {
    let (kind, default_name, form) = match options.scenario {
        Scenario::Llm => ("llm", "qwen-max", json!({"llm_usage_scenario": "text_generation"})),
        Scenario::Image => ("llm", "qwen-image-plus", json!({"llm_usage_scenario": "image_generation"})),
        Scenario::Embedding => {
            ("text-embedding", "text-embedding-v4", json!({"embedding_usage_scenario": "embedding"}))
        }
        Scenario::Rerank => ("rerank", "gte-rerank-v2", json!({"rerank_usage_scenario": "rerank"})),
    };
    let name = options.model.clone().unwrap_or_else(|| default_name.to_owned());
    let mut credentials = Map::new();
    credentials.extend(form.as_object().cloned().unwrap_or_default());
    credentials.insert("endpoint_url".to_owned(), json!(options.endpoint));
    credentials.insert("gateway_model_name".to_owned(), json!(name));
    for (name, value) in &options.fields {
        if SECRET_FIELDS.contains(&name.as_str()) {
            bail!("{name} is not taken from the command line, where others can read it: see invoke --help");
        }
        credentials.insert(name.clone(), json!(value));
    }
    for (name, secret) in secrets(options.auth)? {
        credentials.insert(name.to_owned(), json!(secret.expose_secret()));
    }
    Ok(Model { kind, name, credentials: Value::Object(credentials) })
}

fn secrets(auth: Auth) -> anyhow::Result<Vec<(&'static str, SecretString)>> {
    let mode = |mode: &str| ("consumer_auth_mode", SecretString::from(mode.to_owned()));
    Ok(match auth {
        Auth::Disabled => vec![mode("disabled")],
        Auth::ApiKey => vec![mode("api_key"), ("api_key", secret::read("HIGRESS_API_KEY", "API key")?)],
        Auth::Hmac => vec![
            mode("hmac"),
            ("hmac_key", secret::read("HIGRESS_HMAC_KEY", "access key")?),
            ("hmac_secret", secret::read("HIGRESS_HMAC_SECRET", "secret key")?),
        ],
    })
}

fn request(options: &Options, model: &Model) -> Value {
    let parameters: Map<String, Value> = options
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
        .collect();
    let prompt = [message("user", &options.texts.join(" "))];
    match options.scenario {
        Scenario::Llm | Scenario::Image => model.llm(&prompt, &Value::Object(parameters), &Value::Null, options.stream),
        Scenario::Embedding => model.embedding(&options.texts),
        Scenario::Rerank => {
            let (query, documents) = options.texts.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
            let top_n = parameters.get("top_n").and_then(Value::as_u64).unwrap_or(0);
            model.rerank(query, documents, top_n)
        }
    }
}

/// A piece of text, shown at once.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What is not text, and the last newline.
fn print_rest(scenario: Scenario, answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if !answer.text.is_empty() && !answer.text.ends_with('\n') {
        writeln!(out)?;
    }
    for call in &answer.tool_calls {
        writeln!(out, "{call}")?;
    }
    for picture in &answer.pictures {
        writeln!(out, "{picture}")?;
    }
    let items = |name: &str| answer.result[name].as_array().cloned().unwrap_or_default();
    match scenario {
        Scenario::Embedding => {
            for vector in items("embeddings") {
                writeln!(out, "{vector}")?;
            }
        }
        Scenario::Rerank => {
            for document in items("docs") {
                let text = document["text"].as_str().unwrap_or_default();
                writeln!(out, "{}\t{}\t{text}", document["score"], document["index"])?;
            }
        }
        Scenario::Llm | Scenario::Image => {}
    }
    Ok(())
}

fn figures(answer: &Answer) -> anyhow::Result<()> {
    let mut figures = vec![format!("{:.0} ms", answer.total.as_secs_f64() * 1e3)];
    if let Some(first) = answer.first.filter(|_| answer.chunks > 1) {
        figures.push(format!("first chunk after {:.0} ms, {} chunks", first.as_secs_f64() * 1e3, answer.chunks));
    }
    if let Some(tokens) = answer.tokens() {
        figures.push(format!("{tokens} tokens"));
    }
    writeln!(io::stderr(), "{}", figures.join(", "))?;
    Ok(())
}

/// Name and text as Dify gets them. Of a refused credential Dify shows its own sentence, so that is told as well.
fn as_dify_shows(failure: &Failure) -> String {
    let told = format!("{}: {}", failure.kind, failure.message);
    if failure.kind == "InvokeAuthorizationError" {
        return format!("{told}\nDify shows it as: Incorrect model credentials provided, please check and try again.");
    }
    told
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has the form NAME=VALUE".to_owned()),
    }
}
