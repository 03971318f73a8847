//! The README's walk through the signing desk, run as printed: commands succeed, and say what the README shows.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A block of the section: the language behind the fence, and its lines.
struct Block {
    language: String,
    text: String,
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn blocks_of_section() -> Vec<Block> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split("\n## The signing desk\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    let block = |text: &str| {
        let (language, text) = text.split_once('\n').unwrap();
        Block { language: language.to_owned(), text: text.to_owned() }
    };
    fenced.map(block).collect()
}

/// The commands of a console block, each on one line.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

fn run(folder: &Path, command: &str) -> Output {
    let binaries = Path::new(env!("CARGO_BIN_EXE_lamplighter")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", binaries.display());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-e", "-c", command]).current_dir(folder).env_clear().env("PATH", path);
    shell.output().unwrap()
}

/// Leaves out what differs from run to run: fingerprints and digests, moments, and what `…` stands for.
fn normalised(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|mark: char| matches!(mark, '(' | ')' | ',' | '…' | ';' | ':'));
        let is_digest = bare.len() >= 16 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_moment = bare.len() == 20 && bare.ends_with('Z') && bare.contains('T');
        if is_digest || is_moment { "#".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_readme_takes_a_stranger_from_keygen_to_a_revoked_key_in_ten_commands() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("examples")).unwrap();
    for file in ["LICENSE-APACHE", "examples/policy.toml", "examples/targets.csv"] {
        fs::copy(repository().join(file), folder.path().join(file)).unwrap();
    }
    let (mut said, mut count, mut verify) = (String::new(), 0, None);
    for Block { language, text } in blocks_of_section() {
        if language == "console" {
            said.clear();
            for command in commands(&text) {
                count += 1;
                let output = run(folder.path(), &command);
                said.push_str(&String::from_utf8_lossy(&output.stdout));
                said.push_str(&String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "`{command}`: {said}");
                if command.starts_with("lamplighter image verify app.signed.ota") {
                    verify = Some(command);
                }
            }
            continue;
        }
        if count == 10 && text.starts_with("error:") {
            let refused = run(folder.path(), &verify.clone().unwrap());
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            said = String::from_utf8(refused.stderr).unwrap();
        }
        let real: Vec<String> = said.lines().map(normalised).collect();
        for line in text.lines().map(normalised).filter(|line| line != "…") {
            assert!(real.contains(&line), "the README shows `{line}`, the command said:\n{said}");
        }
    }
    assert_eq!(count, 10);
}
