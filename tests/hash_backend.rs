//! No build of ours may lose the processor's SHA instructions: cargo unites the features and flags of a crate for
//! everybody, so that one careless dependency would slow every digest of the house down four times.

use std::process::Command;

/// Lists name, version and features of every package in the house's graph, over edges of these kinds.
fn packages(edges: &str) -> Vec<(String, String, Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "--edges", edges])
        .args(["--format", "{p} | {f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let mut found: Vec<_> = text.lines().filter_map(package).collect();
    found.sort();
    found.dedup();
    found
}

/// Reads `sha2 v0.11.1 | alloc,default`; a package that was listed before ends in `(*)`.
fn package(line: &str) -> Option<(String, String, Vec<String>)> {
    let (package, features) = line.split_once(" | ")?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.to_owned());
    let features = features.trim_end_matches("(*)").trim().split(',').filter(|name| !name.is_empty());
    Some((name, version, features.map(str::to_owned).collect()))
}

#[test]
fn the_house_hashes_with_one_sha2_that_has_no_feature_to_slow_it_down() {
    let sha2: Vec<_> = packages("normal").into_iter().filter(|(name, _, _)| name == "sha2").collect();
    let [(_, version, features)] = &sha2[..] else { panic!("expected one sha2, found {sha2:?}") };
    assert!(version.starts_with("v0.11."), "look anew at how {version} chooses its code");
    let harmless = ["alloc", "default", "oid", "zeroize"];
    let others: Vec<_> = features.iter().filter(|name| !harmless.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "look at what {others:?} of sha2 {version} do");
}

#[test]
fn nobody_turns_on_the_soft_code_of_any_sha2_not_even_for_tests() {
    let sha2: Vec<_> =
        packages("normal,build,dev").into_iter().filter(|(name, _, _)| name == "sha2").collect();
    assert!(!sha2.is_empty(), "the graph was not read");
    for (_, version, features) in sha2 {
        let soft: Vec<_> = features.iter().filter(|name| name.contains("soft")).collect();
        assert!(soft.is_empty(), "sha2 {version} is built with {soft:?}");
    }
}

#[test]
fn no_flag_of_this_build_chooses_the_soft_code() {
    // sha2 0.11 has flags where 0.10 had the feature `force-soft`; flags reach this test as they reach sha2.
    let chosen = cfg!(any(sha2_backend = "soft", sha2_256_backend = "soft"));
    assert!(!chosen, "RUSTFLAGS or .cargo/config.toml set sha2_backend or sha2_256_backend to \"soft\"");
}
