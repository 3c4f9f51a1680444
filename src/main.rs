//! `portmap-deploy`: see the library for everything.

fn main() -> std::process::ExitCode {
    portmap_deploy::run(std::env::args_os())
}
