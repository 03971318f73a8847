//! The README's walk through a Dormant, an Active and a Mixed home, run as printed: what is shown is what is said.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::gate::desk;

/// The console blocks of the section, as pairs of a command and what it is shown to say.
fn shown() -> Vec<(String, String)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let section = readme.split("\n## A Dormant, an Active and a Mixed home\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("console\n"));
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let mut shown: Vec<(String, String)> = Vec::new();
    for line in joined.iter().flat_map(|block| block.lines()) {
        match line.strip_prefix("$ ") {
            Some(command) => shown.push((command.to_owned(), String::new())),
            None => {
                let (_, said) = shown.last_mut().expect("a block begins with a command");
                said.push_str(line);
                said.push('\n');
            }
        }
    }
    shown
}

#[test]
fn the_readme_shows_what_explain_and_plan_say() {
    let desk = desk();
    let shown = shown();
    assert!(shown.len() >= 6, "{shown:?}");
    let binaries = Path::new(env!("CARGO_BIN_EXE_lamplighter")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", binaries.display());
    for (command, expected) in shown {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command]).current_dir(desk.path(".")).env_clear().env("PATH", &path);
        let output = shell.output().unwrap();
        // Beside the data, only errors and hints are shown; what is said on the way is for whoever runs it.
        let errors = String::from_utf8(output.stderr).unwrap();
        let is_shown = |line: &&str| line.starts_with("error: ") || line.starts_with("hint: ");
        let errors: String = errors.lines().filter(is_shown).map(|line| format!("{line}\n")).collect();
        let said = String::from_utf8(output.stdout).unwrap() + &errors;
        assert_eq!(said, expected, "`{command}`");
    }
}
