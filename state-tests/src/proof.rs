//! The table of `docs/proof.md`: which law is held by which tests. `tests/proof.rs` sees to it that every test named here
//! exists and is run, and that the table in the document is the one printed from here (`--example proof`).

use std::fmt::Write;

/// A law and what holds it. Tests are named `file::function`, below `state-tests/tests`.
#[derive(Debug, Clone, Copy)]
pub struct Law {
    /// Its number in DESIGN.
    pub number: u32,
    /// What it says, in short.
    pub says: &'static str,
    /// Properties over arbitrary cases.
    pub properties: &'static [&'static str],
    /// The property that is checked at every moment of every exhausted world, by its constant in `model/laws.rs`, and
    /// tests in which it plays a part of its own.
    pub model: &'static [&'static str],
    /// Whether the simulated browser checks it after every step.
    pub simulated: bool,
    /// Files below `core/src` whose mutants it is to catch.
    pub mutants: &'static [&'static str],
}

/// The test that runs the simulated browser.
pub const SIMULATION: &str = "sim/main.rs::no_order_of_faults_loses_a_download_or_invents_one";

/// Every law.
pub const LAWS: [Law; 15] = [
    Law {
        number: 1,
        says: "`evolve` is total",
        properties: &[
            "laws/l01_any_history_folds.rs::any_sequence_of_events_folds_to_a_state_that_can_be_shown",
            "laws/l01_any_history_folds.rs::any_texts_fold_whatever_they_are_and_in_whatever_order",
            "fuzz_corpora.rs::what_fuzzing_found_worth_keeping_holds_whole_and_cut_anywhere",
        ],
        model: &[],
        simulated: false,
        mutants: &["evolve.rs", "entry.rs"],
    },
    Law {
        number: 2,
        says: "a history folds to the same JSON natively and in wasm",
        properties: &[
            "laws/l02_folds_agree.rs::a_life_folds_to_the_same_text_at_once_in_pieces_and_from_a_stored_head",
            "laws/l02_folds_agree.rs::whatever_texts_a_history_holds_a_stored_head_stands_for_them",
            "conformance.rs::golden_histories_fold_here_to_the_texts_that_a_browser_must_fold_them_to",
        ],
        model: &[],
        simulated: false,
        mutants: &["download.rs", "snapshot.rs"],
    },
    Law {
        number: 3,
        says: "an attempt has at most one ending",
        properties: &[
            "laws/l03_one_ending.rs::an_attempt_has_one_ending_whoever_ends_it_first",
            "machine/main.rs::the_machine_is_where_a_smaller_model_says_that_it_is",
        ],
        model: &["model/laws.rs::L3"],
        simulated: true,
        mutants: &["decide.rs", "decide/command.rs"],
    },
    Law {
        number: 4,
        says: "figures never fall and never pass the total",
        properties: &[
            "laws/l04_figures_never_fall.rs::figures_never_fall_although_bytes_vanish_and_browsers_begin_anew",
        ],
        model: &["model/laws.rs::L4"],
        simulated: true,
        mutants: &["decide/transfer.rs", "policy.rs"],
    },
    Law {
        number: 5,
        says: "no success before everything is stored, measured and verified",
        properties: &[
            "laws/l05_nothing_unproven_succeeds.rs::nothing_succeeds_before_its_bytes_are_there_and_right",
        ],
        model: &[
            "model/laws.rs::L5",
            "model/bugs.rs::who_trusts_an_empty_success_has_a_model_of_no_bytes",
            "model/bugs.rs::who_skips_the_hash_takes_other_bytes_for_the_file",
            "model/bugs.rs::who_deletes_without_the_lock_deletes_what_is_available",
        ],
        simulated: true,
        mutants: &["measure.rs", "decide/transfer.rs"],
    },
    Law {
        number: 6,
        says: "the same outcome a second time appends nothing",
        properties: &["laws/l06_twice_is_once.rs::an_outcome_that_arrives_twice_is_told_once"],
        model: &[
            "model/laws.rs::L6",
            "model/worlds.rs::laws_hold_although_outcomes_come_twice",
        ],
        simulated: false,
        mutants: &["decide/transfer.rs"],
    },
    Law {
        number: 7,
        says: "a stale signal changes no state",
        properties: &["laws/l07_stale_is_a_look.rs::a_stale_outcome_says_no_more_than_a_look"],
        model: &[
            "model/laws.rs::L7",
            "model/bugs.rs::who_accepts_a_stale_attempt_is_told_what_is_no_longer_so",
        ],
        simulated: true,
        mutants: &["decide/probe.rs", "decide/transfer.rs"],
    },
    Law {
        number: 8,
        says: "with finitely many faults every download ends",
        properties: &[
            "laws/l08_every_download_ends.rs::whatever_happened_before_a_download_ends_once_nothing_goes_wrong_any_more",
        ],
        model: &[
            "model/laws.rs::L8",
            "model/measure.rs::every_life_ends_wherever_a_tab_or_the_worker_dies",
            "model/measure.rs::every_life_ends_wherever_the_browser_is_killed",
            "model/bugs.rs::who_rests_for_ever_does_not_see_the_worker_die",
        ],
        simulated: true,
        mutants: &["decide.rs", "plan.rs"],
    },
    Law {
        number: 9,
        says: "after a crash between any two steps `plan` names exactly what is missing",
        properties: &[
            "laws/l09_plans_are_exact.rs::were_everybody_to_die_now_a_new_page_would_name_exactly_what_is_missing",
        ],
        model: &[
            "model/laws.rs::L9",
            "model/bugs.rs::who_acts_before_appending_runs_what_no_event_licenses",
        ],
        simulated: true,
        mutants: &["plan.rs"],
    },
    Law {
        number: 10,
        says: "many writers, one gapless history, no lost event",
        properties: &[
            "laws/l10_one_history.rs::writers_interleaved_anyhow_yield_one_gapless_history_in_which_nothing_is_lost",
            "conformance.rs::many_writers_that_read_again_lose_no_entry",
        ],
        model: &[
            "model/laws.rs::L10",
            "model/bugs.rs::who_skips_the_conflict_check_loses_an_event",
        ],
        simulated: true,
        mutants: &["download.rs"],
    },
    Law {
        number: 11,
        says: "a part is stored once, and under way at most once",
        properties: &[
            "laws/l11_parts_move_once.rs::where_nothing_is_lost_no_part_is_asked_for_twice",
        ],
        model: &[
            "model/laws.rs::L11",
            "model/bugs.rs::who_takes_an_absent_registration_for_a_lost_one_fetches_what_is_there",
            "model/bugs.rs::who_works_without_the_lock_fetches_what_another_tab_fetches",
            "model/bugs.rs::who_accounts_before_storing_fetches_what_had_come",
        ],
        simulated: true,
        mutants: &["plan.rs", "parts.rs"],
    },
    Law {
        number: 12,
        says: "an attempt has at most 200 entries",
        properties: &[
            "laws/l12_histories_stay_short.rs::however_long_the_trouble_an_attempt_has_at_most_200_entries",
            "laws/l12_histories_stay_short.rs::an_attempt_that_a_person_hurries_on_and_on_has_at_most_200_entries",
        ],
        model: &[],
        simulated: true,
        mutants: &["decide.rs", "policy.rs"],
    },
    Law {
        number: 13,
        says: "entries round-trip, unknown fields and types survive, old versions are read",
        properties: &[
            "laws/l13_entries_survive.rs::every_entry_is_one_line_that_reads_back_as_itself",
            "laws/l13_entries_survive.rs::fields_of_another_version_change_nothing_that_is_read",
            "laws/l13_entries_survive.rs::an_event_of_an_unknown_type_is_counted_and_shown_until_a_new_request",
            "laws/l13_entries_survive.rs::every_entry_of_version_1_says_what_its_upcast_says",
            "laws/l13_json_reads_like_any_other.rs::any_json_in_a_field_that_nobody_reads_changes_nothing_however_it_is_spaced",
            "golden.rs::golden_files_are_what_they_were_when_they_were_released",
            "golden.rs::golden_histories_fold_to_the_snapshots_they_always_folded_to",
            "golden.rs::golden_entries_of_version_1_are_written_today_with_the_words_of_version_2_and_nothing_else",
        ],
        model: &[],
        simulated: true,
        mutants: &["entry.rs", "event.rs", "event/words.rs"],
    },
    Law {
        number: 14,
        says: "no credential, header value or blanked parameter is kept or said",
        properties: &[
            "laws/l14_no_secret_is_kept.rs::no_secret_of_a_url_is_in_the_history_a_snapshot_a_plan_or_a_refusal",
            "laws/l14_no_secret_is_kept.rs::a_spec_that_is_refused_is_refused_without_its_secrets",
        ],
        model: &[],
        simulated: true,
        mutants: &["identity.rs", "spec.rs"],
    },
    Law {
        number: 18,
        says: "no request is repeated without a delay",
        properties: &[
            "laws/l18_no_request_is_repeated_without_a_delay.rs::whoever_does_what_is_planned_repeats_no_failed_request_without_a_delay",
            "laws/l18_no_request_is_repeated_without_a_delay.rs::who_once_repeated_a_request_at_once_no_longer_does",
        ],
        model: &[
            "model/laws.rs::L18",
            "model/bugs.rs::who_repeats_without_a_delay_asks_a_server_for_ever",
        ],
        simulated: false,
        mutants: &["decide.rs", "plan.rs"],
    },
];

/// The mutants of one file: how many could be built, and how many of those were caught.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// Below `core/src`.
    pub file: &'static str,
    /// Mutants that compile.
    pub viable: u32,
    /// Those that a test noticed.
    pub caught: u32,
}

/// What mutation testing found last; see `.cargo/mutants.toml` for how, and `docs/proof.md` for when.
pub const SCORES: &[Score] = &[
    Score {
        file: "decide.rs",
        viable: 56,
        caught: 56,
    },
    Score {
        file: "decide/command.rs",
        viable: 15,
        caught: 15,
    },
    Score {
        file: "decide/probe.rs",
        viable: 36,
        caught: 36,
    },
    Score {
        file: "decide/room.rs",
        viable: 6,
        caught: 6,
    },
    Score {
        file: "decide/transfer.rs",
        viable: 125,
        caught: 125,
    },
    Score {
        file: "download.rs",
        viable: 61,
        caught: 61,
    },
    Score {
        file: "effect.rs",
        viable: 3,
        caught: 3,
    },
    Score {
        file: "entry.rs",
        viable: 12,
        caught: 12,
    },
    Score {
        file: "event.rs",
        viable: 18,
        caught: 18,
    },
    Score {
        file: "event/words.rs",
        viable: 15,
        caught: 15,
    },
    Score {
        file: "evolve.rs",
        viable: 9,
        caught: 9,
    },
    Score {
        file: "transfer_error.rs",
        viable: 2,
        caught: 2,
    },
    Score {
        file: "file.rs",
        viable: 29,
        caught: 29,
    },
    Score {
        file: "identity.rs",
        viable: 24,
        caught: 24,
    },
    Score {
        file: "input.rs",
        viable: 12,
        caught: 12,
    },
    Score {
        file: "job.rs",
        viable: 6,
        caught: 6,
    },
    Score {
        file: "measure.rs",
        viable: 43,
        caught: 43,
    },
    Score {
        file: "parts.rs",
        viable: 48,
        caught: 48,
    },
    Score {
        file: "plan.rs",
        viable: 43,
        caught: 43,
    },
    Score {
        file: "policy.rs",
        viable: 48,
        caught: 48,
    },
    Score {
        file: "snapshot.rs",
        viable: 20,
        caught: 20,
    },
    Score {
        file: "spec.rs",
        viable: 55,
        caught: 55,
    },
];

/// The table, as it stands in `docs/proof.md`.
#[must_use]
pub fn table() -> String {
    let mut table = String::from(
        "| law | property | model-checked worlds | simulation | mutants caught |\n| --- | --- | --- | --- | --- |\n",
    );
    for law in &LAWS {
        let simulation: &[&str] = if law.simulated { &[SIMULATION] } else { &[] };
        let scores: Vec<String> = law.mutants.iter().map(|file| score(file)).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| L{} {} | {} | {} | {} | {} |",
            law.number,
            law.says,
            cell(law.properties),
            cell(law.model),
            cell(simulation),
            scores.join("<br>")
        );
    }
    table
}

/// The worlds that are exhausted in an ordinary run, each with the number of its moments; then their sum.
///
/// # Panics
/// Where the list in `tests/model/worlds.rs` is not written as expected.
#[must_use]
pub fn worlds() -> String {
    let mut rows = String::from("| world | moments |\n| --- | --- |\n");
    let mut sum = 0;
    for (name, moments) in pins(include_str!("../tests/model/worlds.rs")) {
        let _ = writeln!(rows, "| `{name}` | {} |", thousands(moments));
        sum += moments;
    }
    let _ = writeln!(rows, "| all | {} |", thousands(sum));
    rows
}

/// The longest life, in steps, of the worlds for which it is computed.
#[must_use]
pub fn longest_lives() -> (u64, u64) {
    let lives = pins(include_str!("../tests/model/measure.rs"));
    let steps = lives.iter().map(|(_, steps)| *steps);
    (steps.clone().min().unwrap_or(0), steps.max().unwrap_or(0))
}

/// Lines `name(WORLD, 1_234);` that no `#[ignore]` stands above.
fn pins(source: &str) -> Vec<(&str, u64)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let pairs = lines
        .windows(2)
        .filter(|pair| !pair[0].starts_with("#[ignore"));
    pairs
        .filter_map(|pair| {
            let (name, rest) = pair[1].strip_suffix(");")?.split_once('(')?;
            let (_, number) = rest.split_once(", ")?;
            Some((name, number.replace('_', "").parse().ok()?))
        })
        .collect()
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

fn cell(tests: &[&str]) -> String {
    if tests.is_empty() {
        return "–".into();
    }
    let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
    tests.join("<br>")
}

fn score(file: &str) -> String {
    SCORES.iter().find(|score| score.file == file).map_or_else(
        || format!("`{file}` –"),
        |score| format!("`{file}` {} of {}", score.caught, score.viable),
    )
}
