//! Processes as events show them.

use ebpf_abi::{
    event::{ExecEvent, exec_flag},
    map::{Namespaces, ProcessKey},
};
use tetragon_api::{
    exec_id, flags,
    v1::{EnvVar, Process, UserRecord},
};

use super::{
    containers::{CgroupOf, Containers},
    credentials::{capabilities, credentials, namespaces},
};
use crate::{
    clock::Clock,
    container,
    observer::Redact,
    procfs::Scanned,
    record::{Clone as CloneRecord, Exec},
    text,
    users::Users,
};

/// Builds processes; knows what the user wants in them.
pub struct Builder {
    /// Name of the node, part of every `exec_id`.
    pub node_name: String,
    /// Show capabilities and credentials.
    pub process_cred: bool,
    /// Show namespaces.
    pub process_ns: bool,
    /// Environment variables to show, all when empty; `None` for none at all.
    pub environment: Option<Vec<String>>,
    /// Containers to name.
    pub containers: Containers,
    /// Account names to show.
    pub users: Option<Users>,
    /// Hides secrets.
    pub redaction: Option<Box<dyn Redact>>,
    /// Namespaces of the host.
    pub host: Namespaces,
}

/// What an exec record leads to but does not hold itself.
#[derive(Clone, Copy, Debug)]
pub struct ExecParts<'a> {
    /// Arguments, from the record or from those before it.
    pub args: &'a [u8],
    /// Environment, likewise.
    pub envs: &'a [u8],
    /// Identity of the parent.
    pub parent: ProcessKey,
    /// Bits of [`exec_flag`], the record's and what became of them.
    pub flags: u32,
    /// The container of the parent.
    pub docker: &'a str,
}

impl Builder {
    /// The `exec_id` of an image.
    pub fn exec_id(&self, key: ProcessKey) -> String {
        exec_id::encode(&self.node_name, key.ktime, key.pid)
    }

    /// The process that an exec record tells of.
    pub fn exec(&mut self, record: &Exec<'_>, parts: &ExecParts<'_>, clock: Clock) -> Process {
        let ExecParts {
            args,
            envs,
            parent,
            flags,
            docker: _,
        } = *parts;
        let ExecEvent {
            process: key,
            auid,
            cgroup_id,
            ref creds,
            ref caps,
            ref ns,
            ..
        } = record.head;
        let binary = text::absolute(record.filename, record.cwd).unwrap_or_else(|| {
            // A relative name in a directory that is not known: where the kernel found the file.
            text::lossy(if record.image.is_empty() {
                record.filename
            } else {
                record.image
            })
        });
        let cgroup = CgroupOf {
            pid: key.pid,
            id: cgroup_id,
            name: record.cgroup,
        };
        let mut process = Process {
            cwd: text::lossy(record.cwd),
            binary,
            arguments: text::arguments(args),
            docker: self.containers.docker(cgroup, parts.docker),
            environment_variables: self.variables(envs),
            auid: Some(auid),
            ..self.base(key, parent, flags, clock)
        };
        self.privileges(&mut process, creds, caps, ns);
        self.redact(&mut process);
        process
    }

    /// The process that a clone record tells of: its parent by another number.
    pub fn clone(&mut self, record: &CloneRecord<'_>, parent: Option<&Process>, flags: u32, clock: Clock) -> Process {
        let head = &record.head;
        let mut process = self.base(head.process, head.parent, flags, clock);
        if let Some(parent) = parent {
            process.cwd.clone_from(&parent.cwd);
            process.binary.clone_from(&parent.binary);
            process.arguments.clone_from(&parent.arguments);
            process.environment_variables.clone_from(&parent.environment_variables);
            process.auid = parent.auid;
        }
        let cgroup = CgroupOf {
            pid: head.process.pid,
            id: head.cgroup_id,
            name: record.cgroup,
        };
        let inherited = parent.map_or("", |parent| parent.docker.as_str());
        process.docker = self.containers.docker(cgroup, inherited);
        self.privileges(&mut process, &head.creds, &head.caps, &head.ns);
        process
    }

    /// A process that was found in `/proc`.
    pub fn scanned(&mut self, scanned: &Scanned, parent: ProcessKey, in_init_tree: bool, clock: Clock) -> Process {
        let mut flags = exec_flag::PROCFS;
        if in_init_tree {
            flags |= exec_flag::IN_INIT_TREE;
        }
        if scanned.kernel_thread {
            return Process {
                binary: format!("[{}]", text::lossy(&scanned.comm)),
                uid: Some(0),
                auid: Some(u32::MAX),
                ..self.base(scanned.key(), parent, flags, clock)
            };
        }
        flags |= match scanned.cwd.as_slice() {
            b"/" => exec_flag::ROOT_CWD,
            b"" => exec_flag::NO_CWD,
            _ => 0,
        };
        let mut process = Process {
            cwd: text::lossy(&scanned.cwd),
            binary: text::lossy(&scanned.exe),
            arguments: text::arguments(&scanned.cmdline),
            docker: container::docker_id_of_path(&scanned.cgroup)
                .unwrap_or_default()
                .to_owned(),
            environment_variables: self.variables(&scanned.environ),
            auid: Some(scanned.auid),
            ..self.base(scanned.key(), parent, flags, clock)
        };
        self.privileges(&mut process, &scanned.creds, &scanned.caps, &scanned.ns);
        self.redact(&mut process);
        process
    }

    /// The kernel's own process, parent of the first ones.
    pub fn kernel(&self, clock: Clock) -> Process {
        Process {
            binary: "<kernel>".to_owned(),
            uid: Some(0),
            auid: Some(u32::MAX),
            ..self.base(ProcessKey::KERNEL, ProcessKey::KERNEL, exec_flag::PROCFS, clock)
        }
    }

    /// A process of which nothing is known but its identity.
    pub fn unknown(&self, key: ProcessKey, clock: Clock) -> Process {
        Process {
            exec_id: self.exec_id(key),
            pid: Some(key.pid),
            tid: Some(key.pid),
            flags: flags::UNKNOWN.to_owned(),
            start_time: Some(clock.timestamp(key.ktime)),
            ..Process::default()
        }
    }

    fn base(&self, key: ProcessKey, parent: ProcessKey, flags: u32, clock: Clock) -> Process {
        Process {
            exec_id: self.exec_id(key),
            pid: Some(key.pid),
            tid: Some(key.pid),
            flags: flags::words(flags),
            start_time: Some(clock.timestamp(key.ktime)),
            parent_exec_id: self.exec_id(parent),
            in_init_tree: Some(flags & exec_flag::IN_INIT_TREE != 0),
            ..Process::default()
        }
    }

    fn variables(&self, environ: &[u8]) -> Vec<EnvVar> {
        self.environment
            .as_ref()
            .map(|names| text::environment(environ, names))
            .unwrap_or_default()
    }

    fn privileges(
        &mut self,
        process: &mut Process,
        creds: &ebpf_abi::map::Credentials,
        caps: &ebpf_abi::map::Capabilities,
        ns: &Namespaces,
    ) {
        process.uid = Some(creds.euid);
        if self.process_cred {
            process.cap = Some(capabilities(caps));
            process.process_credentials = Some(credentials(creds));
        }
        if self.process_ns {
            process.ns = Some(namespaces(ns, &self.host));
        }
        if let Some(users) = &mut self.users {
            // The host's accounts say nothing about the users of a container.
            let of_host = ns.mnt == self.host.mnt && ns.user == self.host.user && process.docker.is_empty();
            process.user = users
                .name(creds.euid)
                .filter(|_| of_host)
                .map(|name| UserRecord { name: name.to_owned() });
        }
    }

    fn redact(&self, process: &mut Process) {
        if let Some(redaction) = &self.redaction {
            redaction.redact(
                &process.binary,
                &mut process.arguments,
                &mut process.environment_variables,
            );
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}
