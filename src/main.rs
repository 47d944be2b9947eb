//! The `higress-dify-plugin` program.

// musl's own allocator takes one lock for all threads; with thousands of streams that lock would be the limit.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Systems that give every process huge pages would make a heap of kilobytes one of megabytes for each thread. Where
    // that cannot be turned off, it takes more memory and works as well.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    higress_dify_plugin::cli::main()
}
