//! `kith completion`: what a shell needs to complete the words of a command.

use anyhow::Context as _;
use clap_complete::{Shell, generate};

use super::ask::answered;
use crate::args::{Cli, CompletionArgs, ShellName};
use crate::exit::Exit;
use crate::render;

/// Prints it.
pub(crate) fn run(args: &CompletionArgs) -> anyhow::Result<Exit> {
    answered(render::print(script(args.shell)?.trim_end()), Exit::Ok)
}

fn script(shell: ShellName) -> anyhow::Result<String> {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::for_people(), "kith", &mut script);
    String::from_utf8(script).context("the script is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_the_verbs_for_people_and_no_other() {
        for shell in [ShellName::Bash, ShellName::Zsh, ShellName::Fish] {
            let script = script(shell).unwrap();
            for verb in Cli::for_people().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell:?}: {}", verb.get_name());
            }
            assert!(!script.contains("run-sidecar") && !script.contains("demo-service"), "{shell:?}");
        }
    }
}
