import { describe, expect, it } from 'vitest';
import type { Place } from '../../src/base/place.ts';
import { kindOf } from '../../src/events/catalogue/index.ts';
import { Attribution } from '../../src/inference/attribution.ts';
import type { Knowledge } from '../../src/inference/device-space.ts';
import type { LossId } from '../../src/inference/losses.ts';
import { LostLines } from '../../src/inference/lost-lines.ts';
import type { Operation } from '../../src/inference/operation.ts';
import { SeenEvents } from '../../src/inference/seen-events.ts';
import { DirtyTracking } from '../../src/inference/tracking.ts';

const ONE = 0x0100;
const OTHER = 0x0208;

/** Two devices, tracking that is on since line 5, and walks that are traced. */
class Boot {
  readonly operations: Operation[] = [];
  readonly seen = new SeenEvents();
  readonly attribution = new Attribution();
  readonly tracking = new DirtyTracking();
  readonly lost = new LostLines(
    (operation) => this.operations.push(operation),
    this.seen,
    this.attribution,
    this.tracking,
  );

  constructor(areWalksTraced = true) {
    if (areWalksTraced) this.seen.count(kindOf('vtd_page_walk_one'));
    for (const bdf of [ONE, OTHER]) this.attribution.named(bdf).becomeKnown(2);
    this.tracking.setMask(1, at(5));
  }

  get knowledge(): readonly Knowledge[] {
    return this.attribution.spaces.map(({ interval }) => interval.knowledge);
  }

  get sinceLine(): number | undefined {
    return this.attribution.named(ONE).interval.from;
  }
}

function at(line: number): Place {
  return { line, byteOffset: line * 80, time: null };
}

describe('what lost lines cost', () => {
  const rows: readonly {
    readonly name: string;
    readonly id?: LossId;
    readonly ofOne?: boolean;
    readonly knowledge: readonly Knowledge[];
    readonly since: number;
    readonly isTrackingDoubted: boolean;
    readonly areTooMany?: boolean;
  }[] = [
    {
      name: 'nothing is lost',
      knowledge: ['whole', 'whole'],
      since: 2,
      isTrackingDoubted: false,
    },
    {
      name: 'one device, from here on',
      id: 'pieces',
      ofOne: true,
      knowledge: ['doubtful', 'whole'],
      since: 9,
      isTrackingDoubted: true,
    },
    {
      name: 'one device, since it was last known',
      id: 'unmap-of-unseen',
      ofOne: true,
      knowledge: ['doubtful', 'whole'],
      since: 2,
      isTrackingDoubted: true,
    },
    {
      name: 'a device that is not told: all of them',
      id: 'walk-lines',
      knowledge: ['doubtful', 'doubtful'],
      since: 9,
      isTrackingDoubted: true,
    },
    {
      name: 'a change of tracking: no mappings',
      id: 'tracking-change',
      knowledge: ['whole', 'whole'],
      since: 2,
      isTrackingDoubted: true,
    },
    {
      name: 'the attach of a device that has had its own lines: everything',
      id: 'attach-of-registered',
      knowledge: ['doubtful', 'doubtful'],
      since: 2,
      isTrackingDoubted: true,
      areTooMany: true,
    },
  ];

  it.each(rows)('$name', ({ id, ofOne, knowledge, since, isTrackingDoubted, areTooMany }) => {
    const boot = new Boot();
    const space = ofOne === true ? boot.attribution.named(ONE) : null;
    if (id !== undefined) boot.lost.report(id, at(9), space);
    expect(boot.knowledge).toEqual(knowledge);
    expect(boot.sinceLine).toBe(since);
    expect(boot.tracking.window?.isDoubted).toBe(isTrackingDoubted);
    expect(boot.lost.isAny).toBe(id !== undefined);
    expect(boot.lost.areTooMany).toBe(areTooMany ?? false);
    expect(boot.attribution.isUndoubted).toBe(id === undefined || id === 'tracking-change');
  });

  it('a line that cannot be read costs nothing, and is reported at once', () => {
    const boot = new Boot();
    boot.lost.report('impossible-walk', at(9));
    expect(boot.knowledge).toEqual(['whole', 'whole']);
    expect(boot.operations).toEqual([
      {
        kind: 'loss',
        mark: at(9),
        loss: 'unreadable',
        count: 1,
        detail: 'vtd_page_walk_one with an impossible range',
      },
    ]);
  });
});

describe('how many are too many', () => {
  it('four places; what one loss explains is one place', () => {
    const boot = new Boot();
    const space = boot.attribution.named(ONE);
    for (const line of [10, 11, 12]) boot.lost.report('pieces', at(line), space);
    for (const line of [20, 30]) {
      space.becomeKnown(line);
      boot.lost.report('pieces', at(line + 1), space);
    }
    expect(boot.lost.areTooMany).toBe(false);
    space.becomeKnown(40);
    boot.lost.report('pieces', at(41), space);
    expect(boot.lost.areTooMany).toBe(true);
  });

  it('one, before any walk or notification', () => {
    const boot = new Boot(false);
    boot.lost.report('walk-lines', at(9));
    expect(boot.lost.areTooMany).toBe(true);
  });
});

describe('what is reported at the end', () => {
  it('each text once, with its first place and how often; also where two entries share it', () => {
    const boot = new Boot();
    boot.lost.report('switch-before-sections', at(3));
    boot.lost.report('pieces', at(5), boot.attribution.named(OTHER));
    boot.lost.report('switch-before-registration', at(9), boot.attribution.named(ONE));
    expect(boot.operations).toEqual([]);
    boot.lost.finish();
    const reported = boot.operations.map((operation) =>
      operation.kind === 'loss'
        ? `${operation.detail} x${operation.count} at ${operation.mark.line}`
        : operation.kind,
    );
    expect(reported).toEqual([
      'the switch of a device is missing x2 at 3',
      'chunks of a whole unmap are missing x1 at 5',
    ]);
  });

  it('what the trace itself says is lost has no text of ours', () => {
    const boot = new Boot();
    boot.lost.saidByTrace(9);
    boot.lost.finish();
    expect(boot.lost.isAny).toBe(true);
    expect(boot.knowledge).toEqual(['doubtful', 'doubtful']);
    expect(boot.operations).toEqual([]);
  });
});
