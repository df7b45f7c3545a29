//! L13, the texts themselves: whoever writes or damages one, an entry is read as what it says or not at all.

use longhaul_core::{DecodeError, Entry};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{any_entry, any_text};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Any JSON value of few levels.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn any_json_in_a_field_that_nobody_reads_changes_nothing_however_it_is_spaced() {
    prove(
        "regressions/l13-json.txt",
        &(any_entry(), any_value(), any::<bool>()),
        &[
            "an object",
            "a list",
            "a string",
            "a number that is not whole",
        ],
        |(entry, unknown, pretty), coverage| {
            coverage.reached(match &unknown {
                Value::Object(_) => "an object",
                Value::Array(_) => "a list",
                Value::String(_) => "a string",
                Value::Number(number) if number.is_f64() => "a number that is not whole",
                _ => "something else",
            });
            let mut value: Value = serde_json::from_str(&entry.encode()).expect("an entry is JSON");
            for object in [&["event"][..], &[]] {
                let fields = object.iter().fold(&mut value, |at, name| &mut at[*name]);
                fields["x-later"] = unknown.clone();
            }
            let text = if pretty {
                serde_json::to_string_pretty(&value)
            } else {
                serde_json::to_string(&value)
            };
            let text = text.expect("values serialise");
            prop_assert_eq!(Entry::decode(&text), Ok(entry), "{}", text);
            Ok(())
        },
    );
}

#[test]
fn a_spoilt_text_is_refused_where_others_refuse_it_and_else_says_what_others_read() {
    let spoil = select(
        "{}[]\",:\\/0123456789.eE+-truefalsn \t\n\r\u{0}\u{1f}ü\u{feff}u"
            .chars()
            .collect::<Vec<char>>(),
    );
    let spoilt = prop::collection::vec((any::<Index>(), spoil, 0_usize..3), 1..4);
    prove(
        "regressions/l13-spoilt.txt",
        &(any_entry(), spoilt),
        &["refused by both", "read by both", "no entry any more"],
        |(entry, spoilt), coverage| {
            let mut text: Vec<char> = entry.encode().chars().collect();
            for (place, c, how) in spoilt {
                let at = place.index(text.len() + 1);
                match how {
                    0 => text.insert(at, c),
                    1 if at < text.len() => text[at] = c,
                    _ if at < text.len() => drop(text.remove(at)),
                    _ => {}
                }
            }
            let text: String = text.into_iter().collect();
            match (serde_json::from_str::<Value>(&text), Entry::decode(&text)) {
                (Ok(value), Ok(read)) => {
                    coverage.reached("read by both");
                    // What is written again is what was there, but for what nobody asks for.
                    let again = serde_json::from_str(&read.encode()).expect("an entry is JSON");
                    prop_assert!(says_no_more(&again, &value), "{}: {}", text, again);
                }
                (Ok(_), Err(_)) => coverage.reached("no entry any more"),
                (Err(_), Err(_)) => coverage.reached("refused by both"),
                (Err(error), Ok(read)) => {
                    // A number or a surrogate that no value can hold, in a field that nobody reads.
                    let passed_over = error.to_string().contains("out of range")
                        || error.to_string().contains("surrogate")
                        || error.to_string().contains("hex escape");
                    prop_assert!(passed_over, "read {:?} as {:?}: {}", text, read, error);
                }
            }
            Ok(())
        },
    );
}

/// Whether everything that `one` says is said by `other`, too.
fn says_no_more(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one
            .iter()
            .all(|(name, value)| other.get(name).is_some_and(|of| says_no_more(value, of))),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| says_no_more(one, other))
        }
        (one, other) => one == other,
    }
}

#[test]
fn an_entry_written_by_another_writer_is_the_same_entry() {
    prove(
        "regressions/l13-writers.txt",
        &any_entry(),
        &["escapes"],
        |entry, coverage| {
            let text = entry.encode();
            let value: Value = serde_json::from_str(&text).expect("an entry is JSON");
            // Sorted by name, spaced, and every letter that can be is an escape.
            let pretty = serde_json::to_string_pretty(&value).expect("values serialise");
            prop_assert_eq!(Entry::decode(&pretty), Ok(entry.clone()));
            let escaped: String = text.chars().map(escape).collect();
            coverage.sometimes(escaped != text, "escapes");
            prop_assert_eq!(Entry::decode(&escaped), Ok(entry));
            Ok(())
        },
    );
}

fn escape(c: char) -> String {
    if c.is_ascii() {
        return c.to_string();
    }
    let mut units = [0; 2];
    let mut text = String::new();
    for unit in c.encode_utf16(&mut units) {
        write!(text, "\\u{unit:04X}").expect("strings take everything");
    }
    text
}

#[test]
fn a_field_that_comes_twice_or_is_missing_or_of_another_type_makes_an_entry_unreadable() {
    prove(
        "regressions/l13-strict.txt",
        &(any_entry(), any::<Index>(), 0_usize..4),
        &["twice", "missing", "of another type", "null"],
        |(entry, place, how), coverage| {
            let value: Value = serde_json::from_str(&entry.encode()).expect("an entry is JSON");
            let event: &Map<String, Value> = value["event"].as_object().expect("an object");
            let at = place.index(event.len());
            let (name, content) = event.iter().nth(at).expect("within");
            let mut changed = event.clone();
            let text = match how {
                0 => {
                    coverage.reached("twice");
                    let twice = format!("{{{}:{content},", Value::from(name.as_str()));
                    value.to_string().replacen(
                        &value["event"].to_string(),
                        &(twice + &value["event"].to_string()[1..]),
                        1,
                    )
                }
                how => {
                    match how {
                        1 => drop(changed.remove(name)),
                        2 => drop(changed.insert(name.clone(), Value::from(true))),
                        _ => drop(changed.insert(name.clone(), Value::Null)),
                    }
                    let mut value = value.clone();
                    value["event"] = Value::Object(changed);
                    value.to_string()
                }
            };
            match (how, Entry::decode(&text)) {
                (0 | 2, Ok(read)) => {
                    return Err(TestCaseError::fail(format!("read {text} as {read:?}")));
                }
                (_, Ok(read)) => {
                    // What may be absent was, or is.
                    let again: Value = serde_json::from_str(&read.encode()).expect("JSON");
                    prop_assert_eq!(again["event"].get(name), None, "{}", text);
                }
                (how, Err(error)) => {
                    coverage.reached(["twice", "missing", "of another type", "null"][how]);
                    prop_assert!(matches!(error, DecodeError::UnknownEvent(_)), "{}", text);
                }
            }
            Ok(())
        },
    );
}

#[test]
fn depth_without_end_is_no_crash() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 200, 100_000] {
            let deep = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(Entry::decode(&deep), Err(DecodeError::Malformed));
            let cut_off = Entry::decode(&open.repeat(depth));
            assert_eq!(cut_off, Err(DecodeError::Malformed));
            let event = |more: &str| {
                format!(
                    r#"{{"download":"a","seq":1,"at":1,"origin":"page","version":1{more},"event":{{"type":"aborted","by":"app"}}}}"#
                )
            };
            let beside = Entry::decode(&event(&format!(",\"x\":{deep}")));
            assert!(beside.is_ok(), "{depth} of {open} in the envelope");
            let inside = event("").replace("\"app\"", &format!("\"app\",\"x\":{deep}"));
            let inside = Entry::decode(&inside);
            assert_eq!(inside.is_ok(), depth == 100, "{depth} of {open}");
        }
    }
}
