import type { Act, Attachment, Flush, PageLevel } from './acts.ts';
import { type Arena, chooseGpas, DomainPlan, type Run } from './guest-plan.ts';
import type { MigrationStep } from './monitor.ts';
import type { SimulationOptions } from './options.ts';
import { entrySize } from './page-table.ts';
import { qemuProfile } from './qemu-profile.ts';
import { Random } from './random.ts';

type Topic =
  | 'map'
  | 'unmap'
  | 'remap'
  | 'protect'
  | 'unmapLevel'
  | 'split'
  | 'spoil'
  | 'giveBack'
  | 'flushPages'
  | 'flushDomain'
  | 'flushAll'
  | 'attach'
  | 'flushContext'
  | 'translation'
  | 'rootPointer'
  | 'reset'
  | 'dirtyRate'
  | 'dirtyLimit'
  | 'dirtySync'
  | 'migrate'
  | 'run'
  | 'idle';

const MIXED: Readonly<Record<Topic, number>> = {
  map: 30,
  unmap: 24,
  remap: 5,
  protect: 3,
  unmapLevel: 2.5,
  split: 1,
  spoil: 0.4,
  giveBack: 3,
  flushPages: 2,
  flushDomain: 1.5,
  flushAll: 0.6,
  attach: 7,
  flushContext: 0.8,
  translation: 0.6,
  rootPointer: 0.3,
  reset: 0.3,
  dirtyRate: 4,
  dirtyLimit: 0.8,
  dirtySync: 0.6,
  migrate: 6,
  run: 1,
  idle: 2,
};

/** Without what AMD-Vi and virtio-iommu have no counterpart of, and with more of what moves devices. */
const SIBLING: Readonly<Record<Topic, number>> = {
  ...MIXED,
  split: 0,
  spoil: 0,
  attach: 9,
  rootPointer: 0,
  reset: 0.5,
  dirtyRate: 6,
  dirtySync: 1.5,
  migrate: 9,
};

/** Nearly all map and unmap; the acts that walk whole tables are rare, or they would fill the log. */
const BULK: Readonly<Record<Topic, number>> = {
  ...MIXED,
  map: 20_000,
  unmap: 12_000,
  remap: 300,
  protect: 60,
  unmapLevel: 1,
  split: 0,
  spoil: 0,
  giveBack: 100,
  flushPages: 60,
  flushDomain: 2,
  flushAll: 1,
  attach: 8,
  flushContext: 0.5,
  translation: 0.5,
  rootPointer: 0,
  reset: 0,
  dirtyRate: 6,
  dirtyLimit: 1,
  dirtySync: 0,
  migrate: 0,
  run: 1,
  idle: 400,
};

/**
 * Plans acts from a seed: a guest that maps and unmaps, moves its devices about and reboots, under a host that measures and
 * migrates. It keeps its own simple idea of the guest and knows nothing of QEMU, so its acts are sensible, not certain.
 */
export class Planner implements Iterable<Act> {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  #domains: DomainPlan[] = [];
  #attached: Attachment[] = [];
  #translating = false;
  #measuring = false;
  #limiting = false;
  #running = true;
  #step: MigrationStep | 'idle' = 'idle';
  /** pages whose permission bits alone were cleared: they may get them back */
  #residue: Extract<Act, { kind: 'map' }> | null = null;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, 4);
  }

  *[Symbol.iterator](): Iterator<Act> {
    yield* this.#opening();
    for (let i = 0; i < this.#options.steps; i++) yield* this.#next();
  }

  /** A guest that boots: pages in its domains, devices attached, translation on. */
  *#opening(): Iterable<Act> {
    const { devices, domainLevels } = this.#options;
    this.#domains = domainLevels.map((_, i) => new DomainPlan(i + 1, this.#options, this.#random));
    this.#translating = false;
    // virtio-iommu's domains are made by the first device that joins them
    const isMappedFirst = this.#options.viommu !== 'virtio';
    if (isMappedFirst) yield* this.#mapFirst();
    this.#attached = [];
    for (let device = 0; device < devices; device++) {
      const to = this.#random.chance(0.9) ? this.#anyDomain().id : this.#random.pick(OTHER_STATES);
      this.#attached.push(to);
      yield { kind: 'attach', device, to, invalidate: 'none', flush: false };
    }
    if (!isMappedFirst) yield* this.#mapFirst();
    if (this.#random.chance(0.95)) yield* this.#translate();
  }

  *#mapFirst(): Iterable<Act> {
    for (const domain of this.#domains.slice(0, this.#options.devices + 1)) {
      for (let i = this.#random.between(1, 4); i > 0; i--) yield* this.#map(domain, 'none');
    }
  }

  *#next(): Iterable<Act> {
    if (!this.#translating && this.#random.chance(0.5)) {
      yield* this.#translate();
      return;
    }
    if (!this.#running && this.#random.chance(0.3)) {
      yield* this.#run();
      return;
    }
    const topic = this.#random.weighted(this.#weights);
    yield* this.#topic(topic);
  }

  get #weights(): Readonly<Record<Topic, number>> {
    const { mix, viommu } = this.#options;
    if (mix === 'bulk') return BULK;
    return viommu === 'intel' ? MIXED : SIBLING;
  }

  *#topic(topic: Topic): Iterable<Act> {
    const random = this.#random;
    const domain = this.#busyDomain();
    switch (topic) {
      case 'map':
        if (domain.pages < this.#options.liveMappings) yield* this.#map(domain, this.#flush());
        else yield* this.#unmap(domain);
        return;
      case 'unmap':
        yield* this.#unmap(domain);
        return;
      case 'remap':
        yield* this.#remap(domain);
        return;
      case 'protect':
        yield* this.#protect(domain);
        return;
      case 'unmapLevel':
        yield* this.#unmapLevel(domain);
        return;
      case 'split':
        yield* this.#split(domain);
        return;
      case 'spoil':
        yield* this.#spoil(domain);
        return;
      case 'giveBack':
        if (this.#residue !== null) yield this.#residue;
        this.#residue = null;
        return;
      case 'flushPages':
        yield* this.#flushPages(domain);
        return;
      case 'flushDomain':
        yield { kind: 'invalidate-domain', domain: domain.id };
        return;
      case 'flushAll':
        yield { kind: 'invalidate-iotlb' };
        return;
      case 'attach':
        yield* this.#attach();
        return;
      case 'flushContext':
        yield* this.#flushContext(domain);
        return;
      case 'translation':
        yield* this.#translate();
        return;
      case 'rootPointer':
        yield { kind: 'root-pointer' };
        return;
      case 'reset':
        yield { kind: 'reset' };
        yield* this.#opening();
        return;
      case 'dirtyRate':
        yield* this.#measure();
        return;
      case 'dirtyLimit':
        this.#limiting = !this.#limiting;
        yield { kind: 'dirty-limit', on: this.#limiting };
        return;
      case 'dirtySync':
        yield { kind: 'dirty-sync' };
        return;
      case 'migrate':
        yield* this.#migrate();
        return;
      case 'run':
        yield* this.#run();
        return;
      case 'idle':
        yield { kind: 'idle', milliseconds: random.between(1, 4000) };
        return;
      default:
        topic satisfies never;
    }
  }

  // pages

  *#map(domain: DomainPlan, flush: Flush): Iterable<Act> {
    const random = this.#random;
    const level = this.#pageLevel();
    const count = level === 1 ? this.#pageCount() : level === 2 ? random.between(1, 3) : 1;
    const place = domain.place(level, count);
    if (place === null) return;
    const { arena, slot } = place;
    const iova = arena.iova(slot);
    const gpas = chooseGpas(this.#options, random, level, count, iova);
    const permission = random.chance(0.8) ? 3 : random.chance(0.5) ? 1 : 2;
    domain.add({ arena, slot, gpas, permission });
    yield { kind: 'map', domain: domain.id, iova, level, gpas, permission, flush };
  }

  *#unmap(domain: DomainPlan): Iterable<Act> {
    const run = domain.anyRun();
    if (run === null) return;
    const random = this.#random;
    const { arena, gpas, permission } = run;
    const whole = random.chance(0.85) || gpas.length === 1;
    const first = whole ? 0 : random.below(gpas.length);
    const count = whole ? gpas.length : random.between(1, gpas.length - first);
    domain.remove(run);
    this.#keepRest(domain, run, first, count);
    const iova = arena.iova(run.slot + first);
    const residual = random.chance(0.12);
    const flush = this.#flush();
    yield { kind: 'unmap', domain: domain.id, iova, level: arena.level, count, residual, flush };
    if (residual) {
      this.#residue = {
        kind: 'map',
        domain: domain.id,
        iova,
        level: arena.level,
        gpas: gpas.slice(first, first + count),
        permission,
        flush: 'pages',
      };
    }
  }

  #keepRest(domain: DomainPlan, run: Run, first: number, count: number): void {
    const { arena, slot, gpas, permission } = run;
    const before = gpas.slice(0, first);
    const after = gpas.slice(first + count);
    if (before.length > 0) domain.add({ arena, slot, gpas: before, permission });
    if (after.length > 0)
      domain.add({ arena, slot: slot + first + count, gpas: after, permission });
  }

  /** Other memory under the same addresses, without an unmap between. */
  *#remap(domain: DomainPlan): Iterable<Act> {
    const run = domain.anyRun();
    if (run === null) return;
    const { arena, slot, permission } = run;
    const iova = arena.iova(slot);
    const fresh = chooseGpas(this.#options, this.#random, arena.level, run.gpas.length, iova);
    const gpas = run.gpas.map((gpa, i) => (this.#random.chance(0.3) ? gpa : (fresh[i] ?? gpa)));
    domain.remove(run);
    domain.add({ arena, slot, gpas, permission });
    const flush = this.#flush();
    yield { kind: 'map', domain: domain.id, iova, level: arena.level, gpas, permission, flush };
  }

  *#protect(domain: DomainPlan): Iterable<Act> {
    const run = domain.anyRun();
    if (run === null) return;
    const { arena, slot, gpas } = run;
    const permission = this.#random.pick([1, 2, 3] as const);
    if (arena.level < 3 && this.#random.chance(0.15)) {
      const table = { domain: domain.id, iova: arena.base, level: (arena.level + 1) as PageLevel };
      yield { kind: 'protect', ...table, count: 1, permission, flush: this.#flush() };
      return;
    }
    domain.remove(run);
    domain.add({ arena, slot, gpas, permission });
    const place = { domain: domain.id, iova: arena.iova(slot), level: arena.level };
    yield { kind: 'protect', ...place, count: gpas.length, permission, flush: this.#flush() };
  }

  /** Clears a table that holds an arena, or one further up. */
  *#unmapLevel(domain: DomainPlan): Iterable<Act> {
    const arena = this.#random.pick(domain.arenas);
    const above = this.#random.chance(0.8) ? 1 : 2;
    const level = Math.min(4, arena.level + above) as 2 | 3 | 4;
    const size = entrySize(level);
    const iova = arena.base - (arena.base % size);
    domain.forget(iova, iova + size);
    const residual = this.#random.chance(0.2);
    yield { kind: 'unmap-level', domain: domain.id, iova, level, residual, flush: this.#flush() };
  }

  *#split(domain: DomainPlan): Iterable<Act> {
    const run = domain.anyRun();
    if (run === null || run.arena.level !== 2) return;
    const iova = run.arena.iova(run.slot);
    const [gpa] = run.gpas;
    if (gpa === undefined || run.gpas.length > 1) return;
    domain.remove(run);
    run.arena.take(run.slot, 1);
    const arena = domain.addArena(iova, 1);
    const gpas = Array.from({ length: 512 }, (_, i) => gpa + BigInt(i) * 4096n);
    domain.add({ arena, slot: 0, gpas, permission: run.permission });
    yield { kind: 'split', domain: domain.id, iova, level: 2, flush: this.#flush() };
  }

  *#spoil(domain: DomainPlan): Iterable<Act> {
    const place = domain.place(this.#pageLevel(), 1);
    if (place === null) return;
    const { arena, slot } = place;
    arena.take(slot, 1);
    const how = arena.level > 1 && this.#random.chance(0.4) ? 'unreadable' : 'reserved';
    const iova = arena.iova(slot);
    yield { kind: 'spoil', domain: domain.id, iova, level: arena.level, how, flush: 'pages' };
  }

  *#flushPages(domain: DomainPlan): Iterable<Act> {
    const arena: Arena = this.#random.pick(domain.arenas);
    const run = domain.anyRun();
    const iova = run !== null && this.#random.chance(0.7) ? run.arena.iova(run.slot) : arena.base;
    const mask = this.#random.pick([0, 0, 1, 3, 5, 9, 9, 18]);
    yield { kind: 'invalidate-pages', domain: domain.id, iova, mask };
  }

  // devices

  *#attach(): Iterable<Act> {
    const random = this.#random;
    const device = random.below(this.#options.devices);
    const from = this.#attached[device] ?? 'blocked';
    const to = this.#nextAttachment(from);
    this.#attached[device] = to;
    const invalidate = random.weighted({ device: 75, global: 12, domain: 6, none: 7 });
    yield { kind: 'attach', device, to, invalidate, flush: random.chance(0.5) };
    if (invalidate === 'none' && random.chance(0.6)) {
      yield { kind: 'invalidate-context', of: { device } };
    }
  }

  #nextAttachment(from: Attachment): Attachment {
    const random = this.#random;
    if (from === 'blocked') return random.chance(0.85) ? this.#anyDomain().id : 'pass-through';
    if (from === 'pass-through') return random.chance(0.5) ? 'blocked' : this.#anyDomain().id;
    const next = random.weighted({ blocked: 65, direct: 17, passThrough: 8, again: 10 });
    if (next === 'blocked') return 'blocked';
    if (next === 'passThrough') return 'pass-through';
    return next === 'direct' ? this.#anyDomain().id : from;
  }

  *#flushContext(domain: DomainPlan): Iterable<Act> {
    const random = this.#random;
    const kind = random.weighted({ everything: 40, domain: 20, device: 40 });
    if (kind === 'everything') yield { kind: 'invalidate-context', of: 'everything' };
    else if (kind === 'domain') yield { kind: 'invalidate-context', of: { domain: domain.id } };
    else {
      const device = random.below(this.#options.devices);
      yield { kind: 'invalidate-context', of: { device } };
    }
  }

  *#translate(): Iterable<Act> {
    this.#translating = !this.#translating;
    yield { kind: 'translation', on: this.#translating };
  }

  // host

  *#measure(): Iterable<Act> {
    const sampling = !this.#measuring && this.#random.chance(0.1);
    if (sampling) {
      yield { kind: 'dirty-rate', on: true, mode: 'page-sampling', fails: false };
      return;
    }
    const fails = !this.#measuring && !this.#limiting && this.#random.chance(0.04);
    if (!fails) this.#measuring = !this.#measuring;
    const on = fails || this.#measuring;
    yield { kind: 'dirty-rate', on, mode: 'dirty-bitmap', fails };
  }

  *#migrate(): Iterable<Act> {
    const { migratable, qemu, ignoreMigrationBlocker } = this.#options;
    if (!migratable || (qemuProfile(qemu).blocksMigration && !ignoreMigrationBlocker)) return;
    const next = this.#nextStep();
    this.#step = next === 'cleanup' ? 'idle' : next;
    yield { kind: 'migrate', step: next };
    if (next !== 'complete') return;
    this.#step = 'idle';
    this.#running = false;
  }

  #nextStep(): MigrationStep {
    const random = this.#random;
    switch (this.#step) {
      case 'idle':
        return 'setup';
      case 'setup':
        return random.chance(0.5) ? 'log' : 'active';
      case 'log':
        return random.chance(0.9) ? 'active' : random.pick(['cancel', 'fail']);
      case 'active':
      case 'sync':
        return random.pick(['sync', 'switchover', 'switchover', 'cancel', 'fail']);
      case 'switchover':
        return random.chance(0.85) ? 'complete' : 'fail';
      default:
        return 'cleanup';
    }
  }

  *#run(): Iterable<Act> {
    this.#running = !this.#running;
    yield { kind: 'run', on: this.#running };
  }

  // choices

  #anyDomain(): DomainPlan {
    return this.#random.pick(this.#domains);
  }

  /** Mostly a domain that some device uses. */
  #busyDomain(): DomainPlan {
    const used = this.#domains.filter(({ id }) => this.#attached.includes(id));
    return used.length > 0 && this.#random.chance(0.9)
      ? this.#random.pick(used)
      : this.#anyDomain();
  }

  #flush(): Flush {
    if (this.#options.mix === 'bulk') return this.#random.chance(0.999) ? 'pages' : 'none';
    return this.#random.weighted({ pages: 84, domain: 3, none: 13 });
  }

  #pageLevel(): PageLevel {
    const { hostPageSize, mix } = this.#options;
    if (hostPageSize > 4096) return this.#random.chance(0.9) ? 2 : 3;
    if (mix === 'bulk') return this.#random.chance(0.98) ? 1 : 2;
    return this.#random.pick([1, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
  }

  #pageCount(): number {
    return this.#random.chance(0.5) ? 1 : this.#random.between(2, 2 ** this.#random.between(1, 5));
  }
}

const OTHER_STATES: readonly Attachment[] = ['blocked', 'pass-through'];
