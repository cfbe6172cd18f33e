//! Pulling blobs ([distribution specification, "Pulling blobs"]).
//!
//! [distribution specification, "Pulling blobs"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transload_reference::{Descriptor, Repository};

use crate::answer::{Answer, Body};
use crate::blobs::parse_content_range;
use crate::core::Core;
use crate::error::{Error, ErrorKind};
use crate::failure;
use crate::network::Network;
use crate::notice::NoticeKind;
use crate::operation::{Operation, Place};
use crate::origin::Purpose;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::throttle::Permit;
use crate::tries::Tries;
use crate::url::Url;

/// After this many bytes over one connection, the tries are counted anew.
const PROGRESS: u64 = 64 * 1024;

/// A connection that brings fewer bytes than this within the idle timeout is stalled.
const LEAST_PACE: u64 = 1024;

/// A reader of a blob's bytes that resumes after a cut.
///
/// It returns exactly the requested bytes, or an error that carries an [`Error`]. It doesn't compute the digest.
pub struct BlobReader {
    core: Arc<Core>,
    repository: Repository,
    blob: Descriptor,
    position: u64,
    end: u64,
    body: Option<Body>,
    /// Why the present body may not be the blob.
    doubt: Option<Doubt>,
    /// The URL of the present connection, or else of the last one.
    url: Option<Url>,
    /// The purpose of that URL, if it isn't the registry's own.
    named_for: Option<Purpose>,
    /// The offset at which the present connection began.
    began: u64,
    tries: Tries,
    has_ranges: Option<bool>,
    /// The registry answered 416: ask for the whole blob from now on.
    avoid_ranges: bool,
    /// Fail where the registry would send the whole blob.
    only_part: bool,
    is_finished: bool,
    /// The time spent waiting for the connection, and the bytes that it brought meanwhile.
    pace: (Duration, u64),
    /// Held from the answer to the transfer's last byte.
    permit: Option<Permit>,
    /// A transfer that had a permit resumes without waiting for one: the holders may be waiting for its bytes.
    was_counted: bool,
}

/// A property of an answer that explains a body of the wrong size.
enum Doubt {
    /// The body is encoded.
    Encoded(String),
    /// The body is a web page.
    Page(Refusal),
}

impl Doubt {
    fn of(answer: &Answer) -> Option<Doubt> {
        if let Some(encoding) = answer.foreign_encoding() {
            return Some(Doubt::Encoded(encoding));
        }
        answer.is_html().then(|| {
            Doubt::Page(Refusal {
                status: answer.status,
                is_html: true,
                proxy: answer.proxy.clone(),
                is_elsewhere: answer.is_elsewhere,
                ..Refusal::default()
            })
        })
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader")
            .field("repository", &self.repository)
            .field("digest", &self.blob.digest)
            .field("position", &self.position)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl BlobReader {
    pub(crate) fn open(
        core: &Arc<Core>,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<BlobReader, Error> {
        let mut reader = BlobReader::new(core, repository, blob, range)?;
        reader.begin()?;
        Ok(reader)
    }

    /// Does the same as [`BlobReader::open`], but returns `None` if the registry serves no ranges.
    pub(crate) fn open_part(
        core: &Arc<Core>,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<BlobReader>, Error> {
        let mut reader = BlobReader::new(core, repository, blob, range)?;
        reader.only_part = true;
        match reader.begin() {
            Ok(()) => Ok(Some(reader)),
            Err(_) if reader.has_ranges == Some(false) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(
        core: &Arc<Core>,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<BlobReader, Error> {
        let reader = BlobReader {
            core: Arc::clone(core),
            repository: repository.clone(),
            blob: blob.clone(),
            position: range.start,
            end: range.end.min(blob.size),
            body: None,
            doubt: None,
            url: None,
            named_for: None,
            began: range.start,
            tries: Tries::default(),
            has_ranges: None,
            avoid_ranges: false,
            only_part: false,
            is_finished: false,
            pace: Default::default(),
            permit: None,
            was_counted: false,
        };
        if reader.position > blob.size || range.end > blob.size || range.start > range.end {
            let message = format!(
                "bytes {}..{} of a blob of {} bytes",
                range.start, range.end, blob.size
            );
            return Err(Error::new(&reader.place(), ErrorKind::Protocol(message)));
        }
        Ok(reader)
    }

    fn begin(&mut self) -> Result<(), Error> {
        if let Ok(Some(data)) = self.blob.inline_data() {
            let start = usize::try_from(self.position)
                .unwrap_or(usize::MAX)
                .min(data.len());
            self.body = Some(Body::whole(data[start..].to_vec()));
            return Ok(());
        }
        // An empty rest needs no request.
        if self.position < self.end {
            self.connect_with_retries()?;
        }
        Ok(())
    }

    /// Returns the next byte's offset in the blob.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn place(&self) -> Place {
        let operation = Operation::ReadBlob(self.blob.digest.clone());
        Place::at(operation, self.repository.registry(), Some(&self.repository))
    }

    fn at_url(&self, error: Error) -> Error {
        self.url.iter().fold(error.named_for(self.named_for), Error::at)
    }

    /// Connects at the present position, and again after each failure before the first byte.
    fn connect_with_retries(&mut self) -> Result<(), Error> {
        loop {
            match self.connect() {
                Ok(()) => return Ok(()),
                Err(error) => self.recover(error)?,
            }
        }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The error to end with, if no further try is due.
    fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.body = None;
        if self.position - self.began >= PROGRESS {
            self.tries.progress();
        }
        // Something on the way may have answered in the registry's place. Twice the same answer is the registry's.
        let is_another = match error.kind() {
            ErrorKind::Size { .. } => true,
            ErrorKind::Status(refusal) => refusal.status == 200,
            _ => false,
        };
        let is_doubtful = is_another && self.tries.count() == 0;
        if !(error.is_retryable() || is_doubtful) {
            return Err(self.tries.end(error));
        }
        // Others can use the permit during the wait.
        let error = match self.permit.take() {
            Some(permit) => error.of_request(permit.began()),
            None => error,
        };
        let kind = NoticeKind::Resume {
            offset: self.position,
        };
        self.core.again(&mut self.tries, error, kind)?;
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Error> {
        let core = Arc::clone(&self.core);
        let repository = self.repository.clone();
        let path = format!("/blobs/{}", self.blob.digest);
        let mut call = Call::new(&core, self.place().operation, &repository, "GET", &path)?;
        let is_part = (self.position > 0 || self.end < self.blob.size) && !self.avoid_ranges;
        if is_part {
            let last = if self.end < self.blob.size {
                (self.end - 1).to_string()
            } else {
                String::new()
            };
            call = call.header("range", format!("bytes={}-{last}", self.position));
        }
        call.is_counted = self.was_counted;
        let mut answer = core.run(&mut call, None)?;
        if self.permit.is_none() {
            self.permit = answer.permit.take();
            self.was_counted = true;
        }
        self.url = Some(answer.url.clone());
        self.named_for = answer.is_elsewhere.then_some(Purpose::Content);
        self.began = self.position;
        self.pace = Default::default();
        self.doubt = Doubt::of(&answer);
        match answer.status {
            206 if is_part => self.take_part(&call, answer),
            200 => self.take_whole(&call, answer),
            416 if is_part => {
                // The whole blob tells whether it is too short or the registry is wrong.
                self.avoid_ranges = true;
                self.has_ranges = Some(false);
                if self.only_part {
                    return Err(answer.into_error(&call.place));
                }
                answer.drain();
                self.connect()
            }
            204 | 206 => Err(call.protocol(format!(
                "the answer {} to a request for the whole blob",
                answer.status
            ))),
            _ => Err(answer.into_error(&call.place)),
        }
    }

    fn take_part(&mut self, call: &Call, answer: Answer) -> Result<(), Error> {
        let range = answer.header("content-range").and_then(parse_content_range);
        let Some((first, last, total)) = range else {
            return Err(call.protocol("a part of the blob came without a proper Content-Range"));
        };
        if let Some(total) = total {
            self.check_size(total)?;
        }
        let expected_last = self.end - 1;
        if first != self.position || last != expected_last {
            let wanted = format!("{}-{expected_last}", self.position);
            return Err(call.protocol(format!("bytes {first}-{last} came instead of {wanted}")));
        }
        if let Some(length) = answer.content_length()
            && length != self.end - self.position
        {
            let message = format!(
                "a part of {length} bytes came instead of {}",
                self.end - self.position
            );
            return Err(call.protocol(message));
        }
        self.has_ranges = Some(true);
        self.doubt = None;
        self.body = Some(answer.body);
        Ok(())
    }

    fn take_whole(&mut self, call: &Call, mut answer: Answer) -> Result<(), Error> {
        if let Some(length) = answer.content_length() {
            self.check_size(length)?;
            self.doubt = None;
        }
        if self.position > 0 || self.end < self.blob.size {
            self.has_ranges = Some(false);
        }
        if self.only_part {
            return Err(call.protocol("the whole blob came instead of a part"));
        }
        let skipped = io::copy(&mut (&mut answer.body).take(self.position), &mut io::sink());
        let skipped = skipped.map_err(|error| failure::from_io(error, &call.place).at(&answer.url))?;
        if skipped < self.position {
            return Err(self.ended_at(skipped));
        }
        self.body = Some(answer.body);
        Ok(())
    }

    fn check_size(&self, got: u64) -> Result<(), Error> {
        if got == self.blob.size {
            Ok(())
        } else {
            Err(self.wrong_size(got))
        }
    }

    fn wrong_size(&self, got: u64) -> Error {
        let kind = match &self.doubt {
            Some(Doubt::Encoded(encoding)) => ErrorKind::Protocol(format!(
                "the blob came encoded as {encoding}, which changes its bytes"
            )),
            Some(Doubt::Page(page)) => ErrorKind::Status(page.clone()),
            None => ErrorKind::Size {
                expected: self.blob.size,
                got,
            },
        };
        self.at_url(Error::new(&self.place(), kind))
    }

    /// Returns the error for a body that ended too early, at this offset of the blob.
    fn ended_at(&self, position: u64) -> Error {
        match &self.doubt {
            Some(_) => self.wrong_size(position),
            None => self.at_url(cut_short(&self.place())),
        }
    }

    /// Reads the body's end, so that the connection can be used again, and refuses surplus bytes.
    fn finish(&mut self) -> Result<(), Error> {
        self.is_finished = true;
        self.permit = None;
        let Some(mut body) = self.body.take() else {
            return Ok(());
        };
        if self.end < self.blob.size && self.has_ranges != Some(true) {
            return Ok(());
        }
        match body.read(&mut [0]) {
            Ok(count) if count > 0 => Err(self.wrong_size(self.blob.size.saturating_add(1))),
            // All bytes are there: a cut no longer matters.
            _ => Ok(()),
        }
    }

    /// Returns whether the connection brings enough bytes.
    fn has_pace(&mut self) -> bool {
        if self.pace.0 < self.core.timeouts.idle {
            return true;
        }
        let (_, brought) = std::mem::take(&mut self.pace);
        brought >= LEAST_PACE
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            let left = self.end - self.position;
            if left == 0 {
                if !self.is_finished {
                    self.finish()?;
                }
                return Ok(0);
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let error = match &mut self.body {
                None => match self.connect() {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Some(body) => match timed(&mut self.pace.0, || body.read(&mut buffer[..most])) {
                    Ok(0) => self.ended_at(self.position),
                    Ok(count) => {
                        self.position += count as u64;
                        self.pace.1 += count as u64;
                        if self.position == self.end || self.has_pace() {
                            return Ok(count);
                        }
                        // These bytes are good. The next read opens a new connection.
                        let message = "almost no byte moved for too long".to_owned();
                        let network = Network::Stalled;
                        let kind = ErrorKind::Network { network, message };
                        self.recover(self.at_url(Error::new(&self.place(), kind)))?;
                        return Ok(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => self.at_url(failure::from_io(error, &self.place())),
                },
            };
            self.recover(error)?;
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.read_some(buffer).map_err(Error::into_io)
    }
}

/// Does `work`, and adds its time to `total`.
fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    *total += began.elapsed();
    result
}

fn cut_short(place: &Place) -> Error {
    let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before the last byte");
    failure::from_io(cut, place)
}
