//! L13, the codec below it: what the core reads and refuses as JSON is what everybody else does.

use longhaul_core::Entry;
use longhaul_core::json::Json;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{any_entry, any_text};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
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

/// Whether the core read the same value as the other reader.
fn same(read: &Json, other: &Value) -> bool {
    match (read, other) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::Whole(a), Value::Number(b)) => b.as_u64() == Some(*a),
        (Json::Other, Value::Number(b)) => !b.is_u64() || b.as_u64() == Some(0),
        (Json::Text(a), Value::String(b)) => a == b,
        (Json::List(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Fields(fields), Value::Object(b)) => {
            let mut fields = fields.clone();
            b.iter().all(
                |(name, value)| matches!(fields.take::<Json>(name), Ok(read) if same(&read, value)),
            )
        }
        _ => false,
    }
}

#[test]
fn any_json_is_read_as_it_was_written_however_it_is_spaced() {
    prove(
        "regressions/l13-json.txt",
        &(any_value(), any::<bool>()),
        &[
            "an object",
            "a list",
            "a string",
            "a number that is not whole",
        ],
        |(value, pretty), coverage| {
            let text = if pretty {
                serde_json::to_string_pretty(&value)
            } else {
                serde_json::to_string(&value)
            };
            let text = text.expect("values serialise");
            let read = Json::parse(&text);
            coverage.reached(match &read {
                Ok(Json::Fields(_)) => "an object",
                Ok(Json::List(_)) => "a list",
                Ok(Json::Text(_)) => "a string",
                Ok(Json::Other) => "a number that is not whole",
                _ => "something else",
            });
            prop_assert!(
                read.as_ref().is_ok_and(|read| same(read, &value)),
                "{:?}",
                read
            );
            Ok(())
        },
    );
}

#[test]
fn a_spoilt_text_is_refused_where_others_refuse_it_and_read_where_others_read_it() {
    let spoil = select(
        "{}[]\",:\\/0123456789.eE+-truefalsn \t\n\r\u{0}\u{1f}ü\u{feff}u"
            .chars()
            .collect::<Vec<char>>(),
    );
    let spoilt = prop::collection::vec((any::<Index>(), spoil, 0_usize..3), 1..4);
    prove(
        "regressions/l13-spoilt.txt",
        &(any_value(), spoilt),
        &["refused by both", "read by both"],
        |(value, spoilt), coverage| {
            let mut text: Vec<char> = value.to_string().chars().collect();
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
            let ours = Json::parse(&text);
            match (serde_json::from_str::<Value>(&text), ours) {
                (Ok(value), Ok(read)) => {
                    coverage.reached("read by both");
                    prop_assert!(same(&read, &value) || has_a_name_twice(&text), "{:?}", read);
                }
                (Err(_), Err(_)) => coverage.reached("refused by both"),
                (Ok(_), Err(_)) => return Err(TestCaseError::fail(format!("refused {text:?}"))),
                // Numbers beyond what a double can hold are JSON, and no number of ours.
                (Err(error), Ok(_)) if error.to_string().contains("out of range") => {}
                (Err(error), Ok(_)) => {
                    let lone = error.to_string().contains("surrogate")
                        || error.to_string().contains("hex escape");
                    prop_assert!(lone, "read {:?}, which is no JSON: {}", text, error);
                }
            }
            Ok(())
        },
    );
}

/// Whether a field may come twice: other readers take the last, ours refuses it when it is asked for.
fn has_a_name_twice(text: &str) -> bool {
    text.matches("\":").count() > 1
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
fn depth_without_end_is_refused_and_not_a_crash() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 200, 100_000] {
            let text = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(
                Json::parse(&text).is_ok(),
                depth == 100,
                "{depth} of {open}"
            );
            assert!(Json::parse(&open.repeat(depth)).is_err());
        }
    }
}
