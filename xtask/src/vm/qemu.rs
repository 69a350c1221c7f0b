//! The command line of QEMU.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Command line of the kernel.
///
/// The first serial port is the console. A panic ends the machine at once, and an oops is a panic. BPF is among the
/// security modules also where the distribution leaves it out. Addresses and costs are the same in each run. Emulation
/// is slow, so watchdogs of the kernel are patient.
const KERNEL: &str = "console=ttyS0 printk.time=1 panic=-1 oops=panic rdinit=/init lsm=lockdown,yama,bpf random.trust_cpu=on \
    nokaslr mitigations=off watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300";

/// A machine to start.
pub(crate) struct Qemu {
    /// Image of the kernel.
    pub(crate) image: PathBuf,
    /// Its initramfs.
    pub(crate) initramfs: PathBuf,
    /// Number of processors.
    pub(crate) processors: u32,
    /// Memory in MiB.
    pub(crate) memory: u32,
    /// Let guest time count executed instructions instead of passing.
    pub(crate) counted: bool,
    /// Where the console goes.
    pub(crate) console: Console,
    /// Where the second serial port goes: a file, or standard output.
    pub(crate) report: Option<PathBuf>,
}

/// Where the console of a machine goes.
pub(crate) enum Console {
    /// Into a file.
    File(PathBuf),
    /// To the user's terminal, which is the guest's from then on. Ctrl-A X ends the machine.
    Terminal,
    /// To standard output.
    Output,
}

impl Qemu {
    /// The command that runs the machine until it ends itself. It dies with the thread that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        // QEMU puts the terminal back in order when it is told to end, so it is told rather than killed.
        command.args(["--pdeathsig", "TERM", "qemu-system-x86_64"]);
        command.args([
            "-M",
            "q35",
            "-cpu",
            "max",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command.args(["-m", &self.memory.to_string(), "-smp", &self.processors.to_string()]);
        if self.counted {
            command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]);
            // Where things lie in memory and in hash tables depends on random numbers and on the time, and with it what
            // they cost: by some thousand instructions a process.
            command.args(["-seed", "1", "-rtc", "base=2030-01-01T00:00:00,clock=vm"]);
        } else {
            command.args(["-accel", "tcg,thread=multi"]);
        }
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"]);
        let mut kernel = KERNEL.to_owned();
        let console = match &self.console {
            Console::File(path) => {
                // Warnings are of interest: `quiet` would hide them.
                kernel.push_str(" loglevel=5");
                file(path)
            }
            Console::Terminal => {
                kernel.push_str(" quiet loglevel=2");
                "stdio,mux=on,signal=off".to_owned()
            }
            Console::Output => {
                kernel.push_str(" quiet loglevel=2");
                "stdio,signal=off".to_owned()
            }
        };
        let report = self
            .report
            .as_deref()
            .map_or_else(|| "stdio,signal=off".to_owned(), file);
        for (name, backend) in [("console", console), ("report", report)] {
            let (kind, options) = backend.split_once(',').unwrap_or((&backend, ""));
            command.args(["-chardev", &format!("{kind},id={name},{options}")]);
            command.args(["-serial", &format!("chardev:{name}")]);
        }
        command
            .arg("-kernel")
            .arg(&self.image)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", &kernel]);
        command
    }
}

/// A backend that writes a file. QEMU takes a doubled comma for one in a path.
fn file(path: &Path) -> String {
    format!("file,path={}", path.display().to_string().replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::{Console, Qemu};
    use expect_test::expect;

    #[test]
    fn commands() {
        let qemu = Qemu {
            image: "vmlinuz".into(),
            initramfs: "initramfs".into(),
            processors: 1,
            memory: 768,
            counted: true,
            console: Console::File("a,b/console.log".into()),
            report: None,
        };
        let command = qemu.command();
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        expect![[r#"
            --pdeathsig TERM qemu-system-x86_64 -M q35 -cpu max -nodefaults -no-user-config -display none -no-reboot
            -m 768 -smp 1
            -accel tcg,thread=single -icount shift=0,sleep=off -seed 1 -rtc base=2030-01-01T00:00:00,clock=vm
            -device isa-debug-exit,iobase=0xf4,iosize=0x4
            -chardev file,id=console,path=a,,b/console.log -serial chardev:console
            -chardev stdio,id=report,signal=off -serial chardev:report
            -kernel vmlinuz -initrd initramfs
            -append console=ttyS0 printk.time=1 panic=-1 oops=panic rdinit=/init lsm=lockdown,yama,bpf random.trust_cpu=on nokaslr mitigations=off watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 loglevel=5
        "#]]
        .assert_eq(&["-m ", "-accel ", "-device ", "-chardev ", "-kernel ", "-append "].iter().fold(
            words.join(" ") + "\n",
            |text, option| text.replace(&format!(" {option}"), &format!("\n{option}")),
        ));
    }
}
