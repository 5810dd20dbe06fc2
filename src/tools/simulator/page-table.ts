import { PAGE_SIZE } from './addresses.ts';

/** Read 1, write 2, both 3; 0: the guest has taken the permissions away. */
export type Permission = 0 | 1 | 2 | 3;

/** A page: 4 KiB at level 1, 2 MiB at level 2, 1 GiB at level 3. With permission 0 the address bits are a residue. */
export interface PageEntry {
  readonly kind: 'page';
  readonly gpa: bigint;
  readonly permission: Permission;
}

/** A pointer to the next table. With permission 0 the pointer is a residue. */
export interface TableEntry {
  readonly kind: 'table';
  readonly table: PageTable;
  readonly permission: Permission;
}

/** An entry with a reserved bit set. */
export interface ReservedEntry {
  readonly kind: 'reserved';
}

/** Undefined: the entry is zero. */
export type Entry = PageEntry | TableEntry | ReservedEntry | undefined;

/** One page-table page of the guest. */
export interface PageTable {
  /** guest-physical address of the table */
  readonly base: bigint;
  /** 1 maps 4 KiB pages, 4 is the root of 48 bits */
  readonly level: number;
  /** false: it lies outside RAM, QEMU reads -1 */
  readonly readable: boolean;
  readonly entries: Entry[];
}

const ENTRIES = 512;
const RESERVED: ReservedEntry = { kind: 'reserved' };

/** Bytes that one entry of a table of this level covers. */
export function entrySize(level: number): bigint {
  return PAGE_SIZE << (9n * BigInt(level - 1));
}

function entryIndex(iova: bigint, level: number): number {
  return Number((iova >> BigInt(12 + 9 * (level - 1))) & 511n);
}

/** Hands out guest pages for tables and takes them back; a table keeps its page as long as it lives. */
export class TablePages {
  #next: bigint;
  readonly #free: bigint[] = [];

  constructor(first: bigint) {
    this.#next = first;
  }

  take(): bigint {
    const page = this.#free.shift();
    if (page !== undefined) return page;
    this.#next += PAGE_SIZE;
    return this.#next - PAGE_SIZE;
  }

  give(page: bigint): void {
    this.#free.push(page);
  }
}

/** The second-level page tables of one guest domain, as the guest writes them. */
export class DomainTables {
  readonly id: number;
  readonly levels: 3 | 4;
  readonly root: PageTable;
  readonly #pages: TablePages;

  constructor(id: number, levels: 3 | 4, pages: TablePages) {
    this.id = id;
    this.levels = levels;
    this.#pages = pages;
    this.root = this.#newTable(levels);
  }

  /** First address that this domain cannot translate. */
  get limit(): bigint {
    return 1n << BigInt(12 + 9 * this.levels);
  }

  /** The entry that decides about `iova` at `level`, or undefined if the tables end above it. */
  entry(iova: bigint, level: number): Entry {
    let table = this.root;
    while (table.level > level) {
      const next = table.entries[entryIndex(iova, table.level)];
      if (next?.kind !== 'table') return undefined;
      table = next.table;
    }
    return table.entries[entryIndex(iova, level)];
  }

  /** The lowest table or page entry on the way to `iova`, with its level. */
  path(iova: bigint): { entry: Entry; level: number } {
    let table = this.root;
    for (;;) {
      const entry = table.entries[entryIndex(iova, table.level)];
      if (entry?.kind !== 'table' || entry.permission === 0) return { entry, level: table.level };
      table = entry.table;
    }
  }

  /** Writes a page, making the tables on the way. @returns false if a larger page is in the way */
  setPage(iova: bigint, level: number, gpa: bigint, permission: Permission): boolean {
    const table = this.#tableFor(iova, level);
    if (table === null) return false;
    this.#put(table, entryIndex(iova, level), { kind: 'page', gpa, permission });
    return true;
  }

  /** Gives a present page or table other permissions. @returns false if there is none */
  setPermission(iova: bigint, level: number, permission: Permission): boolean {
    const place = this.#place(iova, level);
    if (place === null || place.entry.kind === 'reserved' || place.entry.permission === 0)
      return false;
    place.table.entries[place.index] = { ...place.entry, permission };
    return true;
  }

  /** Clears an entry of this level, whatever it holds. With `residual` only its permissions. @returns false if it was clear */
  clear(iova: bigint, level: number, residual: boolean): boolean {
    const place = this.#place(iova, level);
    if (place === null) return false;
    const { table, index, entry } = place;
    if (!residual || entry.kind === 'reserved') this.#put(table, index, undefined);
    else if (entry.permission === 0) return false;
    else table.entries[index] = { ...entry, permission: 0 };
    return true;
  }

  /** Replaces a 2 MiB or 1 GiB page by a table of smaller pages of the same memory. @returns false if there is none */
  split(iova: bigint, level: number): boolean {
    const place = this.#place(iova, level);
    if (level < 2 || place?.entry.kind !== 'page' || place.entry.permission === 0) return false;
    const { gpa, permission } = place.entry;
    const table = this.#newTable(level - 1);
    for (let i = 0; i < ENTRIES; i++) {
      const part = gpa + BigInt(i) * entrySize(level - 1);
      table.entries[i] = { kind: 'page', gpa: part, permission };
    }
    place.table.entries[place.index] = { kind: 'table', table, permission: 3 };
    return true;
  }

  /** Damages an entry: a reserved bit, or (above level 1) a pointer to a table outside RAM. @returns false if impossible */
  spoil(iova: bigint, level: number, how: 'reserved' | 'unreadable'): boolean {
    const table = this.#tableFor(iova, level);
    if (table === null || (how === 'unreadable' && level === 1)) return false;
    const index = entryIndex(iova, level);
    if (how === 'reserved') {
      this.#put(table, index, RESERVED);
      return true;
    }
    const outside: PageTable = {
      base: 0x60_0000_0000n,
      level: level - 1,
      readable: false,
      entries: [],
    };
    this.#put(table, index, { kind: 'table', table: outside, permission: 3 });
    return true;
  }

  #place(iova: bigint, level: number) {
    let table = this.root;
    while (table.level > level) {
      const next = table.entries[entryIndex(iova, table.level)];
      if (next?.kind !== 'table') return null;
      table = next.table;
    }
    const index = entryIndex(iova, level);
    const entry = table.entries[index];
    return entry === undefined || table.level !== level ? null : { table, index, entry };
  }

  /** The table of this level for `iova`; makes and re-enables tables on the way. */
  #tableFor(iova: bigint, level: number): PageTable | null {
    if (level > this.levels || iova >= this.limit) return null;
    let table = this.root;
    while (table.level > level) {
      const index = entryIndex(iova, table.level);
      const next = table.entries[index];
      if (next?.kind === 'page' && next.permission !== 0) return null;
      if (next?.kind === 'table' && next.table.readable) {
        if (next.permission === 0) table.entries[index] = { ...next, permission: 3 };
        table = next.table;
      } else {
        const below = this.#newTable(table.level - 1);
        table.entries[index] = { kind: 'table', table: below, permission: 3 };
        table = below;
      }
    }
    return table;
  }

  #newTable(level: number): PageTable {
    const entries: Entry[] = new Array<Entry>(ENTRIES).fill(undefined);
    return { base: this.#pages.take(), level, readable: true, entries };
  }

  #put(table: PageTable, index: number, entry: Entry): void {
    const old = table.entries[index];
    if (old?.kind === 'table') this.#discard(old.table);
    table.entries[index] = entry;
  }

  #discard(table: PageTable): void {
    if (!table.readable) return;
    for (const entry of table.entries) if (entry?.kind === 'table') this.#discard(entry.table);
    this.#pages.give(table.base);
  }
}

/** The tables of all domains of a guest, in pages of their own. */
export class GuestDomains {
  readonly #levels: readonly (3 | 4)[];
  readonly #pages: TablePages;
  readonly #domains = new Map<number, DomainTables>();

  /** `levels`: of the domains from 1 on; others have 3. `firstPage`: where their tables begin. */
  constructor(levels: readonly (3 | 4)[], firstPage: bigint) {
    this.#levels = levels;
    this.#pages = new TablePages(firstPage);
  }

  /** Those of a domain, made at its first use. */
  of(id: number): DomainTables {
    let tables = this.#domains.get(id);
    if (tables === undefined) {
      tables = new DomainTables(id, this.#levels[id - 1] ?? 3, this.#pages);
      this.#domains.set(id, tables);
    }
    return tables;
  }

  /** The guest forgets them; whoever holds one keeps it, with its pages. */
  clear(): void {
    this.#domains.clear();
  }
}
