//! Arbitrary worlds and what happens in them.

use crate::scenario::SIZE;
use crate::world::{Ask, JobFate, Luck, Rumour, Setup, Step, Trouble};
use longhaul_core::{Background, JobEnd, JobFailure, Preference, TransferError};
use proptest::prelude::*;
use proptest::sample::select;

/// A world to begin with; two times in three one in which Background Fetch can be used.
pub fn any_setup() -> impl Strategy<Value = Setup> {
    (
        prop_oneof![
            4 => Just(Background::Usable),
            1 => Just(Background::Missing),
            1 => Just(Background::NoWorker)
        ],
        prop_oneof![
            4 => Just(Preference::Auto),
            1 => Just(Preference::BackgroundFetch),
            1 => Just(Preference::Foreground)
        ],
        1_usize..=2,
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.7),
        (
            select(vec![0_u64, 1, 30, 45, 100]),
            select(vec![0_u32, 3, 8]),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(background, preference, resources, hashed, headers, tagged, ranges, sized, more)| {
                let (other_size, patience, cross_origin) = more;
                Setup {
                    background,
                    preference,
                    resources,
                    hashed,
                    headers,
                    tagged,
                    ranges,
                    sized,
                    cross_origin,
                    size: SIZE,
                    other_size,
                    patience,
                }
            },
        )
}

/// What happens more often than in other worlds: weights, beside which a look has 4.
#[derive(Debug, Clone, Copy)]
pub struct Emphasis {
    /// The app asks.
    pub ask: u32,
    /// The owner performs an effect.
    pub perform: u32,
    /// Outcomes arrive, some of them twice.
    pub deliver: u32,
    /// Jobs are worked on, and end.
    pub jobs: u32,
    /// Bytes are deleted behind our back.
    pub evict: u32,
    /// Servers get into trouble.
    pub trouble: u32,
    /// Files change.
    pub change: u32,
    /// Time goes by.
    pub pass: u32,
    /// Somebody dies, or is followed by another owner.
    pub crash: u32,
    /// Outcomes arrive that nobody caused.
    pub rumour: u32,
}

/// A bit of everything.
pub const EVERYTHING: Emphasis = Emphasis {
    ask: 2,
    perform: 14,
    deliver: 10,
    jobs: 4,
    evict: 1,
    trouble: 2,
    change: 1,
    pass: 3,
    crash: 1,
    rumour: 1,
};

/// One thing that happens.
pub fn any_step(emphasis: Emphasis) -> impl Strategy<Value = Step> {
    let Emphasis {
        ask: asks,
        perform,
        deliver,
        jobs,
        evict,
        trouble,
        change,
        pass,
        crash,
        rumour: rumours,
    } = emphasis;
    // A weight of 0 is not allowed by proptest: the others are multiplied instead.
    let weight = |n: u32| n * 20 + 1;
    prop_oneof![
        weight(4) => (0_usize..3, any::<bool>()).prop_map(|(by, idle)| Step::Look { by, idle }),
        weight(asks) => ask(),
        weight(perform) => (0_usize..8, luck()).prop_map(|(which, luck)| Step::Perform { which, luck }),
        weight(deliver) => (0_usize..6, prop::bool::weighted(0.2))
            .prop_map(|(which, again)| Step::Deliver { which, again }),
        weight(jobs) => job_step(),
        weight(evict) => (0_usize..3, prop::bool::weighted(0.3))
            .prop_map(|(which, all)| Step::Evict { which, all }),
        weight(trouble) => (0_usize..2, prop::option::weighted(0.5, select(&Trouble::ALL[..])))
            .prop_map(|(which, trouble)| Step::Server { which, trouble }),
        weight(change) => (0_usize..2, any::<bool>())
            .prop_map(|(which, splices)| Step::Change { which, splices }),
        weight(pass) => select(vec![1_u64, 900, 5_000, 120_000, 3_000_000])
            .prop_map(|ms| Step::Pass { ms }),
        weight(crash) => prop_oneof![
            (0_usize..3).prop_map(|by| Step::Crash { by }),
            (0_usize..2).prop_map(|by| Step::TakeOver { by })
        ],
        weight(rumours) => (rumour(), 0_u32..2).prop_map(|(of, before)| Step::Rumour { of, before }),
    ]
}

fn job_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_usize..5).prop_map(|records| Step::JobWorks { records }),
        3 => (0_usize..3, fate()).prop_map(|(which, how)| Step::JobEnds { which, how }),
        5 => prop::bool::weighted(0.2).prop_map(|dies| Step::Handle { dies }),
        1 => Just(Step::JobRestarts),
    ]
}

/// A life: asked for first, then whatever happens.
pub fn any_steps(emphasis: Emphasis, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let request = Step::Ask {
        by: 0,
        what: Ask::Request,
    };
    prop::collection::vec(any_step(emphasis), 0..most).prop_map(move |mut steps| {
        steps.insert(0, request.clone());
        steps
    })
}

/// Any fault at all.
pub fn any_fault() -> impl Strategy<Value = TransferError> {
    let status = select(vec![
        301_u16, 400, 401, 403, 404, 407, 408, 410, 425, 429, 500, 503, 599, 600,
    ]);
    prop_oneof![
        2 => (status, prop::option::of(0_u64..100_000)).prop_map(|(status, retry_after_ms)| {
            TransferError::Status { status, retry_after_ms }
        }),
        3 => select(vec![
            TransferError::Offline,
            TransferError::Network,
            TransferError::Unreachable,
            TransferError::Cors,
            TransferError::Changed,
            TransferError::WrongRange,
            TransferError::Truncated,
            TransferError::UnexpectedType,
            TransferError::Quota,
            TransferError::HeadersNeeded,
        ]),
    ]
}

fn rumour() -> impl Strategy<Value = Rumour> {
    let end = prop_oneof![
        Just(JobEnd::Success),
        Just(JobEnd::Abort),
        job_failure().prop_map(JobEnd::Failure)
    ];
    prop_oneof![
        1 => any_fault().prop_map(|fault| Rumour::Probed(Err(fault))),
        1 => Just(Rumour::Probed(Ok(crate::scenario::ranged_answer()))),
        1 => any::<bool>().prop_map(|quota| Rumour::Refused { quota }),
        3 => (end, prop::collection::vec(any_fault(), 0..3))
            .prop_map(|(end, faults)| Rumour::Ended(end, faults)),
        3 => any_fault().prop_map(Rumour::PartFailed),
        1 => Just(Rumour::Verified),
    ]
}

fn job_failure() -> impl Strategy<Value = JobFailure> {
    select(vec![
        JobFailure::BadStatus,
        JobFailure::FetchError,
        JobFailure::QuotaExceeded,
        JobFailure::DownloadTotalExceeded,
        JobFailure::Other,
    ])
}

fn ask() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        6 => Just(Ask::Request),
        1 => Just(Ask::RequestOther),
        1 => Just(Ask::Abort),
        3 => Just(Ask::Retry),
        1 => Just(Ask::Remove),
    ];
    (0_usize..2, what).prop_map(|(by, what)| Step::Ask { by, what })
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        20 => Just(Luck::Good),
        1 => Just(Luck::Quota),
        2 => Just(Luck::Breaks),
        1 => Just(Luck::Unheard),
    ]
}

fn fate() -> impl Strategy<Value = JobFate> {
    prop_oneof![
        5 => Just(JobFate::Success),
        2 => Just(JobFate::EmptySuccess),
        2 => job_failure().prop_map(JobFate::Failure),
        1 => Just(JobFate::Abort),
        2 => Just(JobFate::Vanishes),
    ]
}
