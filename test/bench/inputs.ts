/*
 * What the benchmark reads: made of a seed, and kept outside the repository for the next run.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Simulation } from '../../src/tools/simulator/index.ts';
import { root } from '../helpers/ground-truth.ts';
import { GuestLog, QEMU } from '../helpers/guest-log.ts';

/**
 * Bytes that are written at a time. A log grows by lines, and the page cache holds a file in units in
 * which it was written: `wc -l` reads one that was written by the megabyte almost twice as fast.
 */
const WRITE_BYTES = 4096;
/** Bytes that are put together before they are written so. */
const PART_BYTES = 2 ** 22;
const SMALL_FILE_BYTES = 24 * 1024;
/** Bytes that are piped again and again. */
const ENDLESS_BYTES = 2 ** 24;
const PAGE = 0x1000n;
/** Of the guest of `GuestLog`, without its first page. */
const RAM_BYTES = 1n << 30n;
const RAM_PAGES = 2 ** 18 - 1;
/** Pages of which the lines are made at a time. */
const MAPPED_AT_A_TIME = 1000;
/** Of 39 bits of addresses, the pages; an odd number that is no part of it spreads a row of them. */
const ADDRESS_PAGES = 2n ** 27n;
const SPREAD = 0x9e37_79b1n;
const STAMP = '2026-05-09T01:41:10.010085Z ';

/** A folder for them: `folder`, or one of the user's cache. */
export class Inputs {
  readonly folder: string;

  constructor(folder: string | undefined) {
    const { XDG_CACHE_HOME: cache = join(homedir(), '.cache') } = process.env;
    this.folder = folder ?? join(cache, 'vtdscope-bench');
    mkdirSync(this.folder, { recursive: true });
  }

  /**
   * A log of the simulator: walks and their notifications, whole unmaps in pieces, tracking windows,
   * failures, all coherent, so that the analysis must find no line missing.
   */
  coherent(bytes: number, seed: number, liveMappings: number): string {
    return this.#made(`coherent-${bytes}-${seed}-${liveMappings}.log`, function* () {
      const simulation = new Simulation({
        seed,
        qemu: '10.2',
        mix: 'bulk',
        events: 'no-skips',
        prefix: 'iso',
        sparseTables: false,
        liveMappings,
        keepRecords: false,
        steps: Number.MAX_SAFE_INTEGER,
        bytes,
      });
      for (let text = simulation.step(); text !== ''; text = simulation.step()) yield text;
    });
  }

  /** A capture of a guest that invalidates much, of which most lines are skips, again and again. */
  storm(bytes: number): string {
    return this.#repeated(`storm-${bytes}.log`, '', bytes, () =>
      gunzipSync(readFileSync(join(root, 'traces/qemu-10.0/storm-aw48.log.gz'))).toString('latin1'),
    );
  }

  /**
   * A log that can be streamed in any length: its first lines, and some that leave behind what they
   * found, so that they can come again and again. Pages are mapped and unmapped, nothing is tracked.
   */
  endless(): { readonly head: string; readonly body: string } {
    const body = () => {
      const log = new GuestLog();
      const boot = log.lines.length;
      for (const page of pages())
        log.map(page, page % RAM_BYTES).unmap(page, PAGE, page % RAM_BYTES);
      return textOf(log.lines.slice(boot));
    };
    return {
      head: this.#repeated('endless-head.log', textOf(new GuestLog().lines), 0, () => ''),
      body: this.#repeated(`endless-body-${ENDLESS_BYTES}.log`, '', ENDLESS_BYTES, body),
    };
  }

  /** A log that maps so many pages, far from each other and in no order, and unmaps none. */
  mapped(count: number): string {
    return this.#made(`mapped-${count}.log`, function* () {
      yield textOf(new GuestLog().lines);
      for (let first = 0; first < count; first += MAPPED_AT_A_TIME) {
        const log = new GuestLog();
        const boot = log.lines.length;
        const end = Math.min(count, first + MAPPED_AT_A_TIME);
        for (let index = first; index < end; index += 1) {
          log.map(scattered(index), PAGE * BigInt(1 + (index % RAM_PAGES)));
        }
        yield textOf(log.lines.slice(boot));
      }
    });
  }

  /** The file, with gzip. */
  gzipped(path: string): string {
    const packed = `${path}.gz`;
    if (!existsSync(packed)) {
      writeFileSync(`${packed}.part`, gzipSync(readFileSync(path), { level: 6 }));
      renameSync(`${packed}.part`, packed);
    }
    return packed;
  }

  /** A folder with so many small logs. */
  smallFiles(count: number, seed: number): string {
    const folder = join(this.folder, `small-${count}-${seed}`);
    if (existsSync(folder)) return folder;
    const log = readFileSync(this.coherent(count * SMALL_FILE_BYTES, seed, 100));
    const part = `${folder}.part`;
    mkdirSync(part, { recursive: true });
    const start = log.subarray(0, SMALL_FILE_BYTES);
    for (let index = 0; index < count; index += 1) {
      const from = index * SMALL_FILE_BYTES;
      // All begin with a boot, as files of a fleet do.
      const lines = Buffer.concat([start, log.subarray(from, from + SMALL_FILE_BYTES)]);
      writeFileSync(join(part, `${index}.log`), lines.subarray(0, lines.lastIndexOf(10) + 1));
    }
    renameSync(part, folder);
    return folder;
  }

  /** Logs that take the slowest ways, by what they are made of. */
  worst(bytes: number): ReadonlyMap<string, string> {
    return new Map(
      Object.entries(WORST).map(([name, lines]) => {
        const { lines: boot } = new GuestLog().migrate('setup', 'active').track(1);
        const file = `worst-${name.replaceAll(' ', '-')}-${bytes}.log`;
        return [name, this.#repeated(file, textOf(boot), bytes, () => textOf(lines()))];
      }),
    );
  }

  #repeated(name: string, start: string, bytes: number, textOfOne: () => string): string {
    return this.#made(name, function* () {
      yield start;
      const text = textOfOne();
      for (let at = start.length; at < bytes; at += text.length) yield text;
    });
  }

  #made(name: string, text: () => Iterable<string>): string {
    const path = join(this.folder, name);
    if (existsSync(path)) return path;
    const part = `${path}.part`;
    const file = openSync(part, 'w');
    let pieces: string[] = [];
    let length = 0;
    const write = () => {
      const all = Buffer.from(pieces.join(''), 'latin1');
      for (let at = 0; at < all.length; ) {
        at += writeSync(file, all, at, Math.min(WRITE_BYTES, all.length - at));
      }
      pieces = [];
      length = 0;
    };
    for (const piece of text()) {
      pieces.push(piece);
      length += piece.length;
      if (length >= PART_BYTES) write();
    }
    write();
    closeSync(file);
    renameSync(part, path);
    return path;
  }
}

export const sizeOf = (path: string) => statSync(path).size;

const textOf = (lines: readonly string[]) => lines.map((line) => `${STAMP}${line}\n`).join('');

/** Some thousand lines, which can come again and again. */
const WORST: Readonly<Record<string, () => readonly string[]>> = {
  'tracked unmaps at risk': () => {
    const log = new GuestLog();
    const boot = log.lines.length;
    // Each carries address 0, and puts its bits in the wrong place.
    for (const page of pages()) log.map(page, page + 0x10_0000n).unmap(page);
    return log.lines.slice(boot).filter((line) => /walk_one|map_notify/.test(line));
  },
  'foreign lines': () => pages().map((page) => `[drm] engine ${page} of the host is idle again`),
  'messages of QEMU': () =>
    pages().map(
      (page) =>
        `${QEMU}vfio_container_dma_unmap(0x55d0c8b5a2c0, 0x${page.toString(16)}, 0x1000) = -22 (Invalid argument)`,
    ),
  'an @ in other events': () =>
    pages().map(
      (page) => `vfio_pci_read_config  (0000:00:05.0, @0x${page.toString(16)}, len=0x1) 0x1`,
    ),
  'torn walks': () =>
    pages().map((page, index) =>
      `vtd_page_walk_one domain 0x1 iova 0x${page.toString(16)} -> gpa 0x1000 mask 0xfff perm 3`.slice(
        0,
        20 + (index % 50),
      ),
    ),
};

/** The page of this number, among all that have 39 bits. */
function scattered(index: number): bigint {
  return ((BigInt(index) * SPREAD) % ADDRESS_PAGES) * PAGE;
}

function pages(): readonly bigint[] {
  return Array.from({ length: 4000 }, (_, index) => BigInt(index + 0x1000) * PAGE);
}
