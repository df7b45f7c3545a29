//! The adapters' translation functions: whatever a browser, a server or a stranger says, nothing panics, what is not
//! ours is ignored, and what is ours comes through whole.

use longhaul_browser::channel::{Notice, judge};
use longhaul_browser::deliver::requested_range;
use longhaul_core::{
    Download, Entry, FileVersion, JobEnd, JobId, PartRequest, Policy, Snapshot, Validator,
    is_transfer, measure,
};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::delivery::resource_of;
use longhaul_runner::job::{JobFailure, JobResult, JobState};
use longhaul_runner::links::FullUrls;
use longhaul_runner::translate;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::scenario::{ID, Scenario, ranged_answer, spec};
use longhaul_state_tests::strategies::{
    EVERYTHING, any_entry, any_secretive, any_setup, any_steps, any_text,
};
use longhaul_state_tests::world::World;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A registration id of ours, or something that nearly is one.
fn any_registration() -> impl Strategy<Value = String> {
    let ours = || {
        (any_text(), any_text(), any::<u32>(), any::<u32>()).prop_map(
            |(name, download, attempt, transfer)| {
                JobId {
                    name,
                    download,
                    attempt,
                    transfer,
                }
                .to_string()
            },
        )
    };
    prop_oneof![
        3 => ours(),
        1 => any_text(),
        3 => (ours(), any::<Index>(), any_char(), any::<bool>()).prop_map(
            |(id, place, c, replaces)| {
                let mut id: Vec<char> = id.chars().collect();
                let at = place.index(id.len());
                if replaces {
                    id[at] = c;
                } else {
                    id.insert(at, c);
                }
                id.into_iter().collect()
            }
        ),
    ]
}

fn any_char() -> impl Strategy<Value = char> {
    prop_oneof![
        select(vec!['/', '%', '0', '+', '-', ' ', 'A', '#', '&', '=']),
        any::<char>()
    ]
}

#[test]
fn registration_ids_round_trip_and_every_other_text_is_foreign() {
    prove(
        "regressions/translation-ids.txt",
        &any_registration(),
        &["ours", "foreign"],
        |registration, coverage| {
            if let Some(id) = JobId::parse(&registration) {
                coverage.reached("ours");
                prop_assert_eq!(id.to_string(), registration, "two texts for one id");
            } else {
                coverage.reached("foreign");
            }
            Ok(())
        },
    );
}

#[test]
fn jobs_of_another_name_or_make_are_nobody_of_ours() {
    prove(
        "regressions/translation-jobs.txt",
        &(any_registration(), any_text(), any::<u64>()),
        &["ours", "of another name", "foreign"],
        |(id, other, downloaded), coverage| {
            let state = JobState {
                id: id.clone(),
                downloaded,
                ..JobState::default()
            };
            let Some(parsed) = JobId::parse(&id) else {
                coverage.reached("foreign");
                prop_assert_eq!(translate::job(&state, &other), None);
                return Ok(());
            };
            let (of, job) = translate::job(&state, &parsed.name).expect("it is ours");
            coverage.reached("ours");
            prop_assert_eq!(
                (&of, &job.registration, job.downloaded),
                (&parsed, &id, downloaded)
            );
            if other != parsed.name {
                coverage.reached("of another name");
                prop_assert_eq!(translate::job(&state, &other), None);
            }
            Ok(())
        },
    );
}

#[test]
fn every_end_of_a_job_has_a_meaning_and_only_success_means_success() {
    let result = prop_oneof![
        select(vec!["", "success", "failure"]).prop_map(str::to_owned),
        any_text()
    ];
    let reasons = vec![
        "",
        "aborted",
        "bad-status",
        "fetch-error",
        "quota-exceeded",
        "download-total-exceeded",
    ];
    let reason = prop_oneof![select(reasons).prop_map(str::to_owned), any_text()];
    prove(
        "regressions/translation-ends.txt",
        &(result, reason),
        &["success", "abort", "failure"],
        |(result, reason), coverage| {
            let state = JobState {
                result: JobResult::parse(&result),
                failure: JobFailure::parse(&reason),
                ..JobState::default()
            };
            let end = translate::job_end(&state);
            coverage.reached(match end {
                JobEnd::Success => "success",
                JobEnd::Abort => "abort",
                JobEnd::Failure(_) => "failure",
            });
            prop_assert_eq!(end == JobEnd::Success, result == "success");
            prop_assert_eq!(
                end == JobEnd::Abort,
                result != "success" && reason == "aborted"
            );
            Ok(())
        },
    );
}

#[test]
fn a_message_of_any_shape_says_read_again_or_nothing() {
    let texts = (
        any_text(),
        prop::option::of(any_text()),
        prop::option::of(any_text()),
    );
    prove(
        "regressions/translation-messages.txt",
        &(texts, any::<bool>(), any::<bool>()),
        &["one", "all", "ignored"],
        |((name, longhaul, download), ours, has_download), coverage| {
            let longhaul = if ours { Some(name.clone()) } else { longhaul };
            let has_download = has_download || download.is_some();
            let notice = judge(&name, longhaul.as_deref(), download.clone(), has_download);
            match &notice {
                Notice::ReadAgain(of) => {
                    coverage.reached(if of.is_some() { "one" } else { "all" });
                    prop_assert_eq!(&longhaul, &Some(name));
                    prop_assert_eq!(of, &download);
                    prop_assert_eq!(of.is_some(), has_download);
                }
                Notice::Ignored => coverage.reached("ignored"),
            }
            Ok(())
        },
    );
}

/// The value of a header: of the forms that matter, or anything.
fn any_header() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any_text(),
        1 => (any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(a, b, of)| format!("bytes {a}-{b}/{of}")),
        2 => (0_u64..99, 0_u64..99, 0_u64..99).prop_map(|(a, b, of)| format!("bytes {a}-{b}/{of}")),
        1 => (0_u64..99).prop_map(|of| format!("bytes */{of}")),
        1 => any::<u64>().prop_map(|seconds| seconds.to_string()),
        2 => (any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>()).prop_map(
            |(day, year, hour, minute)| format!("Mon, {day} Mar {year} {hour}:{minute}:00 GMT")
        ),
        2 => (1_u8..=31, 1970_u16..2100, 0_u8..24)
            .prop_map(|(day, year, hour)| format!("Mon, {day:02} Jan {year} {hour:02}:00:00 GMT")),
    ]
}

fn any_answer() -> impl Strategy<Value = HttpResponse> {
    let header = || prop::option::of(any_header());
    (
        select(vec![
            0_u16, 200, 204, 206, 301, 404, 412, 416, 429, 503, 999,
        ]),
        (header(), header(), header(), header()),
        (header(), header(), header()),
        prop::option::of(any::<u64>()),
    )
        .prop_map(
            |(status, (a, b, c, d), (e, f, g), content_length)| HttpResponse {
                status,
                content_range: a,
                etag: b,
                last_modified: c,
                content_type: d,
                content_encoding: e,
                retry_after: f,
                date: g,
                content_length,
                ..HttpResponse::default()
            },
        )
}

#[test]
fn any_answer_of_any_server_is_measured_without_a_panic() {
    prove(
        "regressions/translation-answers.txt",
        &(any_answer(), any::<u64>(), any::<u64>(), 0_u32..9),
        &["a time to come back", "a file", "no file", "a part refused"],
        |(answer, now, body, index), coverage| {
            let read = translate::answer(&answer, now);
            prop_assert_eq!(read.status, answer.status);
            coverage.sometimes(read.retry_after_ms.is_some(), "a time to come back");
            let resource = &spec(1).resources[0];
            match FileVersion::from_probe(resource, &resource.url, &read, &Policy::default()) {
                Ok(file) => {
                    coverage.reached("a file");
                    let layout = file.layout();
                    prop_assert!(layout.count() <= 1_000_000, "{} parts", layout.count());
                    let part = PartRequest { file, index };
                    if measure(&part, &read, body).is_err() {
                        coverage.reached("a part refused");
                    }
                }
                Err(_) => coverage.reached("no file"),
            }
            Ok(())
        },
    );
}

#[test]
fn a_time_to_come_back_is_read_in_both_forms_and_any_other_is_passed_over() {
    prove(
        "regressions/translation-retry.txt",
        &(any_header(), prop::option::of(any_header()), any::<u64>()),
        &["a time", "no time"],
        |(value, date, now), coverage| {
            match translate::retry_after_ms(&value, date.as_deref(), now) {
                Some(_) => coverage.reached("a time"),
                None => coverage.reached("no time"),
            }
            Ok(())
        },
    );
}

#[test]
fn a_part_request_survives_its_url_and_other_urls_are_none() {
    let validator = prop_oneof![
        any_text().prop_map(Validator::Etag),
        any_text().prop_map(Validator::LastModified),
    ];
    let part = (
        any_secretive(1),
        prop::option::of(1_u64..10_000),
        prop::option::of(validator),
        prop::option::of(1_u64..10_000),
        any::<Index>(),
    );
    prove(
        "regressions/translation-parts.txt",
        &(part, any_text()),
        &["ranged", "whole"],
        |((secretive, size, validator, part_bytes, index), other), coverage| {
            let secret_params = &secretive.spec.secret_params;
            let url = &secretive.spec.resources[0].url;
            let file = FileVersion {
                url: longhaul_core::identity(url, secret_params),
                size,
                validator,
                part_bytes: part_bytes.filter(|_| size.is_some()),
                content_type: None,
                cross_origin: false,
            };
            coverage.reached(if file.part_bytes.is_some() {
                "ranged"
            } else {
                "whole"
            });
            let index = index.index(file.layout().count() as usize);
            let index = u32::try_from(index).expect("below the count");
            let part = PartRequest { file, index };
            let asked = part.url(url, secret_params);
            prop_assert!(is_transfer(&asked));
            prop_assert_eq!(PartRequest::parse(&asked), Some(part));
            for stranger in [
                other.clone(),
                format!("https://host/{other}"),
                format!("{url}{other}"),
            ] {
                if let Some(read) = PartRequest::parse(&stranger) {
                    prop_assert!(is_transfer(&stranger), "{:?} from {}", read, stranger);
                }
            }
            Ok(())
        },
    );
}

#[test]
fn a_range_that_is_asked_for_is_answered_within_the_file() {
    let number = || prop_oneof![0_u64..300, any::<u64>()];
    let header = prop_oneof![
        3 => (number(), number()).prop_map(|(a, b)| format!("bytes={a}-{b}")),
        1 => number().prop_map(|a| format!("bytes={a}-")),
        1 => number().prop_map(|n| format!("bytes=-{n}")),
        1 => any_text(),
        1 => any_text().prop_map(|text| format!("bytes={text}")),
    ];
    prove(
        "regressions/translation-ranges.txt",
        &(header, prop_oneof![0_u64..300, any::<u64>()]),
        &["a range", "unsatisfiable", "passed over"],
        |(header, size), coverage| {
            match requested_range(&header, size) {
                Some(Some(range)) => {
                    coverage.reached("a range");
                    prop_assert!(range.len > 0 && range.end() <= size, "{:?}", range);
                }
                Some(None) => coverage.reached("unsatisfiable"),
                None => coverage.reached("passed over"),
            }
            Ok(())
        },
    );
}

#[test]
fn a_url_means_the_resource_that_it_was_requested_for_however_it_is_signed() {
    prove(
        "regressions/translation-urls.txt",
        &(any_secretive(2), any_text()),
        &["found", "a stranger's url"],
        |(secretive, other), coverage| {
            let spec = secretive.spec.validated();
            let spec = spec.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let urls: Vec<String> = spec.resources.iter().map(|r| r.url.clone()).collect();
            let scenario = Scenario::new().with(|s| s.spec = spec.into()).requested();
            for (n, url) in urls.iter().enumerate() {
                coverage.reached("found");
                prop_assert_eq!(resource_of(&scenario.download, url), Some(n));
            }
            if resource_of(&scenario.download, &format!("https://host/{other}")).is_none() {
                coverage.reached("a stranger's url");
            }
            // What was kept comes back whole; without it identities stand in for URLs.
            let kept = FullUrls {
                urls: urls.clone(),
                icons: Vec::new(),
            };
            let text = kept.encode();
            prop_assert_eq!(FullUrls::read(Some(&text), &scenario.download).urls, urls);
            let without = FullUrls::read(Some(&other), &scenario.download);
            prop_assert_eq!(without.urls.len(), 2);
            Ok(())
        },
    );
}

#[test]
fn a_viewer_sees_the_fold_of_any_life_from_entries_in_any_order() {
    let lives = (
        any_setup(),
        any_steps(EVERYTHING, 40),
        any::<bool>(),
        any::<Index>(),
    );
    prove(
        "regressions/translation-viewer.txt",
        &lives,
        &["in the middle", "reversed"],
        |(setup, steps, reversed, upto), coverage| {
            let mut world = World::new(&setup, coverage);
            for step in &steps {
                world.step(step).map_err(TestCaseError::fail)?;
            }
            let upto = upto.index(world.log.len()) + 1;
            coverage.sometimes(upto < world.log.len(), "in the middle");
            let texts = world.log.iter().take(upto).map(String::as_str);
            let expected = Snapshot::of(&Download::fold(ID, texts)).map(|s| s.canonical_json());
            let mut texts = world.log.clone();
            if coverage.sometimes(reversed, "reversed") {
                texts.reverse();
            }
            #[allow(clippy::cast_precision_loss, reason = "histories are short")]
            let seq = upto as f64;
            prop_assert_eq!(longhaul_page::state_at(texts, Some(seq)), expected);
            Ok(())
        },
    );
}

#[test]
fn a_viewer_survives_any_texts_and_any_number() {
    let text = prop_oneof![
        any_text(),
        any_entry().prop_map(|entry| Entry::encode(&entry))
    ];
    let number = prop_oneof![
        any::<f64>(),
        select(vec![f64::NAN, f64::INFINITY, -0.0, -1.0, 1e300])
    ];
    prove(
        "regressions/translation-viewed.txt",
        &(prop::collection::vec(text, 0..8), prop::option::of(number)),
        &["something to see", "nothing to see"],
        |(texts, seq), coverage| {
            match longhaul_page::state_at(texts, seq) {
                Some(json) => {
                    coverage.reached("something to see");
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
                }
                None => coverage.reached("nothing to see"),
            }
            Ok(())
        },
    );
}

#[test]
fn the_answer_to_head_does_not_call_a_file_empty() {
    let empty = longhaul_core::HttpResponse {
        content_length: Some(0),
        ..ranged_answer()
    };
    assert_eq!(translate::head(empty).content_length, None);
    let sized = longhaul_core::HttpResponse {
        content_length: Some(5),
        ..ranged_answer()
    };
    assert_eq!(translate::head(sized).content_length, Some(5));
}
