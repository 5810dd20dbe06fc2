import type { MessageText } from './message-text.ts';

/** How shells say it in other languages; a line is given as the bytes of UTF-8. */
const SEGFAULTS = [
  'Speicherzugriffsfehler',
  'Erreur de segmentation',
  'Violación de segmento',
  'Ошибка сегментирования',
  '段错误',
].map((words) => Buffer.from(words).toString('latin1'));

/** How QEMU ended. */
export const endingTexts: readonly MessageText[] = [
  {
    id: 'end-hw-error',
    operation: 'crash',
    part: 'frame',
    pattern: /\b(?:qemu|kvm)[\w-]*: hardware error: /,
    says: 'QEMU stopped itself with a hardware error.',
    source: 'hw_error (softmmu/cpus.c, system/cpus.c), 2.9 to 11.0',
  },
  {
    id: 'end-crashed',
    operation: 'crash',
    part: 'hint',
    pattern: /\bshutting down, reason=crashed\b/,
    isVague: true,
    source: 'as posted',
  },
  {
    id: 'end-at-start',
    operation: 'attach',
    part: 'hint',
    pattern:
      /\b(?:[Uu]nexpectedly closed the monitor|process exited while connecting to monitor)(?: \(vm='[^']{0,128}'\))?:|\bstart failed: QEMU exited with code \d/,
    says: 'QEMU ended as it was started, or waited for a migration to come in.',
    source: 'qemuProcessReportLogError (src/qemu/qemu_process.c of libvirt), 1.3 to 11.x; Proxmox',
  },
  {
    id: 'end-monitor',
    operation: 'crash',
    part: 'hint',
    pattern: /\b[Uu]nexpectedly closed the monitor\b/,
    says: 'QEMU ended without being asked to.',
    source: 'qemuMonitorIO (src/qemu/qemu_monitor.c of libvirt), 1.3 to 11.x',
  },
  {
    id: 'end-segfault',
    operation: 'crash',
    part: 'whole',
    pattern: new RegExp(
      String.raw`\b(?:qemu|kvm)\S*\[\d+\]: segfault at\b|\bSegmentation fault\b|\bcaught signal 11\b|${SEGFAULTS.join('|')}`,
    ),
    says: 'QEMU died of a memory access of its own (SIGSEGV).',
    source: 'as posted',
  },
  {
    id: 'end-trap',
    operation: 'crash',
    part: 'whole',
    pattern: /\btraps: (?:qemu|kvm)\S{0,64}\[\d+\] (?:general protection|trap )/,
    says: 'QEMU died of an instruction or a memory access of its own.',
    source: 'do_trap, exc_general_protection (arch/x86/kernel/traps.c of the kernel)',
  },
  {
    id: 'end-abnormal',
    operation: 'crash',
    part: 'whole',
    pattern: /\bProcess \d+ \((?:qemu|kvm)[^)]{0,64}\) of user \d+ terminated abnormally\b/,
    says: 'QEMU died of a signal.',
    source: 'gather_pid_metadata_from_procfs and others (src/coredump of systemd)',
  },
  {
    id: 'end-core',
    operation: 'crash',
    part: 'hint',
    pattern: /\bProcess \d+ \((?:qemu|kvm)[^)]{0,64}\) of user \d+ dumped core\b/,
    says: 'QEMU died of a signal.',
    source: 'submit_coredump (src/coredump of systemd)',
  },
  {
    id: 'end-oom',
    operation: 'crash',
    part: 'whole',
    pattern: /\bOut of memory: Killed process \d+ \((?:qemu|kvm)\S*\)/,
    says: 'The host had no memory left and killed QEMU.',
    source: 'the kernel',
  },
  {
    id: 'end-kvm-run',
    operation: 'vm-stopped',
    part: 'whole',
    pattern: /\berror: kvm run failed\b|\bKVM internal error\. Suberror\b/,
    source: 'kvm_cpu_exec (accel/kvm/kvm-all.c), 2.9 to 11.0',
  },
];
