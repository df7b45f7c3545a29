//! L13: every entry round-trips; unknown fields and unknown event types survive, since the stored text is what counts.
//! `golden.rs` beside this folder has the histories of released versions.

use longhaul_core::{DecodeError, Download, ENTRY_VERSION, Entry, Event, Origin};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::scenario::spec;
use longhaul_state_tests::strategies::{any_entry, any_text};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn every_entry_is_one_line_that_reads_back_as_itself() {
    prove(
        "regressions/l13.txt",
        &any_entry(),
        &[
            "requested",
            "cached-hit",
            "started",
            "progress",
            "waiting",
            "success",
            "failure",
            "aborted",
            "evicted",
        ],
        |entry, coverage| {
            coverage.reached(entry.event.name());
            let text = entry.encode();
            prop_assert!(!text.contains('\n') && !text.contains('\r'), "{}", text);
            let value: Value = serde_json::from_str(&text).expect("an entry is JSON");
            prop_assert_eq!(&value["event"]["type"], entry.event.name());
            prop_assert_eq!(&value["version"], ENTRY_VERSION);
            prop_assert_eq!(Entry::decode(&text), Ok(entry));
            Ok(())
        },
    );
}

#[test]
fn every_entry_of_version_1_says_what_its_upcast_says() {
    prove(
        "regressions/l13-upcast.txt",
        &any_entry(),
        &["a transfer", "a wait", "what is the same"],
        |entry, coverage| {
            let mut value: Value = serde_json::from_str(&entry.encode()).expect("JSON");
            value["version"] = json!(1);
            let event = value["event"].as_object_mut().expect("an object");
            let renamed = match event["type"].as_str() {
                Some("started") => event.remove("transfer"),
                Some("waiting") => event.remove("retries"),
                _ => None,
            };
            coverage.reached(match &entry.event {
                Event::Started { .. } => "a transfer",
                Event::Waiting { .. } => "a wait",
                _ => "what is the same",
            });
            if let Some(number) = renamed {
                event.insert("try".to_owned(), number);
            }
            if event.get("why") == Some(&json!("stored")) {
                event.insert("why".to_owned(), json!("at-rest"));
            }
            prop_assert_eq!(Entry::decode(&value.to_string()), Ok(entry));
            Ok(())
        },
    );
}

#[test]
fn fields_of_another_version_change_nothing_that_is_read() {
    prove(
        "regressions/l13-fields.txt",
        &(any_entry(), any_text(), any_text()),
        &["a field beside the known ones"],
        |(entry, name, content), coverage| {
            let mut value: Value = serde_json::from_str(&entry.encode()).expect("JSON");
            // Names that no version will ever use.
            let name = format!("x-{name}");
            value[&name] = json!([content, 1, null]);
            value["event"][&name] = json!({ "deep": content });
            coverage.reached("a field beside the known ones");
            prop_assert_eq!(Entry::decode(&value.to_string()), Ok(entry));
            Ok(())
        },
    );
}

#[test]
fn an_event_of_an_unknown_type_is_counted_and_shown_until_a_new_request() {
    prove(
        "regressions/l13-types.txt",
        &(any_text(), any::<bool>()),
        &["an unknown type", "a newer version"],
        |(kind, newer), coverage| {
            let request = |seq| {
                let spec = spec(1).recorded();
                let event = Event::Requested {
                    attempt: 1,
                    spec,
                    restarts: 0,
                };
                Entry::new("model", seq, 7, Origin::Page, event)
            };
            let version = ENTRY_VERSION + u32::from(newer);
            let kind = format!("x-{kind}");
            let strange = json!({ "download": "model", "seq": 2, "at": 9, "origin": "page",
                "version": version, "event": { "type": kind } })
            .to_string();
            let error = Entry::decode(&strange).expect_err("unreadable");
            match &error {
                DecodeError::NewerVersion(_) => coverage.reached("a newer version"),
                DecodeError::UnknownEvent(_) => coverage.reached("an unknown type"),
                DecodeError::Malformed => return Err(TestCaseError::fail("not even an envelope")),
            }
            prop_assert_eq!(error.envelope().map(|e| (e.seq, e.at)), Some((2, 9)));
            let (first, third) = (request(1).encode(), request(3).encode());
            let shown = Download::fold("model", [first.as_str(), strange.as_str()]);
            prop_assert!(shown.degraded);
            prop_assert_eq!((shown.seq, shown.at), (2, 9));
            let mended = Download::fold("model", [first.as_str(), &strange, &third]);
            prop_assert!(!mended.degraded);
            prop_assert_eq!(mended.seq, 3);
            Ok(())
        },
    );
}

#[test]
fn text_that_is_no_entry_is_never_read_as_one() {
    prove(
        "regressions/l13-junk.txt",
        &any_text(),
        &["junk"],
        |text, coverage| {
            coverage.reached("junk");
            prop_assert_eq!(Entry::decode(&text), Err(DecodeError::Malformed));
            Ok(())
        },
    );
}
