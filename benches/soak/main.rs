//! A mixed load with faults, for minutes: does memory stay flat, does every session end once, does a heartbeat come late?
//!
//! `cargo bench --bench soak -- --minutes 10` starts the built-in gateway with its hostile twin and the plugin on
//! pipes, keeps `--users 100` calls going, and prints one table. It fails when a bound does not hold. `--program FILE`
//! names another build, for example the static one that is shipped. Needs Linux (`/proc`).

mod calls;
mod driver;
mod gateway;
mod plugin;
mod report;

use driver::Driver;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let options = Options::read();
    let gateway = gateway::Gateway::start(&options.program);
    let mut driver = Driver::new(plugin::Plugin::start(&options.program), calls::Mix::new(&gateway), options.users);
    driver.run(options.time);
    let seen = driver.end(&gateway);
    println!("{}", report::table(&options, &seen));
    let broken = report::broken(&seen);
    for promise in &broken {
        println!("BROKEN: {promise}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the command line asks for.
struct Options {
    time: Duration,
    users: usize,
    program: String,
}

impl Options {
    fn read() -> Self {
        let program = env!("CARGO_BIN_EXE_higress-dify-plugin").to_owned();
        let mut options = Self { time: Duration::from_secs(600), users: 100, program };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("a value behind it");
            match argument.as_str() {
                "--minutes" => options.time = Duration::from_secs_f64(60.0 * value().parse::<f64>().expect("a number")),
                "--users" => options.users = value().parse().expect("a whole number"),
                "--program" => options.program = value(),
                "--bench" => {} // what cargo bench adds
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
}
