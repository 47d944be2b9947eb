//! The `higress-dify-plugin` program.

fn main() -> std::process::ExitCode {
    higress_dify_plugin::cli::main()
}
