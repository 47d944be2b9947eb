//! The one table of what gateways and providers answer: from status and text, or from an error code, to a kind and what
//! to do about it. Texts are those of Higress's plugins and of Envoy.

use super::ErrorKind::{self, Authorization, BadRequest, RateLimited, ServerUnavailable, Timeout};
use super::Origin::{self, Gateway};

/// What a body must be for a row to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Nothing at all.
    Empty,
    /// These words at the beginning.
    Starts(&'static str),
    /// These words somewhere.
    Has(&'static str),
    /// Whatever it is.
    Any,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Statuses it applies to, first and last.
    pub status: (u16, u16),
    /// The body it applies to.
    pub text: Text,
    /// What it is.
    pub kind: ErrorKind,
    /// Who says it, where only one can.
    pub origin: Option<Origin>,
    /// Shown instead of the answer's words, where those are missing or repeat the prompt.
    pub message: Option<&'static str>,
    /// What to do.
    pub advice: Option<&'static str>,
}

const CHECK_KEY: &str = "Check the consumer authorisation in the model's settings against the consumer in the gateway";
const ALLOW: &str = "Authorise this consumer for the route in the gateway";
const CLOCK: &str = "Set the clock of this machine, or widen the gateway's allowed clock skew";
const DIGEST: &str =
    "A plugin of the gateway changes the body before it is checked: switch content_md5 off in advanced_options";
const SMALLER: &str = "Send less (fewer or smaller files), or raise the gateway's body limit (connectionBufferLimits)";
const UPSTREAM: &str = "The gateway does not reach the model service: check its address and health in the gateway";
const ROUTE: &str =
    "Check the base path and host of the endpoint URL, and that a route of the gateway admits this model name";
const SLOW: &str = "The model took longer than the gateway waits: raise the route's time-out, or stream the answer";
const LATER: &str = "Try again later, or raise the limit in the gateway";

const BUSY: &str = "Send fewer requests at once, or raise the limit of the account";
const REFUSED: &str = "Compare the parameters of the app and the model's settings with what the provider accepts";
const FAILED: &str = "Try again later; the logs of the gateway and the provider know more";

/// A row of the gateway's own answers.
const fn gateway(status: u16, text: Text, kind: ErrorKind, advice: &'static str) -> Rule {
    Rule { status: (status, status), text, kind, origin: Some(Gateway), message: None, advice: Some(advice) }
}

/// A row of the gateway's own answers whose words are not shown.
const fn reworded(status: u16, text: Text, kind: ErrorKind, message: &'static str, advice: &'static str) -> Rule {
    Rule { status: (status, status), text, kind, origin: Some(Gateway), message: Some(message), advice: Some(advice) }
}

/// A row by status alone.
const fn any(first: u16, last: u16, kind: ErrorKind, advice: Option<&'static str>) -> Rule {
    Rule { status: (first, last), text: Text::Any, kind, origin: None, message: None, advice }
}

/// The rows; the first that applies counts.
pub const RULES: &[Rule] = &[
    // hmac-auth
    gateway(401, Text::Starts("Invalid Key"), Authorization, CHECK_KEY),
    gateway(403, Text::Starts("Unauthorized Consumer"), Authorization, ALLOW),
    gateway(
        401,
        Text::Starts("Empty Signature"),
        Authorization,
        "A proxy on the way removes the x-ca-signature header",
    ),
    gateway(400, Text::Starts("Invalid Date"), Authorization, CLOCK),
    gateway(400, Text::Starts("Invalid Signature"), Authorization, CHECK_KEY),
    gateway(400, Text::Starts("Invalid Content-MD5"), Authorization, DIGEST),
    gateway(
        413,
        Text::Starts("Request Body Too Large"),
        BadRequest,
        "Switch content_md5 off in advanced_options: with it the gateway accepts about 1 MB",
    ),
    gateway(413, Text::Starts("Payload Too Large"), BadRequest, SMALLER),
    // hmac-auth-apisix, whose texts stand behind "client request can't be validated: "
    gateway(
        401,
        Text::Has("validated: Invalid signature"),
        Authorization,
        "Check the secret, and that nothing on the way changes path or signed headers",
    ),
    gateway(401, Text::Has("validated: Invalid digest"), Authorization, DIGEST),
    gateway(401, Text::Has("validated: Clock skew exceeded"), Authorization, CLOCK),
    gateway(401, Text::Has("validated: Date header missing"), Authorization, CLOCK),
    gateway(401, Text::Has("validated: Invalid GMT format time"), Authorization, CLOCK),
    gateway(401, Text::Has("validated: Invalid keyId"), Authorization, CHECK_KEY),
    gateway(401, Text::Has("is not allowed"), Authorization, ALLOW),
    gateway(
        401,
        Text::Has("validated: Invalid algorithm"),
        Authorization,
        "Set hmac_algorithm in advanced_options to one that the gateway allows",
    ),
    gateway(
        401,
        Text::Has("missing in signing"),
        Authorization,
        "The gateway wants this header signed: take it out of the plugin's signed_headers",
    ),
    gateway(401, Text::Has("client request can't be validated"), Authorization, CHECK_KEY),
    // jwt-auth and its relatives
    gateway(401, Text::Starts("Request denied by JWT Auth check"), Authorization, CHECK_KEY),
    gateway(403, Text::Starts("Request denied by JWT Auth check"), Authorization, ALLOW),
    gateway(
        401,
        Text::Starts("Jwt "),
        Authorization,
        "The route wants a JWT, or the token expired: check the consumer authorisation",
    ),
    gateway(401, Text::Starts("Invalid Jwt token"), Authorization, CHECK_KEY),
    gateway(403, Text::Starts("Access Denied"), Authorization, ALLOW),
    // key-auth and basic-auth
    gateway(401, Text::Starts("Request denied by Key Auth check"), Authorization, CHECK_KEY),
    gateway(403, Text::Starts("Request denied by Key Auth check"), Authorization, CHECK_KEY),
    reworded(401, Text::Empty, Authorization, "The key is missing or unknown", CHECK_KEY),
    reworded(403, Text::Empty, Authorization, "The consumer may not use this route, or a firewall rule applies", ALLOW),
    // replay-protection
    gateway(400, Text::Starts("Missing Required Header"), Authorization, "Set nonce to true in advanced_options"),
    gateway(
        400,
        Text::Starts("Invalid Nonce"),
        Authorization,
        "Let the gateway's replay-protection plugin accept a UUID",
    ),
    gateway(
        429,
        Text::Starts("Replay Attack Detected"),
        RateLimited,
        "A proxy on the way sent the request twice; try again",
    ),
    // routing
    reworded(404, Text::Empty, BadRequest, "No route of the gateway matches this address and model", ROUTE),
    reworded(503, Text::Empty, ServerUnavailable, "The gateway has no service behind this route", UPSTREAM),
    gateway(503, Text::Starts("no healthy upstream"), ServerUnavailable, UPSTREAM),
    gateway(
        503,
        Text::Starts("upstream connect error or disconnect/reset before headers"),
        ServerUnavailable,
        UPSTREAM,
    ),
    gateway(503, Text::Starts("envoy overloaded"), ServerUnavailable, "The gateway is overloaded: try again later"),
    gateway(504, Text::Starts("upstream request timeout"), ServerUnavailable, SLOW),
    gateway(504, Text::Starts("stream timeout"), ServerUnavailable, SLOW),
    reworded(504, Text::Empty, ServerUnavailable, "The model service did not answer the gateway in time", SLOW),
    any(431, 431, BadRequest, Some("Send fewer or shorter extra headers")),
    // ai-proxy
    gateway(
        500,
        Text::Has("unsupported API name"),
        ServerUnavailable,
        "The gateway's AI provider of this route does not serve this API: choose another protocol in the model's settings",
    ),
    reworded(
        500,
        Text::Has("no message found in the request body"),
        ServerUnavailable,
        "failed to process request body: no message found in it",
        "Send at least one message that is not empty",
    ),
    gateway(
        500,
        Text::Starts("failed to process request body"),
        ServerUnavailable,
        "The gateway's ai-proxy plugin cannot convert this request: see its log",
    ),
    gateway(
        500,
        Text::Starts("failed to process request headers"),
        ServerUnavailable,
        "The gateway's ai-proxy plugin cannot convert this request: see its log",
    ),
    gateway(
        500,
        Text::Starts("failed to process response body"),
        ServerUnavailable,
        "The gateway's ai-proxy plugin cannot convert the provider's answer: see its log",
    ),
    // limits and quotas
    gateway(429, Text::Starts("Too many requests"), RateLimited, LATER),
    gateway(429, Text::Starts("Exceeded maximum request limit from ai-load-balancer"), RateLimited, LATER),
    gateway(429, Text::Starts("local_rate_limited"), RateLimited, LATER),
    gateway(403, Text::Has("ai quota check, No quota left"), BadRequest, "Raise this consumer's quota in the gateway"),
    gateway(403, Text::Has("ai quota check"), Authorization, ALLOW),
    gateway(401, Text::Has("ai quota check"), Authorization, CHECK_KEY),
    gateway(
        403,
        Text::Starts("RBAC: access denied"),
        Authorization,
        "A rule of the gateway denies this client: check its access policy",
    ),
    // ai-security-guard and ai-data-masking
    gateway(
        403,
        Text::Has("\"blockedDetails\""),
        BadRequest,
        "The gateway's content check refused the input: change it",
    ),
    gateway(403, Text::Has("\"denyMessage\""), BadRequest, "The gateway's content check refused the input: change it"),
    // by status alone
    any(
        300,
        399,
        BadRequest,
        Some("Redirects are not followed: write the final address into the endpoint URL, with https if it asks for it"),
    ),
    any(401, 401, Authorization, Some(CHECK_KEY)),
    any(402, 402, BadRequest, Some("Top up the account at the provider")),
    any(403, 403, Authorization, Some("Check that the credential may use this route and this model")),
    any(404, 404, BadRequest, Some("Check the endpoint URL and the model's name")),
    any(
        407,
        407,
        BadRequest,
        Some("The proxy asks who is calling: check it in advanced_options or in the environment"),
    ),
    any(408, 408, Timeout, Some("Try again later")),
    any(413, 413, BadRequest, Some(SMALLER)),
    any(429, 429, RateLimited, Some(BUSY)),
    any(400, 499, BadRequest, Some(REFUSED)),
    any(500, 599, ServerUnavailable, Some(FAILED)),
    any(0, u16::MAX, ServerUnavailable, None),
];

/// Beginnings of error codes and types, without regard to case, for errors without a status; the first that applies
/// counts. Names are those of OpenAI, Anthropic and DashScope.
pub const CODES: &[(&str, ErrorKind)] = &[
    ("rate_limit", RateLimited),
    ("insufficient_quota", RateLimited),
    ("throttling", RateLimited),
    ("limitrequests", RateLimited),
    ("too_many_requests", RateLimited),
    ("invalid_api_key", Authorization),
    ("invalidapikey", Authorization),
    ("accessdenied", Authorization),
    ("authentication", Authorization),
    ("permission", Authorization),
    ("model_access_denied", Authorization),
    ("invalid_request", BadRequest),
    ("invalid_parameter", BadRequest),
    ("invalidparameter", BadRequest),
    ("invalid_prompt", BadRequest),
    ("context_length_exceeded", BadRequest),
    ("string_above_max_length", BadRequest),
    ("datainspectionfailed", BadRequest),
    ("data_inspection_failed", BadRequest),
    ("content_filter", BadRequest),
    ("content_policy", BadRequest),
    ("model_not_found", BadRequest),
    ("modelnotfound", BadRequest),
    ("not_found", BadRequest),
    ("badrequest", BadRequest),
    ("request_too_large", BadRequest),
    ("arrearage", BadRequest),
];

/// Words of a message that say the same where a code does not.
const WORDS: &[(&str, ErrorKind)] = &[
    ("rate limit", RateLimited),
    ("too many requests", RateLimited),
    ("invalid api key", Authorization),
    ("incorrect api key", Authorization),
    ("context length", BadRequest),
    ("inappropriate content", BadRequest),
];

/// Codes whose kind is better known from the code than from the status that came with it.
const CODE_BEFORE_STATUS: &[&str] =
    &["invalid_api_key", "invalidapikey", "datainspectionfailed", "data_inspection_failed"];

/// What to do about an error, by the beginning of its code or type.
const CODE_ADVICE: &[(&str, &str)] = &[
    ("context_length_exceeded", "Shorten the conversation, or set context_size so that Dify does"),
    ("string_above_max_length", "Shorten the conversation, or set context_size so that Dify does"),
    ("model_not_found", "Check the model's name against the gateway's route and the provider"),
    ("modelnotfound", "Check the model's name against the gateway's route and the provider"),
    ("insufficient_quota", "Top up the account at the provider"),
    ("arrearage", "Top up the account at the provider"),
    ("invalid_api_key", "Check the provider's key in the gateway, and the consumer's key in the model's settings"),
    ("invalidapikey", "Check the provider's key in the gateway, and the consumer's key in the model's settings"),
    ("datainspectionfailed", "The provider's content check refused this conversation: change the question"),
    ("data_inspection_failed", "The provider's content check refused this conversation: change the question"),
];

impl Rule {
    fn applies(&self, text: &str, origin: Option<Origin>) -> bool {
        match self.text {
            // Words are the gateway's own wherever they come from; nothing at all may be anybody's.
            Text::Empty => text.is_empty() && origin != Some(Origin::Provider),
            Text::Starts(words) => starts_with(text, words),
            Text::Has(words) => text.contains(words),
            Text::Any => true,
        }
    }
}

/// The row of an answer with `status` and the body `text`, that `origin` made if that is certain.
pub(super) fn rule(status: u16, text: &str, origin: Option<Origin>) -> Option<&'static Rule> {
    RULES.iter().find(|rule| (rule.status.0..=rule.status.1).contains(&status) && rule.applies(text, origin))
}

/// The row of a gateway's own words under any status: a gateway can be told to say them with 200.
pub(super) fn rule_of_words(text: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| matches!(rule.text, Text::Starts(_) | Text::Has(_)) && rule.applies(text, None))
}

/// The kind of an error from what its body says, where that is better than its status.
pub(super) fn kind_before_status(code: &str) -> Option<ErrorKind> {
    if CODE_BEFORE_STATUS.iter().any(|known| starts_with(code, known)) { kind_of_code(code) } else { None }
}

/// The kind of an error by its code or type.
pub(super) fn kind_of_code(code: &str) -> Option<ErrorKind> {
    CODES.iter().find(|(known, _)| starts_with(code, known)).map(|(_, kind)| *kind)
}

/// What to do about an error with this code or type.
pub(super) fn advice_of_code(code: &str) -> Option<&'static str> {
    CODE_ADVICE.iter().find(|(known, _)| starts_with(code, known)).map(|(_, advice)| *advice)
}

/// The kind of an error by its words.
pub(super) fn kind_of_words(message: &str) -> Option<ErrorKind> {
    let message = message.to_lowercase();
    WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, kind)| *kind)
}

fn starts_with(text: &str, words: &str) -> bool {
    text.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words))
}
