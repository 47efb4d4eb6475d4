//! Help in two levels: `-h` fits a screen, with the usual verbs and options; `--help` has all of them, with explanations.
//! An option that is not usual has the attribute `hide_short_help`.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::{Arguments, failure};

/// The verbs by their users. `-h` leaves out the verbs of the second list.
const GROUPS: [Group; 4] = [
    Group {
        title: "For members",
        usual: &["identity", "deposit", "status", "post", "badge", "exit", "withdraw"],
        more: &["ledger", "author"],
    },
    Group { title: "For readers", usual: &["verify", "policy", "watch", "report"], more: &["slash", "sync"] },
    Group { title: "For operators", usual: &["registry", "relay", "moderate", "keys"], more: &["bench", "circuit"] },
    Group { title: "For everybody", usual: &["demo", "dev", "config"], more: &["completions", "man"] },
];

const TEMPLATE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options of every verb:\n{options}{after-help}";

struct Group {
    title: &'static str,
    usual: &'static [&'static str],
    more: &'static [&'static str],
}

/// Returns the parser of the program's arguments, with its verbs in groups.
pub(super) fn command() -> Command {
    let command = Arguments::command();
    let (usual, all) = (verbs(&command, false), verbs(&command, true));
    command
        .help_template(TEMPLATE)
        .before_help(usual)
        .before_long_help(all)
        .after_help("`quotapass VERB -h` shows a verb; `--help` shows all verbs, options and exit codes.")
        .after_long_help(failure::help())
}

/// Formats the verbs in groups, one line each.
fn verbs(command: &Command, all: bool) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let width = command.get_subcommands().map(|verb| verb.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for Group { title, usual, more } in &GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{header}{title}:{header:#}");
        for name in usual.iter().chain(more.iter().filter(|_| all)) {
            let about = command.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name}{literal:#}{:1$}  {about}", "", width - name.len());
        }
    }
    text.trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a screen that the short help must fit, and their columns. A terminal wraps longer lines.
    const LINES: usize = 40;
    const COLUMNS: usize = 100;

    /// Calls a function with each verb and its name, the program itself included.
    fn each(visit: &mut impl FnMut(&str, &Command)) {
        fn visit_all(name: &str, command: &Command, visit: &mut impl FnMut(&str, &Command)) {
            visit(name, command);
            for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
                visit_all(&format!("{name} {}", verb.get_name()), verb, visit);
            }
        }
        let mut command = command();
        command.build();
        visit_all("quotapass", &command, visit);
    }

    fn short(command: &Command) -> String {
        command.clone().render_help().to_string()
    }

    fn long(command: &Command) -> String {
        command.clone().render_long_help().to_string()
    }

    /// Returns the option that a line describes.
    fn option_of(line: &str) -> Option<&str> {
        let line = line.trim_start();
        let line = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
        line.split(' ').next().filter(|word| word.starts_with("--"))
    }

    #[test]
    fn the_short_help_of_each_verb_fits_a_screen() {
        let mut count = 0;
        each(&mut |name, command| {
            let text = short(command);
            let lines: usize = text.lines().map(|line| line.chars().count().div_ceil(COLUMNS).max(1)).sum();
            assert!(lines <= LINES, "{name}: {lines} lines\n{text}");
            count += 1;
        });
        assert!(count > 40, "{count} verbs");
    }

    #[test]
    fn verbs_are_listed_on_one_line_each() {
        each(&mut |name, command| {
            let text = long(command);
            for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
                let about = verb.get_about().unwrap().to_string();
                let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{} ", verb.get_name())));
                let fits = |line: &str| line.ends_with(&about) && line.chars().count() <= COLUMNS;
                assert!(line.is_some_and(fits), "{name} {}: {line:?}", verb.get_name());
            }
        });
    }

    #[test]
    fn the_long_help_names_every_option_and_the_short_help_the_usual_ones() {
        let mut rare = 0;
        each(&mut |name, command| {
            let (short, long) = (short(command), long(command));
            let names = |text: &str, flag: &str| text.lines().any(|line| option_of(line) == Some(flag));
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(flag) = argument.get_long().map(|flag| format!("--{flag}")) else { continue };
                assert!(names(&long, &flag), "{name} {flag}\n{long}");
                assert_eq!(names(&short, &flag), !argument.is_hide_short_help_set(), "{name} {flag}\n{short}");
                rare += usize::from(argument.is_hide_short_help_set());
            }
        });
        assert!(rare > 0);
        let mut command = command();
        command.build();
        let post = command.find_subcommand("post").unwrap();
        assert!(short(post).contains("--scope") && !short(post).contains("--trust-ledger"));
        assert!(long(post).contains("--trust-ledger") && long(post).contains("the deposit is lost"));
        assert!(long(&command).contains("Exit codes:") && !short(&command).contains("Exit codes:"));
    }

    #[test]
    fn every_verb_is_in_one_group() {
        let command = Arguments::command();
        let mut known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        let mut listed: Vec<_> =
            GROUPS.iter().flat_map(|group| group.usual.iter().chain(group.more)).copied().collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known);
    }
}
