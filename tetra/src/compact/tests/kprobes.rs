//! Lines of kprobe events: every row of the table, with its arguments and without.

use super::*;

fn kprobe(function: &str, args: &str) -> String {
    event(
        "process_kprobe",
        &format!(r#""function_name":"{function}","args":[{args}]"#),
    )
}

/// The lines of `function`, without colours, for each list of arguments.
fn plain(function: &str, args: &[&str]) -> String {
    args.iter().map(|args| lines(PLAIN, &kprobe(function, args))).collect()
}

#[test]
fn files() {
    let write = [
        r#"{"file_arg":{"path":"/etc/passwd"}},{"bytes_arg":"aGk="},{"size_arg":"1234"}"#,
        r#"{"int_arg":1}"#,
        "",
    ];
    for architecture in ["", "__x64_", "__arm64_", "__ia32_"] {
        let shown = plain(&format!("{architecture}sys_write"), &write);
        expect![[r#"
            📝 write   node-a /usr/bin/curl /etc/passwd 1234 bytes⏎
            📝 write   node-a /usr/bin/curl  ⏎
            📝 write   node-a /usr/bin/curl  ⏎
        "#]]
        .assert_eq(&shown);
    }
    expect![[r#"
        📚 read    node-a /usr/bin/curl /etc/passwd 1234 bytes⏎
        📚 read    node-a /usr/bin/curl  ⏎
        📚 read    node-a /usr/bin/curl  ⏎
    "#]]
    .assert_eq(&plain("__x64_sys_read", &write));
    expect![[r#"
        📬 open    node-a /usr/bin/curl "/a b"⏎
        📬 open    node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&plain(
        "fd_install",
        &[r#"{"int_arg":3},{"file_arg":{"path":"/a b"}}"#, ""],
    ));
    let open = [
        r#"{"int_arg":3},{"string_arg":"/etc/bad\nfile"}"#,
        r#"{"string_arg":"/etc/hosts"}"#,
        "",
    ];
    expect![[r#"
        📬️ openat  node-a /usr/bin/curl "/etc/bad\nfile"⏎
        📬️ openat  node-a /usr/bin/curl ⏎
        📬️ openat  node-a /usr/bin/curl ⏎
        📬️ open    node-a /usr/bin/curl "/etc/bad\nfile"⏎
        📬️ open    node-a /usr/bin/curl ⏎
        📬️ open    node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&(plain("sys_openat", &open) + &plain("__x64_sys_open", &open)));
    expect![[r#"
        📪 close   node-a /usr/bin/curl /etc/passwd⏎
        📪 close   node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&plain("__x64_sys_close", &[write[0], ""]));
    let two = [
        r#"{"string_arg":"/dev/sda"},{"string_arg":"/mnt"}"#,
        r#"{"string_arg":"/dev/sda"}"#,
        "",
    ];
    expect![[r#"
        💾 mount   node-a /usr/bin/curl /dev/sda /mnt⏎
        💾 mount   node-a /usr/bin/curl /dev/sda ⏎
        💾 mount   node-a /usr/bin/curl  ⏎
        💾 pivot_root node-a /usr/bin/curl /dev/sda /mnt⏎
        💾 pivot_root node-a /usr/bin/curl /dev/sda ⏎
        💾 pivot_root node-a /usr/bin/curl  ⏎
    "#]]
    .assert_eq(&(plain("__x64_sys_mount", &two) + &plain("__x64_sys_pivot_root", &two)));
}

#[test]
fn processes() {
    expect![[r#"
        🔑 setuid  node-a /usr/bin/curl 0⏎
        🔑 setuid  node-a /usr/bin/curl -1⏎
        🔑 setuid  node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&plain(
        "__x64_sys_setuid",
        &[r#"{"int_arg":0}"#, r#"{"int_arg":-1}"#, ""],
    ));
    expect![[r#"
        ⏰ clock_settime node-a /usr/bin/curl⏎
        🔧 proc_exec_connector node-a /usr/bin/curl⏎
    "#]]
    .assert_eq(&(plain("__x64_sys_clock_settime", &[""]) + &plain("proc_exec_connector", &[""])));
    let kinds = [
        0,
        0x80,
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
        5,
    ];
    let args = kinds.map(|kind| format!(r#"{{"int_arg":4}},{{"int_arg":{kind}}}"#));
    expect![[r#"
        🔧 setns   node-a /usr/bin/curl any⏎
        🔧 setns   node-a /usr/bin/curl time⏎
        🔧 setns   node-a /usr/bin/curl mnt⏎
        🔧 setns   node-a /usr/bin/curl cgroup⏎
        🔧 setns   node-a /usr/bin/curl uts⏎
        🔧 setns   node-a /usr/bin/curl ipc⏎
        🔧 setns   node-a /usr/bin/curl user⏎
        🔧 setns   node-a /usr/bin/curl pid⏎
        🔧 setns   node-a /usr/bin/curl net⏎
        🔧 setns   node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&plain("__x64_sys_setns", &args.each_ref().map(String::as_str)));
    expect![[r#"
        🔧 setns   node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&plain("__x64_sys_setns", &[""]));
}

#[test]
fn sockets() {
    let sock = r#"{"sock_arg":{"saddr":"10.9.8.7","daddr":"::1","sport":40112,"dport":8443}}"#;
    let sent = format!(r#"{sock},{{"int_arg":512}}"#);
    let shown = plain("tcp_connect", &[sock, "", r#"{"int_arg":1}"#]) + &plain("tcp_close", &[sock, ""]);
    expect![[r#"
        🔌 connect node-a /usr/bin/curl tcp 10.9.8.7:40112 -> ::1:8443⏎
        🔌 connect node-a /usr/bin/curl ⏎
        🔌 connect node-a /usr/bin/curl ⏎
        🧹 close   node-a /usr/bin/curl tcp 10.9.8.7:40112 -> ::1:8443⏎
        🧹 close   node-a /usr/bin/curl ⏎
        📤 sendmsg node-a /usr/bin/curl tcp 10.9.8.7:40112 -> ::1:8443 bytes 512⏎
        📤 sendmsg node-a /usr/bin/curl tcp 10.9.8.7:40112 -> ::1:8443 bytes 0⏎
        📤 sendmsg node-a /usr/bin/curl  bytes 0⏎
    "#]]
    .assert_eq(&(shown + &plain("tcp_sendmsg", &[&sent, sock, ""])));
}

#[test]
fn bpf() {
    let program = r#"{"bpf_attr_arg":{"ProgType":"BPF_PROG_TYPE_KPROBE","InsnCnt":2048,"ProgName":"amazing-program"}}"#;
    let watch = r#"{"perf_event_arg":{"KprobeFunc":"commit_creds","Type":"PERF_TYPE_TRACEPOINT"}}"#;
    let map =
        r#"{"bpf_map_arg":{"MapType":"BPF_MAP_TYPE_HASH","KeySize":8,"ValueSize":4,"MaxEntries":1024,"MapName":"m"}}"#;
    let shown = plain("bpf_check", &[program, ""]) + &plain("security_perf_event_alloc", &[watch, ""]);
    expect![[r#"
        🐝 bpf_load node-a /usr/bin/curl BPF_PROG_TYPE_KPROBE amazing-program instruction count 2048⏎
        🐝 bpf_load node-a /usr/bin/curl ⏎
        🐝 perf_event_alloc node-a /usr/bin/curl PERF_TYPE_TRACEPOINT commit_creds⏎
        🐝 perf_event_alloc node-a /usr/bin/curl ⏎
        🗺 bpf_map_create node-a /usr/bin/curl BPF_MAP_TYPE_HASH m key size 8 value size 4 max entries 1024⏎
        🗺 bpf_map_create node-a /usr/bin/curl BPF_MAP_TYPE_HASH m key size 8 value size 4 max entries 1024⏎
        🗺 bpf_map_create node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&(shown + &plain("security_bpf_map_alloc", &[map]) + &plain("security_bpf_map_create", &[map, ""])));
}

#[test]
fn security_hooks() {
    let file = |rest: &str| format!(r#"{{"file_arg":{{"path":"/etc/hosts"}}}}{rest}"#);
    let access = [2, 4, 1].map(|mask| file(&format!(r#",{{"int_arg":{mask}}}"#)));
    expect![[r#"
        📝 write   node-a /usr/bin/curl /etc/hosts⏎
        📚 read    node-a /usr/bin/curl /etc/hosts⏎
        ❓ security_file_permission node-a /usr/bin/curl /etc/hosts⏎
        ❓ security_file_permission node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(
        &(plain("security_file_permission", &access.each_ref().map(String::as_str))
            + &plain("security_file_permission", &[""])),
    );
    let protection = [1, 3, 5, 7, 0].map(|mask| file(&format!(r#",{{"uint_arg":{mask}}}"#)));
    expect![[r#"
        📝 mmap-r  node-a /usr/bin/curl /etc/hosts⏎
        📝 mmap-rw node-a /usr/bin/curl /etc/hosts⏎
        📝 mmap-rx node-a /usr/bin/curl /etc/hosts⏎
        📝 mmap-rwx node-a /usr/bin/curl /etc/hosts⏎
        📝 mmap-   node-a /usr/bin/curl /etc/hosts⏎
        ❓ security_mmap_file node-a /usr/bin/curl /etc/hosts⏎
        ❓ security_mmap_file node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(
        &(plain("security_mmap_file", &protection.each_ref().map(String::as_str))
            + &plain("security_mmap_file", &[&file(""), ""])),
    );
    let path = r#"{"path_arg":{"path":"/tmp/a"}}"#;
    expect![[r#"
        📝 truncate node-a /usr/bin/curl /tmp/a⏎
        ❓ security_path_truncate node-a /usr/bin/curl ⏎
        📝 truncate node-a /usr/bin/curl /etc/hosts⏎
        ❓ security_file_truncate node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&(plain("security_path_truncate", &[path, ""]) + &plain("security_file_truncate", &[&file(""), ""])));
}

#[test]
fn other_functions() {
    expect![[r#"
        ❓ syscall node-a /usr/bin/curl __x64_sys_ptrace⏎
        ❓ syscall node-a /usr/bin/curl commit_creds⏎
        ❓ syscall node-a /usr/bin/curl ⏎
    "#]]
    .assert_eq(&(plain("__x64_sys_ptrace", &[""]) + &plain("commit_creds", &[r#"{"int_arg":1}"#]) + &plain("", &[""])));
}

#[test]
fn colours() {
    let file = r#"{"file_arg":{"path":"/etc/passwd"}},{"bytes_arg":"aGk="},{"size_arg":"1234"}"#;
    let sock = r#"{"sock_arg":{"saddr":"10.9.8.7","daddr":"::1","sport":40112,"dport":8443}},{"int_arg":512}"#;
    check(
        &kprobe("sys_write", file),
        &expect![[r#"
        📝 write   node-a /usr/bin/curl /etc/passwd 1234 bytes⏎
        ␛[34m📝 write  ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36m/etc/passwd␛[0m ␛[36m1234 bytes␛[0m⏎
    "#]],
    );
    check(
        &kprobe("sys_write", ""),
        &expect![[r#"
        📝 write   node-a /usr/bin/curl  ⏎
        ␛[34m📝 write  ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m  ⏎
    "#]],
    );
    check(
        &kprobe("tcp_sendmsg", sock),
        &expect![[r#"
        📤 sendmsg node-a /usr/bin/curl tcp 10.9.8.7:40112 -> ::1:8443 bytes 512⏎
        ␛[34m📤 sendmsg␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36mtcp 10.9.8.7:40112 -> ::1:8443␛[0m bytes 512⏎
    "#]],
    );
    check(
        &kprobe("unheard_of", ""),
        &expect![[r#"
        ❓ syscall node-a /usr/bin/curl unheard_of⏎
        ␛[34m❓ syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m unheard_of⏎
    "#]],
    );
}

#[test]
fn stack_traces() {
    check(
        &event(
            "process_kprobe",
            r#""function_name":"f","kernel_stack_trace":[{"address":"18446744071580000000","symbol":"tcp_connect","offset":"1"},
               {"symbol":"do_one"}],
               "user_stack_trace":[{"address":"4096","symbol":"main","module":"/bin/a","offset":"19"},{"module":"/lib/b"}]"#,
        ),
        &expect![[r#"
            ❓ syscall node-a /usr/bin/curl f⏎
            Kernel:⏎
               0xffffffff81119f00: tcp_connect+0x1⏎
               0x0: do_one+0x0⏎
            User:⏎
               0x1000: main (/bin/a+0x13)⏎
               0x0: (/lib/b+0x0)⏎
            ␛[34m❓ syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m f⏎
            Kernel:⏎
            ␛[32m   0xffffffff81119f00:␛[0m ␛[34mtcp_connect␛[0m+␛[33m0x1␛[0m⏎
            ␛[32m   0x0:␛[0m ␛[34mdo_one␛[0m+␛[33m0x0␛[0m⏎
            User:⏎
            ␛[32m   0x1000:␛[0m ␛[34mmain␛[0m (/bin/a+␛[33m0x13␛[0m)⏎
            ␛[32m   0x0:␛[0m (/lib/b+␛[33m0x0␛[0m)⏎
        "#]],
    );
}
