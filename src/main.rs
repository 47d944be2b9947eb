//! The `higress-dify-plugin` program.

// musl's own allocator takes one lock for all threads; with thousands of streams that lock would be the limit.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    higress_dify_plugin::cli::main()
}
