import { writeText } from '../notes.ts';
import type { Remark } from './remark.ts';

/*
 * What libvirt writes into a guest's log (qemuProcessLaunch and qemuProcessStop, libvirt 8 to 11): a
 * line when it starts QEMU, QEMU's command with an argument on each line, and a line when it ends.
 *
 *   2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13, ...
 *   -device '{"driver":"vfio-pci",...}' \
 *   2026-11-22 07:40:02.118+0000: shutting down, reason=destroyed
 */

const STARTING_UP = /^\S+ \S+: starting up libvirt version: .*?\bqemu version: ?([^,]*)/;
const SHUTTING_DOWN = /^\S+ \S+: shutting down, reason=(\S+)/;
/** The arguments that say what the machine is. */
const ARGUMENT = /^-(?:device|machine|M|m|object|global|trace|D|name)\b/;
const GUEST_NAME = /^-name (?:guest=)?([^, ]+)/;

/** libvirt's lines about a boot. */
export const libvirtRemark: Remark = {
  patterns: [STARTING_UP, SHUTTING_DOWN, ARGUMENT],
  write(text, writer, place) {
    const start = STARTING_UP.exec(text);
    if (start !== null) {
      writeText(writer, place, 'session:start', start[1] ?? '');
      return true;
    }
    if (SHUTTING_DOWN.test(text)) {
      writeText(writer, place, 'session:end', text.trim());
      return true;
    }
    if (!ARGUMENT.test(text)) return false;
    const name = GUEST_NAME.exec(text);
    if (name !== null) writeText(writer, place, 'session:name', name[1] ?? '');
    writeText(writer, place, 'session:argument', text.trimEnd().replace(/\\$/, '').trimEnd());
    return true;
  },
};
