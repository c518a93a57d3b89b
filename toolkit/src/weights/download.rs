//! Fetching a file when asked to: resumed where it was left, checked before it is put in place.
//!
//! What has arrived lies beside the file as `<name>.part`, with the server's mark of the version in
//! `<name>.part.version`: a later call goes on from there, unless the file on the server is another by then.

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::show::Progress;
use crate::{Error, Result, interrupt, replace};

/// How often a request to stop is looked for while nothing arrives.
const LOOK: Duration = Duration::from_millis(50);
/// A server that is silent for this long is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// Times that a broken connection is taken up again, when each brought something.
const RETRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// The fewest digits of a SHA-256 that are taken for one.
const FEWEST_DIGITS: usize = 8;
const MIB: f64 = (1u64 << 20) as f64;

/// Fetches `address` (http or https) to the file `path`, with a progress bar.
///
/// A part left by an earlier call is resumed. The file is put in place only when it is whole and its SHA-256 begins
/// with `sha256` (8 to 64 hexadecimal digits; all 64 where they are known). When the file is there already and right,
/// nothing is fetched; without a `sha256` a file that is there is kept as it is. The Stop button ends the call at
/// once and keeps the part.
///
/// # Errors
/// Saying what to do: no connection, an answer other than the file, a connection that broke too often, another
/// checksum than expected (the part is then removed), a file there that is another one, a stop.
pub fn download(address: &str, sha256: Option<&str>, path: impl AsRef<Path>) -> Result<()> {
    fetch(address, sha256, path.as_ref(), None)
}

/// [`download`]; `pin` is the file that the `sha256` is from, where it was written by an earlier download.
pub(super) fn fetch(address: &str, sha256: Option<&str>, path: &Path, pin: Option<&Path>) -> Result<()> {
    // A link stays one: the file that it leads to is the one that is fetched.
    let path = &replace::target(path)?;
    let url = check_address(address)?;
    let sha256 = sha256.map(check_digits).transpose()?;
    let job = Job {
        url,
        sha256,
        pin,
        path,
        part: beside(path, ".part")?,
        version: beside(path, ".part.version")?,
        scope: interrupt::scope(),
    };
    if path.exists() {
        if !path.is_file() {
            return Err(
                Error::spec("expected the name of a file, found a device or a pipe")
                    .at(path.display().to_string()),
            );
        }
        return job.check_present();
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    }
    let mut part = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&job.part)
        .map_err(|e| job.io(&e))?;
    if part.try_lock().is_err() {
        return Err(
            Error::spec("another download of the same file is at work").at(job.part.display().to_string())
        );
    }
    // The client needs a runtime, and a thread may have one already.
    std::thread::scope(|threads| threads.spawn(|| job.run(&mut part)).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    job.put_in_place(&mut part)
}

struct Job<'a> {
    url: Url,
    sha256: Option<String>,
    pin: Option<&'a Path>,
    path: &'a Path,
    part: PathBuf,
    version: PathBuf,
    scope: interrupt::Scope,
}

/// How an attempt ended that did not bring the whole file.
enum Broken {
    /// Trying again may help: the words say what happened.
    Connection(String),
    Final(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Job<'_> {
    fn run(&self, part: &mut File) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| self.io(&e))?;
        let result = runtime.block_on(self.fetch(part));
        // Without waiting for a name that is still being looked up.
        runtime.shutdown_background();
        result
    }

    async fn fetch(&self, part: &mut File) -> Result<()> {
        let mut builder = Client::builder()
            .user_agent(concat!("jook/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(SILENCE)
            .read_timeout(SILENCE);
        if self
            .url
            .host_str()
            .is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
        {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| {
            Error::data(format!("the HTTPS client could not start: {}", reasons(&e)))
                .fix("check the certificates of this system (ca-certificates)")
        })?;
        let mut progress = None;
        let mut tries = 0;
        loop {
            let before = self.length(part)?;
            match self.attempt(&client, part, &mut progress).await {
                Ok(()) => {
                    if let Some((progress, _)) = progress {
                        progress.finish("");
                    }
                    return Ok(());
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Connection(what)) => {
                    let now = self.length(part)?;
                    tries = if now > before { 1 } else { tries + 1 };
                    if tries > RETRIES || (now == 0 && tries > 1) {
                        return Err(self.unreachable(&what, now));
                    }
                    self.attend(tokio::time::sleep(PAUSE)).await?;
                }
            }
        }
    }

    /// One request, from where the part ends, and all that it brings.
    async fn attempt(
        &self,
        client: &Client,
        part: &mut File,
        progress: &mut Option<(Progress, Instant)>,
    ) -> Result<(), Broken> {
        let version = fs::read_to_string(&self.version).unwrap_or_default();
        let mut have = self.length(part)?;
        if have > 0 && version.is_empty() {
            // Nothing says that what is on the server now goes with it.
            self.empty(part)?;
            have = 0;
        }
        let mut request = client.get(self.url.clone()).header(ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request
                .header(RANGE, format!("bytes={have}-"))
                .header(IF_RANGE, &version);
        }
        let sent = self.attend(request.send()).await?;
        let mut response = sent.map_err(|e| Broken::Connection(reasons(&e)))?;
        let total = match response.status() {
            StatusCode::OK => {
                // The whole file: the server takes no ranges, or has another version by now.
                self.empty(part)?;
                have = 0;
                let version = version_of(&response);
                fs::write(&self.version, version).map_err(|e| self.io(&e))?;
                response.content_length()
            }
            StatusCode::PARTIAL_CONTENT => match content_range(&response) {
                Some((Some(from), total)) if from == have => total,
                _ => {
                    self.empty(part)?;
                    return Err(Broken::Connection(
                        "the server sent another part than asked for".into(),
                    ));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                if content_range(&response).is_some_and(|(_, total)| total == Some(have)) {
                    return Ok(());
                }
                self.empty(part)?;
                return Err(Broken::Connection("the part was longer than the file".into()));
            }
            status if status.is_server_error() => {
                return Err(Broken::Connection(format!("the server answered {status}")));
            }
            status => {
                return Err(
                    Error::data(format!("expected the file, found the answer {status}"))
                        .at(self.url.to_string())
                        .fix(match status {
                            StatusCode::NOT_FOUND | StatusCode::GONE => {
                                "check the address; the file may have moved"
                            }
                            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                                "fetch it in a browser, where you can sign in, and give the path to it"
                            }
                            _ => "try again later, or fetch it by other means and give the path to it",
                        })
                        .into(),
                );
            }
        };
        part.seek(SeekFrom::Start(have)).map_err(|e| self.io(&e))?;
        let label = format!("downloading {}, MiB", file_name(self.path));
        let whole = total.map_or(0, |total| (total as f64 / MIB).ceil() as usize);
        let (progress, start) = progress.get_or_insert_with(|| (Progress::new(label, whole), Instant::now()));
        let mut fresh = 0u64;
        loop {
            let chunk = self.attend(response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|e| Broken::Connection(reasons(&e)))? else {
                break;
            };
            part.write_all(&chunk).map_err(|e| self.io(&e))?;
            fresh += chunk.len() as u64;
            let rate = fresh as f64 / MIB / start.elapsed().as_secs_f64().max(1e-3);
            let done = (have + fresh) as f64 / MIB;
            progress.step(done as usize, format_args!("{rate:.1} MiB/s"));
        }
        match total {
            Some(total) if have + fresh != total => Err(Broken::Connection(format!(
                "the connection ended after {} of {total} bytes",
                have + fresh
            ))),
            _ => {
                progress.step(whole, "");
                Ok(())
            }
        }
    }

    /// Waits for `work`, but not past a request to stop.
    async fn attend<F: Future>(&self, work: F) -> Result<F::Output> {
        let mut work = std::pin::pin!(work);
        loop {
            if self.scope.requested() {
                let kept = fs::metadata(&self.part).map_or(0, |meta| meta.len());
                return Err(Error::spec(format!("stopped as asked, {kept} bytes are kept"))
                    .at(self.part.display().to_string())
                    .fix("call it again to go on from there"));
            }
            if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                return Ok(done);
            }
        }
    }

    /// Checks the whole part and moves it to its place.
    fn put_in_place(&self, part: &mut File) -> Result<()> {
        let found = self.hash(part)?;
        if let Some(expected) = self
            .sha256
            .as_deref()
            .filter(|&digits| !found.starts_with(digits))
        {
            let _ = fs::remove_file(&self.part);
            let _ = fs::remove_file(&self.version);
            return Err(Error::data(format!(
                "expected a file with the SHA-256 {expected}, found {found}; what was fetched is removed"
            ))
            .at(self.url.to_string())
            .fix(self.with_pin(
                "try again; if it stays so, the file at the address is another one: look at its makers' page",
            )));
        }
        part.sync_all().map_err(|e| self.io(&e))?;
        fs::rename(&self.part, self.path).map_err(|e| self.io(&e))?;
        // A mark without a part does no harm.
        let _ = fs::remove_file(&self.version);
        Ok(())
    }

    /// A file is there already: is it the one?
    fn check_present(&self) -> Result<()> {
        let Some(expected) = self.sha256.as_deref() else {
            return Ok(());
        };
        let found = self.hash(&mut File::open(self.path).map_err(|e| Error::io(self.path, &e))?)?;
        if found.starts_with(expected) {
            return Ok(());
        }
        Err(Error::data(format!(
            "expected a file with the SHA-256 {expected}, found one with {found} there already"
        ))
        .at(self.path.display().to_string())
        .fix(self.with_pin("remove the file, or give another path")))
    }

    /// What to do about another checksum than expected.
    fn with_pin(&self, remedy: &str) -> String {
        match self.pin {
            None => remedy.to_owned(),
            Some(pin) => format!(
                "{remedy}. What was fetched first is pinned in {}: remove that too if the change is meant",
                pin.display()
            ),
        }
    }

    fn hash(&self, file: &mut File) -> Result<String> {
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 20];
        file.seek(SeekFrom::Start(0)).map_err(|e| self.io(&e))?;
        loop {
            if self.scope.requested() {
                return Err(Error::spec("stopped as asked, while checking the file")
                    .at(self.part.display().to_string())
                    .fix("call it again to go on from there"));
            }
            match file.read(&mut piece).map_err(|e| self.io(&e))? {
                0 => return Ok(hex(&hash.finalize())),
                n => hash.update(&piece[..n]),
            }
        }
    }

    fn length(&self, part: &File) -> Result<u64> {
        Ok(part.metadata().map_err(|e| self.io(&e))?.len())
    }

    fn empty(&self, part: &mut File) -> Result<()> {
        part.set_len(0).map_err(|e| self.io(&e))
    }

    fn io(&self, error: &std::io::Error) -> Error {
        Error::io(&self.part, error)
    }

    fn unreachable(&self, what: &str, kept: u64) -> Error {
        let host = self.url.host_str().unwrap_or_default();
        let (what, remedy) = match kept {
            0 => (
                format!("no file from {host}: {what}"),
                format!(
                    "check that this machine is online; or fetch the file on one that is, and put it at {}",
                    self.path.display()
                ),
            ),
            _ => (
                format!("the connection to {host} broke too often, {kept} bytes are kept: {what}"),
                "call it again to go on from there".to_owned(),
            ),
        };
        Error::data(what).at(self.url.to_string()).fix(remedy)
    }
}

fn check_address(address: &str) -> Result<Url> {
    let wrong = |found: &str| {
        Error::spec(format!(
            "expected an address that begins with https:// or http://, found {found}"
        ))
        .at(address.to_owned())
    };
    let url = Url::parse(address).map_err(|e| wrong(&format!("none ({e})")))?;
    match (url.scheme(), url.host_str()) {
        ("https" | "http", Some(_)) => Ok(url),
        (scheme, _) => Err(wrong(&format!("{scheme}:"))),
    }
}

fn check_digits(digits: &str) -> Result<String> {
    let fits = (FEWEST_DIGITS..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !fits {
        return Err(Error::spec(format!(
            "expected a SHA-256 of {FEWEST_DIGITS} to 64 hexadecimal digits, found {digits:?}"
        ))
        .fix("give `None` where it is not known"));
    }
    Ok(digits.to_lowercase())
}

/// The same path with `ending` after the file's name.
pub(super) fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    let name = path.file_name().filter(|_| !path.is_dir()).ok_or_else(|| {
        Error::spec("expected the name of a file to write, found a folder")
            .at(path.display().to_string())
            .fix("add a name, such as weights.pth")
    })?;
    let mut name = name.to_owned();
    name.push(ending);
    Ok(path.with_file_name(name))
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What the server calls this version of the file; empty when it does not say, or not for every byte of it.
fn version_of(response: &Response) -> String {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let strong = header(ETAG).filter(|tag| !tag.starts_with("W/"));
    strong
        .or_else(|| header(LAST_MODIFIED))
        .unwrap_or_default()
        .to_owned()
}

/// First byte and length of the whole from `bytes 100-199/200` or `bytes */200`.
fn content_range(response: &Response) -> Option<(Option<u64>, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let from = range.split_once('-').and_then(|(from, _)| from.parse().ok());
    Some((from, total.parse().ok()))
}

/// An error and what is behind it, in one line.
fn reasons(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        if !text.contains(&words) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &words;
        }
        next = error.source();
    }
    text
}
