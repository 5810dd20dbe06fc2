import { plain } from '../base/plain.ts';
import { countText, listed, plural } from '../base/words.ts';
import { viaMeanings } from '../result/exposure.ts';
import type {
  Cause,
  Clock,
  Evidence,
  Finding,
  Mode,
  Model,
  Totals,
  ValueSource,
  Via,
} from '../result/types.ts';

/** The words that reports for people share. */

/** The version of QEMU in a few characters: `10.0.13` where the trace prints it, `~10.0` where it is inferred. */
export function qemuText({ qemu }: Pick<Model, 'qemu'>): string {
  const { value, source } = qemu;
  if (value === null) return '?';
  return plain(source === 'trace' || source === 'option' ? value : `~${value}`);
}

/** Versions that refuse to migrate a VM with a VFIO device behind a vIOMMU: 8.0 to 10.2. */
const FIRST_REFUSING = 800;
const LAST_REFUSING = 1002;
/** From here on a whole unmap goes mapping by mapping while dirty pages are tracked. */
const FIRST_DRAINING = 1100;

/** Whether QEMU of this version refuses to migrate this VM: it has a vIOMMU. */
export function isRefusedMigration({ qemu, vIommu }: Pick<Model, 'qemu' | 'vIommu'>): boolean {
  const version = versionNumber(qemu.value);
  if (
    version === null ||
    qemu.source === 'assumed' ||
    vIommu.value === null ||
    vIommu.value === 'none'
  )
    return false;
  return version >= FIRST_REFUSING && version <= LAST_REFUSING;
}

/** Whether the address width of the VM's IOMMU is an option, `aw-bits`, or may be one. */
export function hasAwBits({ vIommu }: Pick<Model, 'vIommu'>): boolean {
  return vIommu.value === null || vIommu.value === 'intel-iommu';
}

/** Whether QEMU of this version unmaps whole IOVA spaces in pieces also while dirty pages are tracked. */
export function unmapsInPieces({ qemu, vIommu }: Pick<Model, 'qemu' | 'vIommu'>): boolean {
  if (vIommu.value === 'amd-iommu') return true;
  const version = versionNumber(qemu.value);
  return version === null || version < FIRST_DRAINING;
}

/** `1002` of 10.2; null of what has no number, as a patch series. */
function versionNumber(version: string | null): number | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  return major === undefined || minor === undefined ? null : Number(major) * 100 + Number(minor);
}

/** The name of a trace for people: `-` is standard input. */
export function traceName(path: string): string {
  if (path === '-') return 'standard input';
  return plain(path).trim() || '(no name)';
}

/** The folders that all names begin with, up to the last slash; '' where there is none. */
export function commonFolder(names: readonly string[]): string {
  const [first = ''] = names;
  const parts = first.split('/').slice(0, -1);
  while (parts.length > 0 && !names.every((name) => name.startsWith(`${parts.join('/')}/`)))
    parts.pop();
  // The root, and the folder that one is in, are no news.
  return parts.join('') === '' ? '' : `${parts.join('/')}/`;
}

export const modeMeanings: Readonly<Record<Mode, string>> = {
  observed: "seen in QEMU's messages",
  active: 'found by emulation',
  'what-if': 'would happen with dirty tracking on',
};

export const evidenceMeanings: Readonly<Record<Evidence, string>> = {
  observed: 'everything it rests on is in the trace',
  derived: 'partly inferred from other lines',
  assumed: 'rests on an assumption',
};

export const sourceMeanings: Readonly<Record<ValueSource, string>> = {
  option: 'given as an option',
  trace: 'printed in the trace',
  derived: 'inferred',
  assumed: 'assumed',
};

export const causeMeanings: Readonly<Record<Cause, string>> = {
  'whole-unmap': 'pieces of whole unmaps',
  'page-walk': 'unmaps of single pages',
  'changed-translation': 'translations changed in place',
  request: 'unmaps that the guest asked for',
  drain: 'unmaps mapping by mapping',
  'region-del': 'removed memory sections',
  unknown: 'unmaps of unknown cause',
};

/** What the guest did, or QEMU, that led to it. */
export const causeStories: Readonly<Record<Cause, string>> = {
  'whole-unmap': 'whole unmap: the device left its domain, or was reset',
  'page-walk': 'page walk: the guest invalidated single pages',
  'changed-translation': 'page walk: the guest changed a translation in place',
  request:
    'a request to virtio-iommu: the guest unmapped a range, or took a device out of its domain',
  drain: 'QEMU 11 unmapped the device mapping by mapping',
  'region-del': 'a memory section went: to or from pass-through',
  unknown: 'unknown: the lines before it are not in the trace',
};

const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  5: 'EIO',
  7: 'E2BIG, Argument list too long',
  12: 'ENOMEM, Cannot allocate memory',
  14: 'EFAULT',
  16: 'EBUSY',
  17: 'EEXIST, File exists',
  19: 'ENODEV',
  22: 'EINVAL, Invalid argument',
  28: 'ENOSPC, No space left on device',
  95: 'EOPNOTSUPP',
};

/** `-7 (E2BIG, Argument list too long)`. */
export function errnoText(errno: number): string {
  const name = ERRNO_NAMES[-errno];
  return name === undefined ? String(errno) : `${errno} (${name})`;
}

/** The device of a finding, or what is said where no line names it; '' where it is about none. */
export function deviceText({
  device,
  pasid,
  iova,
}: Pick<Finding, 'device' | 'pasid' | 'iova'>): string {
  if (device === null) return iova === null ? '' : 'a device that the trace does not name';
  return pasid === null ? device : `${device} pasid ${pasid}`;
}

/** How many unmaps there were, and of what kind as far as the trace tells. */
export function unmapsText(totals: Totals): string {
  const { observed, unmaps, wholeUnmaps, walkUnmaps, withoutDevice } = totals;
  // Of a failure that a message alone tells, there is no unmap to count.
  if (unmaps === 0 && observed.failures > 0) return 'no line of an unmap but for what failed';
  const parts = [plural(unmaps, 'unmap')];
  if (walkUnmaps > 0) parts.push(`${countText(walkUnmaps)} of them by page walks`);
  if (wholeUnmaps > 0) parts.push(plural(wholeUnmaps, 'whole unmap'));
  if (withoutDevice > 0) parts.push(`${countText(withoutDevice)} whose device is not told`);
  return parts.join(', ');
}

/** Unmaps in a window of dirty tracking; none may mean that QEMU asks for no dirty bits there. */
export function trackedUnmapsText(count: number): string {
  return count === 0 ? 'no tracked unmap' : plural(count, 'unmap');
}

/** What turned tracking on: `calc-dirty-rate`, from `dirty-rate`. */
export function trackedByText(by: string): string {
  const words = by
    .split('+')
    .map((way) => (way in viaMeanings ? viaMeanings[way as Via] : 'an unknown cause'));
  return listed(words);
}

/** ISO 8601 of the wall's clock, else seconds of the trace's own. */
export function momentText(time: string, clock: Clock): string {
  if (clock === 'wall') {
    const moment = new Date(Number(BigInt(time) / 1_000_000n));
    if (!Number.isNaN(moment.getTime())) return moment.toISOString();
  }
  const digits = time.padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)} s`;
}
