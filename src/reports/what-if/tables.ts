import { humanSize } from '../../base/address.ts';
import { countText } from '../../base/words.ts';
import type {
  WhatIfAdvice,
  WhatIfGoal,
  WhatIfHazards,
  WhatIfMachineResult,
  WhatIfSession,
} from '../../result/what-if.ts';

/** What the reports of a matrix for people have in common. */

export const COLUMNS = [
  'QEMU',
  'backend',
  'aw',
  'pages',
  'fail',
  'at risk',
  'stale',
  'dies',
] as const;

/** What the cells with two numbers mean. */
export const LEGEND =
  'Each cell: while the trace tracked dirty pages; behind the slash, at all other times, had dirty pages been tracked. ' +
  'fail: unmaps that fail. at risk: guest memory whose dirty bits are lost or misplaced. stale: host mappings left behind. ' +
  'dies: QEMU stops, or writes past its dirty bitmap and may die. aw: aw-bits; pages: of the host.';

/** Page sizes that each machine is there with. */
const PAGE_SIZES = 3;

/** A row stands for machines that differ in nothing but their page size. */
export interface Row {
  readonly isTraced: boolean;
  readonly isSafe: boolean;
  readonly cells: readonly string[];
}

export function rowsOf({ areMappingsKnown, machines }: WhatIfSession): readonly Row[] {
  const rows = new Map<
    string,
    { machine: WhatIfMachineResult; pages: string[]; isTraced: boolean }
  >();
  for (const machine of machines) {
    const { awBits, backend, hostPageSize, qemu } = machine;
    const key = JSON.stringify([qemu, backend, awBits, harms(machine, areMappingsKnown)]);
    const pages = `${hostPageSize >> 10}k`;
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { machine, pages: [pages], isTraced: machine.isTraced });
    else {
      row.pages.push(pages);
      row.isTraced ||= machine.isTraced;
    }
  }
  return [...rows.values()].map(({ isTraced, machine, pages }) => ({
    isTraced,
    isSafe: areMappingsKnown && isSafe(machine),
    cells: [
      versionsText(machine),
      machine.backend,
      String(machine.awBits),
      pages.length === PAGE_SIZES ? 'any' : pages.join(' '),
      ...harms(machine, areMappingsKnown),
    ],
  }));
}

function harms(machine: WhatIfMachineResult, areMappingsKnown: boolean): readonly string[] {
  const { aborts, tracked, untracked } = machine;
  const both = (of: (hazards: WhatIfHazards) => number, text = countText) => {
    const [now, then] = [of(tracked), of(untracked)];
    return now === 0 && then === 0 ? '-' : `${text(now)} / ${text(then)}`;
  };
  const known = (text: string) => (areMappingsKnown ? text : '?');
  const deaths = both(({ pastRam }) => pastRam);
  return [
    both(({ failures }) => failures),
    known(both(({ atRiskBytes }) => atRiskBytes, humanSize)),
    known(both(({ stale }) => stale)),
    known(aborts === 0 ? deaths : `${deaths}, ${countText(aborts)} stops`),
  ];
}

function isSafe({ aborts, tracked, untracked }: WhatIfMachineResult): boolean {
  const harm = ({ failures, losing, stale }: WhatIfHazards) => failures + losing + stale;
  return harm(tracked) + harm(untracked) + aborts === 0;
}

/** `8.1 to 10.1`, `10.2`, `v4-patch`; `m` where these versions refuse to migrate. */
function versionsText({ qemu, refusesMigration }: WhatIfMachineResult): string {
  const versions = qemu.from === qemu.to ? qemu.from : `${qemu.from} to ${qemu.to}`;
  return refusesMigration ? `${versions} (m)` : versions;
}

export const REFUSAL =
  '(m): these versions refuse to migrate a VM with a VFIO device behind a vIOMMU; dirty-rate measurements track there.';

const GOALS: Readonly<Record<WhatIfGoal, string>> = {
  failures: 'No unmap fails',
  'stale-mappings': 'No mapping is left behind',
  'lost-dirty-pages': 'No dirty page is lost',
  all: 'None of this happens',
};

/** `No unmap fails: with aw-bits=39.` */
export function adviceText({ changes, goal, machine }: WhatIfAdvice): string {
  if (machine === null) return `${GOALS[goal]}: with no version, container, width or page size.`;
  const how = changes.length === 0 ? 'in the machine as it is' : `with ${changes.join(' and ')}`;
  return `${GOALS[goal]}: ${how}.`;
}

/** Which boot it is, where there are several. */
export function sessionTitle({ firstLine, lastLine, vm }: WhatIfSession): string {
  return `${vm ?? 'VM'}, lines ${firstLine} to ${lastLine}`;
}
