//! The event store's conformance suite against the store in memory. In a browser the same cases run against `IndexedDB`.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use longhaul_runner::memory::MemoryHistories;
use longhaul_state_tests::conformance::event_store::{CASES, Factory, run};
use longhaul_state_tests::conformance::golden;

struct Shared(MemoryHistories);

impl Factory for Shared {
    type Store = MemoryHistories;

    fn open(&self) -> MemoryHistories {
        self.0.clone()
    }
}

fn conforms(case: &str) {
    let factory = Shared(MemoryHistories::new());
    // MemoryHistories never waits, so one poll is a whole run.
    let outcome = pin!(run(case, &factory)).poll(&mut Context::from_waker(Waker::noop()));
    match outcome {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(message)) => panic!("{case}: {message}"),
        Poll::Pending => panic!("{case}: the store in memory had to wait"),
    }
}

/// One test per case, and none forgotten.
macro_rules! tests {
    ($($case:ident,)*) => {
        $(#[test]
        fn $case() {
            conforms(stringify!($case));
        })*

        #[test]
        fn every_case_of_the_suite_is_a_test_here() {
            assert_eq!(CASES, [$(stringify!($case)),*]);
        }
    };
}

tests! {
    a_fresh_store_is_empty,
    what_was_appended_is_read_back_as_it_was_written,
    a_log_is_gapless_from_one,
    several_entries_of_one_append_follow_each_other,
    an_append_to_an_old_state_is_a_conflict_and_writes_nothing,
    an_append_ahead_of_the_log_is_a_conflict,
    a_conflict_on_a_new_download_says_zero,
    of_two_writers_at_once_exactly_one_wins,
    many_writers_that_read_again_lose_no_entry,
    appending_no_entry_still_replaces_the_head,
    heads_list_every_download_once,
    reading_starts_after_and_stops_at_the_limit,
    a_limit_of_zero_reads_nothing,
    reading_all_goes_by_download_then_by_sequence,
    downloads_do_not_see_each_other,
    ids_may_be_any_text,
    texts_may_be_any_text,
    large_entries_are_kept_whole,
    many_entries_are_kept_in_order,
    links_are_put_kept_and_deleted,
    a_conflict_leaves_the_links_alone,
    forgetting_deletes_entries_head_and_links,
    forgetting_an_old_state_is_a_conflict_and_deletes_nothing,
    forgetting_what_never_was_is_no_error,
    a_forgotten_download_begins_anew,
    an_append_after_a_forget_is_a_conflict,
    of_a_forget_and_an_append_at_once_exactly_one_wins,
    a_second_handle_sees_what_the_first_wrote,
}

#[test]
fn golden_histories_fold_here_to_the_texts_that_a_browser_must_fold_them_to() {
    let broken: Vec<_> = golden::CASES
        .iter()
        .map(|case| {
            let outcome =
                pin!(golden::run(case, &())).poll(&mut Context::from_waker(Waker::noop()));
            (case, outcome)
        })
        .filter(|(_, outcome)| *outcome != Poll::Ready(Ok(())))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
