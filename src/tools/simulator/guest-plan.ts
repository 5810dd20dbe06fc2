import type { PageLevel } from './acts.ts';
import type { SimulationOptions } from './options.ts';
import { entrySize, type Permission } from './page-table.ts';
import type { Random } from './random.ts';

/** Pages of one size that a planned guest mapped side by side. */
export interface Run {
  readonly arena: Arena;
  readonly slot: number;
  readonly gpas: readonly bigint[];
  readonly permission: Permission;
}

/** The 512 places of one page-table page: where a planned guest maps pages of one size. */
export class Arena {
  readonly base: bigint;
  readonly level: PageLevel;
  readonly #taken = new Uint8Array(512);

  constructor(base: bigint, level: PageLevel) {
    this.base = base;
    this.level = level;
  }

  iova(slot: number): bigint {
    return this.base + BigInt(slot) * entrySize(this.level);
  }

  /** First byte after the arena. */
  get end(): bigint {
    return this.base + 512n * entrySize(this.level);
  }

  isFree(slot: number, count: number): boolean {
    if (slot + count > 512) return false;
    for (let i = slot; i < slot + count; i++) if (this.#taken[i] === 1) return false;
    return true;
  }

  take(slot: number, count: number): void {
    this.#taken.fill(1, slot, slot + count);
  }

  give(slot: number, count: number): void {
    this.#taken.fill(0, slot, slot + count);
  }

  /** Keeps the place of a smaller arena inside this one free of large pages. */
  reserve(base: bigint): void {
    if (base < this.base || base >= this.end) return;
    const slot = Number((base - this.base) / entrySize(this.level));
    this.take(slot, 1);
  }
}

const MIB = 1n << 20n;
const GIB = 1n << 30n;

/** Where guests put their mappings: low, below and above the interrupt hole, above 4 GiB, at powers of two. */
const PAGE_BASES: readonly bigint[] = [
  0x0n,
  0x1000_0000n,
  0xfec0_0000n,
  0xfee0_0000n,
  0xff00_0000n,
  0xffe0_0000n,
  0x1_0000_0000n,
  0x40_0000_0000n,
  0x80_0000_0000n,
  0x1000_0000_0000n,
  0x4000_0020_0000n,
  0x8000_0000_0000n,
];
const LARGE_BASES: readonly bigint[] = [
  0x0n,
  0x4000_0000n,
  0xc000_0000n,
  0x1_0000_0000n,
  0x800_0000_0000n,
];
const HUGE_BASES: readonly bigint[] = [0x0n, 0x80_0000_0000n, 0x1000_0000_0000n];
/** Far inside a big chunk: marked from address 0 they lie past any RAM. */
const WILD_BASES: readonly bigint[] = [
  0x7f_ffe0_0000n,
  0xfff_f000_0000n,
  0x1800_0000_0000n,
  0x7fff_ffe0_0000n,
  0xffff_c000_0000n,
];

/** The planned guest's view of one domain: where it has pages. Kept by the planner alone, not by the simulation. */
export class DomainPlan {
  readonly id: number;
  readonly #random: Random;
  readonly #options: SimulationOptions;
  #arenas: Arena[] = [];
  #runs: Run[] = [];
  #pages = 0;

  constructor(id: number, options: SimulationOptions, random: Random) {
    this.id = id;
    this.#options = options;
    this.#random = random;
    this.#chooseArenas();
  }

  get pages(): number {
    return this.#pages;
  }

  get arenas(): readonly Arena[] {
    return this.#arenas;
  }

  anyRun(): Run | null {
    return this.#runs.length === 0 ? null : this.#random.pick(this.#runs);
  }

  add(run: Run): void {
    run.arena.take(run.slot, run.gpas.length);
    this.#runs.push(run);
    this.#pages += run.gpas.length;
  }

  remove(run: Run): void {
    const index = this.#runs.indexOf(run);
    const lastRun = this.#runs.pop();
    if (index >= 0 && index < this.#runs.length && lastRun !== undefined)
      this.#runs[index] = lastRun;
    run.arena.give(run.slot, run.gpas.length);
    this.#pages -= run.gpas.length;
  }

  /** Forgets every page in [start, end): a table was cleared. */
  forget(start: bigint, end: bigint): void {
    for (const run of [...this.#runs]) {
      const iova = run.arena.iova(run.slot);
      if (iova >= start && iova < end) this.remove(run);
    }
  }

  /** A free place for `count` pages of a level, or null. */
  place(level: PageLevel, count: number): { arena: Arena; slot: number } | null {
    const arenas = this.#arenas.filter((arena) => arena.level === level);
    if (arenas.length === 0) return null;
    const aligned = this.#random.chance(0.7);
    const step = aligned ? 2 ** Math.ceil(Math.log2(count)) : 1;
    for (let attempt = 0; attempt < 8; attempt++) {
      const arena = this.#random.pick(arenas);
      const slot = this.#random.below(Math.max(1, Math.floor((512 - count) / step))) * step;
      if (arena.isFree(slot, count)) return { arena, slot };
    }
    return null;
  }

  addArena(base: bigint, level: PageLevel): Arena {
    const arena = new Arena(base, level);
    this.#arenas.push(arena);
    return arena;
  }

  #chooseArenas(): void {
    const { sparseTables, mix, liveMappings } = this.#options;
    const many = mix === 'bulk' ? Math.max(2, Math.ceil(liveMappings / 150)) : sparseTables ? 3 : 9;
    const large = this.#pick(LARGE_BASES, sparseTables ? 1 : 3);
    const huge = this.#pick(HUGE_BASES, this.#random.chance(0.5) ? 1 : 0);
    for (const base of this.#pageBases(many)) this.addArena(base, 1);
    for (const base of large) this.addArena(base, 2);
    for (const base of huge) this.addArena(base, 3);
    for (const outer of this.#arenas) {
      for (const inner of this.#arenas) if (inner.level < outer.level) outer.reserve(inner.base);
    }
  }

  #pageBases(count: number): bigint[] {
    const { wildAddresses, mix, sparseTables } = this.#options;
    if (mix === 'bulk') {
      // top-down below 4 GiB, as Linux hands out DMA addresses, past the hole
      return Array.from(
        { length: count },
        (_, i) => 0xffe0_0000n - BigInt(i + (i > 6 ? 2 : 0)) * 2n * MIB,
      );
    }
    const known = wildAddresses ? [...PAGE_BASES, ...WILD_BASES] : PAGE_BASES;
    const picked = this.#pick(known, count);
    const others = sparseTables ? 0 : 4;
    for (let i = 0; i < others; i++) {
      const base = 0x8000_0000n + BigInt(this.#random.below(900)) * 2n * MIB;
      if (!picked.includes(base)) picked.push(base);
    }
    return picked;
  }

  #pick(bases: readonly bigint[], count: number): bigint[] {
    const levels = this.#options.domainLevels[this.id - 1] ?? 3;
    const limit = 1n << BigInt(Math.min(this.#options.awBits, 12 + 9 * levels));
    const possible = bases.filter((base) => base < limit - 2n * MIB + 1n);
    return this.#random.shuffled(possible).slice(0, count);
  }
}

/** Guest-physical addresses for `count` pages of a level. */
export function chooseGpas(
  options: SimulationOptions,
  random: Random,
  level: PageLevel,
  count: number,
  iova: bigint,
): bigint[] {
  const size = entrySize(level);
  const page = (base: bigint, i: number) => base + BigInt(i) * size;
  const span = size * BigInt(count);
  if (random.chance(0.12) && iova >= 2n * MIB && iova + span <= options.below4g) {
    return Array.from({ length: count }, (_, i) => page(iova, i));
  }
  if (options.mix === 'mixed' && random.chance(0.015)) {
    // no memory there: the hole below 4 GiB, or past the end
    const base = random.chance(0.5) ? 0xb000_0000n : (options.ramSize + 16n * GIB) & ~(GIB - 1n);
    return Array.from({ length: count }, (_, i) => page(base - (base % size), i));
  }
  const scattered = count > 1 && random.chance(0.5);
  const first = ramPage(options, random, level, scattered ? 1 : count);
  return Array.from({ length: count }, (_, i) =>
    scattered ? ramPage(options, random, level, 1) : page(first, i),
  );
}

/** A run of pages in RAM, above the first 32 MiB, below or above 4 GiB. */
function ramPage(
  options: SimulationOptions,
  random: Random,
  level: PageLevel,
  count: number,
): bigint {
  const size = entrySize(level);
  const span = size * BigInt(count);
  const above = options.ramSize - options.below4g;
  const isAbove = above > span && random.chance(0.4);
  const first = isAbove ? 1n << 32n : level === 3 ? 0n : 32n * MIB;
  const room = (isAbove ? above : options.below4g - first) - span;
  const places = room > 0n ? Number(room / size) : 0;
  return first - (first % size) + BigInt(random.below(places + 1)) * size;
}
