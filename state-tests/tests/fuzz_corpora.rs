//! The corpora of the fuzz targets, as ordinary tests.

use longhaul_state_tests::fuzz::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn what_fuzzing_found_worth_keeping_holds_whole_and_cut_anywhere() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for file in files {
            let data = fs::read(file.expect("readable").path()).expect("readable");
            for end in 0..=data.len() {
                target(&data[..end]);
            }
            count += 1;
        }
        assert!(count >= 5, "{name}: {count} files");
    }
}
