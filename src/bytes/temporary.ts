import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../base/errors.ts';

/*
 * What a run makes beside its outputs until they are complete:
 *
 *   .vtdscope-MACHINE-PID-START-RANDOM
 *
 * A run that is killed leaves it behind, and the next one takes it away: if it is of this machine
 * (booted as it is, and seen from the same container) and the process is gone. A process is known
 * by its number and the time at which it began, since numbers are used again. RANDOM cannot be
 * guessed: nobody can put a link there first.
 */
const FORM = /^\.vtdscope-([0-9a-f]{12})-(\d+)-(\d+)-[0-9a-f]{32}$/;
const RANDOM_BYTES = 16;
const MACHINE_DIGITS = 12;

/** A name for something of this run's, that nothing else has. */
export function temporaryName(): string {
  const start = startOf(process.pid) ?? '0';
  const random = randomBytes(RANDOM_BYTES).toString('hex');
  return `.vtdscope-${machine()}-${process.pid}-${start}-${random}`;
}

/** Whether a file of this name is of some run's, finished or not, and nobody's trace. */
export function isTemporaryName(name: string): boolean {
  return FORM.test(name);
}

/** Takes away what killed runs have left in a folder, as far as it can be seen and is the user's. */
export function removeLitter(folder: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    // A folder that cannot be looked into may be written to all the same.
    return;
  }
  for (const name of names) if (isLitter(folder, name)) takeAway(join(folder, name));
}

function isLitter(folder: string, name: string): boolean {
  const [, of, pid, start] = FORM.exec(name) ?? [];
  if (of === undefined || of !== machine() || startOf(Number(pid)) === start) return false;
  const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
  return stats !== undefined && !stats.isSymbolicLink() && stats.uid === process.geteuid?.();
}

function takeAway(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (thrown) {
    // Litter is no reason to fail; what the system says of it is nobody's concern.
    if (codeOf(thrown) === undefined) throw thrown;
  }
}

/** The machine as it was booted, and the container from which its processes are seen. */
function machine(): string {
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  const processes = attempt(() => readlinkSync('/proc/self/ns/pid'));
  const text = `${boot ?? hostname()} ${processes ?? ''}`;
  return createHash('sha256').update(text).digest('hex').slice(0, MACHINE_DIGITS);
}

/**
 * When a process began, in the kernel's ticks since boot (proc(5), `stat`, field 22); `0` where the
 * system does not tell, null where it is over.
 */
function startOf(pid: number): string | null {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // The name of the program, in parentheses, may hold anything.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  if (state === 'Z' || state === 'X') return null;
  return fields[18] ?? (isRunning(pid) ? '0' : null);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return codeOf(thrown) !== 'ESRCH';
  }
}

/** What can be read of the system; null where it has no such thing. */
function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
