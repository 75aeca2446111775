//! Child processes that end with the process that started them.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

use crate::Error;

/// Reads process ids from standard input until it closes, then kills them and removes the directory.
const WATCHDOG: &str = r#"
while read -r pid; do pids="$pids $pid"; done
[ -n "$pids" ] && kill -s KILL $pids 2>/dev/null
sleep 1
rm -rf -- "$1"
"#;

/// Child processes, each in its own process group and with its own log file, in one temporary directory.
///
/// Dropping it kills them and removes the directory. A destructor does not run when this process is killed,
/// nor for a value in a `static`, so a small shell holds the other end of a pipe, which the operating system
/// closes when this process ends in any way, and does the same then. (`PR_SET_PDEATHSIG` would need unsafe
/// code, and follows the thread that started the child rather than the process.)
#[derive(Debug)]
pub struct Children {
    running: Vec<(String, Child)>,
    watchdog: Child,
    // Only ever dropped after the watchdog has been stopped, or by the end of this process.
    registration: Option<ChildStdin>,
    directory: TempDir,
}

impl Children {
    /// Makes the directory. Nothing but the watchdog runs yet.
    pub fn new() -> Result<Self, Error> {
        let directory = tempfile::Builder::new().prefix("bulkhead-").tempdir()?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn {
                process: "sh".to_owned(),
                source,
            })?;
        let registration = watchdog.stdin.take();
        Ok(Self {
            running: Vec::new(),
            watchdog,
            registration,
            directory,
        })
    }

    /// The directory with the logs; the caller may put files there.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the named child's output goes.
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.log"))
    }

    /// Starts a child: no standard input, output and errors to [its log](Self::log_path), own process group, so
    /// that Ctrl-C reaches only the process that started it and this type decides when the child ends.
    pub fn spawn(&mut self, name: &str, command: &mut Command) -> Result<(), Error> {
        let log = fs::File::create(self.log_path(name))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn {
                process: command.get_program().to_string_lossy().into_owned(),
                source,
            })?;
        let id = child.id();
        self.running.push((name.to_owned(), child));
        if let Some(registration) = &mut self.registration {
            writeln!(registration, "{id}")?;
        }
        Ok(())
    }

    /// The first child that has ended by itself, if any.
    pub fn ended(&mut self) -> Result<Option<(String, ExitStatus)>, Error> {
        for (name, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                return Ok(Some((name.clone(), status)));
            }
        }
        Ok(None)
    }

    /// The last lines of a child's log, for an error message.
    pub fn log_tail(&self, name: &str, lines: usize) -> String {
        let text = fs::read(self.log_path(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Kills the children, the last started first, and waits for them.
    pub fn stop(&mut self) {
        for (_, child) in self.running.iter_mut().rev() {
            end(child);
        }
        self.running.clear();
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // First the watchdog: once a child has been waited for, its id may belong to another process.
        end(&mut self.watchdog);
        self.stop();
    }
}

/// Kills and reaps. A child that has ended already makes both calls fail, which is what was wanted.
fn end(child: &mut Child) {
    let _: io::Result<()> = child.kill();
    let _: io::Result<ExitStatus> = child.wait();
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeper(children: &mut Children) -> u32 {
        children
            .spawn("sleeper", Command::new("sleep").arg("600"))
            .unwrap();
        children.running[0].1.id()
    }

    fn alive(id: u32) -> bool {
        Command::new("kill")
            .args(["-0", &id.to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    #[test]
    fn dropping_ends_the_children_and_removes_the_directory() {
        let mut children = Children::new().unwrap();
        let id = sleeper(&mut children);
        let directory = children.directory().to_owned();
        assert!(alive(id) && directory.is_dir());
        assert!(children.ended().unwrap().is_none());
        drop(children);
        assert!(!alive(id) && !directory.exists());
    }

    #[test]
    fn the_watchdog_does_the_same_when_the_pipe_closes() {
        let mut children = Children::new().unwrap();
        sleeper(&mut children);
        let directory = children.directory().to_owned();
        children.registration = None; // what the end of the process does
        let begin = Instant::now();
        while directory.exists() || children.ended().unwrap().is_none() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "the watchdog did nothing"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn a_child_that_ends_is_reported_with_its_log() {
        let mut children = Children::new().unwrap();
        children
            .spawn(
                "brief",
                Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]),
            )
            .unwrap();
        let (name, status) = loop {
            if let Some(ended) = children.ended().unwrap() {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!((name.as_str(), status.code()), ("brief", Some(3)));
        assert_eq!(children.log_tail("brief", 1), "two");
    }
}
