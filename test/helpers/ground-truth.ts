import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** The repository's root. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A real capture in `traces/`. */
export interface Capture {
  /** E.g. `qemu-10.0/blocked-aw48`. */
  readonly name: string;
  /** Path of the log from the root. */
  readonly log: string;
}

const PLAIN = new Set([
  'qemu-10.0/blocked-aw48-minimal',
  'qemu-10.0/blocked-aw48-vfio-only',
  'qemu-11.1/blocked-aw48-minimal-ts',
]);

const names = {
  'qemu-7.2': ['blocked-aw48'],
  'qemu-10.0': [
    'blocked-aw39',
    'blocked-aw48',
    'blocked-aw48-minimal',
    'blocked-aw48-paused',
    'blocked-aw48-sepfile',
    'blocked-aw48-ts',
    'blocked-aw48-vfio-only',
    'iommufd-blocked-aw48',
    'linux-e1000e-aw39',
    'linux-nvme-aw48',
    'linux-nvme-large-noise',
    'migrate-viommu-refused',
    'segv-aw48',
    'stale-aw48',
    'storm-aw48',
    'twodev-aw48',
  ],
  'qemu-11.1': [
    'blocked-aw48',
    'blocked-aw48-minimal-ts',
    'high-iova-aw48',
    'iommufd-blocked-aw48',
    'linux-nvme-stale-aw48',
    'migrate-legacy-aw48',
    'stale-aw48',
    'vtd-migrate',
    'vtd-switch',
  ],
} as const;

/** All captures of `traces/`. */
export const captures: readonly Capture[] = Object.entries(names).flatMap(([folder, list]) =>
  list.map((base) => {
    const name = `${folder}/${base}`;
    return { name, log: `traces/${name}.log${PLAIN.has(name) ? '' : '.gz'}` };
  }),
);

const namesOfSiblings = {
  'qemu-7.2': ['virtio-untracked'],
  'qemu-10.0': ['virtio-dirtyrate'],
  'qemu-11.1': [
    'amd-dirtyrate',
    'amd-dirtyrate-block',
    'amd-dirtyrate-reset',
    'amd-dirtyrate-sepfile',
    'amd-migrate',
    'amd-migrate-block-nots',
    'amd-switch-abort',
    'amd-untracked-reset',
    'virtio-cancel',
    'virtio-dirtyrate',
    'virtio-dirtyrate-reset',
    'virtio-migrate',
    'virtio-twodev',
  ],
} as const;

/** Those behind another vIOMMU than VT-d. */
export const siblingCaptures: readonly Capture[] = Object.entries(namesOfSiblings).flatMap(
  ([folder, list]) =>
    list.map((base) => ({ name: `${folder}/${base}`, log: `traces/${folder}/${base}.log.gz` })),
);

/** The capture of that name. */
export function capture(name: string): Capture {
  const found = [...captures, ...siblingCaptures].find((known) => known.name === name);
  if (found === undefined) throw new Error(`no capture ${name}`);
  return found;
}

/** The bytes of a file of the repository, decompressed. */
export function bytesOf(path: string): Buffer {
  const bytes = readFileSync(`${root}${path}`);
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

/** An ioctl that QEMU made, as the record beside each capture has it. */
export interface Ioctl {
  readonly op: 'map' | 'unmap';
  readonly iova: string;
  readonly size: string;
  /** The container's descriptor; '' where the process had only one. */
  readonly container: string;
  /** 0, or -1 with `errno`. */
  readonly result: number;
  readonly errno: number;
  /** The unmap asked for a dirty bitmap. */
  readonly hasBitmap: boolean;
}

const LINE =
  / (MAP_DMA|UNMAP_DMA|IOAS_MAP|IOAS_UNMAP)\S* (?:fd=(\d+) )?(?:ioas=\d+ )?iova=(0x[0-9a-f]+) (?:size|length)=(0x[0-9a-f]+) (.*)$/;

/** Every map and unmap that reached the kernel in a capture, in order. */
export function ioctlsOf({ name }: Capture): readonly Ioctl[] {
  const record = bytesOf(`traces/${name}.ioctl.gz`).toString();
  return record.split('\n').flatMap((line) => {
    const [, call, container = '', iova = '', size = '', rest = ''] = LINE.exec(line) ?? [];
    if (call === undefined) return [];
    return [
      {
        op: call.includes('UNMAP') ? 'unmap' : 'map',
        iova,
        size,
        container,
        result: Number(/rc=(-?\d+)/.exec(rest)?.[1]),
        errno: Number(/errno=(\d+)/.exec(rest)?.[1]),
        hasBitmap: call === 'UNMAP_DMA' && rest.includes('flags=0x1'),
      } as const,
    ];
  });
}

/** A dirty bitmap that QEMU fetched without an unmap, and of what. */
export interface Query {
  readonly iova: string;
  readonly size: string;
}

const GET_BITMAP =
  / DIRTY_PAGES GET_BITMAP (?:fd=\d+ )?iova=(0x[0-9a-f]+) size=(0x[0-9a-f]+) .*rc=0 /;

/** The dirty bitmaps fetched at syncs, as the record of a capture has them, in order. */
export function queriesOf({ name }: Capture): readonly Query[] {
  const record = bytesOf(`traces/${name}.ioctl.gz`).toString();
  return record.split('\n').flatMap((line) => {
    const [, iova, size] = GET_BITMAP.exec(line) ?? [];
    return iova === undefined || size === undefined ? [] : [{ iova, size }];
  });
}

/** What the host maps at the end: successful maps less successful unmaps, per container. */
export function hostMapOf(ioctls: readonly Ioctl[]): readonly (readonly string[])[] {
  const containers = new Map<string, Map<bigint, bigint>>();
  for (const { op, container, iova, size, result } of ioctls) {
    const host = containers.get(container) ?? new Map<bigint, bigint>();
    containers.set(container, host);
    if (result !== 0) continue;
    const first = BigInt(iova);
    const bytes = BigInt(size);
    if (op === 'map') host.set(first, bytes);
    else {
      for (const [held, length] of host) {
        if (held >= first && held + length <= first + bytes) host.delete(held);
      }
    }
  }
  return [...containers.values()].map((host) =>
    [...host].map(([iova, size]) => `0x${iova.toString(16)}+0x${size.toString(16)}`).sort(),
  );
}

/** A failure of an unmap in QEMU's own words. */
export interface ToldFailure {
  readonly iova: string;
  readonly size: string;
  readonly errno: number;
  /** Line of the message in the log; 0 where it is in a file of its own. */
  readonly line: number;
}

const FAILED = /dma_unmap\(0x[0-9a-f]+, (0x[0-9a-f]+), (0x[0-9a-f]+)\) = (-\d+)/;

/** The unmaps that failed, as QEMU's messages told it while the capture was made, in order. */
export function failuresTold({ name, log }: Capture): readonly ToldFailure[] {
  const isApart = name.includes('sepfile');
  const text = bytesOf(isApart ? `traces/${name}.stderr` : log).toString('latin1');
  return text.split('\n').flatMap((line, index) => {
    const [, iova, size, errno] = FAILED.exec(line) ?? [];
    if (iova === undefined || size === undefined) return [];
    return [{ iova, size, errno: Number(errno), line: isApart ? 0 : index + 1 }];
  });
}
