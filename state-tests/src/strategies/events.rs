//! Arbitrary events, from the likely to the absurd.

use longhaul_core::{
    AbortedBy, ENTRY_VERSION, Entry, Event, EvictedBy, FailReason, Failure, FileVersion, Icon,
    Missing, Origin, Resource, Spec, Transport, TransportReason, Validator, WaitReason,
};
use proptest::prelude::*;
use proptest::sample::select;

/// Text with everything in it that text can go wrong with.
pub fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,8}",
        2 => "\\PC{0,12}",
        1 => any::<String>(),
        1 => select(vec![
            "", "\"", "\\", "\n", "\0", "</script>", "%", "%zz", "/", "..", "#part=0001",
            "{\"type\":\"success\"}", "\u{2028}", "\u{feff}", "1e999",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Numbers, small ones and the ends of what JavaScript and `u64` can hold.
fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..1_000,
        1 => any::<u64>(),
        1 => select(vec![0, 1, (1 << 53) - 1, 1 << 53, u64::MAX]),
    ]
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..5, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn any_file() -> impl Strategy<Value = FileVersion> {
    let validator = prop_oneof![
        any_text().prop_map(Validator::Etag),
        any_text().prop_map(Validator::LastModified)
    ];
    (
        any_text(),
        prop::option::of(any_size()),
        prop::option::of(validator),
        prop::option::of(any_size()),
        prop::option::of(any_text()),
        any::<bool>(),
    )
        .prop_map(
            |(url, size, validator, part_bytes, content_type, cross_origin)| FileVersion {
                url,
                size,
                validator,
                part_bytes,
                content_type,
                cross_origin,
            },
        )
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let resource = (
        any_text(),
        prop::option::of(any_size()),
        prop::option::of(any_text()),
    )
        .prop_map(|(url, bytes, sha256)| Resource { url, bytes, sha256 });
    let icon = (
        any_text(),
        prop::option::of(any_text()),
        prop::option::of(any_text()),
        prop::option::of(any_text()),
    )
        .prop_map(|(src, sizes, kind, label)| Icon {
            src,
            sizes,
            kind,
            label,
        });
    (
        any_text(),
        prop::option::of(any_text()),
        prop::collection::vec(icon, 0..2),
        prop::collection::vec(any_text(), 0..3),
        prop::collection::vec(resource, 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(id, title, icons, secret_params, resources, headers)| Spec {
                id,
                title,
                icons,
                secret_params,
                resources,
                headers,
            },
        )
}

fn any_wait_reason() -> impl Strategy<Value = WaitReason> {
    select(vec![
        WaitReason::Queued,
        WaitReason::Browser,
        WaitReason::Offline,
        WaitReason::Unreachable,
        WaitReason::Backoff,
        WaitReason::RetryAfter,
        WaitReason::Headers,
        WaitReason::Room,
        WaitReason::Storing,
        WaitReason::Verifying,
    ])
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let reason = select(vec![
        FailReason::BadStatus,
        FailReason::NotFound,
        FailReason::Unauthorized,
        FailReason::Cors,
        FailReason::Unreachable,
        FailReason::Network,
        FailReason::Quota,
        FailReason::Integrity,
        FailReason::UnexpectedType,
        FailReason::Changed,
        FailReason::Truncated,
        FailReason::Lost,
        FailReason::Evicted,
        FailReason::Refused,
        FailReason::RetriesExhausted,
    ]);
    let number = || prop::option::of(any_number());
    (reason, any_text(), number(), number()).prop_map(
        |(reason, message, resource, missing_bytes)| Failure {
            reason,
            message,
            resource,
            missing_bytes: missing_bytes.map(u64::from),
        },
    )
}

fn any_started() -> impl Strategy<Value = Event> {
    let why = select(vec![
        TransportReason::Preferred,
        TransportReason::Asked,
        TransportReason::Missing,
        TransportReason::NoWorker,
        TransportReason::Headers,
        TransportReason::Refused,
        TransportReason::JobFailed,
        TransportReason::JobLost,
        TransportReason::Stored,
    ]);
    let missing =
        (any_number(), any_text()).prop_map(|(resource, parts)| Missing { resource, parts });
    (
        any_number(),
        select(vec![Transport::BackgroundFetch, Transport::Foreground]),
        why,
        prop::option::of(any_text()),
        prop::collection::vec(any_file(), 0..3),
        prop::collection::vec(missing, 0..3),
        any_size(),
        prop::option::of(any_size()),
    )
        .prop_map(
            |(transfer, transport, why, registration, files, missing, stored, total)| {
                Event::Started {
                    transfer,
                    transport,
                    why,
                    registration,
                    files,
                    missing,
                    stored,
                    total,
                }
            },
        )
}

/// Any event, in any order with any other.
pub fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (any_number(), any_spec(), any_number()).prop_map(|(attempt, spec, restarts)| {
            Event::Requested { attempt, spec, restarts }
        }),
        1 => (any_size(), prop::collection::vec(any_file(), 0..3))
            .prop_map(|(stored, files)| Event::CachedHit { stored, files }),
        2 => any_started(),
        2 => (any_size(), any_size(), prop::option::of(any_size())).prop_map(
            |(downloaded, stored, total)| Event::Progress { downloaded, stored, total }
        ),
        2 => (
            any_wait_reason(),
            prop::option::of(any_size()),
            any_number(),
            prop::option::of(any_text())
        )
            .prop_map(|(reason, until, retries, message)| {
                Event::Waiting { reason, until, retries, message }
            }),
        2 => (
            prop::collection::vec(any_size(), 0..4),
            prop::collection::vec(any_number(), 0..3)
        )
            .prop_map(|(sizes, verified)| Event::Success { sizes, verified }),
        1 => any_failure().prop_map(Event::Failure),
        1 => select(vec![AbortedBy::App, AbortedBy::Browser, AbortedBy::Removal])
            .prop_map(|by| Event::Aborted { by }),
        1 => select(vec![EvictedBy::Removal, EvictedBy::Eviction])
            .prop_map(|by| Event::Evicted { by }),
    ]
}

/// Any entry of the present version.
pub fn any_entry() -> impl Strategy<Value = Entry> {
    (
        any_text(),
        any_size(),
        any_size(),
        select(vec![Origin::Page, Origin::ServiceWorker]),
        any_event(),
    )
        .prop_map(|(download, seq, at, origin, event)| Entry {
            download,
            seq,
            at,
            origin,
            version: ENTRY_VERSION,
            event,
        })
}
