//! Packages of Debian releases other than the machine's own, without touching its package manager.
//!
//! `apt-get` runs with lists, sources and state of its own, in the cache folder. It verifies the index by Debian's
//! archive keys and each file by the index. The mirror is the one that the machine already uses.

use super::deb822::{self, Paragraph};
use crate::{paths, tool};
use anyhow::{Context as _, Result, bail};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Options against hanging when there is no network.
pub(super) const PATIENCE: [&str; 6] = [
    "-o",
    "Acquire::http::Timeout=15",
    "-o",
    "Acquire::https::Timeout=15",
    "-o",
    "Acquire::Retries=1",
];

/// Debian's own keys, from package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Releases of which packages are used. Those of security updates come from the mirror of security updates.
const SUITES: [&str; 7] = [
    "bullseye",
    "bullseye-security",
    "bookworm",
    "bookworm-security",
    "trixie",
    "trixie-security",
    "trixie-backports",
];

/// Age at which lists are read again. Packages that a list names stay on the mirror for longer than that.
const FRESH: Duration = Duration::from_hours(12);

/// The archive, as its lists describe it.
pub(crate) struct Archive {
    /// Folder with sources, lists and state.
    home: PathBuf,
    /// Held as long as this lives: `apt-get` fails when another one uses the same state.
    _lock: File,
}

/// A version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Names of the packages that it depends on, of alternatives the first.
    pub(crate) depends: Vec<String>,
    /// Checksum according to the signed index.
    pub(crate) sha256: String,
}

impl Archive {
    /// The archive, with lists that are not old. Fails when there are none and none can be had.
    ///
    /// A release that the mirror no longer has must not hide the others, so it is said but does not fail.
    pub(crate) fn open() -> Result<Self> {
        /// What the first attempt of this program brought: without network each would take its time.
        static COMPLAINT: OnceLock<Option<String>> = OnceLock::new();

        let home = paths::cache()?.join("apt");
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(home.join(folder))?;
        }
        let lock = File::create(home.join("in-use"))?;
        lock.lock()?;
        let archive = Self { home, _lock: lock };
        let age = fs::metadata(stamp()?).and_then(|stamp| stamp.modified());
        let age = age.map(|time| time.elapsed().unwrap_or(FRESH));
        if age.is_ok_and(|age| age < FRESH) {
            return Ok(archive);
        }
        if COMPLAINT.get().is_none() {
            let _ = COMPLAINT.set(archive.update()?);
        }
        let lists = fs::read_dir(archive.home.join("lists"))?.flatten();
        if !lists
            .into_iter()
            .any(|list| list.file_name().to_string_lossy().contains("_Packages"))
        {
            let complaint = COMPLAINT.get().and_then(Option::as_deref).unwrap_or("there are none");
            bail!("Debian's package lists cannot be read: {complaint}");
        }
        Ok(archive)
    }

    /// Reads the lists; gives the first complaint about one that could not be read.
    fn update(&self) -> Result<Option<String>> {
        tool::step("reading Debian's package lists");
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing (package debian-archive-keyring): Debian's packages cannot be verified");
        }
        fs::write(self.home.join("sources.list"), sources(&Mirror::of_machine()?))?;
        let mut command = self.command("apt-get");
        let output = command
            .arg("update")
            .stdin(Stdio::null())
            .output()
            .context("start apt-get")?;
        let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
        let complaint = complaint(&said);
        match &complaint {
            Some(complaint) => tool::step(&format!("not all package lists can be read: {complaint}")),
            None => fs::write(stamp()?, "")?,
        }
        Ok(complaint)
    }

    /// Names of packages that begin with a prefix, in no order.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self
            .apt("apt-cache", &["pkgnames", prefix])?
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// All versions of the named packages; a name that the archive lacks is an error.
    pub(crate) fn show(&self, names: &[&str]) -> Result<Vec<Package>> {
        let text = self.apt("apt-cache", &[&["show", "--all-versions"], names].concat())?;
        deb822::parse(&text).iter().map(Package::from_paragraph).collect()
    }

    /// Downloads a package into a folder and gives the file.
    pub(crate) fn download(&self, package: &Package, folder: &Path) -> Result<PathBuf> {
        let folder = folder.join(&package.name);
        fs::create_dir_all(&folder)?;
        let wanted = format!("{}={}", package.name, package.version);
        let mut command = self.command("apt-get");
        read(command.args(["download", "-qq", &wanted]).current_dir(&folder))?;
        let file = fs::read_dir(&folder)?
            .next()
            .context("apt-get download left no file")??
            .path();
        super::checksum::verify(&file, &package.sha256)?;
        Ok(file)
    }

    fn apt(&self, program: &str, args: &[&str]) -> Result<String> {
        read(self.command(program).args(args))
    }

    fn command(&self, program: &str) -> Command {
        let home = |name: &str| self.home.join(name).display().to_string();
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").args(PATIENCE);
        for (option, value) in [
            ("Dir::Etc::sourcelist", home("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::State", home("")),
            ("Dir::State::lists", home("lists")),
            ("Dir::State::status", "/dev/null".to_owned()),
            ("Dir::Cache", home("cache")),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".to_owned()),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Architectures", "amd64".to_owned()),
            // The user that apt changes to has no access to the cache folder of another.
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command
    }
}

/// Runs one of apt's programs; of a failure only the first complaint is of interest.
fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("apt is missing: this is not Debian")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!(
            "{}",
            complaint(&said).unwrap_or_else(|| tool::tail(&said, 3).to_owned())
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first error in what apt says, else the first warning.
fn complaint(said: &str) -> Option<String> {
    let first = |mark: &str| said.lines().find_map(|line| line.strip_prefix(mark));
    first("E: ").or_else(|| first("W: ")).map(str::to_owned)
}

/// Makes the next [`Archive::open`] read the lists again.
pub(crate) fn forget() -> Result<()> {
    match fs::remove_file(stamp()?) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The file whose age is that of the lists.
fn stamp() -> Result<PathBuf> {
    Ok(paths::cache()?.join("apt/updated"))
}

impl Package {
    fn from_paragraph(paragraph: &Paragraph) -> Result<Self> {
        let field = |name: &str| {
            paragraph
                .get(name)
                .cloned()
                .with_context(|| format!("the index has no {name}"))
        };
        let depends = paragraph.get("Depends").map(String::as_str).unwrap_or_default();
        Ok(Self {
            name: field("Package")?,
            version: field("Version")?,
            depends: deb822::packages(depends).map(str::to_owned).collect(),
            sha256: field("SHA256")?,
        })
    }
}

/// Where the archive is reached.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    main: String,
    security: String,
}

impl Mirror {
    /// What the user names (`XTASK_DEBIAN_MIRROR`, `XTASK_DEBIAN_SECURITY_MIRROR`), else what the machine uses.
    fn of_machine() -> Result<Self> {
        if let Ok(main) = env::var("XTASK_DEBIAN_MIRROR") {
            let security = env::var("XTASK_DEBIAN_SECURITY_MIRROR").unwrap_or_else(|_| security_of(&main));
            return Ok(Self { main, security });
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .unwrap_or_default();
        let format = "$(RELEASE) $(COMPONENT) $(REPO_URI)";
        let targets =
            tool::read(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))
                .context("this is not Debian: set XTASK_DEBIAN_MIRROR to the address of a mirror")?;
        Self::from_targets(&targets, codename)
            .context("the machine uses no mirror of Debian: set XTASK_DEBIAN_MIRROR to the address of one")
    }

    /// Where the packages of a release are.
    fn address(&self, suite: &str) -> &str {
        if suite.ends_with("-security") {
            &self.security
        } else {
            &self.main
        }
    }

    /// Reads the machine's sources; other archives on the list have other releases or components.
    fn from_targets(targets: &str, codename: &str) -> Option<Self> {
        let find = |releases: &[String]| {
            targets.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let (release, component, address) = (words.next()?, words.next()?, words.next()?);
                let found = component == "main" && releases.iter().any(|wanted| wanted == release);
                found.then(|| address.trim_end_matches('/').to_owned())
            })
        };
        let names = [
            codename,
            "stable",
            "oldstable",
            "oldoldstable",
            "testing",
            "sid",
            "unstable",
        ];
        let main = find(&names.map(str::to_owned))?;
        let security = find(&names.map(|name| format!("{name}-security"))).unwrap_or_else(|| security_of(&main));
        Some(Self { main, security })
    }
}

/// The usual place of security updates beside a mirror.
fn security_of(main: &str) -> String {
    format!("{}-security", main.trim_end_matches('/'))
}

/// The contents of `sources.list`.
fn sources(mirror: &Mirror) -> String {
    let line = |suite: &str| {
        let address = mirror.address(suite);
        format!("deb [signed-by={KEYRING}] {address} {suite} main\n")
    };
    SUITES.into_iter().map(line).collect()
}

/// Lines of a `sources.list` for a machine of release `suite`, with security updates and sources.
pub(super) fn sources_of(suite: &str) -> Result<Vec<String>> {
    let mirror = Mirror::of_machine()?;
    let line = |kind: &str, suite: &str| format!("{kind} {} {suite} main", mirror.address(suite));
    Ok(vec![
        line("deb", suite),
        line("deb-src", suite),
        line("deb", &format!("{suite}-security")),
    ])
}

#[cfg(test)]
mod tests {
    use super::{Mirror, Package, complaint, deb822};
    use expect_test::expect;

    #[test]
    fn mirror_among_other_archives() {
        let targets = "bookworm-pgdg main http://other.example/\n\
            bookworm stable http://third.example/debian/\n\
            bookworm-security main http://mirror.example/debian-security/\n\
            bookworm contrib http://contrib.example/debian/\n\
            bookworm main http://mirror.example/debian/\n";
        expect![[r#"
            Some(
                Mirror {
                    main: "http://mirror.example/debian",
                    security: "http://mirror.example/debian-security",
                },
            )
        "#]]
        .assert_debug_eq(&Mirror::from_targets(targets, "bookworm"));
        assert_eq!(
            Mirror::from_targets("jammy main http://other.example/\n", "bookworm"),
            None
        );
        let bare = Mirror::from_targets("stable main http://mirror.example/debian/\n", "bookworm");
        assert_eq!(
            bare.map(|mirror| mirror.security).as_deref(),
            Some("http://mirror.example/debian-security")
        );
    }

    #[test]
    fn errors_before_warnings() {
        assert_eq!(complaint("Get:1\nW: w\nE: e\nE: f\n").as_deref(), Some("e"));
        assert_eq!(complaint("W: w\n").as_deref(), Some("w"));
        assert_eq!(complaint("Hit:1\n"), None);
    }

    #[test]
    fn package_of_the_index() {
        let text = "Package: linux-image-7.3.4+deb13-cloud-amd64\nVersion: 7.3.4-1~bpo13+1\n\
            Depends: dracut | initramfs-tools (>= 0.120), linux-base-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1)\n\
            SHA256: 4545\n";
        expect![[r#"
            Package {
                name: "linux-image-7.3.4+deb13-cloud-amd64",
                version: "7.3.4-1~bpo13+1",
                depends: [
                    "dracut",
                    "linux-base-7.3.4+deb13-cloud-amd64",
                ],
                sha256: "4545",
            }
        "#]]
        .assert_debug_eq(&Package::from_paragraph(&deb822::parse(text)[0]).unwrap());
        assert!(Package::from_paragraph(&deb822::parse("Package: a\n")[0]).is_err());
    }
}
