//! `demo`: the plugin at work against the built-in gateway, as Dify would use it.

mod check;
mod show;
mod steps;

use super::answer::Answer;
use super::block_on;
use super::host::Host;
use super::terminal::Color;
use crate::standin::{Config, Consumer, Recorded, Standin, spawn};
use anyhow::{Context as _, bail};
use show::Show;
use std::time::{Duration, Instant};
use steps::{Chapter, Step};

/// Shows the plugin at work: every scenario, every way to sign, on this machine alone.
///
/// Starts the built-in gateway on a free port and the plugin as a child process, then sends what Dify sends: saving a
/// model, text with thinking and with a tool, a picture, vectors and reranking; without authentication, with an API
/// key, with an HMAC signature, and with a wrong secret. For each it shows what was asked, what the gateway received
/// and signed, and what came back as it streams.
///
/// It succeeds when every answer is what it should be.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON object for each invocation instead
    #[arg(long)]
    json: bool,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// Until the plugin's first heartbeat, and until it has ended.
const PROCESS_LIMIT: Duration = Duration::from_secs(30);
/// Between two messages of an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Between two pieces of an answer, so that a person sees it stream.
const PIECE_DELAY: Duration = Duration::from_millis(15);

/// Runs the demo; an error when an answer is not what it should be.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    block_on(play(options))
}

async fn play(options: &Options) -> anyhow::Result<()> {
    let consumer = Consumer::demo();
    let standin =
        spawn(Config { piece_delay: PIECE_DELAY, ..Config::default() }).context("no port is free on loopback")?;
    let started = Instant::now();
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut host = Host::start(&program)?;
    host.ready(PROCESS_LIMIT).await?;
    let mut show = Show::new(options.json, options.color);
    show.start(&standin, &host, started.elapsed())?;
    let (mut done, mut good) = (0, 0);
    for chapter in steps::chapters(&standin, &consumer) {
        show.chapter(&chapter)?;
        for step in &chapter.steps {
            done += 1;
            good += u32::from(one(&mut host, &standin, &chapter, step, done, &mut show).await?);
        }
    }
    let status = host.finish(PROCESS_LIMIT).await?;
    standin.shutdown().await?;
    show.end(done, good)?;
    if good < done {
        bail!("{} of {done} answers are not what they should be", done - good);
    }
    match status {
        Some(status) if !status.success() => bail!("the plugin ended with {status}"),
        _ => Ok(()),
    }
}

/// Sends one invocation and shows it; whether all was as it should be.
async fn one(
    host: &mut Host,
    standin: &Standin,
    chapter: &Chapter,
    step: &Step,
    number: u32,
    show: &mut Show,
) -> anyhow::Result<bool> {
    show.asked(number, step)?;
    let before = standin.requests().last().map_or(0, |record| record.number);
    let calls =
        || -> Vec<Recorded> { standin.requests().into_iter().filter(|record| record.number > before).collect() };
    let started = Instant::now();
    let mut session = host.invoke(&step.data).await?;
    let mut told = false;
    let answer = Answer::read(&mut session, started, ANSWER_LIMIT, |text| {
        if !told {
            told = true;
            show.received(&calls())?;
        }
        show.piece(text)
    })
    .await?;
    let problem = check::problem(step, chapter, &answer, &calls());
    show.answered(number, chapter, step, &answer, &calls(), problem.as_deref())?;
    Ok(problem.is_none())
}
