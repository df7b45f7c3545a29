//! From what the browser shows to what the core understands: plain functions over plain data, tested natively.

use longhaul_core::{self as core, Job, JobEnd, JobFailure as CoreFailure, JobId, TransferError};

use crate::answer::HttpResponse;
use crate::job::{JobFailure, JobResult, JobState};

/// What an answer says, in the core's words. `now_ms` serves a `Retry-After` date whose answer has no `Date`.
#[must_use]
pub fn answer(answer: &HttpResponse, now_ms: u64) -> core::HttpResponse {
    core::HttpResponse {
        status: answer.status,
        content_range: answer.content_range.clone(),
        content_length: answer.content_length,
        content_encoding: answer.content_encoding.clone(),
        content_type: answer.content_type.clone(),
        etag: answer.etag.clone(),
        last_modified: answer.last_modified.clone(),
        retry_after_ms: answer
            .retry_after
            .as_deref()
            .and_then(|value| retry_after_ms(value, answer.date.as_deref(), now_ms)),
        cross_origin: answer.cross_origin,
    }
}

/// What the answer to a `HEAD` says. A length of 0 there is as often "not known" as "empty", and what is known to be
/// empty is not asked for any more.
#[must_use]
pub fn head(mut answer: core::HttpResponse) -> core::HttpResponse {
    answer.content_length = answer.content_length.filter(|length| *length > 0);
    answer
}

/// Whether the body is compressed on the wire, so that no range of it is one of the file.
#[must_use]
pub fn is_compressed(answer: &core::HttpResponse) -> bool {
    !matches!(
        answer.content_encoding.as_deref(),
        None | Some("" | "identity")
    )
}

/// `Retry-After` ([RFC 9110, 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)) as milliseconds from
/// now: seconds, or a date measured against the server's own `Date` so that a wrong clock here does no harm.
#[must_use]
pub fn retry_after_ms(value: &str, date: Option<&str>, now_ms: u64) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at = http_date_ms(value)?;
    let from = date.and_then(http_date_ms).unwrap_or(now_ms);
    Some(at.saturating_sub(from))
}

/// An HTTP date as milliseconds since 1970; `None` before that.
#[must_use]
pub fn http_date_ms(text: &str) -> Option<u64> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// A running job of a download of ours, by what its registration shows; `None` for anybody else's.
#[must_use]
pub fn job(state: &JobState, name: &str) -> Option<(JobId, Job)> {
    let id = JobId::parse(&state.id).filter(|id| id.name == name)?;
    let job = Job {
        registration: state.id.clone(),
        downloaded: state.downloaded,
    };
    Some((id, job))
}

/// How a job ended.
#[must_use]
pub fn job_end(state: &JobState) -> JobEnd {
    match (state.result, state.failure) {
        (JobResult::Success, _) => JobEnd::Success,
        (_, JobFailure::Aborted) => JobEnd::Abort,
        (_, failure) => JobEnd::Failure(match failure {
            JobFailure::BadStatus => CoreFailure::BadStatus,
            JobFailure::FetchError => CoreFailure::FetchError,
            JobFailure::QuotaExceeded => CoreFailure::QuotaExceeded,
            JobFailure::TotalExceeded => CoreFailure::DownloadTotalExceeded,
            JobFailure::None | JobFailure::Aborted | JobFailure::Unknown => CoreFailure::Other,
        }),
    }
}

/// What the absence of an answer means. A browser says `TypeError` for everything, so two more facts are asked for:
/// whether the device is online, and whether the server answered a probe that CORS cannot refuse. `may_be_cors` where
/// the server is of another origin and never answered before: whoever did is not kept out by CORS now.
#[must_use]
pub fn no_answer(online: bool, answers_anybody: bool, may_be_cors: bool) -> TransferError {
    match (online, answers_anybody) {
        (false, _) => TransferError::Offline,
        (true, false) => TransferError::Unreachable,
        (true, true) if may_be_cors => TransferError::Cors,
        (true, true) => TransferError::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after_ms(" 7 ", None, 0), Some(7_000));
        let date = "Fri, 13 Feb 2009 23:31:30 GMT";
        assert_eq!(http_date_ms(date), Some(1_234_567_890_000));
        assert_eq!(retry_after_ms(date, None, 1_234_567_880_000), Some(10_000));
        assert_eq!(
            retry_after_ms(date, Some("Fri, 13 Feb 2009 23:31:20 GMT"), 0),
            Some(10_000)
        );
        assert_eq!(retry_after_ms(date, None, u64::MAX), Some(0));
        for bad in [
            "",
            "soon",
            "Fri, 13 Foo 2009 23:31:30 GMT",
            "Fri, 13 Feb 2009 23:31 GMT",
            "Mon, 1 Mar 2020 5124095576030432:0:00 GMT",
            "13 Feb",
        ] {
            assert_eq!(retry_after_ms(bad, None, 0), None, "{bad}");
        }
    }

    #[test]
    fn dates_around_leap_days_are_right() {
        assert_eq!(http_date_ms("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date_ms("Tue, 29 Feb 2000 00:00:00 GMT"),
            Some(951_782_400_000)
        );
        assert_eq!(
            http_date_ms("Wed, 01 Mar 2000 00:00:00 GMT"),
            Some(951_868_800_000)
        );
        assert_eq!(
            http_date_ms("Sun, 22 Nov 2026 16:48:00 GMT"),
            Some(1_795_366_080_000)
        );
    }

    #[test]
    fn only_jobs_of_this_name_are_ours() {
        let id = JobId {
            name: "a".into(),
            download: "d".into(),
            attempt: 1,
            transfer: 1,
        };
        let state = JobState {
            id: id.to_string(),
            downloaded: 5,
            ..JobState::default()
        };
        assert_eq!(job(&state, "a").map(|(id, _)| id), Some(id));
        assert_eq!(job(&state, "b"), None);
        assert_eq!(job(&JobState::default(), "a"), None);
    }

    #[test]
    fn a_head_without_a_length_says_nothing_of_it() {
        let told = |content_length| {
            let answer = core::HttpResponse {
                content_length,
                ..core::HttpResponse::default()
            };
            head(answer).content_length
        };
        assert_eq!(told(Some(0)), None);
        assert_eq!(told(Some(5)), Some(5));
        assert_eq!(told(None), None);
    }

    #[test]
    fn only_a_content_encoding_is_compression() {
        let encoded = |encoding: Option<&str>| {
            is_compressed(&core::HttpResponse {
                content_encoding: encoding.map(str::to_owned),
                ..core::HttpResponse::default()
            })
        };
        assert!(encoded(Some("gzip")));
        assert!(!encoded(Some("identity")) && !encoded(None));
    }

    #[test]
    fn silence_is_told_apart_by_what_else_is_known() {
        assert_eq!(no_answer(false, false, true), TransferError::Offline);
        assert_eq!(no_answer(true, false, true), TransferError::Unreachable);
        assert_eq!(no_answer(true, true, true), TransferError::Cors);
        assert_eq!(no_answer(true, true, false), TransferError::Network);
    }
}
