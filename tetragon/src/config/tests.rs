//! What configuration comes out of which layers, without touching the machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::{Command, Config, Environment, Error, Setting};

/// Variables and files as a test wants them.
#[derive(Default)]
struct Fake {
    variables: BTreeMap<String, OsString>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Fake {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }
}

impl Environment for Fake {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(content) if content == b"unreadable" => Err(io::ErrorKind::PermissionDenied.into()),
            Some(content) => Ok(content.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn files(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let inside = self.files.keys().filter(|path| path.parent() == Some(directory));
        let inside: Vec<PathBuf> = inside.cloned().collect();
        if inside.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(inside)
        }
    }

    fn host_name(&self) -> String {
        "host".into()
    }

    fn cpus(&self) -> u64 {
        4
    }
}

fn load(arguments: &[&str], fake: &Fake) -> Result<Command, Error> {
    let words = ["tetragon"].iter().chain(arguments).map(OsString::from);
    super::load(words, fake)
}

fn config(arguments: &[&str], fake: &Fake) -> Config {
    match load(arguments, fake) {
        Ok(Command::Run(config)) => *config,
        Ok(Command::Print(text)) => panic!("printed {text}"),
        Err(error) => panic!("{error}"),
    }
}

/// Each error.
fn errors(cases: &[(&[&str], Fake)], expected: &Expect) {
    let lines = cases.iter().map(|(arguments, fake)| match load(arguments, fake) {
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text:?}");
            text + "\n"
        }
        Ok(_) => format!("{arguments:?} is no error\n"),
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn defaults() {
    expect![[r#"
        Config {
            logging: Options {
                level: LevelFilter::INFO,
                format: Format {
                    json: false,
                    time: false,
                },
                file: None,
            },
            observer: Options {
                bpf_lib: None,
                btf: None,
                procfs: "/proc/",
                ..
            },
            export: None,
            server: Options {
                addresses: [
                    Tcp(
                        "localhost",
                        54321,
                    ),
                    Unix(
                        "/var/run/tetragon/tetragon.sock",
                    ),
                ],
                queue: 10000,
                deprecated: false,
                captured: Captured {
                    process_cred: false,
                    ancestors: [],
                },
            },
            health: Some(
                Options {
                    address: Tcp(
                        "",
                        6789,
                    ),
                },
            ),
            run_dir: "/var/run/tetragon",
            policies: Files {
                directory: "/etc/tetragon/tetragon.tp.d",
                must_exist: false,
                file: None,
            },
            persistence: Options {
                directory: "tetragon",
                keep: false,
                release: true,
            },
            config_dir: None,
            unknown: [],
            settings: [],
        }
    "#]]
    .assert_debug_eq(&Config {
        settings: vec![],
        ..config(&[], &Fake::default())
    });
}

#[test]
fn every_setting_can_be_told() {
    let settings = config(&["--enable-ancestors", "base,kprobe", "--debug"], &Fake::default()).settings;
    let of = |flag: &str| {
        settings
            .iter()
            .find(|(name, _)| name == flag)
            .map(|(_, value)| value.clone())
    };
    let text = |text: &str| Some(Setting::Text(text.into()));
    assert_eq!(of("debug"), Some(Setting::Switch(true)));
    assert_eq!(of("rb-size"), Some(Setting::Number(0)));
    assert_eq!(of("export-rate-limit"), Some(Setting::Number(-1)));
    assert_eq!(of("procfs"), text("/proc/"));
    assert_eq!(of("event-cache-retries"), Some(Setting::Number(15)));
    assert_eq!(of("btf"), text(""));
    assert_eq!(of("bpf-dir"), text("tetragon"));
    assert_eq!(
        of("enable-ancestors"),
        Some(Setting::List(vec!["base".into(), "kprobe".into()]))
    );
    assert_eq!((of("help"), of("version")), (None, None));
}

#[test]
fn each_layer_is_stronger_than_those_before() {
    let layers: [fn(Fake) -> Fake; 7] = [
        |fake| fake.file("/usr/lib/tetragon/tetragon.conf.d/cluster-name", "1\n"),
        |fake| fake.file("/usr/local/lib/tetragon/tetragon.conf.d/cluster-name", " 2 "),
        |fake| fake.file("tetragon.yaml", "cluster-name: 3"),
        |fake| fake.file("/etc/tetragon/tetragon.yaml", "cluster-name: 4"),
        |fake| fake.file("/etc/tetragon/tetragon.conf.d/cluster-name", "5"),
        |fake| fake.file("/config/cluster-name", "6"),
        |fake| fake.variable("TETRAGON_CLUSTER_NAME", "7"),
    ];
    let mut seen = Vec::new();
    // Each alone must be overridden by the next one, so add them from the strongest to the weakest and the other way.
    for top in 0..layers.len() {
        let mut fake = Fake::default().file("/config/other", "");
        for layer in layers[..=top].iter().rev() {
            fake = layer(fake);
        }
        seen.push(config(&["--config-dir", "/config"], &fake).observer.cluster_name);
        let typed = config(&["--config-dir=/config", "--cluster-name=8"], &fake);
        assert_eq!(typed.observer.cluster_name, "8");
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn layers_add_up() {
    let fake = Fake::default()
        .file("/usr/lib/tetragon/tetragon.conf.d/export-filename", "/var/log/t.log\n")
        .file(
            "/etc/tetragon/tetragon.yaml",
            "enable-process-cred: true\nenable-ancestors:\n- base\n- kprobe\n",
        )
        .variable("TETRAGON_PROCESS_CACHE_SIZE", "100");
    let config = config(&["--enable-process-ns"], &fake);
    assert_eq!(config.export.unwrap().file.path, Path::new("/var/log/t.log"));
    assert!(config.observer.process_cred && config.observer.process_ns);
    assert_eq!(config.observer.process_cache_size, 100);
    assert_eq!(config.server.captured.ancestors.len(), 3);
}

#[test]
fn an_empty_value_clears() {
    let set = || {
        Fake::default()
            .file("/usr/lib/tetragon/tetragon.conf.d/export-filename", "/t.log")
            .file("/usr/lib/tetragon/tetragon.conf.d/process-cache-size", "100")
            .file("/usr/lib/tetragon/tetragon.conf.d/debug", "true")
    };
    let cleared = set()
        .file("/etc/tetragon/tetragon.conf.d/export-filename", "\n")
        .file("/etc/tetragon/tetragon.yaml", "process-cache-size:\ndebug: ''");
    let cleared = config(&[], &cleared);
    assert!(cleared.export.is_none());
    assert_eq!(cleared.observer.process_cache_size, 65_536);
    assert_eq!(cleared.logging.level, tracing::metadata::LevelFilter::INFO);
    // No server: not the default one.
    let cleared = Fake::default().file("/etc/tetragon/tetragon.conf.d/server-address", "");
    assert!(config(&[], &cleared).server.addresses.is_empty());
    assert!(config(&["--server-address="], &set()).server.addresses.is_empty());
    // An empty variable is none.
    let config = config(&[], &set().variable("TETRAGON_EXPORT_FILENAME", ""));
    assert!(config.export.is_some());
}

#[test]
fn unknown_names_are_noted() {
    let fake = Fake::default()
        .file("/etc/tetragon/tetragon.conf.d/colour", "red")
        .file("/etc/tetragon/tetragon.yaml", "shape: {round: true}\nsize: 3");
    let unknown = config(&[], &fake).unknown;
    assert_eq!(
        unknown,
        [
            "/etc/tetragon/tetragon.conf.d/colour",
            "/etc/tetragon/tetragon.yaml: size"
        ]
    );
}

#[test]
fn the_command_line_is_read_as_go_reads_it() {
    let fake = Fake::default();
    let config = |arguments: &[&str]| config(arguments, &fake);
    assert_eq!(config(&["--cluster-name", "-x"]).observer.cluster_name, "-x");
    assert_eq!(
        config(&["--cluster-name=a", "--cluster-name=b"]).observer.cluster_name,
        "b"
    );
    assert!(!config(&["--enable-process-cred=false"]).observer.process_cred);
    assert!(config(&["--enable-process-cred=T"]).observer.process_cred);
    assert_eq!(
        config(&["-d", "--log-format", "json"]).logging.level,
        tracing::metadata::LevelFilter::DEBUG
    );
    let environment = config(&[
        "--enable-process-environment-variables",
        "--filter-environment-variables=A,B",
        "--filter-environment-variables=C",
    ]);
    assert_eq!(environment.observer.environment.unwrap(), ["A", "B", "C"]);
    assert!(matches!(load(&["--help"], &fake), Ok(Command::Print(text)) if text.contains("--export-filename")));
    assert!(matches!(load(&["--version"], &fake), Ok(Command::Print(text)) if text.contains(crate::VERSION)));
}

#[test]
fn features_that_are_not_there_can_only_be_off() {
    let off = [
        "--metrics-server=",
        "--enable-k8s-api=false",
        "--disable-kprobe-multi=false",
        "--kernel",
        "",
    ];
    config(&off, &Fake::default());
    errors(
        &[
            (&["--metrics-server", ":2112"], Fake::default()),
            (&["--enable-k8s-api"], Fake::default()),
            (&["--disable-kprobe-multi"], Fake::default()),
            (&[], Fake::default().variable("TETRAGON_CGROUP_RATE", "1,1s")),
            (
                &[],
                Fake::default().file("/etc/tetragon/tetragon.conf.d/cpuprofile", "/p"),
            ),
            (&[], Fake::default().file("/etc/tetragon/tetragon.yaml", "verbose: 2")),
        ],
        &expect![[r"
            --metrics-server is not supported yet
            --enable-k8s-api is not supported yet
            --disable-kprobe-multi is not supported yet
            --cgroup-rate is not supported yet (set in environment variable TETRAGON_CGROUP_RATE)
            --cpuprofile is not supported yet (set in /etc/tetragon/tetragon.conf.d/cpuprofile)
            --verbose is not supported yet (set in /etc/tetragon/tetragon.yaml: verbose)
        "]],
    );
}

#[test]
fn values_that_are_wrong() {
    let typed: Vec<(&[&str], Fake)> = [
        ["--nonsense"].as_slice(),
        &["--export-filenam=x"],
        &["word"],
        &["--cluster-name"],
        &["--process-cache-size=many"],
        &["--process-cache-gc-interval=0s"],
        &["--event-queue-size=0"],
        &["--enable-process-cred=maybe"],
        &["--export-rate-limit=x"],
        &["--export-file-perm=rw"],
        &["--export-file-rotation-interval=-1s"],
        &["--export-filename=x", "--export-allowlist={"],
        &["--export-allowlist={\"colour\":1}"],
        &["--export-denylist={\"binary_regex\":[\"(\"]}"],
        &["--export-denylist={\"pid_set\":[1]}"],
        &["--export-allowlist={\"capabilities\":{\"effective\":{\"any\":[\"CAP_SYS_ADMIN\"]}}}"],
        &["--field-filters={\"fields\":\"colour\"}"],
        &["--redaction-filters={\"redact\":[\"(\"]}"],
        &["--log-level=loud"],
        &["--log-format=xml"],
        &["--server-address=unix://x"],
        &["--health-server-address=6789"],
        &["--rb-size=1T"],
        &["--rb-size=1M", "--rb-size-total=1M"],
        &["--rb-size=1G"],
        &["--execve-map-size=1"],
        &["--execve-map-size=1M", "--execve-map-entries=7"],
        &["--username-metadata=windows"],
        &["--enable-ancestors=kprobe"],
        &["--enable-ancestors=base,all"],
        &["--tracing-policy-dir=policies"],
        &["--bpf-dir=/sys/fs/bpf/tetragon"],
        &["--config-dir=/nowhere"],
        &["--bpf-lib=/nowhere"],
    ]
    .into_iter()
    .map(|arguments| (arguments, Fake::default()))
    .collect();
    errors(
        &typed,
        &expect![[r#"
            unexpected argument '--nonsense' found
            unexpected argument '--export-filenam' found; tip: a similar argument exists: '--export-filename'
            unexpected argument 'word' found
            a value is required for '--cluster-name <CLUSTER_NAME>' but none was supplied
            --process-cache-size: "many": give a whole number from 16 to 16777216
            --process-cache-gc-interval: give a duration above zero
            --event-queue-size: "0": give a whole number from 1 to 16777216
            --enable-process-cred: "maybe": give true or false
            --export-rate-limit: "x": give a whole number, or -1 for any number of events
            --export-file-perm: "rw": give permissions in octal, such as 600 or 0640
            --export-file-rotation-interval: "-1s": give a duration such as 30s, 1m30s or 500ms
            --export-allowlist: EOF while parsing an object at line 1 column 1
            --export-allowlist: unknown field `colour` in Filter at line 1 column 9
            --export-denylist: filter: binary_regex: pattern "(": unclosed group
            --export-denylist: pid_set needs --enable-pid-set-filter
            --export-allowlist: filter: capabilities: events have none, start the agent with --enable-process-cred
            --field-filters: field filter: no event type that it applies to has a field "colour"
            --redaction-filters: redact: pattern "(": unclosed group
            --log-level: "loud": give trace, debug, info, warn, error, fatal or panic
            --log-format: "xml": give text, text-ts, json or json-ts
            --server-address: "unix://x": give an absolute path behind unix://
            --health-server-address: "6789": give [host]:port, or nothing
            --rb-size: "1T": give a number of bytes, such as 65536, 64K or 1M
            --rb-size-total: give only one of --rb-size and --rb-size-total
            --rb-size: 4294967296 bytes for 4 CPUs are too many, give less than 1G for all together
            --execve-map-size: "1": an entry takes 156 bytes, give from 156 to 2G
            --execve-map-size: give only one of --execve-map-entries and --execve-map-size
            --username-metadata: "windows": give disabled or unix
            --enable-ancestors: the others need base, give base as well
            --enable-ancestors: "all": give some of base, kprobe, tracepoint, loader, uprobe, lsm, usdt
            --tracing-policy-dir: give an absolute path
            --bpf-dir: "/sys/fs/bpf/tetragon": give a name without dots and slashes, such as tetragon
            --config-dir: read /nowhere: entity not found
            --bpf-lib: read /nowhere: entity not found
        "#]],
    );
}

#[test]
fn values_that_are_wrong_elsewhere() {
    let drop_in =
        |name: &str, value: &str| Fake::default().file(&format!("/etc/tetragon/tetragon.conf.d/{name}"), value);
    errors(
        &[
            (&[], drop_in("process-cache-size", "many")),
            (&[], drop_in("debug", "maybe")),
            (&[], drop_in("export-allowlist", "{")),
            (&[], drop_in("config-dir", "/nowhere")),
            (&[], drop_in("rb-size", "1M").variable("TETRAGON_RB_SIZE_TOTAL", "1M")),
            (&[], drop_in("log-level", "unreadable")),
            (&[], Fake::default().variable("TETRAGON_RB_SIZE", "much")),
            (&[], Fake::default().variable("TETRAGON_SERVER_ADDRESS", "unix://x")),
            (&[], Fake::default().file("tetragon.yaml", "rb-size: much")),
            (&[], Fake::default().file("/etc/tetragon/tetragon.yaml", "- rb-size")),
            (&["--config-dir=/c"], Fake::default().file("/c/rb-size", "much")),
            // Only what counts is looked at.
            (&["--process-cache-size=20"], drop_in("process-cache-size", "many")),
        ],
        &expect![[r#"
            /etc/tetragon/tetragon.conf.d/process-cache-size: "many": give a whole number from 16 to 16777216
            /etc/tetragon/tetragon.conf.d/debug: "maybe": give true or false
            /etc/tetragon/tetragon.conf.d/export-allowlist: EOF while parsing an object at line 1 column 1
            /etc/tetragon/tetragon.conf.d/config-dir: read /nowhere: entity not found
            environment variable TETRAGON_RB_SIZE_TOTAL: give only one of --rb-size and --rb-size-total
            read configuration /etc/tetragon/tetragon.conf.d/log-level: permission denied
            environment variable TETRAGON_RB_SIZE: "much": give a number of bytes, such as 65536, 64K or 1M
            environment variable TETRAGON_SERVER_ADDRESS: "unix://x": give an absolute path behind unix://
            tetragon.yaml: rb-size: "much": give a number of bytes, such as 65536, 64K or 1M
            configuration /etc/tetragon/tetragon.yaml: expected mapping start at line 1, column 1
            /c/rb-size: "much": give a number of bytes, such as 65536, 64K or 1M
            ["--process-cache-size=20"] is no error
        "#]],
    );
}

#[test]
fn the_node_is_named_by_the_environment() {
    let name = |fake: Fake| config(&[], &fake).observer.node_name;
    assert_eq!(name(Fake::default()), "host");
    let named = || Fake::default().variable("NODE_NAME", "node");
    assert_eq!(name(named()), "node");
    assert_eq!(name(named().variable("HUBBLE_NODE_NAME", "hubble")), "hubble");
    assert_eq!(name(named().variable("HUBBLE_NODE_NAME", "")), "node");
}

#[test]
fn the_ring_buffer_is_one_for_all_cpus() {
    let bytes = |arguments: &[&str]| config(arguments, &Fake::default()).observer.ring_bytes;
    assert_eq!(bytes(&[]), 1 << 20);
    assert_eq!(bytes(&["--rb-size=1M"]), 4 << 20);
    assert_eq!(bytes(&["--rb-size-total", "3M"]), 3 << 20);
}
