//! Arguments in, exit code out.

/// Runs the program with its arguments (the first is the program's name).
pub fn run(_args: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
